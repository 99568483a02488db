"""aiohttp under httpx's transport interface: four times the requests for the same work, its errors in httpx's words."""

import functools
import ssl
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
import yarl

_KEEP_ALIVE_SECONDS = 4.0
"""Servers close idle connections after 5 or more; closed while we write, a request's outcome would be unknown."""

_NEVER_CONNECTED: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),  # refused, name unknown, TLS failed
)
_CONNECTED: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (aiohttp.ServerDisconnectedError, httpx.RemoteProtocolError),
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),  # not HTTP
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (OSError, httpx.ReadError),  # also a body that could not be written: `aiohttp.ClientOSError` is one
    (aiohttp.ClientError, httpx.ReadError),
)
"""Only aiohttp's own word for it counts as never having connected; a failed body write does not."""


class AiohttpTransport(httpx.AsyncBaseTransport):
    """Sends one request as it stands: no cookies, redirects, proxies, decoding, and never a second time.

    Its pool has no limit of its own: whoever calls it counts (`integrations.connections`).
    """

    def __init__(self, *, certificates: ssl.SSLContext | None) -> None:
        self._certificates = certificates
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer's status and headers; its body is read from it. Raises httpx's errors."""
        try:
            answer = await self._opened().request(
                request.method,
                _url(str(request.url)),
                data=request.content or None,
                headers=[(name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers.raw],
                allow_redirects=False,
                timeout=_timeout(request.extensions["timeout"]["connect"]),
                trace_request_ctx=request.extensions.get("trace"),
            )
        except (aiohttp.ClientError, OSError) as problem:
            raise _in_words_of_httpx(problem) from None
        return httpx.Response(answer.status, headers=answer.raw_headers, stream=_Body(answer))

    async def aclose(self) -> None:
        """Closes every connection."""
        if self._session is not None:
            await self._session.close()

    def _opened(self) -> aiohttp.ClientSession:
        """Opened by the first request: a session belongs to a running event loop."""
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, keepalive_timeout=_KEEP_ALIVE_SECONDS, ssl=self._certificates or True
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
                trace_configs=[_tracing()],
            )
            # aiohttp sends a GET or PUT again when a connection kept alive breaks, whether it was read or not.
            self._session._retry_connection = False
        return self._session


class _Body(httpx.AsyncByteStream):
    """The body as it came. One that is not read to its end takes its connection with it."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._answer.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError) as problem:
            raise _in_words_of_httpx(problem) from None

    async def aclose(self) -> None:
        self._answer.close()


@functools.lru_cache(maxsize=256)
def _url(whole: str) -> yarl.URL:
    return yarl.URL(whole, encoded=True)


@functools.cache
def _timeout(connect: float) -> aiohttp.ClientTimeout:
    """Only for connecting: who calls keeps the time of the whole."""
    return aiohttp.ClientTimeout(total=None, connect=connect)


def _tracing() -> aiohttp.TraceConfig:
    """Tells a request's `trace` extension before its first byte may leave."""
    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(_sending)
    return tracing


async def _sending(_: aiohttp.ClientSession, context: SimpleNamespace, _params: Any) -> None:
    if context.trace_request_ctx is not None:
        await context.trace_request_ctx("http11.send_request_headers.started", {})


def _in_words_of_httpx(problem: Exception) -> httpx.TransportError:
    for kind, said in (*_NEVER_CONNECTED, *_CONNECTED):
        if isinstance(problem, kind):
            return said(type(problem).__name__)
    return httpx.ReadError(type(problem).__name__)
