"""Journeys, events and the clock as a state machine: anything in any order, judged by what the outside counted."""

import asyncio
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from journey_house import BEGINNINGS, CHANNELS, PLACES, House
from ledger_outside import CLASSES, JOBS, SENDS, SERVED, STAGES, Job, Outside
from ledger_world import POLICY, check_audit

from domain.actions import Basis, Capability, State, WriteClass, is_legal
from domain.journeys import EventName
from services.drip import run_drip
from services.journey_events import Happening, follow
from services.recovery import sweep
from store import customers as people
from store.database import Database
from store.integrations import note_check
from store.ledger.settle import settle

LOOP = asyncio.new_event_loop()
REFS = st.sampled_from(sorted(PLACES))
SAID = st.sampled_from([(True, True), (True, True), (True, False), (False, True), (None, True), (True, None)])
EVENTS = {
    "activate": (EventName.ACTIVATED, ""),
    "guide": (EventName.FEATURE_USED, "guide"),
    "setup": (EventName.FEATURE_USED, "setup"),
    "export": (EventName.FEATURE_USED, "export"),
    "goal": (EventName.GOAL_REACHED, "settled-in"),
    "churn": (EventName.CHURNED, ""),
    "reply": (EventName.REPLIED, ""),
}
ENDINGS = ("goal", "churn", "reply")


class JourneyMachine(RuleBasedStateMachine):
    """Rules are what customers, vendors, processes and clocks do. Nothing here reads the books to judge an effect."""

    fresh: ClassVar[Callable[[], Database]]
    forget: ClassVar[Callable[[Database], None]]

    def ended(self) -> None:
        """A history came to its end, and everything held."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House(type(self).fresh())
        self.world, self.database = self.house.world, self.house.database

    @initialize(classes=CLASSES, begins=st.sampled_from(BEGINNINGS), consents=st.tuples(SAID, SAID, SAID, SAID))
    def begin(
        self,
        classes: tuple[WriteClass, ...],
        begins: datetime,
        consents: tuple[tuple[bool | None, bool | None], ...],
    ) -> None:
        """Any vendor may have any write class; two customers have activated already."""
        self.house.outside = Outside(dict(zip(SERVED, classes, strict=True)), self.house.true_now)
        self.house.begin(begins, consents)
        for ref in ("C-0", "C-3"):
            self.event(ref, "activate", 0)
        self.drip()

    @rule(
        ref=REFS,
        what=st.sampled_from(["activate", "activate", "guide", "setup", "setup", "export", *ENDINGS]),
        hours_ago=st.sampled_from([0, 0, 0, 2, 49]),
    )
    def event(self, ref: str, what: str, hours_ago: int) -> None:
        """A customer did something; perhaps we are told of it late."""
        house, person = self.house, self.house.people[ref]
        if person.is_erased:  # what is told of them is refused at the door
            return
        at = self.world.now - timedelta(hours=hours_ago)
        event, name = EVENTS[what]
        with self.database.write() as connection:
            customer = people.held(connection, person.id)
            assert customer is not None
            happening = Happening(person.id, customer, event, name, at)
            follow(connection, [happening], POLICY, house.journeys, run="gateway", now=self.world.now)
        is_first = not person.has_done("activate")
        person.did.append((what, at))
        house.did[f"event: {what}"] += 1
        if what == "activate" and is_first:
            self._enters(ref, at)
        elif what in ENDINGS and person.entered_at is not None and person.entered_at <= at:
            house.end(person, what)

    def _enters(self, ref: str, at: datetime) -> None:
        """The first activation of a life. What ends a journey and came later, though it was told before, ends it."""
        person = self.house.people[ref]
        person.entered_at = at
        later = [what for what in ENDINGS if any(name == what and when >= at for name, when in person.did)]
        if person.refuses:
            self.house.end(person, "refused")
        elif person.is_locked:
            self.house.end(person, "locked")
        elif later:
            self.house.end(person, later[0])

    @rule(ref=REFS, what=st.sampled_from(["consent", "consent", "suppress", "lock", "lift", "erase", "move"]),
          channel=st.sampled_from(CHANNELS), granted=st.booleans())  # fmt: skip
    def customer(self, ref: str, what: str, channel: str, granted: bool) -> None:
        """Something becomes true of a customer."""
        house, person, now = self.house, self.house.people[ref], self.world.now
        house.did[f"customer: {what}"] += 1
        if what == "consent":
            house.consent(ref, channel, granted=granted)
            return
        with self.database.write() as connection:
            if what == "suppress":
                row = people.held(connection, person.id)
                address = None if row is None else row.email if channel == "mail" else row.phone
                if address:
                    people.suppress(connection, channel, address, "bounce", now=now)
                    person.suppressed.add(channel)
            elif what == "lock":
                people.set_tact_lock(connection, person.id, "nps 0", now=now)
                person.is_locked = True
                house.end(person, "locked")
            elif what == "lift":
                people.lift_tact_lock(connection, person.id, now=now)
                person.is_locked = False
            elif what == "erase":
                people.erase(connection, person.id, now=now)
                person.is_erased = True
                house.end(person, "erased")
        if what == "move":
            self.world.bump(person.id)

    @rule(dry_run=st.sampled_from([False, False, False, True]))
    def drip(self, dry_run: bool = False) -> None:
        """The planner runs; dry, it writes nothing."""
        before = self._books() if dry_run else None
        run_drip(self.database, POLICY, self.house.journeys, run="drip", now=self.world.now, dry_run=dry_run)
        assert before is None or self._books() == before
        self.house.did["drip: dry" if dry_run else "drip"] += 1

    def _books(self) -> list[object]:
        return [*self.world.rows("enrolments"), *self.world.rows("actions")]

    @rule(jobs=st.lists(JOBS, min_size=1, max_size=6), hours=st.sampled_from([0, 1, 3, 9, 24]))
    def live_on(self, jobs: list[Job], hours: int) -> None:
        """A usual stretch of time: it passes, the planner runs, what is due is worked on, what was lost comes back."""
        self.wait(hours * 3600)
        self.drip()
        self.work(jobs)
        self.recover()

    @rule(jobs=st.lists(JOBS, min_size=1, max_size=6))
    def work(self, jobs: list[Job]) -> None:
        """Processes take from queues that have something, and come so far."""
        for job in jobs:
            ready = [row for row in self.world.rows("actions") if row.state == State.READY]
            process = self.house.processes[job.who % len(self.house.processes)]
            queues = sorted({(row.capability, row.lane) for row in ready if row.due_at <= self.world.now})
            if queues:
                capability, lane = queues[job.queue % len(queues)]
                self.house.reserve(process, Capability(capability), lane, job.limit)
                self.house.go_on(process, job.until, job.ends)

    @precondition(lambda self: self.house.busy())
    @rule(who=st.integers(0, 1), until=st.sampled_from(STAGES), ends=SENDS)
    def go_on(self, who: int, until: str, ends: Sequence[str]) -> None:
        """A process goes on where it stood, whatever happened meanwhile."""
        busy = self.house.busy()
        self.house.go_on(busy[who % len(busy)], until, ends)

    @precondition(lambda self: self.house.busy())
    @rule(who=st.integers(0, 1), for_good=st.booleans())
    def stop_a_process(self, who: int, for_good: bool) -> None:
        """A process is killed, or sleeps past its leases."""
        busy = self.house.busy()
        self.house.stop_a_process(busy[who % len(busy)], for_good=for_good)

    @rule()
    def recover(self) -> None:
        """One round of recovery, by the code that ships."""
        LOOP.run_until_complete(sweep(self.house.handrail, run="sweeper"))

    @rule(stopped=st.sampled_from([False, False, True]))
    def switch(self, stopped: bool) -> None:
        """The kill switch."""
        self.world.stop(stopped)
        self.house.is_stopped = stopped

    @rule(seconds=st.sampled_from([60, 3600, 5 * 3600, 14 * 3600, 50 * 3600]))
    def wait(self, seconds: int) -> None:
        """Time passes: minutes, a night, an outage of days."""
        self.world.wait(seconds)

    @rule(hours=st.sampled_from([-1, 1]))
    def set_the_clock(self, hours: int) -> None:
        """Everybody's clock but the database's was wrong, and somebody puts it right."""
        self.world.now += timedelta(hours=hours)
        self.house.set_back -= timedelta(hours=hours)
        self.house.did["clock set"] += 1

    @rule(pick=st.integers(0, 99), to=st.sampled_from([State.DONE, State.READY, State.CANCELLED]))
    def decide(self, pick: int, to: State) -> None:
        """A named person settles what was left to people."""
        left = sorted(row.key for row in self.world.rows("actions") if row.state in {State.NEEDS_HUMAN, State.FAILED})
        if not left:
            return
        row = self.world.row(left[pick % len(left)])
        if not is_legal(State(row.state), to, basis=Basis(row.basis)):
            return
        with self.database.write() as connection:
            settle(connection, row.key, to, POLICY.reviews, by="anna", reason="asked them", now=self.world.now)
        self.house.sent_again_by_people[row.key] += to is State.READY
        self.house.did[f"decided: {to}"] += 1

    @invariant()
    def no_step_reaches_anybody_twice(self) -> None:
        """P3, by the outside's own list: at most one message per customer, journey and step."""
        self.house.did["steps"] += 1
        for key, count in Counter(key for key, _ in self.house.outside.effects).items():
            assert count <= 1 + self.house.sent_again_by_people[key], key

    @invariant()
    def nobody_is_in_it_twice(self) -> None:
        """Only the first activation enters, and only who activated."""
        entered = Counter(row.customer_id for row in self.world.rows("enrolments"))
        assert set(entered.values()) <= {1}
        ids = {person.id for person in self.house.people.values() if person.entered_at is not None}
        assert set(entered) == ids

    def teardown(self) -> None:
        """Faults stop and time passes: every journey comes to its end, or waits where a person sees it."""
        try:
            if self.house.people and sys.exc_info()[0] is None:
                self._come_to_rest()
                check_audit(self.database)
                self.ended()
        finally:
            self.house.writer.close()
            type(self).forget(self.database)

    def _come_to_rest(self) -> None:
        house = self.house
        self.switch(False)
        for process in house.busy():
            house.stop_a_process(process, for_good=True)
        for turn in range(80):
            for capability in SERVED:
                found = {"latency_ms": 1, "problem": "", "rules": POLICY.breaker, "now": self.world.now}
                note_check(self.database, f"{capability} via fake", ok=True, **found)  # type: ignore[arg-type]
            self.recover()
            self.drip()
            for capability, lane in sorted({(row.capability, row.lane) for row in self.world.rows("actions")}):
                process = house.processes[0]
                house.reserve(process, Capability(capability), lane, 99)
                while process.reserved[Capability(capability)]:
                    house.arm(process, Capability(capability))
                house.send(process, ["done"])
                house.record(process)
            if not house.under_way():
                return
            self.world.wait(120 if turn < 10 else 7 * 3600)
        raise AssertionError(f"never at rest: {house.under_way()}")
