"""Connections to one host: at most so many, and who waits too long for one sent nothing."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from integrations.aiohttp_transport import AiohttpTransport
from integrations.certificates import certificates


class NoFreeConnection(Exception):
    """Every connection stayed busy: nothing was sent."""


class Connections:
    """Lends out connections of one transport. Belongs to one event loop.

    httpx's client is left out: its pool scans all connections at every request and collapses with their number, and it
    brings cookies, redirects and a log line with the whole URL.
    """

    def __init__(self, count: int, *, is_secure: bool, wait_seconds: float) -> None:
        self._wait_seconds = wait_seconds
        self._slots = asyncio.Semaphore(count)
        self._lent = 0
        self._closed = False
        self._transport = AiohttpTransport(certificates=certificates() if is_secure else None)

    @contextlib.asynccontextmanager
    async def lend(self) -> AsyncIterator[AiohttpTransport]:
        """A connection for one request. Raises NoFreeConnection when none is free within `wait_seconds`."""
        await self._take()
        self._lent += 1
        try:
            # The event loop looks at its sockets: what the server closed meanwhile is not written to.
            await asyncio.sleep(0)
            yield self._transport
        finally:
            self._lent -= 1
            self._slots.release()
            if self._closed:
                await self.aclose()

    async def aclose(self) -> None:
        """Closes every connection; those lent out as the last of them comes back."""
        self._closed = True
        if not self._lent:
            await self._transport.aclose()

    async def _take(self) -> None:
        if self._slots.locked():
            try:
                async with asyncio.timeout(self._wait_seconds):
                    await self._slots.acquire()
            except TimeoutError:
                raise NoFreeConnection(f"no connection was free for {self._wait_seconds:g} s") from None
        else:
            await self._slots.acquire()
        if self._closed:
            self._slots.release()
            raise NoFreeConnection("the connections were closed by us")
