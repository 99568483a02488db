"""Running sandboxes for the tests of this directory."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from sandbox_world import RunningSandbox, StartSandbox

from handrail.sandbox.app import build_app
from handrail.sandbox.vendor import Vendor


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[StartSandbox]:
    """Starts sandboxes over one record; all are stopped in the end."""
    async with AsyncExitStack() as stack:

        async def start_one(record: Path = tmp_path / "record.jsonl", **options: Any) -> RunningSandbox:
            token, telling = options.pop("token", None), options.pop("telling", None)
            server = TestServer(build_app(Vendor(record, **options), token=token, telling=telling))
            client = await stack.enter_async_context(TestClient(server))
            return RunningSandbox(client, record)

        yield start_one


@pytest.fixture
async def sandbox(start: StartSandbox) -> RunningSandbox:
    """A sandbox that has received nothing yet."""
    return await start()
