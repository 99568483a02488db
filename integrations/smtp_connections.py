"""Connections to one mail server: signed in once, then used for one message after the other."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import aiosmtplib

from integrations.connections import NoFreeConnection

_KEPT_IDLE_SECONDS = 20.0
"""Longer than this no connection is kept unused: servers end theirs after some tens of seconds."""


@dataclass(slots=True)
class Lent:
    """A connection in use. Whoever leaves it in a doubtful state says so, and it is closed instead of kept."""

    client: aiosmtplib.SMTP
    is_fresh: bool
    is_spoilt: bool = False


class SmtpConnections:
    """Lends the clients that `make` makes, at most `count` at a time. Belongs to one event loop."""

    def __init__(self, count: int, *, wait_seconds: float, make: Callable[[], aiosmtplib.SMTP]) -> None:
        self._wait_seconds = wait_seconds
        self._make = make
        self._slots = asyncio.Semaphore(count)
        self._idle: list[tuple[float, aiosmtplib.SMTP]] = []
        self._closed = False

    @contextlib.asynccontextmanager
    async def lend(self, *, fresh: bool = False) -> AsyncIterator[Lent]:
        """A connection that is open and signed in; a new one when it is to be `fresh`.

        Raises NoFreeConnection when none is free in time, and what aiosmtplib raises when it cannot be opened. An
        error while it is lent closes it.
        """
        await self._take()
        try:
            kept = None if fresh else self._kept()
            lent = Lent(kept or self._make(), is_fresh=kept is None)
            try:
                if lent.is_fresh:
                    await lent.client.connect()
                yield lent
            except BaseException:
                lent.is_spoilt = True
                raise
            finally:
                self._back(lent)
        finally:
            self._slots.release()

    async def aclose(self) -> None:
        """Closes every connection; those lent out as they come back."""
        self._closed = True
        while self._idle:
            self._idle.pop()[1].close()

    async def _take(self) -> None:
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise NoFreeConnection(f"no connection was free for {self._wait_seconds:g} s") from None
        if self._closed:
            self._slots.release()
            raise NoFreeConnection("the connections were closed by us")

    def _kept(self) -> aiosmtplib.SMTP | None:
        """The one used last, so that the others grow old and are closed."""
        oldest = time.monotonic() - _KEPT_IDLE_SECONDS
        while self._idle and self._idle[0][0] < oldest:
            self._idle.pop(0)[1].close()
        while self._idle:
            client = self._idle.pop()[1]
            if client.is_connected:
                return client
        return None

    def _back(self, lent: Lent) -> None:
        if lent.is_spoilt or self._closed or not lent.client.is_connected:
            lent.client.close()
        else:
            self._idle.append((time.monotonic(), lent.client))
