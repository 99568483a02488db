"""The one dispatcher: reserve, arm, send, record. Everything that reaches the outside world passes here."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.actions import Capability
from domain.policy import Policy
from integrations.registry import Configured, Roster
from services.calling import Calling
from services.dispatch_report import DispatchReport
from services.flight import WINDOWS, Flight, More
from services.lanes import Lanes
from services.recording import Recording, Window
from services.sending import Context, Sender
from services.solitude import Solitude
from store.database import Database
from store.groupcommit import GroupCommit
from store.ledger import arm as arming
from store.ledger.reserve import is_waiting, renew, reserve
from store.ledger.rows import Reserved, Worker

_log = logging.getLogger("services.dispatch")

WINDOW = 32
"""Sends armed together where somebody waits for each of them: the gateway's urgent actions."""

BULK_WINDOW = 100
"""Sends armed together otherwise, unless a vendor batch says how many."""

RESERVED = 500
"""Rows reserved at once, unless a vendor batch takes more."""

ALONE_SECONDS = 0.25
"""How long all others wait at most for rows that run alone, unless one takes longer."""

GATEWAYS = timedelta(seconds=4)
"""How long a run leaves alone what is urgent: two of the gateway's rounds. One that joins in on what was planned a
moment ago sends it later than the gateway would, and holds the lock that answers wait for."""

MOMENT = 0.01
"""Seconds until those whose customers somebody else holds are looked at again."""

ADDRESS = {Capability.MAIL: "email", Capability.SMS: "phone", Capability.VOICE: "phone", Capability.PUSH: "device"}


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds that belong together: a vendor's timeout is shorter than half a lease."""

    lease_seconds: float

    @property
    def latest_start_seconds(self) -> float:
        """A worker that was stopped longer than this after arming must not open the socket any more."""
        return self.lease_seconds / 2

    @property
    def renewal_seconds(self) -> float:
        """How often a lease is renewed while its rows wait for their window."""
        return self.lease_seconds / 4


class Dispatcher:
    """Performs actions for one process. Any number of them may run side by side: claims skip each other."""

    def __init__(
        self,
        database: Database,
        writer: GroupCommit,
        roster: Roster,
        policy: Policy,
        sender: Sender,
        *,
        worker: str,
        timing: Timing,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._writer = writer
        self._roster = roster
        self._policy = policy
        self._sender = sender
        self.worker = worker
        self._timing = timing
        self._clock = clock
        self._solitude = Solitude()

    async def run_once(
        self,
        *,
        capability: Capability,
        run: str,
        urgent_only: bool = False,
        limit: int = 500,
        keys: Sequence[str] | None = None,
        gateways: timedelta = timedelta(0),
    ) -> DispatchReport:
        """Dispatch up to `limit` actions of one capability that are due now; what became of them.

        With `keys`, only those actions. `gateways` is how long what is urgent is the gateway's alone once its time has
        come. An unconfigured capability dispatches nothing and says so in the report.
        """
        configured = self._roster.of(capability)
        report = DispatchReport(capability=capability, vendor=configured.vendor if configured else None)
        if configured is None:
            return report
        worker = Worker(self.worker, run)
        for lane in ("urgent",) if urgent_only else ("urgent", "normal"):

            async def more(lane: str = lane) -> list[Reserved]:
                most = min(max(RESERVED, configured.largest_batch), limit - report.taken)
                if most <= 0:
                    return []
                late_by = gateways if lane == "urgent" else timedelta(0)
                rows = await self.take(capability, lane, worker, most, urgent_only, keys, late_by=late_by)
                report.taken += len(rows)
                return rows

            while rows := await more():
                await self.perform(rows, configured, worker, report, more=more)
        report.add(
            await self.run_alone(capability=capability, run=run, limit=limit, urgent_only=urgent_only, keys=keys)
        )
        return report

    async def run_alone(
        self,
        *,
        capability: Capability,
        run: str,
        urgent_only: bool = False,
        limit: int = 500,
        keys: Sequence[str] | None = None,
    ) -> DispatchReport:
        """Rows whose worker died, with nothing beside them.

        What had only been reserved goes in windows; what was being sent, or was in such a window when its worker died
        again, goes one at a time: a death then has one suspect.
        """
        configured = self._roster.of(capability)
        report = DispatchReport(capability=capability, vendor=configured.vendor if configured else None)
        if configured is None:
            return report
        worker = Worker(self.worker, run)
        for lane, most in (("apart", WINDOW), ("alone", 1)):
            is_over = False
            while report.taken < limit and not is_over:
                if not await asyncio.to_thread(self._is_waiting, capability, lane):
                    break
                async with self._solitude.alone():
                    until = time.monotonic() + ALONE_SECONDS
                    while report.taken < limit and not is_over and time.monotonic() < until:
                        rows = await self.take(
                            capability, lane, worker, min(most, limit - report.taken), urgent_only, keys
                        )
                        is_over = not rows
                        report.taken += len(rows)
                        await self._windows(rows, configured, worker, report, most)
        return report

    async def take(
        self,
        capability: Capability,
        lane: str,
        worker: Worker,
        limit: int,
        urgent_only: bool = False,
        keys: Sequence[str] | None = None,
        *,
        is_planned: bool = False,
        late_by: timedelta = timedelta(0),
    ) -> list[Reserved]:
        """Reserve up to `limit` rows of a lane whose time came `late_by` ago or before.

        `is_planned`: there should be some, and it is not asked first.
        """

        def claim() -> list[Reserved]:
            # A read: no writer waits for an empty queue.
            if not is_planned and not self._is_waiting(capability, lane, late_by):
                return []
            with self._database.write("reserve") as connection:
                now = self._clock()
                return reserve(
                    connection,
                    capability=capability,
                    lane=lane,
                    worker=worker,
                    lease_seconds=self._timing.lease_seconds,
                    limit=limit,
                    now=now,
                    due_by=now - late_by,
                    urgent_only=urgent_only,
                    keys=keys,
                )

        return await asyncio.to_thread(claim)

    async def perform(
        self,
        rows: Sequence[Reserved],
        configured: Configured,
        worker: Worker,
        report: DispatchReport,
        *,
        more: More | None = None,
    ) -> None:
        """Arm, send and record reserved rows, window by window; raises what kept answers from being recorded.

        With `more` as many as it reserves while these are on their way, in the larger windows of those for whom nobody
        waits.
        """
        is_bulk = more is not None and configured.largest_batch == 1
        size = BULK_WINDOW if is_bulk else max(WINDOW, configured.largest_batch)
        async with self._solitude.together():
            await self._windows(rows, configured, worker, report, size, more)

    async def _windows(
        self,
        rows: Sequence[Reserved],
        configured: Configured,
        worker: Worker,
        report: DispatchReport,
        size: int,
        more: More | None = None,
    ) -> None:
        recording = Recording(
            *(self._database, self._writer, self._policy, configured, worker, report), clock=self._clock
        )
        left, kept = list(rows), time.monotonic()
        flight, lanes = Flight(), Lanes(configured.connections)
        try:
            while left or flight.is_under_way:
                if left and time.monotonic() - kept > self._timing.renewal_seconds:
                    kept = time.monotonic()
                    await asyncio.to_thread(self._renew, left, worker)
                if more is not None and len(left) <= WINDOWS * size:
                    flight.fetch(more)
                if (fetched := flight.fetched()) is not None:
                    left += fetched
                    more = more if fetched else None
                    continue
                if left and flight.has_room:
                    begun, chosen = time.monotonic(), left[:size]
                    armed, contexts = await asyncio.to_thread(self._arm, chosen, configured, worker)
                    report.count_moved(armed.moved)
                    left = left[size:] + armed.left
                    if armed.armed:
                        window = Window(len(armed.armed), ends=begun + self._timing.lease_seconds)
                        latest = begun + self._timing.latest_start_seconds
                        calling = Calling(self._sender, configured, recording, lanes, window, latest_start=latest)
                        flight.begin(window, calling.send(armed.armed, contexts))
                    elif len(armed.left) == len(chosen):  # somebody else holds the rows of all their customers
                        await asyncio.sleep(MOMENT)
                    continue
                await flight.changed(self._timing.renewal_seconds)
        finally:
            flight.give_up()
        if flight.trouble:
            raise flight.trouble[0]

    def _arm(
        self, rows: Sequence[Reserved], configured: Configured, worker: Worker
    ) -> tuple[arming.Window, Mapping[int, Context]]:
        """Arm a window in its own transaction; and, once that is committed, what its sends should tell."""
        target = arming.Target(
            name=configured.name,
            capability=configured.capability,
            rate_per_second=configured.rate_per_second,
            channel_address=ADDRESS.get(configured.capability),
        )

        with self._database.write("arm") as connection:
            window = arming.arm(
                connection,
                rows,
                target,
                worker=worker,
                lease_seconds=self._timing.lease_seconds,
                policy=self._policy,
                now=self._clock(),
            )
        try:
            return window, self._sender.gather(window.armed)
        except Exception:
            _log.exception("%s: no context for a whole window; each action asks for its own", configured.name)
            return window, {}

    def _is_waiting(self, capability: Capability, lane: str, late_by: timedelta = timedelta(0)) -> bool:
        with self._database.read() as connection:
            return is_waiting(connection, capability=capability, lane=lane, due_by=self._clock() - late_by)

    def _renew(self, rows: Sequence[Reserved], worker: Worker) -> None:
        with self._database.write("renew") as connection:
            renew(connection, [row.id for row in rows], worker=worker, lease_seconds=self._timing.lease_seconds)
