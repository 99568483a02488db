"""The ledger as a state machine: anything in any order, judged by what the outside counted and by what is true."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, ClassVar, cast
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ledger_world import POLICY, SERVED, World, a_plan, check_audit
from sqlalchemy import insert, select

from domain.actions import FINAL, Basis, Capability, Kind, State, WriteClass, is_legal
from domain.planning import PlannedAction
from domain.surveys import SurveyAnswer, SurveyKind
from integrations.errors import AuthFailed, NotSent, OutcomeUnknown, RateLimited, Rejected
from integrations.ports import Receipt
from integrations.registry import Configured, Roster
from services.outcomes import Outcome, as_result, failed_before_sending
from services.recovery import sweep
from services.surveys import accept_answer, judge_answer
from services.wiring import Handrail
from store import cases
from store import customers as people
from store.database import Database
from store.integrations import note_check, note_sends
from store.ledger.enqueue import About, replan, send_back_to_planning
from store.ledger.rows import Armed, Reserved, Worker, cap_slots
from store.ledger.settle import settle
from store.tables import metadata

CRM, TICKETING, MAIL, SMS, VOICE = SERVED
LAG = 20.0
"""Seconds a vendor's search misses what was just written."""
WARSAW = ZoneInfo("Europe/Warsaw")
REFS = ("C-0", "C-1", "C-2")
WHO = ("x via fake", "it went wrong", "look")

FAULTS: dict[str, Exception | None] = {
    "done": None,
    "refused": Rejected(*WHO, status=422),
    "unsent": NotSent(*WHO),
    "told to wait": RateLimited(*WHO, retry_after=90),
    "locked out": AuthFailed(*WHO),
    "lost before": OutcomeUnknown(*WHO),
    "lost after": OutcomeUnknown(*WHO),
    "bug": ZeroDivisionError("in an adapter"),
}
APPLIED = {"done", "lost after", "bug"}

ENDS = st.lists(st.sampled_from(sorted(FAULTS)), min_size=1, max_size=3)
STAGES = ("4 recorded", "4 recorded", "3 sent", "2 armed", "1 reserved")

SHAPES = {
    "task": a_plan("task", kind=Kind.TASK, basis=Basis.INTERNAL, capability=CRM),
    "mail": a_plan("mail", kind=Kind.MESSAGE, basis=Basis.PROACTIVE, capability=MAIL, purpose="reminders"),
    "sms": a_plan("sms", kind=Kind.MESSAGE, basis=Basis.PROACTIVE, capability=SMS, purpose="reminders"),
    "call": a_plan("call", kind=Kind.CALL, basis=Basis.SERVICE, capability=VOICE),
}

PLANS = st.fixed_dictionaries(
    {
        "shape": st.sampled_from(sorted(SHAPES)),
        "ref": st.sampled_from(REFS),
        "number": st.integers(0, 2),
        "is_bound": st.booleans(),
        "urgent": st.booleans(),
        "hours": st.sampled_from([None, 1, 30]),
        "follows": st.booleans(),
    }
)
ANSWERS = st.tuples(st.sampled_from(REFS), st.integers(0, 3), st.integers(0, 7))
WORK = st.fixed_dictionaries(
    {
        "who": st.integers(0, 2),
        "pick": st.integers(0, 99),
        "limit": st.integers(1, 5),
        "until": st.sampled_from(STAGES),
        "ends": ENDS,
        "rate": st.sampled_from([None, None, None, 2.0, 0.01]),
    }
)

LOOP = asyncio.new_event_loop()


class Outside:
    """All vendors. With class A or B a key has one effect; with C or D every write is one, as an observer counts."""

    def __init__(self, classes: dict[Capability, WriteClass], clock: Callable[[], datetime]) -> None:
        self.classes = classes
        self._clock = clock
        self.effects: list[tuple[str, datetime]] = []

    def write(self, capability: Capability, key: str) -> Receipt:
        if self.classes[capability] in {WriteClass.C, WriteClass.D} or not self.count(key):
            self.effects.append((key, self._clock()))
        return Receipt(f"x-{key}")

    def count(self, key: str) -> int:
        return sum(known == key for known, _ in self.effects)

    async def find(self, operation: str, key: str) -> Receipt | None:
        """A vendor's search, which lags."""
        visible = self._clock() - timedelta(seconds=LAG)
        return Receipt(f"x-{key}") if any(known == key and at <= visible for known, at in self.effects) else None

    async def aclose(self) -> None:
        """Nothing to close."""

    def roster(self) -> Roster:
        """Everyone, as configured."""
        return Roster(
            Configured(f"{capability} via fake", capability, "fake", self, _always(write_class), None, 8.0, LAG)
            for capability, write_class in self.classes.items()
        )


def _always(write_class: WriteClass) -> Callable[[str], WriteClass]:
    return lambda operation: write_class


@dataclass
class Person:
    """What is true of a customer, as the test itself remembers it."""

    id: int
    email: str
    phone: str
    consent: dict[str, bool]
    is_locked: bool = False
    is_erased: bool = False

    def address(self, capability: Capability) -> str:
        return self.email if capability is MAIL else self.phone


@dataclass
class Process:
    """One worker: what it reserved, what it armed and has not sent, what came back and is not recorded."""

    name: str
    reserved: dict[Capability, list[Reserved]] = field(default_factory=lambda: defaultdict(list))
    armed: list[tuple[Armed, bool]] = field(default_factory=list)  # False: its lease is over, it must not be sent
    answers: list[Outcome] = field(default_factory=list)

    @property
    def is_busy(self) -> bool:
        return bool(any(self.reserved.values()) or self.armed or self.answers)

    @property
    def worker(self) -> Worker:
        return Worker(self.name, f"run of {self.name}")


class LedgerMachine(RuleBasedStateMachine):
    """Rules are what people, vendors, processes and clocks do. Nothing here reads the ledger to judge an effect."""

    fresh: ClassVar[Callable[[], Database]]
    forget: ClassVar[Callable[[Database], None]]

    def __init__(self) -> None:
        super().__init__()
        self.database = type(self).fresh()
        self.world = World(self.database)
        with self.database.write() as connection:
            connection.execute(insert(metadata.tables["templates"]), list(_wordings(self.world.now)))
        self.people = {ref: self._person(ref) for ref in REFS}
        self.outside = Outside({}, lambda: self.world.now)
        self.suppressed: set[tuple[str, str]] = set()
        self.processes = [Process(f"w{number}") for number in range(3)]
        self.deaths = 0
        self.is_stopped = False
        self.planned: dict[str, PlannedAction] = {}
        self.settled: Counter[str] = Counter()
        self.settled_done: set[str] = set()
        self.contacts: dict[str, tuple[str, datetime]] = {}

    def _person(self, ref: str) -> Person:
        made = self.world.customer(ref, time_zone="Europe/Warsaw", language="en")
        (row,) = (row for row in self.world.rows("customers") if row.id == made)
        return Person(made, row.email, row.phone, {channel: True for channel in ("mail", "sms", "voice")})

    @initialize(
        classes=st.tuples(*[st.sampled_from(WriteClass)] * len(SERVED)),
        answers=st.lists(ANSWERS, max_size=2),
        plans=st.lists(PLANS, min_size=2, max_size=6),
    )
    def begin(self, classes: tuple[WriteClass, ...], answers: list[Any], plans: list[dict[str, Any]]) -> None:
        """Any vendor may have any write class; something is planned already."""
        self.outside = Outside(dict(zip(SERVED, classes, strict=True)), lambda: self.world.now)
        self.handrail = cast(
            Handrail,
            SimpleNamespace(
                database=self.database, roster=self.outside.roster(), policy=POLICY, clock=lambda: self.world.now
            ),
        )
        for answer in answers:
            self.answer(answer)
        for plan in plans:
            self.plan(plan)

    # What is planned ------------------------------------------------------------------------------------------------

    @rule(given=ANSWERS)
    def answer(self, given: tuple[str, int, int]) -> None:
        """A survey answer comes in, perhaps again: a ticket or a note, and an acknowledgement."""
        ref, number, score = given
        now, known = self.world.now, set(self.world.states())
        said = SurveyAnswer("s", f"{ref}-{number}", SurveyKind.NPS, score, None, "en", now, now)
        with self.database.write() as connection:
            found = people.locked(connection, ref)
            assert found is not None
            accept_answer(connection, judge_answer(said, POLICY), found[1], POLICY, run="gateway", now=now)
            self.people[ref].is_locked = _person_row(connection, ref).tact_lock is not None
        for row in self.world.rows("actions"):
            if row.key not in known:
                shape = a_plan(row.key, kind=Kind(row.kind), basis=Basis(row.basis))
                self.planned[row.key] = replace(shape, capability=Capability(row.capability), purpose=ref)

    @rule(wanted=PLANS)
    def plan(self, wanted: dict[str, Any]) -> None:
        """An action is planned, perhaps again; the second time changes nothing."""
        shape, ref, hours = wanted["shape"], wanted["ref"], wanted["hours"]
        key = f"{shape}/{ref}/{wanted['number']}"
        earlier = [known for known in sorted(self.planned) if known.split("/")[1:2] == [ref] and known < key]
        plan = replace(
            SHAPES[shape],
            key=key,
            due_at=self.world.now,
            urgent=wanted["urgent"],
            facts=frozenset({"customer"} if wanted["is_bound"] else ()),
            not_after=None if hours is None else self.world.now + timedelta(hours=hours),
            after=earlier[-1] if wanted["follows"] and earlier else None,
        )
        before = self.world.row(key) if key in self.planned else None
        made = self.world.put(plan, customer_id=self.people[ref].id)
        assert bool(made) == (before is None)
        if before is not None:
            assert self.world.row(key) == before
        self.planned.setdefault(key, replace(plan, purpose=ref))

    @rule(pick=st.integers(0, 99), back=st.booleans())
    def change_a_plan(self, pick: int, back: bool) -> None:
        """Somebody knows that an unsent action rests on facts that changed; a planner makes a planned one anew."""
        if not back and (key := self._one_of([State.PLANNED], pick, lambda known: known.split("/")[0] in SHAPES)):
            self._replan(key)
        if back and (key := self._one_of([State.READY, State.CLAIMED], pick, _rests_on_facts)):
            with self.database.write() as connection:
                assert send_back_to_planning(connection, [key], reason="renewed", by="crm", now=self.world.now) == 1

    def _replan(self, key: str) -> None:
        shape, ref, _ = key.split("/")
        anew = replace(SHAPES[shape], key=key, due_at=self.world.now)
        with self.database.write() as connection:
            about = About(self.people[ref].id)
            assert replan(connection, self.world.row(key).id, anew, about, run="planner", now=self.world.now)

    # What processes do ----------------------------------------------------------------------------------------------

    @rule(jobs=st.lists(WORK, min_size=1, max_size=3))
    def work(self, jobs: list[dict[str, Any]]) -> None:
        """Processes take from queues that have something, and come so far."""
        for job in jobs:
            ready = [row for row in self.world.rows("actions") if row.state == State.READY]
            queues = sorted({(row.capability, row.lane) for row in ready if row.due_at <= self.world.now})
            if queues:
                capability, lane = queues[job["pick"] % len(queues)]
                process = self.processes[job["who"]]
                self._reserve(process, Capability(capability), lane, job["limit"])
                self._go_on(process, job["until"], job["ends"], job["rate"])

    @precondition(lambda self: any(process.is_busy for process in self.processes))
    @rule(who=st.integers(0, 2), until=st.sampled_from(STAGES), ends=ENDS)
    def go_on(self, who: int, until: str, ends: Sequence[str]) -> None:
        """A process goes on where it stood, whatever happened meanwhile."""
        self._go_on(self._busy(who), until, ends, None)

    def _go_on(self, process: Process, until: str, ends: Sequence[str], rate: float | None) -> None:
        if until >= "2 armed":
            for capability in SERVED:
                if process.reserved[capability]:
                    self._arm(process, capability, rate)
        if until >= "3 sent":
            self._send(process, ends)
        if until >= "4 recorded":
            self._record(process)

    def _busy(self, who: int) -> Process:
        busy = [process for process in self.processes if process.is_busy]
        return busy[who % len(busy)]

    def _reserve(self, process: Process, capability: Capability, lane: str, limit: int) -> None:
        before = self.world.states()
        rows = self.world.reserve(capability, lane=lane, limit=limit, worker=process.worker)
        assert not (rows and self.is_stopped)
        ids = {row.id: row for row in self.world.rows("actions")}
        for row in rows:
            assert before[row.key] is State.READY
            after = ids[row.id].after_id
            assert after is None or State(ids[after].state) in FINAL
        process.reserved[capability] += rows

    def _arm(self, process: Process, capability: Capability, rate: float | None = None) -> None:
        """Nothing is armed that somebody or something forbids now."""
        rows = process.reserved.pop(capability, [])
        window = self.world.arm(rows, capability, worker=process.worker, rate=rate)
        process.reserved[capability] = window.left
        assert not (window.armed and self.is_stopped)
        for armed in window.armed:
            self._may_be_armed(armed)
            process.armed.append((armed, True))

    def _may_be_armed(self, armed: Armed) -> None:
        plan, now = self.planned[armed.key], self.world.now
        person = self.people[str(plan.purpose)]
        assert not person.is_erased
        if plan.not_after is not None:
            assert now < plan.not_after
        if armed.basis is Basis.INTERNAL:
            return
        channel, hour = armed.capability, now.astimezone(WARSAW).hour
        assert (channel.value, person.address(channel)) not in self.suppressed
        if armed.basis is not Basis.REPLY:
            assert not person.is_locked
        if channel is not MAIL or armed.basis is not Basis.REPLY:
            assert 8 <= hour < 20
        if armed.basis is Basis.PROACTIVE:
            assert person.consent[channel.value]
            week = now - timedelta(days=POLICY.contact.cap.days)
            others = [at for key, (ref, at) in self.contacts.items() if ref == plan.purpose and key != armed.key]
            assert sum(at > week for at in others) < POLICY.contact.cap.contacts
            self.contacts[armed.key] = (str(plan.purpose), now)

    def _send(self, process: Process, ends: Sequence[str]) -> None:
        """Each send ends well or badly, and its answer is on the way."""
        for number, (armed, in_time) in enumerate(process.armed):
            end = ends[number % len(ends)]
            if not in_time:
                process.answers.append(failed_before_sending(armed, "stopped before sending", retry=True))
                continue
            receipt = self.outside.write(armed.capability, armed.key) if end in APPLIED else None
            problem = FAULTS[end]
            process.answers.append(Outcome(armed, receipt=None if problem else receipt, problem=problem))
        process.armed = []

    def _record(self, process: Process) -> None:
        """Unless others have taken over."""
        by_capability: dict[Capability, list[Outcome]] = defaultdict(list)
        for outcome in process.answers:
            by_capability[outcome.action.capability].append(outcome)
        process.answers = []
        for capability, outcomes in by_capability.items():
            standing = {row.id: (row.state, row.fence) for row in self.world.rows("actions")}
            results = [as_result(outcome, POLICY.retry, now=self.world.now) for outcome in outcomes]
            refused = self.world.record(*results, worker=process.worker, integration=f"{capability} via fake")
            stale = [result for result in results if standing[result.id] != (State.SENDING, result.fence)]
            assert refused == stale
            self._tell_the_breaker(capability, outcomes)

    def _tell_the_breaker(self, capability: Capability, outcomes: Sequence[Outcome]) -> None:
        problems = [outcome.problem for outcome in outcomes]
        note_sends(
            self.database,
            f"{capability} via fake",
            successes=sum(problem is None or isinstance(problem, Rejected) for problem in problems),
            failures=sum(isinstance(problem, NotSent | OutcomeUnknown) for problem in problems),
            reason="silent",
            refused_credentials="renew" if any(isinstance(problem, AuthFailed) for problem in problems) else None,
            retry_after=90 if any(isinstance(problem, RateLimited) for problem in problems) else None,
            rules=POLICY.breaker,
            now=self.world.now,
        )

    @precondition(lambda self: any(process.is_busy for process in self.processes))
    @rule(who=st.integers(0, 2), for_good=st.booleans())
    def stop_a_process(self, who: int, for_good: bool) -> None:
        """Killed, or stopped past its leases, to go on later: what it armed and has not sent, it must not send then."""
        process = self._busy(who)
        self._end_leases(process)
        process.armed = [(armed, False) for armed, _ in process.armed]
        if for_good:
            self.deaths += 1
            place = self.processes.index(process)
            self.processes[place] = Process(f"w{place} after {self.deaths} deaths")

    def _end_leases(self, process: Process) -> None:
        held = {row.key for row in self.world.rows("actions") if row.claimed_by == process.name and row.lease_until}
        if held:
            self.world.kill(*held)

    @rule()
    def recover(self) -> None:
        """One round of recovery, by the code that ships. Nothing stays in a dead worker's hands."""
        LOOP.run_until_complete(sweep(self.handrail, run="sweeper"))
        past = datetime(2001, 1, 1, tzinfo=UTC)
        for row in self.world.rows("actions"):
            assert not (row.state in {State.CLAIMED, State.SENDING} and row.lease_until < past)

    # What people and vendors do -------------------------------------------------------------------------------------

    @rule(
        ref=st.sampled_from(REFS),
        what=st.sampled_from(["withdraw", "allow", "suppress", "lock", "lift", "move", "solve", "erase"]),
        channel=st.sampled_from([MAIL, SMS, VOICE]),
    )
    def customer(self, ref: str, what: str, channel: Capability) -> None:
        """Something becomes true of a customer."""
        person, now = self.people[ref], self.world.now
        with self.database.write() as connection:
            if what in {"withdraw", "allow"}:
                person.consent[channel.value] = what == "allow"
                people.set_consent(connection, person.id, "reminders", channel, granted=what == "allow", now=now)
            elif what == "suppress":
                people.suppress(connection, channel, person.address(channel), "bounce", now=now)
                self.suppressed.add((channel.value, person.address(channel)))
            elif what == "lock":
                people.set_tact_lock(connection, person.id, "words", now=now)
                person.is_locked = True
            elif what == "lift":
                people.lift_tact_lock(connection, person.id, now=now)
                person.is_locked = False
            elif what == "move" and not person.is_erased:
                found = people.locked(connection, ref)
                assert found is not None
                person.email = f"new-{person.email}"
                people.save(connection, person.id, found[1], replace(found[1], email=person.email), now=now)
            elif what == "solve":
                for row in _cases_of(connection, person.id):
                    cases.solve(connection, row.id, now=now)
            elif what == "erase" and ref == REFS[-1]:
                people.erase(connection, person.id, now=now)
                person.is_erased = True

    @rule(stopped=st.sampled_from([False, False, True]))
    def switch(self, stopped: bool) -> None:
        """The kill switch."""
        self.world.stop(stopped)
        self.is_stopped = stopped

    @rule(capability=st.sampled_from(SERVED), ok=st.booleans())
    def probe(self, capability: Capability, ok: bool) -> None:
        """A check of an integration."""
        note_check(
            self.database,
            f"{capability} via fake",
            ok=ok,
            latency_ms=1,
            problem="" if ok else "silent",
            rules=POLICY.breaker,
            now=self.world.now,
        )

    @rule(seconds=st.sampled_from([1, 5, 40, 120, 3600, 8 * 3600, 30 * 3600]))
    def wait(self, seconds: int) -> None:
        """Business time passes."""
        self.world.now += timedelta(seconds=seconds)

    @rule(
        pick=st.integers(0, 99), to=st.sampled_from([State.DONE, State.READY, State.CANCELLED, State.AWAITING_REVIEW])
    )
    def decide(self, pick: int, to: State) -> None:
        """A named person settles what was left to people."""
        key = self._one_of([State.NEEDS_HUMAN, State.FAILED], pick)
        if key is None or not is_legal(self.world.state(key), to, basis=self.planned[key].basis):
            return
        with self.database.write() as connection:
            settle(connection, key, to, by="anna", reason="asked them", now=self.world.now)
        self.settled[key] += to is State.READY
        if to is State.DONE:
            self.settled_done.add(key)

    def _one_of(self, states: Sequence[State], pick: int, of: Callable[[str], bool] = lambda known: True) -> str | None:
        keys = sorted(key for key, state in self.world.states().items() if state in states and of(key))
        return keys[pick % len(keys)] if keys else None

    # What must be true ----------------------------------------------------------------------------------------------

    @invariant()
    def nothing_is_doubled_but_by_a_person_or_the_one_acknowledgement(self) -> None:
        """Judged by the outside's own list. The one repeat is counted in the ledger (checked at the end)."""
        for key, count in Counter(key for key, _ in self.outside.effects).items():
            plan = self.planned[key]
            is_acknowledgement = plan.kind is Kind.ACKNOWLEDGEMENT
            assert count <= 1 + is_acknowledgement + self.settled[key], key

    def teardown(self) -> None:
        """Faults stop and time passes: everything comes to an end, or stands where a person sees it."""
        try:
            if self.outside.classes:
                self._come_to_rest()
                self._check_the_end()
        finally:
            type(self).forget(self.database)

    def _come_to_rest(self) -> None:
        self.switch(False)
        while any(process.is_busy for process in self.processes):
            self.stop_a_process(0, True)
        for day in range(40):
            for capability in SERVED:
                self.probe(capability, True)
            self.recover()
            for key, state in self.world.states().items():
                if state is State.PLANNED and key.split("/")[0] in SHAPES:
                    self._replan(key)
            self._work_off()
            if not self._unfinished():
                return
            # by the minute first (backoff, lag), then to every hour of the day
            self.world.now += timedelta(minutes=2) if day < 12 else timedelta(hours=17)
        raise AssertionError(f"never at rest: {self._unfinished()}")

    def _work_off(self) -> None:
        process = self.processes[0]
        for capability, lane in sorted({(row.capability, row.lane) for row in self.world.rows("actions")}):
            self._reserve(process, Capability(capability), lane, 99)
            while process.reserved[Capability(capability)]:
                self._arm(process, Capability(capability))
            self._send(process, ["done"])
            self._record(process)

    def _unfinished(self) -> dict[str, str]:
        rows = {row.id: row for row in self.world.rows("actions")}
        seen = {State.NEEDS_HUMAN, State.FAILED, State.AWAITING_REVIEW}

        def is_over(row: Any) -> bool:
            if row.state == State.READY and row.after_id is not None:
                return rows[row.after_id].state not in FINAL and is_over(rows[row.after_id])
            return row.state in FINAL | seen

        return {row.key: f"{row.state}: {row.reason}" for row in rows.values() if not is_over(row)}

    def _check_the_end(self) -> None:
        check_audit(self.database)
        for row in self.world.rows("actions"):
            count, plan = self.outside.count(row.key), self.planned[row.key]
            write_class = self.outside.classes[Capability(row.capability)]
            assert row.resends <= 1 + self.settled[row.key]
            if write_class in {WriteClass.A, WriteClass.B}:
                assert count <= 1
            elif write_class is WriteClass.C:
                assert count <= 1 + self.settled[row.key], "a searchable write was doubled"
            else:
                assert count <= 1 + row.resends + self.settled[row.key], "a repeat was not counted"
            if row.state == State.DONE and row.key not in self.settled_done:
                assert count >= 1, "done, but nobody got it"
            if row.state in {State.SKIPPED, State.EXPIRED}:
                assert count == 0, f"{row.state}, but it had gone out"
            assert plan.basis == row.basis
        with self.database.read() as connection:
            assert len(connection.execute(select(cap_slots)).all()) == len(self.contacts)
        open_cases = Counter(row.customer_id for row in self.world.rows("cases") if row.state == "open")
        assert not open_cases or max(open_cases.values()) == 1


def _rests_on_facts(key: str) -> bool:
    return not key.startswith("case/")


def _cases_of(connection: Any, customer: int) -> Any:
    standing = metadata.tables["cases"]
    return connection.execute(select(standing).where(standing.c.customer_id == customer)).all()


def _person_row(connection: Any, ref: str) -> Any:
    customers = metadata.tables["customers"]
    return connection.execute(select(customers).where(customers.c.ref == ref)).one()


def _wordings(now: datetime) -> Any:
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
