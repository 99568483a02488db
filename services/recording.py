"""What came back of sends, written down as it comes; after a stumble again, for as long as the lease lasts."""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from domain.policy import Policy
from integrations.errors import AuthFailed, NotSent, OutcomeUnknown, RateLimited, Rejected, wait_asked
from integrations.registry import Configured
from services.dispatch_report import DispatchReport
from services.outcomes import Outcome, as_result
from store.crash_points import reached
from store.database import Database, in_short
from store.groupcommit import GroupCommit
from store.integrations import is_untroubled, note_sends
from store.ledger.record import Recorded, record
from store.ledger.rows import Worker

_log = logging.getLogger("services.dispatch")

_GATHER_SECONDS = 0.025
"""How long an answer waits at most for the others of its window, to be written down with them: a commit costs as much
for one as for all."""

_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0
"""Between two tries to record; the second is the longest, after doubling."""


@dataclass(slots=True)
class Window:
    """Rows armed together, whose sends are under way; over once each of them is recorded, or given up."""

    left: int
    ends: float
    """When their lease is over (`time.monotonic()`): what is not written down by then is recovery's."""
    out: int = field(init=False)
    """Sends that are not back."""
    went_well: bool = True
    """None of those that are back had a problem."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    trouble: Exception | None = None

    def __post_init__(self) -> None:
        self.out = self.left

    def finished(self, count: int, trouble: Exception | None = None) -> None:
        """`count` of its rows need nothing more here."""
        self.left -= count
        self.trouble = self.trouble or trouble
        if not self.left:
            self.over.set()


class Recording:
    """Records for one dispatch of one integration. While one commit is under way, what else is back gathers."""

    def __init__(
        self,
        database: Database,
        writer: GroupCommit,
        policy: Policy,
        configured: Configured,
        worker: Worker,
        report: DispatchReport,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._writer = writer
        self._policy = policy
        self._configured = configured
        self._worker = worker
        self._report = report
        self._clock = clock
        self._back: list[tuple[Outcome, Window]] = []
        self._task: asyncio.Task[None] | None = None
        self._is_whole = asyncio.Event()  # some window is back, all of it

    def note(self, outcomes: Sequence[Outcome], window: Window) -> None:
        """These are back. Returns at once; `window` is over when all of its rows are written down."""
        for outcome in outcomes:
            self._back.append((outcome, window))
            if outcome.problem is not None:
                window.went_well = False
        window.out -= len(outcomes)
        if not window.out:
            self._is_whole.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self._back:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_whole.wait(), _GATHER_SECONDS)
            self._is_whole.clear()
            back, self._back = self._back, []
            try:
                await self._write([outcome for outcome, _ in back])
            except Exception as problem:
                _log.warning(
                    "%s: %d answers were not recorded: %s", self._configured.name, len(back), in_short(problem)
                )
                await asyncio.gather(*(self._insist(outcome, window) for outcome, window in back))
            else:
                for _, window in back:
                    window.finished(1)

    async def _insist(self, outcome: Outcome, window: Window) -> None:
        """One by itself, so that one which cannot be recorded spoils nobody, again and again until its lease is over.

        The row's state and fence guard each try: whoever took it over meanwhile has decided already.
        """
        pause = _PAUSE_SECONDS
        while True:
            try:
                await self._write([outcome])
                window.finished(1)
                return
            except Exception as problem:
                if time.monotonic() + pause > window.ends:
                    _log.exception("%s: its answer could not be recorded; recovery takes it over", outcome.action.key)
                    window.finished(1, problem)
                    return
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def _write(self, outcomes: Sequence[Outcome]) -> None:
        now, name = self._clock(), self._configured.name
        results = [as_result(outcome, self._policy.retry, now=now) for outcome in outcomes]
        went_well = all(outcome.problem is None for outcome in outcomes)

        def write(connection: Connection) -> tuple[Recorded, bool]:
            recorded = record(connection, results, integration=name, worker=self._worker, now=now)
            reached("record.written")
            return recorded, went_well and is_untroubled(connection, name)

        recorded, nothing_to_note = await asyncio.wrap_future(self._writer.submit(write, ahead=True))
        reached("record.committed")
        for stale in recorded.refused:
            _log.warning("%s: a result came after its lease ran out and was refused", stale.id)
        self._report.count_results(recorded, now=now)
        if not nothing_to_note:
            try:
                await asyncio.to_thread(self._tell_breaker, outcomes, now)
            except Exception as problem:  # the answers are written down; the breaker hears of the next ones
                _log.warning("%s: its breaker was not told: %s", name, in_short(problem))

    def _tell_breaker(self, outcomes: Sequence[Outcome], now: datetime) -> None:
        """Silence and 5xx count against the vendor, a refusal of one request does not; a lost batch is one silence."""
        problems = [outcome.problem for outcome in outcomes]
        shared = {id(outcome.problem): outcome.problem for outcome in outcomes if outcome.is_shared}
        calls = [outcome.problem for outcome in outcomes if not outcome.is_shared] + list(shared.values())
        silent = [str(p) for p in calls if isinstance(p, NotSent | OutcomeUnknown)]
        limits = [wait for p in calls if (wait := wait_asked(p))]
        limits += [self._policy.retry.first_seconds for p in calls if isinstance(p, RateLimited) and not wait_asked(p)]
        refused = [str(p) for p in calls if isinstance(p, AuthFailed)]
        note_sends(
            self._database,
            self._configured.name,
            successes=sum(p is None or isinstance(p, Rejected) for p in problems),
            failures=len(silent),
            reason=silent[-1] if silent else "",
            refused_credentials=refused[-1] if refused else None,
            retry_after=max(limits, default=None),
            rules=self._policy.breaker,
            now=now,
        )
