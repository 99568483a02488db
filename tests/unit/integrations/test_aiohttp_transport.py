"""aiohttp's errors in httpx's words: only those of connecting may say that nothing was sent."""

import asyncio
import ssl
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import httpx
import pytest

from integrations.aiohttp_transport import AiohttpTransport, Request, _in_words_of_httpx
from integrations.connections import Connections, NoFreeConnection
from integrations.exchange import Exchange

UNSENT = (httpx.ConnectError, httpx.ConnectTimeout)
KEY = cast(Any, SimpleNamespace(host="vendor.example", port=443, ssl=True, is_ssl=True))


def kinds(root: type[Exception]) -> Iterator[type[Exception]]:
    for kind in root.__subclasses__():
        yield kind
        yield from kinds(kind)


def made(kind: type[Exception]) -> Exception:
    """An error of this kind, whatever its constructor asks for."""
    error = kind.__new__(kind)
    error.args = ("no",)
    return error


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.ConnectionTimeoutError(),
        aiohttp.ClientConnectorError(KEY, OSError(111, "refused")),
        aiohttp.ClientConnectorDNSError(KEY, OSError(-2, "unknown name")),
        aiohttp.ClientConnectorSSLError(KEY, ssl.SSLError(1, "no")),
        aiohttp.ClientConnectorCertificateError(KEY, ssl.CertificateError("nobody vouches for it")),
    ],
    ids=lambda error: type(error).__name__,
)
def test_who_never_connected_sent_nothing(error: Exception) -> None:
    assert isinstance(_in_words_of_httpx(error), UNSENT)


@pytest.mark.parametrize(
    "error",
    [
        aiohttp.ClientOSError(32, "Can not write request body for http://vendor.example"),
        aiohttp.ClientConnectionError("Failed to send bytes into the underlying connection"),
        aiohttp.ClientConnectionResetError("Cannot write to closing transport"),
        ConnectionResetError(104, "reset"),
        BrokenPipeError(32, "broken"),
        TimeoutError("in the middle"),
        aiohttp.SocketTimeoutError(),
        aiohttp.ServerDisconnectedError(),
        aiohttp.ClientPayloadError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_body_that_could_not_be_written_or_an_answer_that_broke_off_leaves_it_open(error: Exception) -> None:
    assert not isinstance(_in_words_of_httpx(error), UNSENT)


@pytest.mark.parametrize("kind", sorted(set(kinds(aiohttp.ClientError)), key=lambda kind: kind.__name__))
def test_every_error_that_aiohttp_has_leaves_it_open_but_those_of_connecting(kind: type[Exception]) -> None:
    connecting = issubclass(kind, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    assert isinstance(_in_words_of_httpx(made(kind)), UNSENT) is connecting


async def test_a_connection_reset_while_the_body_goes_out_leaves_it_open() -> None:
    """The vendor takes the headers and some of the body, then resets: it may have acted on what it read."""
    begun = asyncio.Event()

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(1000)
        begun.set()
        writer.transport.abort()

    server = await asyncio.start_server(reset, "127.0.0.1", 0, limit=2000)
    port = server.sockets[0].getsockname()[1]
    request = Request("POST", f"http://127.0.0.1:{port}/", {}, b"x" * 50_000_000, connect_seconds=5)
    connections, exchange = Connections(1, is_secure=False, wait_seconds=1), Exchange()
    async with server:
        await exchange.run(request, connections, deadline=asyncio.get_running_loop().time() + 5)
    await connections.aclose()
    assert begun.is_set()
    assert exchange.problem
    assert not exchange.is_surely_unsent


async def test_nothing_of_a_request_has_left_before_it_is_said_to_begin() -> None:
    """Whoever is interrupted before may say that nothing was sent."""
    read = b""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal read
        read = await reader.read(100)
        writer.close()

    class Stop(Exception):
        pass

    def stop() -> None:
        raise Stop

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    transport = AiohttpTransport(certificates=None)
    async with server:
        with pytest.raises(Stop):
            await transport.send(Request("POST", url, {}, b"{}", connect_seconds=5), begins=stop)
        await transport.aclose()
    assert read == b""


async def test_who_waited_for_a_connection_that_was_closed_meanwhile_sends_nothing() -> None:
    connections = Connections(1, is_secure=False, wait_seconds=5)
    async with connections.lend():
        waiting = asyncio.create_task(connections.lend().__aenter__())
        await asyncio.sleep(0)
        await connections.aclose()
    with pytest.raises(NoFreeConnection, match="closed by us"):
        await waiting
