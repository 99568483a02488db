"""The onboarding drip's planner: whose step is over goes on, whose step is due gets an action. It contacts nobody."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from operator import itemgetter
from typing import NamedTuple, Protocol

from sqlalchemy import Connection

from domain.channels import Channel
from domain.hours import require_aware
from domain.journeys import Journey
from domain.planning import Payload
from domain.policy import Policy
from domain.review_rules import Rule
from services.crowds import MOST_HELD, Crowds
from services.drip_facts import FactsOfPages
from services.risks import Risks
from services.step_plans import SENSELESS, Planned, StepPlans
from store import drip as store
from store.alike import Alike, due
from store.database import Database
from store.drip import Enrolled, Place
from store.ledger.steps import Advance, Going, Landed, advance, settle
from store.pages import Aside, Pace, Written, timed
from store.types import Instant
from store.wordings import approved

AGAIN = timedelta(hours=1)
"""How long an enrolment that made no sense is left alone."""

_SQLITE_HOLD_SECONDS, _HOLD_SECONDS = 0.025, 0.1
"""How long one transaction of planning may last. SQLite's keeps every other writer waiting, urgent ones among them."""

_FIRST_PAGE, _SMALLEST_PAGE, _LARGEST_PAGE = 250, 50, 5_000
"""Enrolments a transaction; the page grows and shrinks with the time the last one took."""

_BEGINNING: Place = (datetime.fromtimestamp(0, UTC), 0)


class Versions(Protocol):
    """Where published journeys are found; `services.journeys.Journeys`."""

    def of(self, connection: Connection, content_hash: str) -> Journey:
        """The version with this hash; LookupError for none."""


class StepPlanned(NamedTuple):
    """Which step of which journey is done over which channel."""

    journey: str
    step: str
    channel: Channel


class StepSkipped(NamedTuple):
    """Which step of which journey is left out, and why."""

    journey: str
    step: str
    reason: str


@dataclass
class DripReport:
    """What a run planned."""

    at: datetime
    dry_run: bool = False
    landed: int = 0
    """Enrolments whose step was over."""
    due: int = 0
    """Enrolments whose step is due within the look-ahead."""
    planned: Counter[StepPlanned] = field(default_factory=Counter)
    skipped: Counter[StepSkipped] = field(default_factory=Counter)
    deferred: Counter[datetime] = field(default_factory=Counter)
    """Planned steps that the hour or an outage held, by the hour (UTC) in which they are done."""
    reviewed: Counter[tuple[Rule, ...]] = field(default_factory=Counter)
    """Planned steps that wait for a review, by the rules that ask."""
    finished: Counter[str] = field(default_factory=Counter)
    """Enrolments that came to the end, by journey."""
    set_aside: Counter[str] = field(default_factory=Counter)
    """Enrolments that made no sense in this run, by what is wrong with them."""
    waiting: dict[str, int] = field(default_factory=dict)
    """Journeys that wait for a person because of their step's action, by its state."""
    aside: dict[str, int] = field(default_factory=dict)
    """Every enrolment that is set aside at the end of this run, by what is wrong with it."""
    transactions: int = 0
    longest_hold_seconds: float = 0.0

    @property
    def needs_people(self) -> int:
        """Journeys that go on only when a person has done something."""
        return sum(self.waiting.values()) + sum(self.aside.values())

    @property
    def skipped_by_reason(self) -> Counter[str]:
        """How many steps were left out, by reason."""
        told: Counter[str] = Counter()
        for skipped, count in self.skipped.items():
            told[skipped.reason] += count
        return told


def run_drip(
    database: Database,
    policy: Policy,
    journeys: Versions,
    *,
    run: str,
    now: datetime,
    dry_run: bool = False,
    each_when_due: bool = False,
) -> DripReport:
    """Settle what is over, then plan what is due within the look-ahead; `dry_run` decides the same and writes nothing.

    Run again, beside itself or after dying anywhere, it plans nothing twice: a step's key is made of its enrolment's
    facts, and an enrolment moves only from where it was read. Raises ValueError for a naive time.

    `each_when_due`: time is virtual, and each enrolment is decided on at the instant when it is due or over, as if
    that were now; up to the end of the look-ahead.
    """
    whole = _Run(
        database, policy, journeys, run=run, now=require_aware(now), dry_run=dry_run, each_when_due=each_when_due
    )
    return whole.go()


class _Run:
    """One run."""

    def __init__(
        self,
        database: Database,
        policy: Policy,
        journeys: Versions,
        *,
        run: str,
        now: datetime,
        dry_run: bool,
        each_when_due: bool,
    ) -> None:
        self._database, self._policy, self._run, self._now = database, policy, run, now
        self._until = now + timedelta(minutes=policy.journeys.look_ahead_minutes)
        self._over_until = self._until if each_when_due else now
        self._journeys = _Known(database, journeys)
        self._report = DripReport(now, dry_run)
        with database.read() as connection:
            wordings = approved(connection)
        self._risks = Risks(policy, now=now)
        self._plans = StepPlans(
            policy,
            self._journeys.of,
            wordings,
            self._risks,
            says_money=self._says_money,
            now=None if each_when_due else now,
        )
        self._facts = FactsOfPages(database, self._plans, self._risks, now=now)
        self._held: set[int] = set()  # enrolments that were held back: they may be read again meanwhile
        self._crowds: Crowds[Planned] | None = None
        if self._risks.is_of_many:
            self._crowds = Crowds(
                self._room, policy.reviews.rules.risk_of, most=MOST_HELD, size_of=lambda one: len(one.goings)
            )
        hold = _SQLITE_HOLD_SECONDS if database.is_sqlite else _HOLD_SECONDS
        self._pace = Pace(hold, first=_FIRST_PAGE, smallest=_SMALLEST_PAGE, largest=_LARGEST_PAGE)
        self._aside = Aside(database)
        self._write_page: Callable[[str], AbstractContextManager[Connection]] = database.write

    def go(self) -> DripReport:
        """All of it."""
        with self._database.in_pages() as self._write_page, self._aside:
            self._settle()
            self._plan()
            self._plan_held()
            self._aside.finish()
        if self._risks.is_of_many and not self._report.dry_run:
            self._risks.forget(self._database)
        with self._database.read() as connection:
            self._report.waiting, self._report.aside = store.waiting(connection), store.set_aside(connection)
        return self._report

    def _settle(self) -> None:
        after: Place | None = _BEGINNING
        while after is not None:
            most = self._pace.size
            with self._database.read_ahead() as connection:
                rows, last = store.over(connection, until=self._over_until, after=after, limit=most)
            self._land(rows)
            after = last if len(rows) == most else None

    def _land(self, rows: Sequence[Enrolled]) -> None:
        if not rows:
            return
        landed: list[Landed] = []
        onward: list[Enrolled] = []
        facts = self._facts.of(rows, is_over=True)
        for row in rows:
            try:
                one = self._plans.land(row, facts)
            except SENSELESS as problem:
                one = self._astray(row, problem)
            landed.append(one)
            if one.next_step is not None and one.next_due_at is not None:
                onward.append(row._replace(step=one.next_step, due_at=one.next_due_at, previous_at=one.over_at))
        self._report.landed += len(landed)
        journeys = {row.id: row.journey for row in rows}
        finished = {one.id for one in landed if one.next_step is None}
        if self._report.dry_run:
            self._report.finished.update(journeys[row_id] for row_id in finished)
            self._advance([row for row in onward if row.due_at <= self._until])
            return
        written = self._write("settle-steps", partial(settle, landed=landed, run=self._run, now=self._now))
        moved = self._timed(len(landed), written)
        self._report.finished.update(journeys[row_id] for row_id in finished & moved)

    def _astray(self, row: Enrolled, problem: Exception) -> Landed:
        """One that nobody can tell where to go on: it is looked at again where it stands, as one that is due."""
        self._report.set_aside[_words(problem)] += 1
        assert row.action_id is not None  # noqa: S101 - it is over, says the query
        return Landed(row.id, row.action_id, row.due_at, row.step, self._now + AGAIN, _words(problem))

    def _plan(self) -> None:
        after = _BEGINNING
        while True:
            most = self._pace.size
            found = self._due(after, most)
            if self._plans.meet(alike.stand for alike in found if alike.key is None and alike.stand is not None):
                found = self._due(after, most)
            count = sum(len(alike.goings) for alike in found)
            self._report.due += count
            self._advance_alike(found)
            if count < most:
                return
            was_due, last = max(max(map(itemgetter(1, 0), alike.goings)) for alike in found)
            after = Instant.of(was_due), last

    def _due(self, after: Place, most: int) -> list[Alike]:
        with self._database.read_ahead() as connection:
            return due(
                connection,
                self._plans.stands,
                until=self._until,
                after=after,
                limit=most,
                just_now=self._plans.just_now,
                hardship_since=self._risks.distress_since,
            )

    def _advance_alike(self, found: Sequence[Alike]) -> None:
        """Those whose step is done at its time together; then each of the others by themselves."""
        together: list[Planned] = []
        alone: list[int] = []
        for alike in found:
            decided = self._plans.decide_alike(alike)
            goings = [going for going in alike.goings if going.id not in self._held] if self._held else alike.goings
            if decided is None:
                alone += (going.id for going in goings)
                continue
            if suppressed := self._facts.suppressed(decided[1], goings):
                alone += (going.id for going in goings if going.customer_id in suppressed)
                goings = [going for going in goings if going.customer_id not in suppressed]
            if goings:
                together.append(Planned(decided[0], goings, decided[1], None, None))
        rows: list[Enrolled] = []
        if alone:
            with self._database.read_ahead() as connection:
                rows = store.these(connection, alone, until=self._until)
        self._advance(rows, together)

    def _advance(self, rows: Sequence[Enrolled], together: Sequence[Planned] = ()) -> None:
        """These, and those of them whose next step is due as well, until none is; with what is planned of others."""
        steps_before, planned = 0, list(together)
        while (rows := [row for row in rows if row.id not in self._held]) or planned:
            facts = self._facts.of(rows)
            for row in rows:
                try:
                    one = self._plans.plan(row, facts, steps_before=steps_before)
                except SENSELESS as problem:
                    one = self._plans.set_aside(row, _words(problem), until=self._now + AGAIN)
                if one is not None:
                    planned.append(one)
            onward = self._carry_out(planned if self._crowds is None else self._without_held(planned, self._crowds))
            rows, steps_before, planned = self._after_their_steps(onward), steps_before + 1, []

    def _without_held(self, planned: Sequence[Planned], crowds: Crowds[Planned]) -> list[Planned]:
        """Those that may be written now; whose step may be one of too many waits until that is known."""
        free: list[Planned] = []
        counted: dict[str, list[Planned]] = {}
        for one in planned:
            purpose = self._plans.purpose_of(one.advance)
            (free if purpose is None else counted.setdefault(purpose, [])).append(one)
        for purpose, those in counted.items():
            self._held.update(going.id for one in those for going in one.goings)
            rules, now_free = crowds.take(purpose, those)
            now_free = self._crowded(now_free, rules)
            if _size(now_free) > _size(those):  # with them those that were held before: more than a page
                self._in_pages(now_free)
            else:
                free += now_free
        return free

    def _plan_held(self) -> None:
        """At the end of the run it is known of how many each is one."""
        for _, rules, those in self._crowds.rest() if self._crowds is not None else ():
            self._in_pages(self._crowded(those, rules))

    def _crowded(self, planned: list[Planned], rules: tuple[Rule, ...]) -> list[Planned]:
        """The same, to whom these rules apply."""
        if not rules:
            return planned
        crowded = {at: self._plans.crowded(at, rules) for at in {one.advance for one in planned}}
        return [Planned(crowded[one.advance], *one[1:]) for one in planned]

    def _in_pages(self, planned: Sequence[Planned]) -> None:
        for page in self._pace.pages(planned, lambda one: len(one.goings)):
            self._carry_out(page)

    def _says_money(self, payload: Payload) -> bool:
        with self._database.read() as connection:
            return self._risks.says_money_or_apology(connection, payload)

    def _room(self, purpose: str) -> Mapping[Rule, int]:
        with self._database.read() as connection:
            return self._risks.room(connection, purpose)

    def _carry_out(self, planned: Sequence[Planned]) -> list[Enrolled]:
        """Write them; those of them whose next step is due by now.

        Where all of them wait for their action then, nobody of them comes up again in this run, whether they moved or
        not: it is done aside, while the next page is read and decided. What was read before it was written is stale for
        nobody else, either: each moves only from where it was read.
        """
        chosen: dict[Advance, list[Going]] = {}
        for one in planned:
            chosen.setdefault(one.advance, []).extend(one.goings)
        if not chosen:
            return []
        onward: list[Enrolled] = []

        def tell(written: Written[frozenset[int]]) -> None:
            onward.extend(self._told(planned, self._timed(sum(map(len, chosen.values())), written)))

        if self._report.dry_run:
            everybody = frozenset(going.id for goings in chosen.values() for going in goings)
            return self._told(planned, everybody)
        write = partial(self._write, "plan-steps", partial(self._advanced, chosen))
        if all(one.is_in_the_air for one in chosen):
            self._aside.do(write, tell)
        else:
            self._aside.finish()
            tell(write())
        return onward

    def _told(self, planned: Sequence[Planned], moved: frozenset[int]) -> list[Enrolled]:
        """Say in the report what became of whom; those of them whose next step is due by now."""
        is_all = len(moved) == sum(len(one.goings) for one in planned)
        onward = []
        for one in planned:
            gone = one.goings if is_all else [going for going in one.goings if going.id in moved]
            if gone:
                self._tell(one, gone)
                if one.onward is not None and one.onward.due_at <= self._until:
                    onward.append(one.onward)
        return onward

    def _after_their_steps(self, rows: list[Enrolled]) -> list[Enrolled]:
        """With the action that was the last of each."""
        if not rows or self._report.dry_run:
            return rows
        with self._database.read() as connection:
            last = store.last_actions(connection, [row.id for row in rows])
        return [row._replace(action_id=last.get(row.id)) for row in rows]

    def _write(self, name: str, write: Callable[[Connection], frozenset[int]]) -> Written[frozenset[int]]:
        return timed(self._write_page, name, write)

    def _advanced(self, chosen: Mapping[Advance, Sequence[Going]], connection: Connection) -> frozenset[int]:
        moved = advance(connection, chosen, run=self._run, now=self._now)
        if self._crowds is not None:
            counted: Counter[str] = Counter()
            for at, those in chosen.items():
                purpose = self._plans.purpose_of(at)
                if purpose is not None:
                    counted[purpose] += sum(going.id in moved for going in those)
            self._risks.note(connection, counted)
        return moved

    def _timed(self, count: int, written: Written[frozenset[int]]) -> frozenset[int]:
        """Learn from a transaction about so many; who moved."""
        self._pace.took(count, written.seconds)  # the disk's part of it is the same for any page
        self._report.transactions += 1
        self._report.longest_hold_seconds = max(self._report.longest_hold_seconds, written.held_seconds)
        return written.made

    def _tell(self, planned: Planned, gone: Sequence[Going]) -> None:
        report, at, count = self._report, planned.advance, len(gone)
        if planned.channel is not None:
            report.planned[StepPlanned(at.journey, at.step, planned.channel)] += count
        if at.action is not None and at.action.ask is not None:
            report.reviewed[at.action.ask.rules] += count
        if at.next_step is None:
            report.finished[at.journey] += count
        if planned.skipped is not None:
            report.skipped[StepSkipped(at.journey, at.step, planned.skipped)] += count
            return
        for going in gone:
            if going.reason is None:
                continue
            if planned.channel is None:
                report.set_aside[going.reason] += 1
            elif going.at is not None:
                report.deferred[going.at.replace(minute=0, second=0, microsecond=0)] += 1


class _Known:
    """The versions this run has met; those that cannot be read too, so that each is tried once."""

    def __init__(self, database: Database, journeys: Versions) -> None:
        self._database, self._journeys = database, journeys
        self._met: dict[str, Journey | Exception] = {}

    def of(self, content_hash: str) -> Journey:
        """The version with this hash. Raises what kept it from being read."""
        if content_hash not in self._met:
            try:
                with self._database.read() as connection:
                    self._met[content_hash] = self._journeys.of(connection, content_hash)
            except SENSELESS as problem:
                self._met[content_hash] = problem
        found = self._met[content_hash]
        if isinstance(found, Exception):
            raise found
        return found


def _size(planned: Sequence[Planned]) -> int:
    return sum(len(one.goings) for one in planned)


def _words(problem: Exception) -> str:
    """What is wrong, in one short line."""
    said = problem.args[0] if problem.args else type(problem).__name__
    return str(said).split("\n", 1)[0][:200]
