"""The ledger as a state machine: anything in any order, judged by what the outside counted and by what is true."""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ledger_end import check_the_end, come_to_rest, plan_anew
from ledger_house import House
from ledger_outside import (
    ANSWERS,
    CHANGES,
    CLASSES,
    JOBS,
    PLANS,
    REFS,
    SENDS,
    SERVED,
    SHAPES,
    STAGES,
    Job,
    Outside,
    Plan,
)
from ledger_world import POLICY, a_plan
from sqlalchemy import select

from domain.actions import Basis, Capability, Kind, State, WriteClass, is_legal
from domain.surveys import SurveyAnswer, SurveyKind
from services.recovery import sweep
from services.surveys import Given, accept_answer, judge_answer
from store import cases
from store import customers as people
from store.database import Database
from store.integrations import note_check
from store.ledger.enqueue import send_back_to_planning
from store.ledger.settle import settle
from store.tables import metadata

LOOP = asyncio.new_event_loop()
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


class LedgerMachine(RuleBasedStateMachine):
    """Rules are what people, vendors, processes and clocks do. Nothing here reads the ledger to judge an effect."""

    fresh: ClassVar[Callable[[], Database]]
    forget: ClassVar[Callable[[Database], None]]

    def __init__(self) -> None:
        super().__init__()
        self.house = House(type(self).fresh())
        self.database, self.world = self.house.database, self.house.world

    @initialize(
        classes=CLASSES,
        answers=st.lists(ANSWERS, max_size=2),
        plans=st.lists(PLANS, min_size=3, max_size=8),
    )
    def begin(self, classes: tuple[WriteClass, ...], answers: list[tuple[str, int, int]], plans: list[Plan]) -> None:
        """Any vendor may have any write class; something is planned already."""
        self.house.outside = Outside(dict(zip(SERVED, classes, strict=True)), lambda: self.world.now)
        for answer in answers:
            self.answer(answer)
        for plan in plans:
            self.plan(plan)

    @rule(given=ANSWERS)
    def answer(self, given: tuple[str, int, int]) -> None:
        """A survey answer comes in, perhaps again: a ticket or a note, and an acknowledgement."""
        ref, number, score = given
        now, known = self.world.now, set(self.world.states())
        said = SurveyAnswer("s", f"{ref}-{number}", SurveyKind.NPS, score, None, "en", now, now)
        with self.database.write() as connection:
            found = people.locked(connection, ref)
            assert found is not None
            accept_answer(connection, Given(judge_answer(said, POLICY), found[1]), POLICY, run="gateway", now=now)
        self.house.people[ref].is_locked = self.house.tact_lock(ref) is not None
        for row in self.world.rows("actions"):
            if row.key not in known:
                shape = a_plan(row.key, kind=Kind(row.kind), basis=Basis(row.basis))
                self.house.planned[row.key] = replace(shape, purpose=ref)
                if shape.kind is Kind.ACKNOWLEDGEMENT:
                    self.house.rests_on[row.key] = self.house.people[ref].moves

    @rule(wanted=PLANS)
    def plan(self, wanted: Plan) -> None:
        """An action is planned, perhaps again; the second time changes nothing."""
        key, ref, planned = wanted.key, wanted.ref, self.house.planned
        earlier = [known for known in sorted(planned) if known.split("/")[1:2] == [ref] and known < key]
        plan = replace(
            SHAPES[wanted.shape],
            key=key,
            due_at=self.world.now,
            urgent=wanted.urgent,
            facts=frozenset({"customer"} if wanted.is_bound else ()),
            not_after=None if wanted.hours is None else self.world.now + timedelta(hours=wanted.hours),
            after=earlier[-1] if wanted.follows and earlier else None,
        )
        before = self.world.row(key) if key in planned else None
        made = self.world.put(plan, customer_id=self.house.people[ref].id)
        assert bool(made) == (before is None)
        assert before is None or self.world.row(key) == before
        planned.setdefault(key, replace(plan, purpose=ref))
        if before is None and wanted.is_bound:
            self.house.rests_on[key] = self.house.people[ref].moves

    @rule(pick=st.integers(0, 99), back=st.booleans())
    def change_a_plan(self, pick: int, back: bool) -> None:
        """Somebody knows that an unsent action rests on facts that changed; a planner makes a planned one anew."""
        if not back and (key := self.house.one_of([State.PLANNED], pick, SHAPES)):
            plan_anew(self.house, key)
        if back and (key := self.house.one_of([State.READY, State.CLAIMED], pick, [*SHAPES, "survey"])):
            with self.database.write() as connection:
                assert send_back_to_planning(connection, [key], reason="renewed", by="crm", now=self.world.now) == 1

    @rule(jobs=st.lists(JOBS, min_size=1, max_size=6))
    def work(self, jobs: list[Job]) -> None:
        """Processes take from queues that have something, and come so far."""
        self._work(jobs)

    @rule(jobs=st.lists(JOBS, min_size=1, max_size=6), seconds=st.integers(0, 90), change=CHANGES)
    def recover_and_work(self, jobs: list[Job], seconds: int, change: tuple[str, str, Capability]) -> None:
        """A usual round, a little later: what was lost or is to be tried again comes back, and something changed."""
        self.wait(seconds)
        self.recover()
        self.customer(change)
        self._work(jobs)

    def _work(self, jobs: list[Job]) -> None:
        for job in jobs:
            ready = [row for row in self.world.rows("actions") if row.state == State.READY]
            queues = sorted({(row.capability, row.lane) for row in ready if row.due_at <= self.world.now})
            if queues:
                capability, lane = queues[job.queue % len(queues)]
                process = self.house.processes[job.who]
                self.house.reserve(process, Capability(capability), lane, job.limit)
                self.house.go_on(process, job.until, job.ends, job.rate)

    @precondition(lambda self: self.house.busy())
    @rule(who=st.integers(0, 2), until=st.sampled_from(STAGES), ends=SENDS, change=CHANGES)
    def go_on(self, who: int, until: str, ends: Sequence[str], change: tuple[str, str, Capability]) -> None:
        """A process goes on where it stood, whatever happened meanwhile."""
        self.customer(change)
        busy = self.house.busy()
        self.house.go_on(busy[who % len(busy)], until, ends, None)

    @precondition(lambda self: self.house.busy())
    @rule(who=st.integers(0, 2), for_good=st.booleans())
    def stop_a_process(self, who: int, for_good: bool) -> None:
        """A process is killed, or sleeps past its leases."""
        busy = self.house.busy()
        self.house.stop_a_process(busy[who % len(busy)], for_good=for_good)

    @rule()
    def recover(self) -> None:
        """One round of recovery, by the code that ships. Nothing stays in a dead worker's hands."""
        before = {row.key: row.revision for row in self.world.rows("actions")}
        LOOP.run_until_complete(sweep(self.house.handrail, run="sweeper"))
        for row in self.world.rows("actions"):
            if row.revision != before[row.key]:
                self.house.rests_on[row.key] = self.house.people[str(self.house.planned[row.key].purpose)].moves
            assert not (row.state in {State.CLAIMED, State.SENDING} and row.lease_until < LONG_AGO)

    @rule(change=CHANGES)
    def customer(self, change: tuple[str, str, Capability]) -> None:
        """Something becomes true of a customer."""
        ref, what, channel = change
        person, now = self.house.people[ref], self.world.now
        with self.database.write() as connection:
            if what in {"withdraw", "allow"}:
                person.consent[channel.value] = what == "allow"
                people.set_consent(connection, person.id, "reminders", channel, granted=what == "allow", now=now)
            elif what == "suppress":
                people.suppress(connection, channel, person.address(channel), "bounce", now=now)
                self.house.suppressed.add((channel.value, person.address(channel)))
            elif what == "lock":
                people.set_tact_lock(connection, person.id, "words", now=now)
                person.is_locked = True
            elif what == "lift":
                people.lift_tact_lock(connection, person.id, now=now)
                person.is_locked = False
            elif what == "move" and not person.is_erased:
                found = people.locked(connection, ref)
                assert found is not None
                person.email, person.moves = f"new-{person.email}", person.moves + 1
                people.save(connection, person.id, found[1], replace(found[1], email=person.email), now=now)
            elif what == "solve":
                standing = metadata.tables["cases"]
                for row in connection.execute(select(standing).where(standing.c.customer_id == person.id)).all():
                    cases.solve(connection, row.id, now=now)
            elif what == "erase" and ref == REFS[-1]:
                people.erase(connection, person.id, now=now)
                person.is_erased = True

    @rule(stopped=st.sampled_from([False, False, True]))
    def switch(self, stopped: bool) -> None:
        """The kill switch."""
        self.world.stop(stopped)
        self.house.is_stopped = stopped

    @rule(capability=st.sampled_from(SERVED), ok=st.booleans())
    def probe(self, capability: Capability, ok: bool) -> None:
        """A check of an integration."""
        found = {"latency_ms": 1, "problem": "" if ok else "silent", "rules": POLICY.breaker, "now": self.world.now}
        note_check(self.database, f"{capability} via fake", ok=ok, **found)  # type: ignore[arg-type]

    @rule(seconds=st.sampled_from([1, 5, 40, 120, 3600, 8 * 3600, 30 * 3600]))
    def wait(self, seconds: int) -> None:
        """Business time passes."""
        self.world.now += timedelta(seconds=seconds)

    @rule(
        pick=st.integers(0, 99),
        to=st.sampled_from([State.DONE, State.READY, State.CANCELLED, State.AWAITING_REVIEW]),
    )
    def decide(self, pick: int, to: State) -> None:
        """A named person settles what was left to people."""
        key = self.house.one_of([State.NEEDS_HUMAN, State.FAILED], pick)
        if key is None or not is_legal(self.world.state(key), to, basis=self.house.planned[key].basis):
            return
        with self.database.write() as connection:
            settle(connection, key, to, by="anna", reason="asked them", now=self.world.now)
        self.house.sent_again_by_people[key] += to is State.READY
        if to is State.DONE:
            self.house.done_by_people.add(key)

    @invariant()
    def nothing_is_doubled_but_by_a_person_or_the_one_acknowledgement(self) -> None:
        """By the outside's own list; that the one repeat is counted in the ledger is checked at the end."""
        for key, count in Counter(key for key, _ in self.house.outside.effects).items():
            is_acknowledgement = self.house.planned[key].kind is Kind.ACKNOWLEDGEMENT
            assert count <= 1 + is_acknowledgement + self.house.sent_again_by_people[key], key

    def teardown(self) -> None:
        """Faults stop and time passes: everything comes to an end, or stands where a person sees it."""
        try:
            has_failed = sys.exc_info()[0] is not None  # then that is what there is to say
            if self.house.outside.classes and not has_failed:
                self.switch(False)
                come_to_rest(self.house, recover=self.recover, check=lambda capability: self.probe(capability, True))
                check_the_end(self.house)
        finally:
            type(self).forget(self.database)
