"""The one dispatcher: reserve, arm, send, record. Everything that reaches the outside world passes here."""

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from domain.actions import Capability
from domain.policy import Policy
from integrations.errors import AuthFailed, NotSent, OutcomeUnknown, RateLimited, Rejected
from integrations.registry import Configured, Roster
from services.dispatch_report import DispatchReport
from services.outcomes import Outcome, as_result, failed_before_sending
from services.sending import CannotSay, Context, Sender
from services.solitude import Solitude
from store.crash_points import reached
from store.database import Database
from store.groupcommit import GroupCommit
from store.integrations import is_untroubled, note_sends
from store.ledger.arm import Target, Window, arm
from store.ledger.record import record
from store.ledger.reserve import is_waiting, renew, reserve
from store.ledger.rows import Armed, Reserved, Result, Worker

_log = logging.getLogger("services.dispatch")

WINDOW = 32
"""Sends armed together: the connections in flight of one integration."""

MOMENT = 0.01
"""Seconds until those whose customers somebody else holds are looked at again."""

ADDRESS = {Capability.MAIL: "email", Capability.SMS: "phone", Capability.VOICE: "phone"}


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds that belong together: a vendor's timeout is shorter than half a lease."""

    lease_seconds: float

    @property
    def latest_start_seconds(self) -> float:
        """A worker that was stopped longer than this after arming must not open the socket any more."""
        return self.lease_seconds / 2


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
    ) -> DispatchReport:
        """Dispatch up to `limit` actions of one capability that are due now; what became of them.

        With `keys`, only those actions. An unconfigured capability dispatches nothing and says so in the report.
        """
        configured = self._roster.of(capability)
        report = DispatchReport(capability=capability, vendor=configured.vendor if configured else None)
        if configured is None:
            return report
        worker = Worker(self.worker, run)
        for lane in ("urgent", "normal"):
            if lane == "normal" and urgent_only:
                continue
            while report.taken < limit:
                rows = await self.take(capability, lane, worker, min(WINDOW, limit - report.taken), urgent_only, keys)
                if not rows:
                    break
                report.taken += len(rows)
                await self.perform(rows, configured, worker, report)
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
        """Rows retried after a death, one at a time with nothing beside them: a death then has one suspect."""
        configured = self._roster.of(capability)
        report = DispatchReport(capability=capability, vendor=configured.vendor if configured else None)
        if configured is None:
            return report
        worker = Worker(self.worker, run)
        while report.taken < limit and await asyncio.to_thread(self._is_waiting, capability, "alone"):
            async with self._solitude.alone():
                rows = await self.take(capability, "alone", worker, 1, urgent_only, keys)
                if not rows:
                    break
                report.taken += 1
                await self._windows(rows, configured, worker, report)
        return report

    async def take(
        self,
        capability: Capability,
        lane: str,
        worker: Worker,
        limit: int,
        urgent_only: bool = False,
        keys: Sequence[str] | None = None,
    ) -> list[Reserved]:
        """Reserve up to `limit` due rows of a lane."""

        def claim() -> list[Reserved]:
            if not self._is_waiting(capability, lane):  # a read: no writer waits for an empty queue
                return []
            with self._database.write("reserve") as connection:
                return reserve(
                    connection,
                    capability=capability,
                    lane=lane,
                    worker=worker,
                    lease_seconds=self._timing.lease_seconds,
                    limit=limit,
                    now=self._clock(),
                    urgent_only=urgent_only,
                    keys=keys,
                )

        return await asyncio.to_thread(claim)

    async def perform(
        self, rows: Sequence[Reserved], configured: Configured, worker: Worker, report: DispatchReport
    ) -> None:
        """Arm, send and record reserved rows, window by window."""
        async with self._solitude.together():
            await self._windows(rows, configured, worker, report)

    async def _windows(
        self, rows: Sequence[Reserved], configured: Configured, worker: Worker, report: DispatchReport
    ) -> None:
        left = list(rows)
        while left:
            begun = time.monotonic()
            window, contexts = await asyncio.to_thread(self._arm, left, configured, worker)
            report.count_moved(window.moved)
            if window.armed:
                sends = [self._send(action, configured, begun, contexts.get(action.id)) for action in window.armed]
                await self._send_window(sends, configured, worker, report)
            if len(window.left) == len(left):  # somebody else holds the rows of all their customers
                await asyncio.sleep(MOMENT)
            left = window.left
            if left:
                await asyncio.to_thread(self._renew, left, worker)

    def _arm(
        self, rows: Sequence[Reserved], configured: Configured, worker: Worker
    ) -> tuple[Window, Mapping[int, Context]]:
        """Arm a window in its own transaction; and, once that is committed, what its sends should tell."""
        target = Target(
            name=configured.name,
            capability=configured.capability,
            rate_per_second=configured.rate_per_second,
            channel_address=ADDRESS.get(configured.capability),
        )

        with self._database.write("arm") as connection:
            window = arm(
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

    async def _send_window(
        self,
        prepared: Sequence[Coroutine[Any, Any, Outcome]],
        configured: Configured,
        worker: Worker,
        report: DispatchReport,
    ) -> None:
        """Send side by side; record whatever is back each time the database is free, not only when all are.

        Raises what went wrong with recording only once all are back: to stop the others would lose their answers too.
        """
        sends = {asyncio.ensure_future(send) for send in prepared}
        trouble: Exception | None = None
        try:
            while sends:
                back, sends = await asyncio.wait(sends, return_when=asyncio.FIRST_COMPLETED)
                try:
                    await self._record([send.result() for send in back], configured, worker, report)
                except Exception as problem:
                    _log.exception("%s: answers could not be recorded; recovery takes them over", configured.name)
                    trouble = problem
        finally:
            for send in sends:
                send.cancel()
        if trouble is not None:
            raise trouble

    async def _send(self, action: Armed, configured: Configured, begun: float, context: Context | None) -> Outcome:
        try:
            call = await self._sender.prepare(action, configured, context)
        except CannotSay as problem:
            return failed_before_sending(action, str(problem), retry=False)
        except Exception as problem:  # one bad row must not spoil its window; surely nothing was sent
            _log.exception("%s: could not be prepared", action.key)
            return failed_before_sending(action, f"could not be prepared: {type(problem).__name__}", retry=True)
        if time.monotonic() - begun > self._timing.latest_start_seconds:
            return failed_before_sending(action, "its worker was stopped between arming and sending", retry=True)
        reached("send.begins")
        try:
            receipt = await call()
            reached("send.answered")
            return Outcome(action, receipt=receipt)
        except Exception as problem:  # sorted by meaning in `as_result`; what we do not know counts as unknown
            return Outcome(action, problem=problem)

    async def _record(
        self, outcomes: Sequence[Outcome], configured: Configured, worker: Worker, report: DispatchReport
    ) -> None:
        now = self._clock()
        results = [as_result(outcome, self._policy.retry, now=now) for outcome in outcomes]
        went_well = all(outcome.problem is None for outcome in outcomes)

        def write(connection: Connection) -> tuple[list[Result], bool]:
            refused = record(connection, results, integration=configured.name, worker=worker, now=now)
            reached("record.written")
            return refused, went_well and is_untroubled(connection, configured.name)

        refused, nothing_to_note = await asyncio.wrap_future(self._writer.submit(write, ahead=True))
        reached("record.committed")
        if not nothing_to_note:
            await asyncio.to_thread(self._note, outcomes, configured, now)
        for stale in refused:
            _log.warning("%s: a result came after its lease ran out and was refused", stale.id)
        report.count_results(outcomes, results, refused)

    def _is_waiting(self, capability: Capability, lane: str) -> bool:
        with self._database.read() as connection:
            return is_waiting(connection, capability=capability, lane=lane, now=self._clock())

    def _note(self, outcomes: Sequence[Outcome], configured: Configured, now: datetime) -> None:
        """Tell the breaker: silence and 5xx count against the vendor, a refusal of one request does not."""
        problems = [outcome.problem for outcome in outcomes]
        silent = [str(p) for p in problems if isinstance(p, NotSent | OutcomeUnknown)]
        limits = [p.retry_after or self._policy.retry.first_seconds for p in problems if isinstance(p, RateLimited)]
        refused = [str(p) for p in problems if isinstance(p, AuthFailed)]
        note_sends(
            self._database,
            configured.name,
            successes=sum(p is None or isinstance(p, Rejected) for p in problems),
            failures=len(silent),
            reason=silent[-1] if silent else "",
            refused_credentials=refused[-1] if refused else None,
            retry_after=max(limits, default=None),
            rules=self._policy.breaker,
            now=now,
        )

    def _renew(self, rows: Sequence[Reserved], worker: Worker) -> None:
        with self._database.write("renew") as connection:
            renew(connection, [row.id for row in rows], worker=worker, lease_seconds=self._timing.lease_seconds)
