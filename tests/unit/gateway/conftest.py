"""A gateway to deliver to: in this event loop, or served over real HTTP by a thread of its own."""

import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from typing import Any

import httpx
import pytest
import uvicorn

from gateway.__main__ import config_of
from gateway.app import create_app
from services.settings import Settings


class Door:
    """A gateway as a sender sees it."""

    def __init__(self, client: httpx.AsyncClient, signed: Callable[..., dict[str, str]]) -> None:
        self.client = client
        self._signed = signed

    async def deliver(self, body: Any, webhook_id: str = "msg_1", **how: Any) -> httpx.Response:
        """POST one delivery, signed; `body` as JSON unless it is bytes."""
        raw = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
        return await self.post(raw, self._signed(raw, webhook_id, **how))

    async def post(self, raw: bytes, headers: Any, source: str = "standard") -> httpx.Response:
        """POST these bytes with these headers."""
        return await self.client.post(f"/webhooks/{source}", content=raw, headers=headers)

    async def get(self, path: str) -> httpx.Response:
        """GET."""
        return await self.client.get(path)


@pytest.fixture
def opened(signed: Callable[..., dict[str, str]]) -> Callable[..., Any]:
    """`async with opened(installation) as door`: a gateway for as long as that lasts."""

    @asynccontextmanager
    async def opens(installation: Any, **settings: Any) -> AsyncIterator[Door]:
        app = create_app(lambda: installation.handrail(**settings))
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://gateway") as client,
        ):
            yield Door(client, signed)

    return opens


@pytest.fixture
async def door(installation: Any, opened: Callable[..., Any]) -> AsyncIterator[Door]:
    """A gateway on each kind of database."""
    async with opened(installation) as made:
        yield made


@pytest.fixture
async def small_door(on_sqlite: Any, opened: Callable[..., Any]) -> AsyncIterator[Door]:
    """A gateway on SQLite, for what the database has no part in."""
    async with opened(on_sqlite) as made:
        yield made


@contextmanager
def _serving(installation: Any, settings: dict[str, Any]) -> Iterator[str]:
    listening = socket.create_server(("127.0.0.1", 0), backlog=256)
    app = create_app(lambda: installation.handrail(**settings))
    server = uvicorn.Server(config_of(app, Settings.model_validate(settings)))
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not server.started:
        assert thread.is_alive(), "the gateway did not start"
        assert time.monotonic() < deadline, "the gateway took too long to start"
        time.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(15)
        listening.close()
        assert not thread.is_alive(), "the gateway did not stop"


@pytest.fixture
def served() -> Iterator[Callable[..., str]]:
    """`served(installation)`: the address of one more gateway, on a socket of its own, until the test is over."""
    with ExitStack() as stack:
        yield lambda installation, **settings: stack.enter_context(_serving(installation, settings))
