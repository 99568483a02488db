"""The gateway's own dispatch of urgent actions: right after the commit, bounded, and a sweep for leftovers."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from domain.actions import Capability
from integrations.registry import Configured
from services.dispatch import WINDOW
from services.dispatch_report import DispatchReport
from services.health import probe_open_breakers
from services.recovery import sweep
from services.wiring import Handrail
from store.ledger.rows import Worker

_log = logging.getLogger("services.urgent")
RUN = "gateway"


class UrgentDispatch:
    """Runs inside the gateway. `nudge()` after each commit; everything else it finds by itself.

    Each capability has a feeder of its own, so that a slow ticket desk never delays an acknowledgement, and at most
    `urgent_windows` send windows in flight: past that, rows wait in the ledger, not in memory.
    """

    def __init__(self, handrail: Handrail) -> None:
        self._handrail = handrail
        self._bells = {configured.capability: asyncio.Event() for configured in handrail.roster}
        self._tasks: list[asyncio.Task[None]] = []
        self._windows: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin; call it inside the event loop."""
        self._tasks = [asyncio.create_task(self._feed(configured)) for configured in self._handrail.roster]
        self._tasks.append(asyncio.create_task(self._repeat(self._sweep)))
        self._tasks.append(asyncio.create_task(self._repeat(self._run_alone)))
        self.nudge(self._bells)

    async def stop(self) -> None:
        """End: no new window is armed; those in flight are finished and recorded."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task
        if self._windows:
            await asyncio.wait(self._windows)

    def nudge(self, capabilities: Iterable[Capability]) -> None:
        """There may be something urgent for these."""
        for capability in capabilities:
            if capability in self._bells:
                self._bells[capability].set()

    async def _feed(self, configured: Configured) -> None:
        slots = asyncio.Semaphore(self._handrail.settings.urgent_windows)
        bell = self._bells[configured.capability]
        while True:
            await bell.wait()
            bell.clear()
            try:
                await self._drain(configured, slots)
            except Exception:
                _log.exception("%s: dispatch failed; the next sweep tries again", configured.name)

    async def _drain(self, configured: Configured, slots: asyncio.Semaphore) -> None:
        worker = Worker(self._handrail.dispatcher.worker, RUN)
        while True:
            await slots.acquire()
            rows = []
            try:
                rows = await self._handrail.dispatcher.take(configured.capability, "urgent", worker, WINDOW)
            finally:
                if not rows:
                    slots.release()
            if not rows:
                return
            report = DispatchReport(configured.capability, configured.vendor)
            window = asyncio.create_task(self._handrail.dispatcher.perform(rows, configured, worker, report))
            self._windows.add(window)
            window.add_done_callback(lambda task: self._finished(task, slots))

    def _finished(self, window: asyncio.Task[None], slots: asyncio.Semaphore) -> None:
        slots.release()
        self._windows.discard(window)
        if not window.cancelled() and (problem := window.exception()) is not None:
            _log.error("a send window failed; its rows are recovered when their lease ends", exc_info=problem)

    async def _sweep(self) -> None:
        """Breakers to be probed, leases of the dead, lost answers, retries that are due."""
        await probe_open_breakers(self._handrail)
        await sweep(self._handrail, run=RUN, urgent_only=True)
        self.nudge(self._bells)

    async def _run_alone(self) -> None:
        """Rows that were in a dead process, one at a time; waits for a quiet moment, so it is a loop of its own."""
        for capability in self._bells:
            await self._handrail.dispatcher.run_alone(capability=capability, run=RUN, urgent_only=True)

    async def _repeat(self, step: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await step()
            except Exception:
                _log.exception("a round of urgent recovery failed; the next one tries again")
            await asyncio.sleep(self._handrail.settings.sweep_seconds)
