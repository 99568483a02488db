"""Prefect's paused runs made to equal our open reviews. It works without Prefect, and with one that lies or forgets.

Our table says what is open; a run only shows it. So whatever happens to a run, its review is asked in another one, and
nothing that a run says or does decides anything.
"""

import asyncio
import logging
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from integrations.prefect_reviews import Form, Phase, PrefectSilent, ReviewRun, ReviewRuns
from services.wiring import Handrail
from store import review_asks
from store.database import Database
from store.review_asks import Ask, Waiting

_log = logging.getLogger("services.review_runs")

BODY_SECONDS = 45
"""How long a run may take to hear and to ask; it is ended then."""

_DEAD_AFTER = timedelta(seconds=BODY_SECONDS + 15)
"""A run that has been running for longer has no process: somebody has set its state."""

_AT_ONCE = 20
"""Runs begun in one round, the nearest deadline first: each is a process that starts cold."""

ROUND_SECONDS = 20.0
"""Between two rounds of a gateway."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done about a run, for people."""

    review: int | None
    words: str


async def reconcile_runs(handrail: Handrail) -> list[Deed]:
    """Make Prefect's runs agree with the open reviews; what was done. Without Prefect nothing."""
    if handrail.review_runs is None:
        return []
    its = Round(handrail.database, handrail.review_runs, now=datetime.now(UTC))
    try:
        await its.reconcile()
    except PrefectSilent as problem:
        _log.info("Prefect does not show which reviews wait (%s); they are decided on their pages", problem)
    for deed in its.deeds:
        _log.info("review %s: %s", deed.review or "?", deed.words)
    return its.deeds


class ReviewRounds:
    """Runs inside the gateway: a round every so often, and one at once after `nudge()`."""

    def __init__(self, handrail: Handrail, *, seconds: float = ROUND_SECONDS) -> None:
        self._handrail = handrail
        self._seconds = seconds
        self._bell = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, where there is a Prefect to show anything; call it inside the event loop."""
        if self._handrail.review_runs is not None:
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End at once: whatever a round has done or not is harmless, and the next one finds it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def nudge(self) -> None:
        """A review was opened, changed or decided."""
        self._bell.set()

    async def _run(self) -> None:
        while True:
            self._bell.clear()
            try:
                await reconcile_runs(self._handrail)
            except Exception:
                _log.exception("a round of the reviews' runs failed; the next one tries again")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._bell.wait(), self._seconds)


class Round:
    """One look at all runs, and at our table; `deeds` is what was done so far."""

    def __init__(self, database: Database, runs: ReviewRuns, *, now: datetime) -> None:
        """`now` as Prefect's clock has it."""
        self.deeds: list[Deed] = []
        self._database = database
        self._runs = runs
        self._now = now
        self._begun = 0

    async def reconcile(self) -> None:
        """Do what there is to do. Raises PrefectSilent."""
        found = await self._runs.under_way()  # before our table: whoever is paused has written down there that it asks
        open_reviews, known = await asyncio.to_thread(self._read, [run.review for run in found])
        for one in open_reviews:
            mine = [run for run in found if run.review == one.review]
            ended = [await self._is_ended(run, one) for run in mine]
            if all(ended) and self._begun < _AT_ONCE:
                await self._begin(one)
        are_open = {one.review for one in open_reviews}
        for run in found:
            if run.review not in are_open:
                await self._let_end(run, known)

    async def _is_ended(self, run: ReviewRun, one: Waiting) -> bool:
        """Whether a run of an open review was ended, for nobody can be asked in it; one that sleeps on is woken."""
        why = news = ""
        if run.phase is Phase.RUNNING:
            why = "its process is gone" if self._is_old(run) else ""
        elif run.phase is Phase.PAUSED:
            why, news = await self._seen(run, one)
        if why:
            await self._runs.close(run.id, why, died=run.phase is Phase.RUNNING)
            self._tell(one.review, f"run {run.id} was ended: {why}")
        elif news:
            await self._runs.wake(run.id)
            self._tell(one.review, f"run {run.id} was woken: {news}")
        return bool(why)

    async def _seen(self, run: ReviewRun, one: Waiting) -> tuple[str, str]:
        """Why nobody can be asked in a paused run, and what it sleeps on; each empty when all is well."""
        if one.ask is None or one.ask.run != run.id:
            return "it is asked in another run", ""
        if run.key != one.ask.key:  # it may have asked anew between our two looks
            return "what it asks is not in our books" if self._is_old(run) else "", ""
        form = await self._runs.form(run)
        return "" if form.is_shown else "its form is lost", _news(one, one.ask, form)

    async def _begin(self, one: Waiting) -> None:
        """Begin a run, once however many begin it: one a number, and one a minute more if it died before it asked."""
        key = f"review-{one.review}-{one.next_number}"
        for each in (key, f"{key}-{self._now:%Y%m%dT%H%M}"):
            if await self._runs.start(one.review, each):
                self._begun += 1
                self._tell(one.review, "a run was begun")
                return

    async def _let_end(self, run: ReviewRun, known: Collection[int]) -> None:
        """Have a run end whose review is not open: it says itself what became of it."""
        if run.phase is Phase.RUNNING and self._is_old(run):
            await self._runs.close(run.id, "its process is gone", died=True)
        elif run.phase is Phase.PAUSED and run.review in known:
            await self._runs.wake(run.id)
            self._tell(run.review, f"run {run.id} was woken: the review is over")
        elif run.phase is Phase.PAUSED:
            await self._runs.close(run.id, "there is no such review")
            self._tell(run.review, f"run {run.id} was ended: there is no such review")

    def _is_old(self, run: ReviewRun) -> bool:
        return self._now - run.since > _DEAD_AFTER

    def _tell(self, review: int | None, words: str) -> None:
        self.deeds.append(Deed(review, words))

    def _read(self, asked_for: Iterable[int | None]) -> tuple[Sequence[Waiting], set[int]]:
        with self._database.read() as connection:
            waiting = review_asks.waiting(connection)
            return waiting, review_asks.among(connection, {review for review in asked_for if review is not None})


def _news(one: Waiting, ask: Ask, form: Form) -> str:
    """What a paused run sleeps on."""
    if form.is_answered:
        return "an answer lies beside it"
    if ask.payload_hash != one.payload_hash:
        return "the review was changed"
    return "its last answer was heard" if ask.is_over else ""
