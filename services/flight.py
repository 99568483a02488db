"""The windows of one dispatch that are under way: a few being sent, a few being written down, the next rows coming."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress

from services.recording import Window
from store.ledger.rows import Reserved

More = Callable[[], Awaitable[list[Reserved]]]
"""Reserves the next rows; none when there are no more."""

WINDOWS = 2
"""Windows of one dispatch that are being sent: the next is armed while the last is on its way. Times the sends of a
window, it is what a stop may overshoot."""

_WRITING = 2
"""Windows besides that went well and are only written down. While the breaker has not heard of some trouble: none."""


class Flight:
    """Tells when there is room for the next window, and what went wrong with any.

    Trouble is told in the end: to stop the others would lose their answers too.
    """

    def __init__(self) -> None:
        self.trouble: list[Exception] = []
        self._windows: dict[asyncio.Task[None], Window] = {}
        self._coming: asyncio.Future[list[Reserved]] | None = None
        self._changed = asyncio.Event()

    @property
    def is_under_way(self) -> bool:
        """Something is sent, written down or fetched."""
        return bool(self._windows) or self._coming is not None

    @property
    def has_room(self) -> bool:
        """One more window may be armed."""
        windows = self._windows.values()
        being_sent = sum(window.out > 0 for window in windows)
        besides = _WRITING if all(window.went_well for window in windows) else 0
        return being_sent < WINDOWS and len(windows) < WINDOWS + besides

    def begin(self, window: Window, sends: Coroutine[None, None, None]) -> None:
        """Send an armed window; it is under way until each of its rows is recorded."""
        task = asyncio.create_task(self._through(window, sends))
        self._windows[task] = window
        task.add_done_callback(self._over)

    def fetch(self, more: More) -> None:
        """Reserve the next rows meanwhile, unless that is under way already."""
        if self._coming is None:
            self._coming = asyncio.ensure_future(more())
            self._coming.add_done_callback(lambda _: self._changed.set())

    def fetched(self) -> list[Reserved] | None:
        """What was fetched, once; None while nothing has come."""
        if self._coming is None or not self._coming.done():
            return None
        coming, self._coming = self._coming, None
        try:
            return coming.result()
        except Exception as problem:
            self.trouble.append(problem)
            return []

    async def changed(self, seconds: float) -> None:
        """Wait until something else is over, but no longer than this."""
        self._changed.clear()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    def give_up(self) -> None:
        """Whatever is under way is left to recovery."""
        for task in (*self._windows, *((self._coming,) if self._coming else ())):
            task.cancel()

    async def _through(self, window: Window, sends: Coroutine[None, None, None]) -> None:
        try:
            await sends
            self._changed.set()
            await window.over.wait()
        except Exception as problem:
            self.trouble.append(problem)
        if window.trouble is not None:
            self.trouble.append(window.trouble)

    def _over(self, task: asyncio.Task[None]) -> None:
        del self._windows[task]
        self._changed.set()
