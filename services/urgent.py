"""The gateway's own dispatch of urgent actions: right after the commit, bounded, and a sweep for leftovers."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from domain.actions import Capability
from integrations.registry import Configured
from services.desk import read_desk
from services.dispatch import WINDOW
from services.dispatch_report import DispatchReport
from services.following import follow_cases
from services.health import probe_open_breakers
from services.recovery import sweep
from services.review_alerts import tell_reviews
from services.reviews_settling import settle_reviews
from services.wiring import Handrail
from store.database import in_short
from store.ledger.rows import Worker

_log = logging.getLogger("services.urgent")
RUN = "gateway"

_LONGEST_REST = 0.05
"""Seconds between two rounds of one feeder."""

_GATHERING_REST = 0.03
"""The least of them after a round that took several rows: a window costs nearly as much for one as for ten."""

_LOOK_AGAIN_SECONDS = 0.05
"""After a window, for what waited for one of its rows; no look of its own where answers come in faster than that."""

_THOROUGH_SECONDS = 60.0
"""Between two looks at what everything that waits for a review rests on."""


class UrgentDispatch:
    """Runs inside the gateway. `nudge()` after each commit; everything else it finds by itself.

    Each capability has a feeder of its own, so that a slow ticket desk never delays an acknowledgement, and at most
    `urgent_windows` send windows in flight: past that, rows wait in the ledger, not in memory.
    """

    def __init__(self, handrail: Handrail) -> None:
        self._handrail = handrail
        self._bells = {configured.capability: asyncio.Event() for configured in handrail.roster}
        self._planned: set[Capability] = set()  # something was, since the last look
        self._looks: dict[Capability, asyncio.TimerHandle] = {}
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._looked_at = float("-inf")
        self._windows: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin; call it inside the event loop."""
        loops = [self._feed(configured) for configured in self._handrail.roster]
        settings = self._handrail.settings
        loops += [
            self._repeat(self._sweep, settings.sweep_seconds),
            self._repeat(self._run_alone, settings.sweep_seconds),
        ]
        loops.append(self._repeat(self._follow, settings.follow_seconds))
        loops.append(self._repeat(self._settle_reviews, settings.sweep_seconds))
        self._tasks = [asyncio.create_task(loop) for loop in loops]
        self._ring(self._bells)

    async def stop(self) -> None:
        """End: nothing more is reserved, and what was armed is finished and recorded.

        Nothing is cancelled halfway: a row left claimed would wait for its lease, and one left sending might go twice.
        """
        self._stopping.set()
        self._ring(self._bells)
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._windows:
            await asyncio.wait(self._windows)

    def nudge(self, capabilities: Iterable[Capability]) -> None:
        """Something urgent was planned for these, and is committed."""
        self._planned.update(capabilities)
        self._ring(capabilities)

    def _ring(self, capabilities: Iterable[Capability]) -> None:
        """There may be something urgent for these."""
        for capability in capabilities:
            if capability in self._bells:
                self._bells[capability].set()

    async def _feed(self, configured: Configured) -> None:
        slots = asyncio.Semaphore(self._handrail.settings.urgent_windows)
        bell = self._bells[configured.capability]
        while not self._stopping.is_set():
            await bell.wait()
            bell.clear()
            if (later := self._looks.pop(configured.capability, None)) is not None:
                later.cancel()
            is_planned = configured.capability in self._planned
            self._planned.discard(configured.capability)
            began, taken = time.monotonic(), 0
            try:
                taken = await self._drain(configured, slots, is_planned=is_planned)
            except Exception as problem:
                _log_failure(f"{configured.name}: dispatch failed; the next sweep tries again", problem)
            # As long a rest as the work took: nothing when all is quiet; under load rows gather to bigger windows, and
            # answers get their turn to come in.
            rest = min(time.monotonic() - began, _LONGEST_REST)
            await asyncio.sleep(max(rest, _GATHERING_REST) if taken > 1 else rest)

    async def _drain(self, configured: Configured, slots: asyncio.Semaphore, *, is_planned: bool) -> int:
        """Begin windows until the queue is empty; how many rows were taken. `is_planned`: there should be some."""
        worker, taken = Worker(self._handrail.dispatcher.worker, RUN), 0
        while True:
            await slots.acquire()
            rows = []
            try:
                if not self._stopping.is_set():
                    rows = await self._handrail.dispatcher.take(
                        *(configured.capability, "urgent", worker, WINDOW), is_planned=is_planned and not taken
                    )
            finally:
                if not rows:
                    slots.release()
            if not rows:
                return taken
            taken += len(rows)
            report = DispatchReport(configured.capability, configured.vendor)
            window = asyncio.create_task(self._handrail.dispatcher.perform(rows, configured, worker, report))
            self._windows.add(window)
            window.add_done_callback(lambda task: self._finished(task, configured, slots))
            if len(rows) < WINDOW:  # that was all; whatever is committed from now on rings the bell
                return taken

    def _finished(self, window: asyncio.Task[None], configured: Configured, slots: asyncio.Semaphore) -> None:
        slots.release()
        self._windows.discard(window)
        if configured.capability not in self._looks:  # a note may have waited for the ticket that was in it
            self._looks[configured.capability] = asyncio.get_running_loop().call_later(
                _LOOK_AGAIN_SECONDS, self._ring, [configured.capability]
            )
        if not window.cancelled() and (problem := window.exception()) is not None:
            _log_failure(f"{configured.name}: a send window failed; its rows are recovered after their lease", problem)

    async def _sweep(self) -> None:
        """Breakers to be probed, leases of the dead, lost answers, retries that are due."""
        await probe_open_breakers(self._handrail)
        await sweep(self._handrail, run=RUN, urgent_only=True)
        self._ring(self._bells)

    async def _run_alone(self) -> None:
        """Rows that were in a dead process, beside nobody; waits for a quiet moment, so it is a loop of its own.

        A window's worth of each capability in turn: many tickets must not keep the first acknowledgement waiting.
        """
        waiting = list(self._bells)
        while waiting and not self._stopping.is_set():
            capability = waiting.pop(0)
            report = await self._handrail.dispatcher.run_alone(
                capability=capability, run=RUN, urgent_only=True, limit=WINDOW
            )
            if report.taken:
                waiting.append(capability)
                self._ring([capability])

    async def _follow(self) -> None:
        """Tickets read back, promises watched, pages planned: with Prefect or without.

        A round's hundred tickets, four at a time, take half of the time until the next: read in one go they would keep
        Python's lock from answers for a third of a second.
        """
        await read_desk(self._handrail, run=RUN, rest=lambda: self._pause(self._handrail.settings.follow_seconds / 50))
        await follow_cases(self._handrail, run=RUN)
        self._ring(self._bells)

    async def _settle_reviews(self) -> None:
        """Decisions reach their actions, deadlines pass, people are told: with Prefect or without."""
        handrail, at = self._handrail, time.monotonic()
        is_thorough = at - self._looked_at >= _THOROUGH_SECONDS
        await asyncio.to_thread(
            settle_reviews, handrail.database, handrail.policy, run=RUN, now=handrail.clock(), is_thorough=is_thorough
        )
        self._looked_at = at if is_thorough else self._looked_at
        if await tell_reviews(handrail, run=RUN):
            self._ring([Capability.ALERT])

    async def _repeat(self, step: Callable[[], Awaitable[None]], seconds: float) -> None:
        while not self._stopping.is_set():
            try:
                await step()
            except Exception as problem:
                _log_failure("a round of urgent recovery failed; the next one tries again", problem)
            await self._pause(seconds)

    async def _pause(self, seconds: float) -> None:
        """So long, unless this process is to end."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def _log_failure(what: str, problem: BaseException) -> None:
    """A database that is away is one line a round, not a page; anything else is a bug, and shows where."""
    if isinstance(problem, SQLAlchemyError):
        _log.error("%s: %s", what, in_short(problem))
    else:
        _log.error("%s", what, exc_info=problem)
