"""One exchange: which failures mean that surely nothing was sent, and which leave it open."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest

from integrations.connections import Connections
from integrations.exchange import Exchange

REQUEST = httpx.Request("POST", "http://vendor.example/tickets", content=b"{}")

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
    """Connections that end as told after the steps told, which the transport reports as it goes."""

    def __init__(self, steps: list[str], end: BaseException | None) -> None:
        self.steps, self.end = steps, end

    @asynccontextmanager
    async def lend(self) -> AsyncIterator[Any]:
        yield self

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        for step in self.steps:
            await request.extensions["trace"](step, {})
        if self.end is not None:
            raise self.end
        await asyncio.Event().wait()
        raise AssertionError("nobody sets the event")


async def ended(steps: list[str], end: BaseException | None, seconds: float = 5) -> Exchange:
    exchange = Exchange()
    deadline = asyncio.get_running_loop().time() + seconds
    await exchange.run(REQUEST, Scripted(steps, end), deadline=deadline)
    assert exchange.problem
    return exchange


CONNECTING = ["connection.connect_tcp.started", "connection.connect_tcp.complete", "connection.start_tls.started"]
SENDING = [*CONNECTING, "http11.send_request_headers.started"]


@pytest.mark.parametrize("kind", SURELY_UNSENT)
async def test_who_never_connected_sent_nothing(kind: type[httpx.TransportError]) -> None:
    assert (await ended(CONNECTING, kind("no"))).is_surely_unsent


@pytest.mark.parametrize("kind", SURELY_UNSENT)
async def test_an_error_of_connecting_does_not_outweigh_that_sending_had_begun(
    kind: type[httpx.TransportError],
) -> None:
    assert not (await ended(SENDING, kind("no"))).is_surely_unsent


@pytest.mark.parametrize("kind", LEFT_OPEN)
async def test_every_other_failure_leaves_it_open_even_if_no_step_of_sending_was_seen(
    kind: type[httpx.RequestError],
) -> None:
    assert not (await ended([], kind("no"))).is_surely_unsent


@pytest.mark.parametrize(
    ("steps", "is_surely_unsent"),
    [([], True), (CONNECTING, True), (SENDING, False), (["a.step.we.do.not.know"], False)],
)
async def test_our_own_timeout_is_judged_by_the_step_it_interrupted(steps: list[str], is_surely_unsent: bool) -> None:
    assert (await ended(steps, None, seconds=0.01)).is_surely_unsent is is_surely_unsent


async def test_being_cancelled_is_passed_on() -> None:
    with pytest.raises(asyncio.CancelledError):
        await ended(SENDING, asyncio.CancelledError())
