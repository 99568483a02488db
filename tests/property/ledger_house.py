"""The house around the ledger: what was planned, who works, and each step of a worker held to what is true."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

from ledger_door import SOURCE, intake
from ledger_outside import APPLIED, ENDS, MAIL, REFS, SERVED, Outside, Person
from ledger_tally import Tally
from ledger_world import POLICY, World
from sqlalchemy import insert, select

from domain.actions import FINAL, Basis, Capability, State
from domain.planning import PlannedAction
from integrations.errors import AuthFailed, NotSent, OutcomeUnknown, RateLimited, Rejected
from services.journeys import Journeys
from services.outcomes import Outcome, as_result, failed_before_sending
from services.wiring import Handrail
from store.database import Database
from store.groupcommit import GroupCommit
from store.integrations import note_sends
from store.ledger.rows import Armed, Reserved, Worker
from store.tables import metadata

WARSAW = ZoneInfo("Europe/Warsaw")
BEGINNINGS = ("task", "mail", "sms", "call", "case", "survey")
"""What keys begin with."""


@dataclass
class Process:
    """One worker: what it reserved, what it armed and has not sent, what came back and is not recorded."""

    name: str
    ahead: timedelta = timedelta()  # of the business clock of everybody else
    reserved: dict[Capability, list[Reserved]] = field(default_factory=lambda: defaultdict(list))
    armed: list[tuple[Armed, bool]] = field(default_factory=list)  # False: its lease is over, it must not be sent
    answers: list[Outcome] = field(default_factory=list)

    @property
    def is_busy(self) -> bool:
        """It holds something."""
        return bool(any(self.reserved.values()) or self.armed or self.answers)

    @property
    def worker(self) -> Worker:
        """As the ledger knows it."""
        return Worker(self.name, f"run of {self.name}")


class Proofs:
    """Whose death is proven, as the locks of an installation's processes tell it."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    @contextmanager
    def dead(self) -> Iterator[frozenset[str]]:
        """For the one who takes over what they held."""
        yield frozenset(self.names)
        self.names.clear()


class House:
    """One history's database, people and processes. What is true is remembered here, never read from the ledger."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.world = World(database)
        self.set_back = timedelta()
        self.outside = Outside({}, self.true_now)
        with database.write() as connection:
            connection.execute(insert(metadata.tables["templates"]), list(_wordings(self.world.now)))
        self.people = {ref: self._person(ref) for ref in REFS}
        self.processes = [Process(f"w{number}") for number in range(3)]
        self.writer = GroupCommit(database)
        self.tally, self.steps = Tally(), 0
        self.deaths, self.proofs = 0, Proofs()
        self.is_stopped = False
        self.suppressed: set[tuple[str, str]] = set()
        self.planned: dict[str, PlannedAction] = {}  # whose `purpose` is the customer's ref here
        self.rests_on: dict[str, int] = {}  # an action's key → how often its customer had moved when it was planned
        self.contacts: dict[str, tuple[str, datetime]] = {}
        self.sent_again_by_people: Counter[str] = Counter()
        self.done_by_people: set[str] = set()
        self.tried_again_by_people: set[str] = set()
        """Somebody let it go once more, though the first time may have gone out: its end tells of the second."""
        self.due: set[str] = set()
        """Acknowledgements that somebody who delivered a bad answer may rely on."""

    def _person(self, ref: str) -> Person:
        made = self.world.customer(ref, time_zone="Europe/Warsaw", language="en")
        (row,) = (row for row in self.world.rows("customers") if row.id == made)
        return Person(made, row.email, row.phone, {channel: True for channel in ("mail", "sms", "voice")})

    @property
    def handrail(self) -> Handrail:
        """As much of an installation as intake and recovery need."""
        parts = SimpleNamespace(
            database=self.database,
            writer=self.writer,
            roster=self.outside.roster({SOURCE: intake()}),
            policy=POLICY,
            settings=SimpleNamespace(lease_seconds=20.0),
            journeys=Journeys(),
            lifelines=self.proofs,
            clock=lambda: self.world.now,
        )
        return cast(Handrail, parts)

    def true_now(self) -> datetime:
        """The time outside, which goes on whatever somebody does to our clocks."""
        return self.world.now + self.set_back

    def now(self, process: Process) -> datetime:
        """What the clock of a process shows."""
        return self.world.now + process.ahead

    def tact_lock(self, ref: str) -> str | None:
        """Read, not remembered: whether an answer sets it depends on its words and score."""
        customers = metadata.tables["customers"]
        with self.database.read() as connection:
            return connection.execute(select(customers.c.tact_lock).where(customers.c.ref == ref)).scalar_one()  # type: ignore[no-any-return]

    def reserve(self, process: Process, capability: Capability, lane: str, limit: int) -> None:
        """Step one of a claim."""
        before = self.world.states()
        rows = self.world.reserve(capability, lane=lane, limit=limit, worker=process.worker, now=self.now(process))
        self.tally.did("reserved", len(rows))
        assert not (rows and self.is_stopped)
        ids = {row.id: row for row in self.world.rows("actions")}
        for row in rows:
            assert before[row.key] is State.READY
            after = ids[row.id].after_id
            assert after is None or State(ids[after].state) in FINAL
        process.reserved[capability] += rows

    def go_on(self, process: Process, until: str, ends: Sequence[str], rate: float | None) -> None:
        """From wherever it stands."""
        for capability in SERVED:
            if until >= "2 armed" and process.reserved[capability]:
                self.arm(process, capability, rate)
        if until >= "3 sent":
            self.send(process, ends)
        if until >= "4 recorded":
            self.record(process)

    def arm(self, process: Process, capability: Capability, rate: float | None = None) -> None:
        """Step two; nothing is armed that somebody or something forbids now."""
        rows = process.reserved.pop(capability, [])
        now = self.now(process)
        window = self.world.arm(rows, capability, worker=process.worker, rate=rate, now=now)
        process.reserved[capability] = window.left
        self.tally.did("arming: left to the next window", len(window.left))
        self.tally.did("arming: go", len(window.armed))
        for _, verdict in window.moved:
            self.tally.did(f"arming: {type(verdict).__name__.lower()}")
        assert not (window.armed and self.is_stopped)
        for armed in window.armed:
            self._check_arming(armed, now)
            process.armed.append((armed, True))

    def _check_arming(self, armed: Armed, now: datetime) -> None:
        plan = self.planned[armed.key]
        person = self.people[str(plan.purpose)]
        assert not person.is_erased
        assert self.rests_on.get(armed.key, person.moves) == person.moves
        assert plan.not_after is None or now < plan.not_after
        if armed.basis is Basis.INTERNAL:
            return
        channel = armed.capability
        assert (channel.value, person.address(channel)) not in self.suppressed
        assert armed.basis is Basis.REPLY or not person.is_locked
        if channel is not MAIL or armed.basis is not Basis.REPLY:
            assert 8 <= now.astimezone(WARSAW).hour < 20
        if armed.basis is Basis.PROACTIVE:
            self._check_contact(armed, str(plan.purpose), now)

    def _check_contact(self, armed: Armed, ref: str, now: datetime) -> None:
        assert self.people[ref].consent[armed.capability.value]
        since = now - timedelta(days=POLICY.contact.cap.days)
        others = [at for key, (whose, at) in self.contacts.items() if whose == ref and key != armed.key]
        assert sum(at > since for at in others) < POLICY.contact.cap.contacts
        self.contacts[armed.key] = (ref, now)

    def send(self, process: Process, ends: Sequence[str]) -> None:
        """The sockets open; each send ends well or badly, and its answer is on the way."""
        for number, (armed, in_time) in enumerate(process.armed):
            end = ends[number % len(ends)]
            if not in_time:
                process.answers.append(failed_before_sending(armed, "stopped before sending", retry=True))
                self.tally.did("sent: not any more, its lease was over")
                continue
            self.tally.did(f"sent: {end}")
            receipt = self.outside.write(armed.capability, armed.key) if end in APPLIED else None
            process.answers.append(Outcome(armed, receipt=receipt if ENDS[end] is None else None, problem=ENDS[end]))
        process.armed = []

    def record(self, process: Process) -> None:
        """The answers are written down; those are refused, and only those, whose row others have taken over."""
        by_capability: dict[Capability, list[Outcome]] = defaultdict(list)
        for outcome in process.answers:
            by_capability[outcome.action.capability].append(outcome)
        process.answers = []
        for capability, outcomes in by_capability.items():
            standing = {row.id: (row.state, row.fence) for row in self.world.rows("actions")}
            now = self.now(process)
            results = [as_result(outcome, POLICY.retry, now=now) for outcome in outcomes]
            may_be_out = {move.action_id for move in self.world.rows("audit") if move.after == State.UNCERTAIN}
            gave_up = {one.id for one in results if one.state is State.FAILED}
            name = f"{capability} via fake"
            refused = self.world.record(*results, worker=process.worker, integration=name, now=now)
            self.tally.did("recorded", len(results) - len(refused))
            overtaken = sum(standing[one.id][0] == State.SENDING for one in refused)
            self.tally.did("recorded too late: refused", len(refused) - overtaken)
            self.tally.did("recorded too late: another is sending it: refused", overtaken)
            assert refused == [one for one in results if standing[one.id] != (State.SENDING, one.fence)]
            self._check_losses(outcomes, {one.id for one in refused}, gave_up & may_be_out)
            self._tell_the_breaker(name, [outcome.problem for outcome in outcomes], now)

    def _check_losses(self, outcomes: Sequence[Outcome], refused: set[int], out_before: set[int]) -> None:
        """What may have gone out is uncertain, now or in an earlier try that a refusal ends; nothing else is."""
        for outcome in outcomes:
            if outcome.action.id not in refused:
                is_lost = isinstance(outcome.problem, OutcomeUnknown | ZeroDivisionError)
                is_lost |= outcome.action.id in out_before
                assert (self.world.state(outcome.action.key) is State.UNCERTAIN) == is_lost

    def _tell_the_breaker(self, name: str, problems: Sequence[Exception | None], now: datetime) -> None:
        before = self.open_breakers()
        note_sends(
            self.database,
            name,
            successes=sum(problem is None or isinstance(problem, Rejected) for problem in problems),
            failures=sum(isinstance(problem, NotSent | OutcomeUnknown) for problem in problems),
            reason="silent",
            refused_credentials="renew" if any(isinstance(problem, AuthFailed) for problem in problems) else None,
            retry_after=90 if any(isinstance(problem, RateLimited) for problem in problems) else None,
            rules=POLICY.breaker,
            now=now,
        )
        self.tally.did("breaker opened", len(self.open_breakers() - before))

    def open_breakers(self) -> set[str]:
        """Integrations that get nothing for the time being."""
        return {row.name for row in self.world.rows("integration_state") if row.breaker == "open"}

    def stop_a_process(self, process: Process, *, for_good: bool, is_proven: bool = False) -> None:
        """Killed, or stopped past its leases, to go on later: what it armed and has not sent, it must not send then.

        A death that `is_proven` is known before any lease is over.
        """
        held = {row.key for row in self.world.rows("actions") if row.claimed_by == process.name and row.lease_until}
        if for_good and is_proven:
            self.proofs.names.add(process.name)
            self.tally.did("died holding something: proven")
        elif held:
            self.world.kill(*held)
        process.armed = [(armed, False) for armed, _ in process.armed]
        self.tally.did("died holding something" if for_good else "slept past its lease")
        if for_good:
            self.deaths += 1
            place = self.processes.index(process)
            self.processes[place] = Process(f"w{place} after {self.deaths} deaths", process.ahead)

    def busy(self) -> list[Process]:
        """Processes that hold something."""
        return [process for process in self.processes if process.is_busy]

    def one_of(self, states: Sequence[State], pick: int, among: Iterable[str] | None = None) -> str | None:
        """The key of an action in one of these states."""
        kinds = set(BEGINNINGS if among is None else among)
        standing = self.world.states().items()
        keys = sorted(key for key, state in standing if state in states and key.split("/")[0] in kinds)
        return keys[pick % len(keys)] if keys else None


def _wordings(now: datetime) -> Iterable[dict[str, Any]]:
    for name in ("acknowledgement", "acknowledgement-distress"):
        for language in ("pl", "cs", "en"):
            yield {
                "hash": f"{name}-{language}",
                "name": name,
                "language": language,
                "content": {},
                "published_at": now,
                "approved_at": now,
                "approved_by": "test",
            }
