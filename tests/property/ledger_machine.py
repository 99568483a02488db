"""The ledger as a state machine: anything in any order, judged by what the outside counted and by what is true."""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import ClassVar

import ledger_people
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ledger_door import DELIVERIES, Delivery, Door
from ledger_end import check_that_everything_again_changes_nothing, check_the_end, come_to_rest, plan_anew
from ledger_house import House
from ledger_outside import (
    CHANGES,
    CLASSES,
    JOBS,
    PLANS,
    SENDS,
    SERVED,
    SHAPES,
    SKEWS,
    STAGES,
    Job,
    Outside,
    Plan,
)
from ledger_tally import KINDS
from ledger_world import POLICY, a_plan

from domain.actions import Basis, Capability, Kind, State, WriteClass, is_legal
from services.recovery import sweep
from store.database import Database
from store.integrations import note_check
from store.ledger.enqueue import send_back_to_planning
from store.ledger.settle import settle

LOOP = asyncio.new_event_loop()
LONG_AGO = datetime(2001, 1, 1, tzinfo=UTC)


class LedgerMachine(RuleBasedStateMachine):
    """Rules are what people, vendors, processes and clocks do. Nothing here reads the ledger to judge an effect."""

    fresh: ClassVar[Callable[[], Database]]
    forget: ClassVar[Callable[[Database], None]]

    def ended(self) -> None:
        """A history came to its end, and everything held."""

    def __init__(self) -> None:
        super().__init__()
        self.house, self.door = House(type(self).fresh()), Door(LOOP)
        self.worded: set[str] = set()  # answers that have words
        self.database, self.world = self.house.database, self.house.world

    @initialize(
        classes=CLASSES,
        skews=SKEWS,
        deliveries=st.lists(DELIVERIES, max_size=2),
        plans=st.lists(PLANS, min_size=3, max_size=8),
    )
    def begin(
        self,
        classes: tuple[WriteClass, ...],
        skews: tuple[int, ...],
        deliveries: list[Delivery],
        plans: list[Plan],
    ) -> None:
        """Any vendor may have any write class, each process a clock of its own; something is planned already."""
        self.house.outside = Outside(dict(zip(SERVED, classes, strict=True)), self.house.true_now)
        for process, seconds in zip(self.house.processes, skews, strict=True):
            process.ahead = timedelta(seconds=seconds)
        self.deliver(deliveries)
        for plan in plans:
            self.plan(plan)

    @rule(deliveries=st.lists(DELIVERIES, min_size=1, max_size=3))
    def deliver(self, deliveries: list[Delivery]) -> None:
        """Survey answers come in, perhaps again or corrected: a ticket or a note, and an acknowledgement."""
        before, house = self.world.states(), self.house
        whose: dict[str, Delivery] = {}  # which acknowledgement is due now, and the delivery that calls for it
        later = 0
        for delivery, told in zip(deliveries, self.door.deliver(house.handrail, deliveries), strict=True):
            answer, is_first, is_kept = told
            said = delivery._replace(words="") if house.people[delivery.ref].is_erased else delivery
            calls = is_first and said.calls_for_a_case
            has_case = delivery.acknowledgement in {*before, *whose}
            is_news = calls and not has_case
            adds_words = (
                is_first and not is_kept and has_case and bool(said.words) and delivery.response not in self.worded
            )
            assert bool(answer.urgent) == (is_news or adds_words)
            if is_news:
                whose[delivery.acknowledgement] = delivery
            if is_first and not is_kept and said.words:
                self.worded.add(delivery.response)
            later += adds_words
            house.tally.did("answer: its words came later", adds_words)
            self._count(is_first, is_kept, is_known=calls and not is_news)
        self._remember(before, whose, later)

    def _count(self, is_first: bool, is_kept: bool, *, is_known: bool) -> None:
        tally = self.house.tally
        tally.did("delivered: again", not is_first)
        tally.did("delivered: another body under a known id", not is_first and is_kept)
        tally.did("delivered: broken, kept in quarantine", is_first and is_kept)
        tally.did("delivered: accepted", is_first and not is_kept)
        tally.did("answer: was known under another id", is_known)

    def _remember(self, before: dict[str, State], whose: dict[str, Delivery], later: int) -> None:
        """Two actions for each answer that called for something, one for words that came `later`, nothing else."""
        house, case_of = self.house, {row.id: row.customer_id for row in self.world.rows("cases")}
        ref_of = {person.id: ref for ref, person in house.people.items()}
        planned = [row for row in self.world.rows("actions") if row.key not in before]
        assert {row.key for row in planned if row.kind == Kind.ACKNOWLEDGEMENT} == set(whose)
        assert len(planned) == 2 * len(whose) + later
        for row in planned:
            ref = ref_of[case_of[row.case_id]]
            house.people[ref].is_locked = True
            assert house.tact_lock(ref) is not None
            shape = a_plan(row.key, kind=Kind(row.kind), basis=Basis(row.basis), not_after=row.not_after)
            house.planned[row.key] = replace(shape, purpose=ref)
            if shape.kind is Kind.ACKNOWLEDGEMENT:
                assert whose[row.key].ref == ref
                house.due.add(row.key)
                house.rests_on[row.key] = house.people[ref].moves
            else:
                house.tally.did("answer: opened a case" if shape.kind is Kind.TICKET else "answer: joined a case")

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
        self.house.tally.did("planned" if made else "planned again: nothing changed")
        planned.setdefault(key, replace(plan, purpose=ref))
        if before is None and wanted.is_bound:
            self.house.rests_on[key] = self.house.people[ref].moves

    @rule(pick=st.integers(0, 99), back=st.booleans())
    def change_a_plan(self, pick: int, back: bool) -> None:
        """Somebody knows that an unsent action rests on facts that changed; a planner makes a planned one anew."""
        if not back and (key := self.house.one_of([State.PLANNED], pick, SHAPES)):
            plan_anew(self.house, key)
            self.house.tally.did("planned anew")
        if back and (key := self.house.one_of([State.READY, State.CLAIMED], pick, [*SHAPES, "survey"])):
            with self.database.write() as connection:
                assert send_back_to_planning(connection, [key], reason="renewed", by="crm", now=self.world.now) == 1
            self.house.tally.did("sent back to planning")

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
            process = self.house.processes[job.who]
            queues = sorted({(row.capability, row.lane) for row in ready if row.due_at <= self.house.now(process)})
            if queues:
                capability, lane = queues[job.queue % len(queues)]
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
    @rule(who=st.integers(0, 2), for_good=st.booleans(), is_proven=st.booleans())
    def stop_a_process(self, who: int, for_good: bool, is_proven: bool) -> None:
        """A process is killed, proven dead or not, or sleeps past its leases."""
        busy = self.house.busy()
        self.house.stop_a_process(busy[who % len(busy)], for_good=for_good, is_proven=is_proven)

    @precondition(lambda self: self.house.busy())
    @rule(who=st.integers(0, 2), ends=SENDS)
    def overtake(self, who: int, ends: Sequence[str]) -> None:
        """A process sleeps before it writes down what came of its sends; others take its rows over; it wakes up."""
        house = self.house
        sleeper = house.busy()[who % len(house.busy())]
        house.go_on(sleeper, "3 sent", ends, None)
        house.stop_a_process(sleeper, for_good=False)
        self.recover()
        self.wait(1)
        other = next(process for process in house.processes if process is not sleeper)
        for capability, lane in sorted({(row.capability, row.lane) for row in self.world.rows("actions")}):
            house.reserve(other, Capability(capability), lane, 5)
            house.arm(other, Capability(capability))
        house.record(sleeper)

    @rule()
    def recover(self) -> None:
        """One round of recovery, by the code that ships. Nothing stays in a dead worker's hands."""
        before = {row.key: row for row in self.world.rows("actions")}
        dead = set(self.house.proofs.names)
        LOOP.run_until_complete(sweep(self.house.handrail, run="sweeper"))
        for row in self.world.rows("actions"):
            was = before[row.key]
            if row.revision != was.revision:
                self.house.rests_on[row.key] = self.house.people[str(self.house.planned[row.key].purpose)].moves
            if row.state != was.state and (kind := f"recovery: {was.state} to {row.state}") in KINDS:
                self.house.tally.did(kind)
            self.house.tally.did("recovery: searched and not found", row.lookups > was.lookups)
            is_held = row.state in {State.CLAIMED, State.SENDING}
            assert not (is_held and (row.lease_until < LONG_AGO or row.claimed_by in dead))

    @rule(change=CHANGES)
    def customer(self, change: tuple[str, str, Capability]) -> None:
        """Something becomes true of a customer."""
        ref, what, channel = change
        ledger_people.change(self.house, ref, what, channel)

    @rule(stopped=st.sampled_from([False, False, True]))
    def switch(self, stopped: bool) -> None:
        """The kill switch."""
        self.house.tally.did("stopped" if stopped else "started", stopped != self.house.is_stopped)
        self.world.stop(stopped)
        self.house.is_stopped = stopped

    @rule(capability=st.sampled_from(SERVED), ok=st.booleans())
    def probe(self, capability: Capability, ok: bool) -> None:
        """A check of an integration."""
        found = {"latency_ms": 1, "problem": "" if ok else "silent", "rules": POLICY.breaker, "now": self.world.now}
        before, after = note_check(self.database, f"{capability} via fake", ok=ok, **found)  # type: ignore[arg-type]
        if before.is_open != after.is_open:
            self.house.tally.did("breaker opened" if after.is_open else "breaker closed")

    @rule(seconds=st.sampled_from([1, 5, 40, 120, 3600, 8 * 3600, 30 * 3600]))
    def wait(self, seconds: int) -> None:
        """Business time passes."""
        self.world.wait(seconds)
        self.house.tally.did("clock went on", seconds > 0)

    @rule(hours=st.sampled_from([-1, 1]))
    def set_the_clock(self, hours: int) -> None:
        """Everybody's clock but the database's was wrong, and somebody puts it right."""
        self.world.now += timedelta(hours=hours)
        self.house.set_back -= timedelta(hours=hours)
        self.house.tally.did(f"clock set {'back' if hours < 0 else 'ahead'} an hour")

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
            settle(connection, key, to, POLICY.reviews, by="anna", reason="asked them", now=self.world.now)
        self.house.tally.did(f"decided: {to}")
        self.house.sent_again_by_people[key] += to is State.READY
        if to in {State.READY, State.AWAITING_REVIEW}:
            self.house.tried_again_by_people.add(key)
        if to is State.DONE:
            self.house.done_by_people.add(key)

    @invariant()
    def nothing_is_doubled_but_by_a_person_or_the_one_acknowledgement(self) -> None:
        """By the outside's own list; that the one repeat is counted in the ledger is checked at the end."""
        self.house.steps += 1
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
                check_that_everything_again_changes_nothing(self.house, self.door)
                self.ended()
        finally:
            self.house.writer.close()
            type(self).forget(self.database)
