"""One exchange: which failures mean that surely nothing was sent, and which leave it open."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from integrations.aiohttp_transport import Reply, Request
from integrations.connections import Connections
from integrations.exchange import Exchange

REQUEST = Request("POST", "http://vendor.example/tickets", {}, b"{}", connect_seconds=1)

SURELY_UNSENT = [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout]
LEFT_OPEN = [
    httpx.ReadTimeout,
    httpx.WriteTimeout,
    httpx.ReadError,
    httpx.WriteError,
    httpx.CloseError,
    httpx.RemoteProtocolError,
    httpx.LocalProtocolError,
    httpx.DecodingError,
]


class Scripted(Connections):
    """Connections that end as told, before or after the first byte may have left."""

    def __init__(self, begun: bool, end: BaseException | None) -> None:
        self.begun, self.end = begun, end

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Any]:
        yield self

    async def send(self, request: Request, *, begins: Callable[[], None]) -> Reply:
        if self.begun:
            begins()
        if self.end is not None:
            raise self.end
        await asyncio.Event().wait()
        raise AssertionError("nobody sets the event")


async def ended(begun: bool, end: BaseException | None, seconds: float = 5) -> Exchange:
    exchange = Exchange()
    deadline = asyncio.get_running_loop().time() + seconds
    await exchange.run(REQUEST, Scripted(begun, end), deadline=deadline)
    assert exchange.problem
    return exchange


CONNECTING, SENDING = False, True


@pytest.mark.parametrize("kind", SURELY_UNSENT)
async def test_who_never_connected_sent_nothing(kind: type[httpx.TransportError]) -> None:
    assert (await ended(CONNECTING, kind("no"))).is_surely_unsent


@pytest.mark.parametrize("kind", SURELY_UNSENT)
async def test_an_error_of_connecting_does_not_outweigh_that_sending_had_begun(
    kind: type[httpx.TransportError],
) -> None:
    assert not (await ended(SENDING, kind("no"))).is_surely_unsent


@pytest.mark.parametrize("kind", LEFT_OPEN)
async def test_every_other_failure_leaves_it_open_even_if_nobody_said_that_sending_begins(
    kind: type[httpx.RequestError],
) -> None:
    assert not (await ended(CONNECTING, kind("no"))).is_surely_unsent


@pytest.mark.parametrize("begun", [CONNECTING, SENDING])
async def test_our_own_timeout_is_judged_by_what_it_interrupted(begun: bool) -> None:
    assert (await ended(begun, None, seconds=0.01)).is_surely_unsent is not begun


async def test_being_cancelled_is_passed_on() -> None:
    with pytest.raises(asyncio.CancelledError):
        await ended(SENDING, asyncio.CancelledError())
