"""Requests carried by aiohttp, for a fifth of what httpx costs; its errors in httpx's words."""

import functools
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import aiohttp
import httpx
import yarl
from multidict import CIMultiDict

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


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it stands; only its host and its length are added."""

    method: str
    url: str
    """Percent-encoded already."""
    headers: Mapping[str, str] = field(repr=False)
    content: bytes | None = field(repr=False)
    connect_seconds: float


class AiohttpTransport:
    """Sends one request as it stands: no cookies, redirects, proxies, decoding, and never a second time.

    Its pool has no limit of its own: whoever calls it counts (`integrations.connections`).
    """

    def __init__(self, *, certificates: ssl.SSLContext | None) -> None:
        self._certificates = certificates
        self._session: aiohttp.ClientSession | None = None

    async def send(self, request: Request, *, begins: Callable[[], None]) -> "Reply":
        """The answer's status and headers; its body is read from it. Raises httpx's errors.

        `begins` is called before the first byte may leave.
        """
        try:
            answer = await self._opened().request(
                request.method,
                _url(request.url),
                data=request.content or None,
                headers=request.headers,
                allow_redirects=False,
                timeout=_timeout(request.connect_seconds),
                trace_request_ctx=begins,
            )
        except (aiohttp.ClientError, OSError) as problem:
            raise _in_words_of_httpx(problem) from None
        return Reply(answer)

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


class Reply:
    """An answer as it comes; the names of its headers ignore case."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self.status = answer.status
        self.headers = CIMultiDict(
            (name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.raw_headers
        )

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it was sent. Raises httpx's errors."""
        try:
            async for chunk in self._answer.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, OSError) as problem:
            raise _in_words_of_httpx(problem) from None

    def close(self) -> None:
        """An answer that was not read to its end takes its connection with it."""
        self._answer.close()


@functools.lru_cache(maxsize=256)
def _url(whole: str) -> yarl.URL:
    return yarl.URL(whole, encoded=True)


@functools.cache
def _timeout(connect: float) -> aiohttp.ClientTimeout:
    """Only for connecting: who calls keeps the time of the whole."""
    return aiohttp.ClientTimeout(total=None, connect=connect)


def _tracing() -> aiohttp.TraceConfig:
    """Calls a request's `begins` before its first byte may leave."""
    tracing = aiohttp.TraceConfig()
    tracing.on_request_headers_sent.append(_sending)
    return tracing


async def _sending(_: aiohttp.ClientSession, context: SimpleNamespace, _params: Any) -> None:
    context.trace_request_ctx()


def _in_words_of_httpx(problem: Exception) -> httpx.TransportError:
    for kind, said in (*_NEVER_CONNECTED, *_CONNECTED):
        if isinstance(problem, kind):
            return said(type(problem).__name__)
    return httpx.ReadError(type(problem).__name__)
