"""A review's whole life as a state machine: anything in any order, judged by what the outside got and people said."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import ClassVar, NamedTuple

import review_people
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from ledger_outside import STAGES
from ledger_world import check_audit
from review_ground import REFS, WHATS
from review_house import House
from review_model import Colleague, Paper, View

from domain.actions import Capability, State
from domain.message_events import MessageNews
from domain.review_rules import Risk, Way
from domain.reviews import Decision
from services.auditing import verify_chain
from services.recovery import sweep
from store.database import Database

LOOP = asyncio.new_event_loop()
WHO = st.integers(0, 19)
PICK = st.integers(0, 15)
DIES = st.sampled_from([None, None, None, 1, 2, 3, 4, 6, 9])
"""At the so manieth place, if at all."""
SENDS: st.SearchStrategy[tuple[str, ...]] = st.sampled_from(
    [("done",)] * 4
    + [("done", "refused"), ("refused",), ("lost after", "done"), ("lost before", "lost after"), ("unsent", "done")]
)


class Job(NamedTuple):
    """What a process does, and how far it comes."""

    who: int
    limit: int
    until: str


class Word(NamedTuple):
    """How somebody decides."""

    decision: Decision
    way: Way
    code: str
    is_fresh: bool  # about what stands there now, or what stood there when it was opened


JOBS = st.lists(
    st.builds(Job, st.integers(0, 1), st.sampled_from([1, 3, 50]), st.sampled_from([*STAGES, *STAGES[-1:] * 4])),
    min_size=1,
    max_size=3,
)
WORDS = st.builds(
    Word,
    st.sampled_from([Decision.APPROVE] * 3 + [Decision.REJECT]),
    st.sampled_from([Way.PAGE] * 5 + [Way.COMMAND]),
    st.sampled_from(["right"] * 5 + ["wrong", "spent"]),
    st.sampled_from([True, True, False]),
)
PLANS = st.tuples(
    st.sampled_from(sorted(WHATS)),
    st.integers(0, len(REFS) - 1),
    st.sampled_from([1, 3, 6, 9]),
    st.integers(0, 1),
    st.sampled_from([Capability.MAIL, Capability.MAIL, Capability.SMS]),
    st.booleans(),
)


class ReviewMachine(RuleBasedStateMachine):
    """Rules are what planners, colleagues, vendors, processes and clocks do."""

    fresh: ClassVar[Callable[[], Database]]
    forget: ClassVar[Callable[[Database], None]]

    def ended(self) -> None:
        """A history came to its end, and everything held."""

    def __init__(self) -> None:
        super().__init__()
        self.house = House(type(self).fresh())
        self.world, self.database, self.model = self.house.world, self.house.database, self.house.model

    @initialize(plans=st.lists(PLANS, min_size=2, max_size=4))
    def begin(self, plans: Sequence[tuple[str, int, int, int, Capability, bool]]) -> None:
        """Some is asked already."""
        self.house.begin()
        for plan in plans:
            self.plan(plan)
        self.house.settle(is_thorough=True)

    # -- planners and customers ---------------------------------------------------------------------------------

    @rule(plan=PLANS)
    def plan(self, plan: tuple[str, int, int, int, Capability, bool]) -> None:
        """A planner wants something for some customers."""
        what, first, count, number, channel, is_ending = plan
        refs = [REFS[(first + place) % len(REFS)] for place in range(count)]
        self.house.plan(what, refs, number, channel, is_ending=is_ending)

    @rule(ask=st.sampled_from([None, None, Risk.LOW, Risk.HIGH]))
    def plan_anew(self, ask: Risk | None) -> None:
        """Planners make anew what has changed."""
        self.house.plan_anew(ask)

    @rule(ref=st.sampled_from(REFS), what=st.sampled_from(["address", "renewal"]))
    def change(self, ref: str, what: str) -> None:
        """Something is not so any more."""
        self.house.change(ref, what)

    # -- colleagues ---------------------------------------------------------------------------------------------

    def _paper(self, pick: int) -> Paper | None:
        """One that waits for a word; for one pick of four any, for one one that nobody can decide any more."""
        papers, now = sorted(self.model.papers.values(), key=lambda paper: paper.id), self.world.now
        waiting = [paper for paper in papers if paper.is_open(now)]
        over = [paper for paper in papers if paper.decided is None and not paper.is_open(now)]
        among = (waiting, waiting, papers, over)[pick % 4] or papers
        return among[pick // 4 % len(among)] if among else None

    def _who(self, pick: int, paper: Paper) -> Colleague:
        """One of those who may decide; or anybody, every fourth."""
        everybody = self.house.colleagues
        among = everybody if pick % 4 == 3 else [one for one in everybody if paper.may(one)]
        return among[pick // 4 % len(among)]

    def _view(self, paper: Paper, *, is_fresh: bool) -> View:
        """As it is now; or as it was when it was opened."""
        return self.house.look(paper) if is_fresh else self.house.opened[paper.id]

    @rule(who=WHO, pick=PICK, word=WORDS, dies=DIES)
    def vote(self, who: int, pick: int, word: Word, dies: int | None) -> None:
        """Somebody says yes or no."""
        if paper := self._paper(pick):
            one = self._who(who, paper)
            view = self._view(paper, is_fresh=word.is_fresh)
            review_people.vote(self.house, one, view, word.decision, way=word.way, code=word.code, dies=dies)

    @rule(one=WHO, other=WHO, pick=PICK, first=st.sampled_from(Decision), second=st.sampled_from(Decision))
    def two_decide(self, one: int, other: int, pick: int, first: Decision, second: Decision) -> None:
        """Two see the same, and press at once: one of them comes first."""
        if paper := self._paper(pick):
            people = [self._who(one, paper), self._who(other, paper)]
            view = self._view(paper, is_fresh=True)
            for who, decision in zip(people, (first, second), strict=True):
                review_people.vote(self.house, who, view, decision, way=Way.PAGE, code="right", dies=None)

    @rule(pick=PICK)
    def agree(self, pick: int) -> None:
        """Colleagues who may decide look at it one after the other, and say yes until it is enough."""
        if paper := self._paper(pick):
            self._agree(paper)

    def _agree(self, paper: Paper) -> None:
        for one in self.house.colleagues:
            if paper.is_open(self.world.now) and paper.may(one) and one.name not in paper.yes:
                self._say_yes(one, paper)

    def _say_yes(self, who: Colleague, paper: Paper) -> None:
        view = self._view(paper, is_fresh=True)
        review_people.vote(self.house, who, view, Decision.APPROVE, way=Way.PAGE, code="right", dies=None)

    @rule(pick=PICK, who=WHO, one=st.integers(-2, 5), leaves_out=st.booleans())
    def yes_but(self, pick: int, who: int, one: int, leaves_out: bool) -> None:
        """One says yes; another changes something; then a third says yes, which is the first of those that count."""
        waiting = [paper for paper in self.model.papers.values() if paper.is_open(self.world.now)]
        among = sorted((paper for paper in waiting if paper.needed > 1 and not paper.yes), key=lambda paper: paper.id)
        if among:
            paper = among[pick % len(among)]
            others = [colleague for colleague in self.house.colleagues if paper.may(colleague)]
            self._say_yes(others[0], paper)
            view = self._view(paper, is_fresh=True)
            keys = sorted(view.letters)
            if keys and leaves_out:
                review_people.exclude(self.house, self._who(who, paper), view, keys[one % len(keys)], dies=None)
            elif keys:
                key = keys[one % len(keys)] if one >= 0 else None
                review_people.edit(self.house, self._who(who, paper), view, key, is_sorry=False, dies=None)
            if paper.is_open(self.world.now):
                self._say_yes(others[1], paper)

    @rule(pick=PICK, who=WHO, one=st.integers(0, 8), ask=st.sampled_from([None, Risk.HIGH]))
    def moved_meanwhile(self, pick: int, who: int, one: int, ask: Risk | None) -> None:
        """One of many moves and is asked about anew; another's letter is changed; then all of it is approved."""
        asked = set(self.model.papers)
        paper = self._paper(pick)
        if paper is not None and (keys := sorted(self._view(paper, is_fresh=True).letters)):
            self.house.change(self.model.letters[keys[one % len(keys)]].ref, "address")
            self.house.settle(is_thorough=True)
            self.plan_anew(ask)
            view = self._view(paper, is_fresh=True)
            if left := sorted(view.letters):
                review_people.edit(
                    self.house, self._who(who, paper), view, left[one % len(left)], is_sorry=False, dies=None
                )
            self.house.settle(is_thorough=True)
            for number in sorted({paper.id} | (set(self.model.papers) - asked)):
                self._agree(self.model.papers[number])

    @rule(pick=PICK, who=WHO, minutes=st.sampled_from([0, 0, 1, 400]))
    def too_late(self, pick: int, who: int, minutes: int) -> None:
        """Time passes until nobody may decide any more, and somebody does before anything has noticed."""
        if paper := self._paper(pick):
            if paper.is_open(self.world.now):
                self.world.wait((paper.deadline - self.world.now).total_seconds() + 60 * minutes)
            self._say_yes(self._who(who, paper), paper)

    @rule(pick=PICK, jobs=JOBS, ends=SENDS)
    def push(self, pick: int, jobs: Sequence[Job], ends: Sequence[str]) -> None:
        """What is asked is approved, and goes out at once."""
        self.agree(pick)
        self.house.settle(is_thorough=True)
        self.work(jobs, ends)
        self.recover()

    @rule(who=WHO, pick=PICK, jobs=JOBS)
    def insist(self, who: int, pick: int, jobs: Sequence[Job]) -> None:
        """Somebody wants out what may be out, and others agree."""
        if not any(row.state == State.NEEDS_HUMAN for row in self.world.rows("actions")):
            self.push(pick, jobs, ("lost before", "lost after"))
        asked = set(self.model.papers)
        review_people.decide_about_one(self.house, self.house.colleagues[who % 5], pick, State.AWAITING_REVIEW)
        self.house.settle(is_thorough=True)
        for paper in sorted(set(self.model.papers) - asked):
            self._agree(self.model.papers[paper])
        self.house.settle(is_thorough=True)
        self.work(jobs, ["done"])

    @rule(who=WHO, pick=PICK, one=st.integers(-2, 5), is_sorry=st.sampled_from([False, False, True]),
          is_fresh=st.sampled_from([True, True, False]), dies=DIES)  # fmt: skip
    def edit(self, who: int, pick: int, one: int, is_sorry: bool, is_fresh: bool, dies: int | None) -> None:
        """Somebody changes one letter, or all."""
        if paper := self._paper(pick):
            colleague = self._who(who, paper)
            view = self._view(paper, is_fresh=is_fresh)
            keys = sorted(view.letters)
            key = keys[one % len(keys)] if one >= 0 and keys else None
            review_people.edit(self.house, colleague, view, key, is_sorry=is_sorry, dies=dies)

    @rule(who=WHO, pick=PICK, one=st.integers(0, 8), is_fresh=st.sampled_from([True, True, False]), dies=DIES)
    def exclude(self, who: int, pick: int, one: int, is_fresh: bool, dies: int | None) -> None:
        """Somebody leaves one out."""
        if paper := self._paper(pick):
            colleague = self._who(who, paper)
            view = self._view(paper, is_fresh=is_fresh)
            if keys := sorted(view.letters):
                review_people.exclude(self.house, colleague, view, keys[one % len(keys)], dies=dies)

    @precondition(lambda self: any(paper.is_halted for paper in self.model.papers.values()))
    @rule(who=WHO, pick=PICK, goes_on=st.sampled_from([True, True, False]), dies=DIES)
    def after_a_halt(self, who: int, pick: int, goes_on: bool, dies: int | None) -> None:
        """Somebody says whether what has stopped goes on."""
        stopped = sorted((paper for paper in self.model.papers.values() if paper.is_halted), key=lambda one: one.id)
        paper = stopped[pick % len(stopped)]
        review_people.after_a_halt(self.house, self._who(who, paper), paper, goes_on=goes_on, dies=dies)

    @rule(
        who=WHO, pick=PICK, to=st.sampled_from([State.AWAITING_REVIEW] * 2 + [State.READY, State.DONE, State.CANCELLED])
    )
    def decide_about_one(self, who: int, pick: int, to: State) -> None:
        """Somebody settles what machines left to people."""
        review_people.decide_about_one(self.house, self.house.colleagues[who % 5], pick, to)

    @rule(is_stop=st.sampled_from([False, False, True]))
    def switch(self, is_stop: bool) -> None:
        """The kill switch."""
        self.house.start_or_stop(is_stop=is_stop)

    # -- machines and clocks ------------------------------------------------------------------------------------

    @rule(is_thorough=st.booleans(), dies=st.sampled_from([None, None, 1, 2, 3, 5, 8, 13]))
    def settle(self, is_thorough: bool, dies: int | None) -> None:
        """One round over the reviews, which may die anywhere."""
        self.house.settle(is_thorough=is_thorough, dies=dies)

    @rule(jobs=JOBS, ends=SENDS)
    def work(self, jobs: Sequence[Job], ends: Sequence[str]) -> None:
        """Processes take what is ready, and come so far."""
        for job in jobs:
            process = self.house.processes[job.who]
            queues = sorted({
                (row.capability, row.lane) for row in self.world.rows("actions") if row.state == State.READY
            })  # fmt: skip
            for capability, lane in queues:
                self.house.reserve(process, Capability(capability), job.limit, lane)
            self.house.go_on(process, job.until, ends)

    @rule(jobs=JOBS, ends=SENDS, minutes=st.sampled_from([1, 16, 16, 61]))
    def live_on(self, jobs: Sequence[Job], ends: Sequence[str], minutes: int) -> None:
        """A usual stretch of time."""
        self.wait(minutes)
        self.recover()
        self.plan_anew(None)
        self.work(jobs, ends)

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
        self.house.see(is_whole=True, is_thorough=True)

    @precondition(lambda self: self.house.outside.effects)
    @rule(
        picks=st.lists(PICK, min_size=1, max_size=3),
        what=st.sampled_from([MessageNews.BOUNCED, MessageNews.COMPLAINED]),
    )
    def tell(self, picks: Sequence[int], what: MessageNews) -> None:
        """A vendor tells of mail that came back, or was called spam."""
        for pick in picks:
            self.house.tell(pick, what)

    @rule(minutes=st.sampled_from([1, 11, 16, 60, 130, 300]))
    def wait(self, minutes: int) -> None:
        """Time passes."""
        self.world.wait(minutes * 60)

    @invariant()
    def count(self) -> None:
        """How long histories are."""
        self.house.did["steps"] += 1

    def teardown(self) -> None:
        """Faults stop and time passes: every letter comes to its end, or waits where a person sees it."""
        try:
            if self.house.colleagues and sys.exc_info()[0] is None:
                self._come_to_rest()
                check_audit(self.database)
                touched = verify_chain(self.database).touched
                assert not touched, touched
                self.ended()
        finally:
            self.house.writer.close()
            type(self).forget(self.database)

    def _come_to_rest(self) -> None:
        house = self.house
        house.start_or_stop(is_stop=False)
        for process in house.busy():
            house.stop_a_process(process, for_good=True)
        for turn in range(60):
            self.recover()
            house.plan_anew(None)
            for capability, lane in sorted({(row.capability, row.lane) for row in self.world.rows("actions")}):
                process = house.processes[0]
                house.reserve(process, Capability(capability), 99, lane)
                while process.reserved[Capability(capability)]:
                    house.arm(process, Capability(capability))
                house.send(process, ["done"])
                house.record(process)
            if not house.waiting():
                return
            self.world.wait(16 * 60 if turn < 6 else 5 * 3600)
        raise AssertionError(f"never at rest: {house.waiting()}")
