"""An outside system to talk to, one that is not there, and patience that costs no time."""

import socket
from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import web
from outside_vendor import Outside
from tenacity import wait_none

import integrations.http
import integrations.hubspot_changes


@pytest.fixture
async def outside() -> AsyncIterator[Outside]:
    vendor = Outside()
    application = web.Application(client_max_size=10_000_000)
    application.router.add_route("*", "/{path:.*}", vendor.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    vendor.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield vendor
    vendor.over.set()
    await runner.cleanup()


@pytest.fixture
def nobody() -> Iterator[str]:
    """The address of a port where nothing listens, held so that no other test's server is given it meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrations.http, "PAUSE", wait_none())
    monkeypatch.setattr(integrations.hubspot_changes, "SPACING", 0.0)
