"""Connections to one host: as many httpx transports as connections, so that no pool is ever scanned."""

import asyncio
import contextlib
import functools
import ssl
from collections.abc import AsyncIterator

import httpx

_KEEP_ALIVE_SECONDS = 4.0
"""Servers close idle connections after 5 or more; closed while we write, a request's outcome would be unknown."""


class NoFreeConnection(Exception):
    """Every connection stayed busy: nothing was sent."""


class Connections:
    """Lends out connections, the one used last first. Belongs to one event loop.

    A shared httpx pool scans all its connections at every request and collapses with their number; one transport a
    connection does not. httpx's client is left out too: cookies, redirects and a log line with the whole URL.
    """

    def __init__(self, count: int, *, is_secure: bool, wait_seconds: float) -> None:
        self._is_secure = is_secure
        self._wait_seconds = wait_seconds
        self._closed = False
        self._free: asyncio.LifoQueue[httpx.AsyncHTTPTransport] = asyncio.LifoQueue()
        for _ in range(count):
            self._free.put_nowait(self._new())

    @contextlib.asynccontextmanager
    async def lend(self) -> AsyncIterator[httpx.AsyncHTTPTransport]:
        """A connection for one request. Raises NoFreeConnection when none is free within `wait_seconds`."""
        connection = await self._take()
        try:
            yield connection
        except BaseException:
            # Interrupted half-way it may never answer again, and being the last used it would be lent out first.
            self._free.put_nowait(self._new())
            with contextlib.suppress(Exception):
                await connection.aclose()
            raise
        self._free.put_nowait(connection)
        if self._closed:
            await self.aclose()

    async def aclose(self) -> None:
        """Closes every connection; those lent out as they come back."""
        self._closed = True
        while not self._free.empty():
            await self._free.get_nowait().aclose()

    async def _take(self) -> httpx.AsyncHTTPTransport:
        if self._closed:
            raise NoFreeConnection("the connections were closed by us")
        if not self._free.empty():
            return self._free.get_nowait()
        try:
            async with asyncio.timeout(self._wait_seconds):
                return await self._free.get()
        except TimeoutError:
            raise NoFreeConnection(f"no connection was free for {self._wait_seconds:g} s") from None

    def _new(self) -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(
            verify=_certificates() if self._is_secure else _no_certificates(),
            trust_env=False,
            limits=httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEEP_ALIVE_SECONDS),
        )


@functools.cache
def _certificates() -> ssl.SSLContext:
    """Loaded once: it costs milliseconds, and there is a transport per connection."""
    return httpx.create_ssl_context(trust_env=False)


@functools.cache
def _no_certificates() -> ssl.SSLContext:
    """For plain http, where httpx would load all certificates only to ignore them."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
