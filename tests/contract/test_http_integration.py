"""HttpIntegration: what a lost answer means, whichever way it is lost; how long it waits; what it never prints."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from http_desk import TOKEN, client, identifier, read, write
from outside_vendor import Outside, answer, broken_off, endless, gibberish, hang_up, reset, truncated

from integrations.connections import Connections
from integrations.errors import (
    ContractViolation,
    IntegrationError,
    NotSent,
    OutcomeUnknown,
    Rejected,
    Unavailable,
    Unsupported,
)
from integrations.http import ATTEMPTS


async def test_a_whole_answer_is_understood(outside: Outside) -> None:
    outside.answers(201, {"id": 7})
    async with client(outside.url) as desk:
        assert await write(desk, {"key": "k", "words": "Žluťoučký"}) == "7"
    request = outside.requests[0]
    assert request.headers["Authorization"] == f"Bearer {TOKEN}"
    assert request.headers["User-Agent"].startswith("handrail/")
    assert request.headers["Accept-Encoding"] == "identity"
    assert outside.bodies[0] == '{"key":"k","words":"Žluťoučký"}'.encode()


async def test_an_empty_2xx_is_an_answer_too(outside: Outside) -> None:
    outside.answers(202, "", {"X-Message-Id": "m-1"})
    async with client(outside.url) as desk:
        assert await desk.write("POST", "/send", {}, understand=lambda said: said.headers["x-message-id"]) == "m-1"


LOST = [reset, hang_up, truncated, broken_off, gibberish, answer(500), answer(503), answer(408), answer(599)]
UNREADABLE = [endless, answer(200, "<html>"), answer(200, {"no": "id"}), answer(200, []), answer(200, "[" * 100_000)]
UNREADABLE += [answer(200, ""), answer(200, {"id": 1}, {"Content-Encoding": "br"})]


@pytest.mark.parametrize("reply", LOST + UNREADABLE)
async def test_a_write_whose_answer_is_lost_is_unknown_and_not_repeated(outside: Outside, reply: Any) -> None:
    outside.replies(reply)
    async with client(outside.url) as desk:
        with pytest.raises(OutcomeUnknown, match="ticketing via desk: "):
            await write(desk)
    assert len(outside.requests) == 1


@pytest.mark.parametrize("reply", LOST)
async def test_a_read_whose_answer_is_lost_is_asked_again(outside: Outside, reply: Any) -> None:
    outside.replies(*[reply] * (ATTEMPTS - 1), answer(200, {"id": "T-1"}))
    async with client(outside.url) as desk:
        assert await read(desk) == "T-1"
        outside.replies(reply)
        with pytest.raises(Unavailable):
            await read(desk)
    assert len(outside.requests) == 2 * ATTEMPTS


@pytest.mark.parametrize("reply", UNREADABLE)
async def test_a_read_that_we_do_not_understand_breaks_the_contract(outside: Outside, reply: Any) -> None:
    outside.replies(reply)
    async with client(outside.url) as desk:
        with pytest.raises(ContractViolation):
            await read(desk)
    assert len(outside.requests) == 1


async def test_an_answer_too_long_is_called_so(outside: Outside) -> None:
    outside.replies(endless)
    async with client(outside.url) as desk:
        with pytest.raises(OutcomeUnknown, match="longer than 1000000 bytes"):
            await write(desk)


async def test_silence_after_sending_is_unknown_within_the_timeout(outside: Outside) -> None:
    outside.replies(outside.silence)
    async with client(outside.url, timeout_seconds=0.3) as desk:
        began = time.monotonic()
        with pytest.raises(OutcomeUnknown, match="no answer in time"):
            await write(desk)
        assert 0.25 < time.monotonic() - began < 2


async def test_a_read_of_silence_stays_within_the_timeout_with_all_its_attempts(outside: Outside) -> None:
    outside.replies(outside.silence)
    async with client(outside.url, timeout_seconds=0.3) as desk:
        began = time.monotonic()
        with pytest.raises((Unavailable, NotSent)):  # the time may end before the last attempt has begun
            await read(desk)
        assert time.monotonic() - began < 2


async def test_a_slow_trickle_does_not_outlast_the_timeout(outside: Outside) -> None:
    async def trickle(request: Any) -> Any:
        request.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not request.transport.is_closing():
            request.transport.write(b" ")
            await asyncio.wait([asyncio.ensure_future(outside.over.wait())], timeout=0.02)

    outside.replies(trickle)
    async with client(outside.url, timeout_seconds=0.3) as desk:
        with pytest.raises(OutcomeUnknown, match="no answer in time"):
            await write(desk)


async def test_nobody_there_is_surely_unsent_and_tried_again_at_once(
    nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries: list[float] = []
    lend = Connections.lend
    monkeypatch.setattr(Connections, "lend", lambda self: (tries.append(0), lend(self))[1])
    async with client(nobody) as desk:
        with pytest.raises(NotSent, match="nothing was sent: is DESK_URL right"):
            await write(desk)
        assert len(tries) == ATTEMPTS


async def test_an_unknown_name_is_surely_unsent() -> None:
    async with client("http://no-such-host.invalid") as desk:
        with pytest.raises(NotSent):
            await write(desk)


@asynccontextmanager
async def listening(handle: Callable[..., Any], **more: Any) -> AsyncIterator[int]:
    server = await asyncio.start_server(handle, "127.0.0.1", 0, **more)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_tls_handshake_that_never_ends_is_surely_unsent() -> None:
    async def mute(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with listening(mute) as port, client(f"https://127.0.0.1:{port}", timeout_seconds=0.3) as desk:
        with pytest.raises(NotSent, match="nothing was sent"):
            await write(desk)


async def test_a_certificate_nobody_vouches_for_is_surely_unsent() -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"not TLS at all")
        writer.close()

    async with listening(close) as port, client(f"https://127.0.0.1:{port}") as desk:
        with pytest.raises(NotSent, match="TLS failed"):
            await write(desk)


async def test_a_body_that_the_vendor_stops_taking_is_unknown(outside: Outside) -> None:
    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await outside.over.wait()
        writer.close()

    async with listening(deaf, limit=1) as port, client(f"http://127.0.0.1:{port}", timeout_seconds=0.3) as desk:
        with pytest.raises(OutcomeUnknown):
            await write(desk, {"key": "k", "words": "x" * 20_000_000})
        outside.over.set()


async def test_a_connection_the_server_closed_while_idle_is_replaced_unseen(outside: Outside) -> None:
    async def answer_and_leave(request: Any) -> Any:
        request.transport.write(b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"id": 1}')
        request.transport.close()

    outside.replies(answer_and_leave)
    async with client(outside.url, connections=1) as desk:
        for _ in range(3):
            assert await write(desk) == "1"


async def test_a_connection_closed_on_our_request_is_unknown_because_it_may_have_been_read(outside: Outside) -> None:
    outside.replies(answer(200, {"id": 1}), hang_up)
    async with client(outside.url, connections=1) as desk:
        await write(desk)
        with pytest.raises(OutcomeUnknown):
            await write(desk)
    assert len(outside.peers) == 1  # the second went out over the first one's connection
    assert len(outside.requests) == 2


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_no_write_is_repeated_below_us_when_a_kept_connection_breaks(outside: Outside, method: str) -> None:
    """HTTP libraries send "idempotent" methods again by themselves: a vendor would count two."""
    outside.replies(answer(200, {"id": 1}), hang_up, answer(200, {"id": 2}))
    async with client(outside.url, connections=1) as desk:
        await desk.write(method, "/tickets", {"key": "k"}, understand=identifier)
        with pytest.raises(OutcomeUnknown):
            await desk.write(method, "/tickets", {"key": "k"}, understand=identifier)
    assert len(outside.peers) == 1
    assert len(outside.requests) == 2


async def test_a_check_asks_once_also_over_a_kept_connection_that_breaks(outside: Outside) -> None:
    outside.replies(answer(200, {"id": 1}), hang_up, answer(200, {"id": 2}))
    async with client(outside.url, connections=1) as desk:
        assert (await desk.check("/health", {}, understand=identifier)).ok
        assert not (await desk.check("/health", {}, understand=identifier)).ok
    assert len(outside.requests) == 2


async def test_no_free_connection_is_surely_unsent_and_the_interrupted_one_is_replaced(outside: Outside) -> None:
    outside.replies(outside.silence)
    async with client(outside.url, connections=1, timeout_seconds=0.8) as desk:
        first = asyncio.create_task(write(desk))
        while not outside.requests:
            await asyncio.sleep(0)
        with pytest.raises(NotSent, match=r"no connection was free for 0\.2 s"):
            await write(desk)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        outside.answers(200, {"id": 2})
        assert await write(desk) == "2"


async def test_connections_are_reused_and_never_more_than_configured(outside: Outside) -> None:
    outside.answers(200, {"id": 1})
    async with client(outside.url, connections=4) as desk:
        await asyncio.gather(*(write(desk) for _ in range(40)))
    assert len(outside.requests) == 40
    assert len(outside.peers) <= 4


async def test_after_closing_nothing_is_sent(outside: Outside) -> None:
    desk = client(outside.url)
    await desk.aclose()
    with pytest.raises(NotSent, match="closed by us"):
        await write(desk)


@pytest.mark.parametrize("path", ["@evil.example/x", ":1/x", "https://evil.example/x", ".evil.example", ""])
async def test_no_request_leaves_the_configured_host(outside: Outside, path: str) -> None:
    async with client(outside.url) as desk:
        with pytest.raises(Unsupported, match="left the configured host"):
            await desk.read(path, {}, understand=identifier)
    assert not outside.requests


async def test_two_slashes_stay_at_the_configured_host(outside: Outside) -> None:
    outside.answers(200, {"id": 1})
    async with client(outside.url) as desk:
        await desk.read("//evil.example/x", {}, understand=identifier)
    assert len(outside.requests) == 1


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "ł", " k", "k\x00"])
async def test_a_header_that_cannot_be_said_is_not_sent(outside: Outside, value: str) -> None:
    async with client(outside.url) as desk:
        with pytest.raises(Unsupported, match="Idempotency-Key"):
            await write(desk, headers={"Idempotency-Key": value})
    assert not outside.requests


@pytest.mark.parametrize(
    "value", [None, 2**80, "half of \ud83d", datetime(2026, 3, 1, 9, 30, tzinfo=UTC), 'zażółć "null"', {"nested": [1]}]
)
async def test_a_body_arrives_as_the_standard_library_would_write_it(outside: Outside, value: Any) -> None:
    outside.answers(201, {"id": 1})
    async with client(outside.url) as desk:
        await write(desk, {"key": "k", "value": value})
    said = value.isoformat() if isinstance(value, datetime) else value
    assert json.loads(outside.bodies[-1]) == {"key": "k", "value": said}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
async def test_a_body_that_is_no_json_is_not_sent(outside: Outside, value: Any) -> None:
    async with client(outside.url) as desk:
        with pytest.raises(Unsupported, match="cannot be written as JSON"):
            await write(desk, {"key": "k", "value": value})
    assert not outside.requests


async def test_neither_errors_nor_logs_nor_tracebacks_carry_the_secret_or_the_customer(
    outside: Outside, nobody: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    body = {"key": "k", "name": "Zdzisława Nowak", "to": "z.nowak@example.com", "phone": "+48 601 234 567"}
    echo = f"Bearer {TOKEN} may not write to zdzisława NOWAK <z.nowak@example.com> 0048601234567: bad\r\npriority"
    outside.answers(422, echo)
    raised: list[Exception] = []
    for url in (outside.url, nobody):
        async with client(url) as desk:
            assert TOKEN not in repr(desk)
            with pytest.raises((Rejected, NotSent)) as refusal:
                await write(desk, body)
            raised.append(refusal.value)
    assert "may not write to" in str(raised[0])
    assert "priority" in str(raised[0])
    shown = caplog.text + "".join(map(str, raised)) + "".join(repr(vars(problem)) for problem in raised)
    for hidden in (TOKEN, "Zdzis", "zdzis", "nowak", "NOWAK", "601", "example.com\n"):
        assert hidden not in shown
    assert all(isinstance(link, IntegrationError) for problem in raised for link in chain(problem))


def chain(problem: BaseException | None) -> Iterator[BaseException]:
    """An error and all that a traceback or an error tracker would show with it."""
    while problem is not None:
        yield problem
        problem = problem.__cause__ or problem.__context__


async def test_a_check_tells_how_it_went_in_one_attempt(outside: Outside, nobody: str) -> None:
    outside.answers(200, {"id": 1})
    async with client(outside.url) as desk:
        health = await desk.check("/health", {}, understand=identifier)
        assert (health.ok, health.problem) == (True, "")
        assert health.latency_ms >= 0
        outside.answers(503)
        health = await desk.check("/health", {}, understand=identifier)
        assert not health.ok
        assert "503" in health.problem
    assert len(outside.requests) == 2
    outside.replies(outside.silence)
    async with client(outside.url, timeout_seconds=0.3) as desk:
        assert "no answer in time" in (await desk.check("/health", {}, understand=identifier)).problem
    async with client(nobody) as desk:
        assert "cannot connect" in (await desk.check("/health", {}, understand=identifier)).problem


async def test_no_proxy_of_the_environment_is_used(
    outside: Outside, nobody: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", nobody)
    monkeypatch.setenv("ALL_PROXY", nobody)
    outside.answers(200, {"id": 1})
    async with client(outside.url) as desk:
        assert await write(desk) == "1"
