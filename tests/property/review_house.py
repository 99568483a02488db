"""Planners, colleagues, vendors and processes around reviews: what each does, held to what `review_model` remembers."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, time, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pyotp
from crew import Crew
from ledger_house import Process, Proofs
from ledger_outside import APPLIED, ENDS, Outside
from ledger_world import NOON, POLICY, World
from review_model import LASTS, NEEDED, ROLE, STEPS, Colleague, Letter, Model, Paper, Said, View
from sqlalchemy import update

from data_contracts.journey_events import MessageEvents, MessageTold
from domain.actions import FINAL, Basis, Capability, Kind, State, WriteClass, is_legal
from domain.controls import EVERYTHING
from domain.customers import Tier
from domain.entitlements import EntitlementKind, occurrence_of
from domain.hours import ContactWindow
from domain.message_events import MessageNews
from domain.planning import Payload, PlannedAction
from domain.policy import Policy
from domain.review_rules import CanaryRules, PhrasesRule, Risk, RiskRules, Rule, Way
from domain.reviews import Decision, Reason, Stand, Voter
from domain.risk import Ask
from integrations.errors import OutcomeUnknown, Rejected
from services import controls, review_edits
from services import reviews as service
from services.journeys import Journeys
from services.message_events import take_message_events
from services.outcomes import Outcome, as_result, failed_before_sending
from services.reviewers import Credentials, WrongCode, add_reviewer, check_code
from services.reviews import AlreadyDecided, Changed, ReviewProblem
from services.reviews_settling import settle_reviews
from services.wiring import Handrail
from store import crash_points, wordings
from store import customers as people
from store.database import Database
from store.groupcommit import GroupCommit
from store.ledger.enqueue import About, replan
from store.ledger.rows import Armed, entitlements
from store.ledger.settle import settle
from templates.library import Template

REFS = tuple(f"C-{number}" for number in range(9))
WHATS = {
    "welcome": (Risk.LOW, "planner"),
    "offer": (Risk.LOW, "EWA  lis"),
    "change": (Risk.MEDIUM, "planner"),
    "apology": (Risk.HIGH, "ola maj"),
}
"""What is asked about: how risky it is, and who caused it, as their name was typed there."""
PEOPLE = {
    "Ewa Lis": {"on_call", "lead"},
    "Jan Nowak": {"on_call", "lead"},
    "Ola Maj": {"lead"},
    "Piotr Sowa": {"on_call"},
    "Adam Gość": {"viewer"},
}
CLASSES = {Capability.MAIL: WriteClass.D, Capability.SMS: WriteClass.B}
_GATHERED = {Risk.LOW: 0, Risk.MEDIUM: 10, Risk.HIGH: 0}
_PARTS = {
    "mail.subject.txt": "Your guide",
    "mail.txt": "Hello {{ name }},\nhere it is: {{ links.video }}\n{{ human.phone }}",
    "mail.html": "<p>Hello {{ name }}, <a href='{{ links.video }}'>here</a></p>",
    "sms.txt": "{{ links.video }} {{ human.phone }}",
}
_USUAL = Template("guide", "en", _PARTS)
_SORRY = Template(
    "guide-sorry", "en", {**_PARTS, **{part: f"{_PARTS[part]}\nWe apologise." for part in ("mail.txt", "sms.txt")}}
)


def policy() -> Policy:
    """Small stages, and money or apologies are risky."""
    classes = {
        risk: RiskRules(
            NEEDED[risk],
            frozenset(Way) if risk is Risk.LOW else frozenset({Way.PAGE}),
            frozenset({ROLE[risk]}),
            LASTS[risk] // timedelta(minutes=1),
            in_staffed_hours=False,
            gather_minutes=_GATHERED[risk],
            alone=risk is Risk.HIGH,
        )
        for risk in Risk
    }
    rules = replace(POLICY.reviews.rules, money_or_apology=PhrasesRule(Risk.HIGH, {"en": ("apologi*",)}))
    reviews = replace(POLICY.reviews, classes=classes, rules=rules, canary=CanaryRules(STEPS, 15, *[0.05] * 4))
    gates = replace(
        POLICY.gates,
        data_sets={name: replace(its, stale_after_hours=9_999) for name, its in POLICY.gates.data_sets.items()},
    )
    calls = replace(POLICY.expiry.calls, windows=dict.fromkeys(Tier, ContactWindow(time(8), time(20))))
    return replace(
        POLICY,
        reviews=reviews,
        gates=gates,
        contact=replace(POLICY.contact, quiet=None),
        expiry=replace(POLICY.expiry, calls=calls),
    )


class Died(BaseException):
    """As a killed process."""


class Death:
    """Where a process came to, and whether it died there."""

    def __init__(self) -> None:
        self.places: list[str] = []
        self.came = False

    def has(self, name: str) -> bool:
        """It came past this place."""
        return name in self.places


@contextmanager
def dying(at: int | None) -> Iterator[Death]:
    """Die at the place that is reached as the `at`-th; None: live."""
    death = Death()

    def watch(name: str) -> None:
        death.places.append(name)
        if len(death.places) == at:
            raise Died

    crash_points.watch(watch)
    try:
        yield death
    except Died:
        death.came = True
    finally:
        crash_points.watch(None)


class House(Crew):
    """One history."""

    def __init__(self, database: Database) -> None:
        self.database, self.world = database, World(database, policy())
        self.policy: Policy = self.world.policy
        self.model = Model()
        self.outside = Outside(CLASSES, lambda: self.world.now)
        self.processes = [Process(f"w{number}") for number in range(2)]
        self.writer, self.proofs, self.deaths = GroupCommit(database), Proofs(), 0
        self.did: Counter[str] = Counter()
        self.ids: dict[str, tuple[int, int]] = {}  # of customers and of what they have that ends
        self.gate = 0
        self.links = 0
        self.opened: dict[int, View] = {}  # what each paper showed when people could decide it first
        self.why_not: dict[tuple[str, int], str | None] = {}
        self.colleagues: list[Colleague] = []

    def begin(self) -> None:
        """Customers have something that ends; colleagues have phones."""
        with self.database.write() as connection:
            for template in (_USUAL, _SORRY):
                wordings.publish(
                    connection,
                    content_hash=template.hash,
                    name=template.name,
                    language="en",
                    content=template.to_content(),
                    approved_by="test",
                    now=NOON,
                )
        self.gate = self.world.pass_gate()
        for ref in REFS:
            self.ids[ref] = (who := self.world.customer(ref, consents=False, language="en")), self._box(ref, who)
        for number, (name, roles) in enumerate(PEOPLE.items()):
            secret = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[number:] + "ABCDEFGH"[:number]
            one = Colleague(name, frozenset(roles), secret)
            made, now = Credentials(name, secret, ()), self.world.now
            known = {role for its in PEOPLE.values() for role in its}
            add_reviewer(self.database, made, roles, known_roles=known, by="admin", now=now)
            self.colleagues.append(one)

    def _box(self, ref: str, customer_id: int) -> int:
        now = self.world.now
        ends_on = now.date() + timedelta(days=30)
        return self.world.add(
            "entitlements",
            ref=f"E-{ref}",
            key_part=f"E-{ref}",
            customer_id=customer_id,
            kind=EntitlementKind.SUBSCRIPTION,
            product="Box",
            ends_on=ends_on,
            time_zone="Europe/Warsaw",
            occurrence=occurrence_of(ends_on),
            at_risk_minor=10_000,
            gate_id=self.gate,
            **dict.fromkeys(("changed_at", "created_at", "updated_at"), now),
        )

    @property
    def handrail(self) -> Handrail:
        """As much of an installation as recovery needs."""
        parts = SimpleNamespace(
            database=self.database,
            writer=self.writer,
            roster=self.outside.roster({}),
            policy=self.policy,
            settings=SimpleNamespace(lease_seconds=20.0),
            lifelines=self.proofs,
            clock=lambda: self.world.now,
        )
        return cast(Handrail, parts)

    # -- planners -----------------------------------------------------------------------------------------------

    def plan(self, what: str, refs: Sequence[str], number: int, channel: Capability, *, is_ending: bool) -> None:
        """A planner asks whether it may write to these; what it has planned before stays as it is."""
        risk, initiator = WHATS[what]
        for ref in refs:
            key = f"{what}/{ref}/{number}"
            letter = Letter(key, ref, what, channel, is_ending, risk, initiator, (0, 0))
            letter.rests_on = self.model.facts(letter)
            made = self._put(letter)
            assert made == (key not in self.model.letters), key
            if made:
                self.model.letters[key] = letter
                self.did[f"planned: {risk}"] += 1

    def _put(self, letter: Letter) -> bool:
        customer_id, box = self.ids[letter.ref]
        about = {"customer_id": customer_id}
        if letter.is_ending:
            about |= {"entitlement_id": box, "gate_id": self.gate}
        return bool(self.world.put(self._plan(letter, letter.risk), run=letter.initiator, **about))

    def _plan(self, letter: Letter, ask: Risk | None) -> PlannedAction:
        params = {"journey": "onboarding", "step": "guide", "links": {"video": self._link()}}
        how = None if ask is None else self.policy.reviews.classes[ask]
        rule = Rule.HARDSHIP if ask is Risk.HIGH else Rule.VIP
        return PlannedAction(
            key=letter.key,
            kind=Kind.MESSAGE,
            basis=Basis.SERVICE,
            capability=letter.channel,
            payload=Payload("journey-step/1", {**params, "wordings": {"en": _USUAL.hash}}, "guide"),
            due_at=self.world.now,
            facts=frozenset({"customer", "entitlement"} if letter.is_ending else {"customer"}),
            ask=None
            if how is None or ask is None
            else Ask(letter.what, (rule,), ask, how.reviewers, how.gather_minutes),
        )

    def _link(self) -> str:
        self.links += 1
        return f"https://example.com/{self.links}"

    def plan_anew(self, ask: Risk | None) -> None:
        """What rests on facts that have changed is planned from today's: it is asked anew, whatever the rules say."""
        for row in self.world.rows("actions"):
            if row.state != State.PLANNED:
                continue
            letter = self.model.letters[row.key]
            customer_id, box = self.ids[letter.ref]
            ending = {"entitlement_id": box, "gate_id": self.gate} if letter.is_ending else {}
            about = About(customer_id, **ending)
            with self.database.write("replan") as connection:
                plan, now = self._plan(letter, ask), self.world.now
                assert replan(connection, row.id, plan, about, run=letter.initiator, now=now)
            letter.rests_on = self.model.facts(letter)
            letter.risk = max(letter.risk, ask or letter.risk, key=list(Risk).index)
            self._ask_again(letter)
            assert self.world.state(letter.key) is State.AWAITING_REVIEW, "P12: planned anew, and nobody is asked"
            self.did["planned anew"] += 1

    @staticmethod
    def _ask_again(letter: Letter) -> None:
        letter.asked += 1
        letter.paper = letter.became = None
        letter.is_over = False

    # -- what becomes true --------------------------------------------------------------------------------------

    def change(self, ref: str, what: str) -> None:
        """An address changes, or something is renewed."""
        now = self.world.now
        with self.database.write() as connection:
            if what == "address":
                found = people.locked(connection, ref)
                assert found is not None
                self.model.moves[ref] += 1
                after = replace(found[1], email=f"{ref.lower()}-{self.model.moves[ref]}@example.com")
                people.save(connection, self.ids[ref][0], found[1], after, now=now)
            else:
                self.model.renewals[ref] += 1
                ends_on = now.date() + timedelta(days=365)
                risen = {"version": entitlements.c.version + 1, "changed_at": now, "ends_on": ends_on}
                connection.execute(update(entitlements).where(entitlements.c.ref == f"E-{ref}").values(**risen))
        self.did[f"changed: {what}"] += 1

    # -- colleagues ---------------------------------------------------------------------------------------------

    def look(self, paper: Paper) -> View:
        """What its page shows now."""
        (row,) = (row for row in self.world.rows("reviews") if row.id == paper.id)
        waiting = [
            one for one in self.world.rows("actions")
            if one.review_id == paper.id and one.state == State.AWAITING_REVIEW
        ]  # fmt: skip
        letters = {one.key: (said(one.payload), self.model.letters[one.key].asked) for one in waiting}
        return View(paper.id, -1 if paper.is_closed else paper.version, row.payload_hash, letters)

    def vote(self, who: Colleague, view: View, decision: Decision, *, way: Way, code: str, dies: int | None) -> None:
        """Somebody proves who they are, and says yes or no to what they saw."""
        typed, is_right = self._code(who, code)
        paper, now = self.model.papers[view.paper], self.world.now
        wanted = paper.refuses(who, way, view, now, decision)
        how: dict[str, Any] = {"payload_hash": view.payload_hash, "way": way, "reason": Reason.AS_INTENDED, "now": now}
        problem: Exception | None = None
        with dying(dies) as death:
            try:
                voter = check_code(self.database, who.name.upper(), typed, now=now)
                assert voter == Voter(who.name, who.roles)
                service.vote(self.database, self.policy, paper.id, reviewer=voter, decision=decision, **how)
            except (WrongCode, ReviewProblem) as refused:
                problem = refused
        if not is_right:
            assert death.came or isinstance(problem, WrongCode)
            self.did["code: refused"] += 1
            return
        if not death.came or death.has("check-code.committed"):
            who.misses, who.last_code = 0, typed
        self._check_word(wanted, problem, death, "vote", paper)
        if wanted is None and (not death.came or death.has("vote.committed")):
            paper.say(who, view, decision, now)
            self.did[f"voted: {decision}"] += 1
            if paper.decided is not None:
                self.did[f"{paper.decided[0]}: {paper.risk}"] += 1

    def _code(self, who: Colleague, kind: str) -> tuple[str, bool]:
        """One that counts, one that nobody's phone shows, or one that was used."""
        phone = pyotp.TOTP(who.secret)
        here = int(self.world.now.timestamp()) // 30
        if kind == "right" or who.misses >= 4:
            who.step = max(here, who.step + 1)
            if who.step > here + 1:  # they wait for the next one
                self.world.wait(30 * (who.step - here - 1))
            return phone.generate_otp(who.step), True
        who.misses += 1
        if kind == "spent" and who.last_code is not None:
            return who.last_code, False
        shown = {phone.generate_otp(step) for step in range(here - 5, here + 3)}
        return next(f"{number:06}" for number in range(100) if f"{number:06}" not in shown), False

    def _check_word(
        self, wanted: type[ReviewProblem] | None, problem: Exception | None, death: Death, name: str, paper: Paper
    ) -> None:
        """P9, P10, P11: a word counts or does not as the rules have it, and who was too late learns of whom."""
        if death.came:
            assert wanted is None or not death.has(f"{name}.written"), "it died, and a word counted that must not"
            self.did[f"died: {name}"] += 1
            return
        assert type(problem) is (wanted or type(None)), f"{name}: {problem!r} where {wanted} was due"
        if isinstance(problem, AlreadyDecided):
            assert paper.decided == (problem.stand, problem.by, problem.at)
        if problem is not None:
            self.did[f"{name} refused: {type(problem).__name__}"] += 1

    def edit(self, who: Colleague, view: View, key: str | None, *, is_sorry: bool, dies: int | None) -> None:
        """Somebody changes what one letter says, or all of them."""
        paper, now = self.model.papers[view.paper], self.world.now
        wanted = paper.refuses(who, Way.PAGE, view, now)
        there = self.look(paper).letters
        if wanted is None and (key not in there if key is not None else not there):
            wanted = Changed  # it has left meanwhile
        says_it = any(words == _SORRY.hash for one, ((_, words), _) in there.items() if key in {None, one})
        is_sorry = is_sorry and not says_it
        change: dict[str, Any] = {"links": {"video": self._link()}}
        if is_sorry:
            change["message"] = _SORRY.name
        how: dict[str, Any] = {"payload_hash": view.payload_hash, "way": Way.PAGE, "now": now}
        voter, problem = Voter(who.name, who.roles), None
        with dying(dies) as death:
            try:
                review_edits.edit(self.database, self.policy, paper.id, {key: change}, reviewer=voter, **how)
            except ReviewProblem as refused:
                problem = refused
        self._check_word(wanted, problem, death, "edit", paper)
        if wanted is None and (not death.came or death.has("edit.committed")):
            paper.change(is_sorry=is_sorry)
            paper.is_closed = not death.has("open-review.committed")
            if is_sorry:
                for letter in self.model.of(paper):
                    letter.risk = Risk.HIGH
            self.did["edited: sorry" if is_sorry else "edited"] += 1

    def exclude(self, who: Colleague, view: View, key: str, *, dies: int | None) -> None:
        """Somebody leaves one letter out."""
        paper, now = self.model.papers[view.paper], self.world.now
        wanted = paper.refuses(who, Way.PAGE, view, now)
        if wanted is None and key not in self.look(paper).letters:
            wanted = Changed
        how: dict[str, Any] = {"payload_hash": view.payload_hash, "way": Way.PAGE, "now": now}
        voter, problem = Voter(who.name, who.roles), None
        with dying(dies) as death:
            try:
                service.exclude(self.database, self.policy, paper.id, [key], reviewer=voter, **how)
            except ReviewProblem as refused:
                problem = refused
        self._check_word(wanted, problem, death, "exclude", paper)
        if wanted is None and (not death.came or death.has("exclude.committed")):
            paper.change()
            self.model.letters[key].ended = f"left out by {who.name}"
            self.did["excluded"] += 1

    def after_a_halt(self, who: Colleague, paper: Paper, *, goes_on: bool, dies: int | None) -> None:
        """Somebody has looked at why it stopped."""
        now = self.world.now
        is_stopped = paper.is_halted and paper.decided is not None and paper.decided[0] is Stand.APPROVED
        wanted = None if paper.may(who) else service.NotYours
        wanted = wanted or (None if is_stopped else Changed)
        name, does = ("go-on", service.go_on) if goes_on else ("give-up", service.give_up)
        voter, problem = Voter(who.name, who.roles), None
        with dying(dies) as death:
            try:
                does(self.database, self.policy, paper.id, reviewer=voter, way=Way.PAGE, now=now)
            except ReviewProblem as refused:
                problem = refused
        self._check_word(wanted, problem, death, name, paper)
        if wanted is None and (not death.came or death.has(f"{name}.committed")):
            if goes_on:
                paper.is_halted, paper.accepted = False, self.model.ever(paper)
            else:
                paper.decided = (Stand.REJECTED, who.name, now)
            self.did["halted, and goes on" if goes_on else "halted, and given up"] += 1

    def decide_about_one(self, who: Colleague, pick: int, to: State) -> None:
        """A named person says what becomes of a letter that machines left to people."""
        left = [row for row in self.world.rows("actions") if row.state in {State.NEEDS_HUMAN, State.FAILED}]
        if not left:
            return
        row = left[pick % len(left)]
        if not is_legal(State(row.state), to, basis=Basis(row.basis)):
            return
        letter = self.model.letters[row.key]
        with self.database.write("settle") as connection:
            now = self.world.now
            settle(connection, row.key, to, self.policy.reviews, by=who.name, reason="asked them", now=now)
        letter.became = None
        if to is State.AWAITING_REVIEW:
            letter.is_again, letter.initiator, letter.risk = True, who.name, Risk.HIGH
            self._ask_again(letter)
        elif to is not State.READY:
            letter.ended = f"{to} by {who.name}"
        self.did[f"decided: {to}"] += 1

    # -- what goes by itself ------------------------------------------------------------------------------------

    def settle(self, *, is_thorough: bool, dies: int | None = None) -> None:
        """One round over all reviews."""
        with dying(dies) as death:
            settle_reviews(self.database, self.policy, run="settler", now=self.world.now, is_thorough=is_thorough)
        self.did["died: settle"] += death.came
        self.see(is_whole=not death.came, is_thorough=is_thorough)

    def see(self, *, is_whole: bool, is_thorough: bool) -> None:
        """What became of reviews by themselves was due; and after a whole round all that was due has come."""
        now = self.world.now
        for row in self.world.rows("reviews"):
            stand = Stand(row.state)
            if row.id not in self.model.papers:
                if not row.payload_hash:
                    assert stand is Stand.COLLECTING
                    continue
                self._opened(row.id)
            paper = self.model.papers[row.id]
            paper.is_closed = stand is Stand.COLLECTING
            self._check_stand(paper, stand, now)
            if row.halted_at is not None and not paper.is_halted:
                assert self.model.may_halt(paper), f"{row.id} has stopped: {row.halted_reason}"
                paper.is_halted = True
                self.did["halted"] += 1
            if is_whole and is_thorough:
                assert paper.is_halted or not self.model.must_halt(paper), f"{row.id} should have stopped"
            if is_whole:
                assert stand is not Stand.OPEN or now < paper.deadline, f"{row.id} is late, and waits"

    def _opened(self, review_id: int) -> None:
        members = [self.model.letters[row.key] for row in self.world.rows("actions") if row.review_id == review_id]
        (initiator,) = {one.initiator for one in members}
        (risk,) = {one.risk for one in members}
        now = self.world.now
        keys = frozenset(one.key for one in members)
        paper = Paper(review_id, risk, NEEDED[risk], initiator, keys, now, now + LASTS[risk])
        self.model.papers[review_id] = paper
        for one in members:
            one.paper = review_id
        self.opened[review_id] = self.look(paper)
        self.did[f"asked: {risk}"] += 1

    def _check_stand(self, paper: Paper, stand: Stand, now: datetime) -> None:
        if stand in {Stand.APPROVED, Stand.REJECTED}:
            assert paper.decided is not None, f"{paper.id} is {stand}, and nobody said so"
            assert paper.decided[0] is stand
            return
        assert paper.decided is None, f"{paper.id} is {stand}, and was {paper.decided}"
        if paper.fate is None and stand in {Stand.EXPIRED, Stand.SUPERSEDED}:
            left = [one.key for one in self.model.of(paper) if one.ended is None and not self.model.is_changed(one)]
            assert now >= paper.deadline if stand is Stand.EXPIRED else not left, f"{paper.id} is {stand}: {left}"
            paper.fate = stand
            self.did[f"{stand}"] += 1

    def start_or_stop(self, *, is_stop: bool) -> None:
        """The kill switch."""
        flip = controls.stop if is_stop else controls.start
        flip(self.database, EVERYTHING, by="anna", reason="a test", now=self.world.now)
        self.model.is_stopped = is_stop
        self.did["stopped" if is_stop else "started"] += 1

    # -- workers and vendors ------------------------------------------------------------------------------------

    def reserve(self, process: Process, capability: Capability, limit: int, lane: str = "normal") -> None:
        """Step one of a claim."""
        rows = self.world.reserve(capability, lane=lane, limit=limit, worker=process.worker)
        assert not (rows and self.model.is_stopped)
        process.reserved[capability] += rows

    def arm(self, process: Process, capability: Capability) -> None:
        """Step two. Whether it may go is noted now; it counts if the outside gets it."""
        rows = process.reserved.pop(capability, [])
        window = self.world.arm(rows, capability, worker=process.worker)
        process.reserved[capability] = window.left
        for key, verdict in window.moved:
            kind = type(verdict).__name__.lower()
            self.did[f"arming: {kind}"] += 1
            if kind != "defer":
                letter = self.model.letters[key]
                letter.is_over = True
                letter.went |= {"lost"} if kind == "toperson" else set()
        assert not (window.armed and self.model.is_stopped), "P14"
        for armed in window.armed:
            self._note(armed)
            process.armed.append((armed, True))

    def _note(self, armed: Armed) -> None:
        says, letter = said(armed.payload), self.model.letters[armed.key]
        self.why_not[armed.key, armed.fence] = self.model.forbids(armed.key, says, self.world.now)
        for paper in self.model.papers.values():
            if paper.covers(armed.key, says, letter.asked):
                paper.armed.add(armed.key)

    def send(self, process: Process, ends: Sequence[str]) -> None:
        """The sockets open; each send ends well or badly, and its answer is on the way."""
        for number, (armed, in_time) in enumerate(process.armed):
            end = ends[number % len(ends)]
            if not in_time:
                process.answers.append(failed_before_sending(armed, "stopped before sending", retry=True))
                continue
            self.did[f"sent: {end}"] += 1
            receipt = self._write(armed) if end in APPLIED else None
            process.answers.append(Outcome(armed, receipt=receipt if ENDS[end] is None else None, problem=ENDS[end]))
        process.armed = []

    def _write(self, armed: Armed) -> Any:
        """P9 to P12, by what the outside got: nobody gets what was not approved exactly so, and nobody twice."""
        before = len(self.outside.effects)
        receipt = self.outside.write(armed.capability, armed.key)
        if len(self.outside.effects) > before:
            why_not = self.why_not[armed.key, armed.fence]
            assert why_not is None, f"{armed.key} went out, and {why_not}"
            letter = self.model.letters[armed.key]
            self.model.effects[armed.key, letter.asked] += 1
            assert self.model.effects[armed.key, letter.asked] == 1, f"{armed.key} went out twice"
            self.did[f"went out: {letter.risk}"] += 1
            self.did["went out: again"] += letter.is_again
            self.did["went out: after its facts had changed"] += letter.asked > 1 and not letter.is_again
        return receipt

    def record(self, process: Process) -> None:
        """The answers are written down."""
        answers, process.answers = process.answers, []
        for capability in sorted({outcome.action.capability for outcome in answers}):
            its = [outcome for outcome in answers if outcome.action.capability is capability]
            now = self.world.now
            results = [as_result(outcome, self.policy.retry, now=now) for outcome in its]
            integration = f"{capability} via fake"
            late = {
                one.id for one in self.world.record(*results, worker=process.worker, integration=integration, now=now)
            }
            for outcome in its:
                if outcome.action.id not in late:
                    self._remember(outcome)

    def _remember(self, outcome: Outcome) -> None:
        letter, problem = self.model.letters[outcome.action.key], outcome.problem
        is_sure = letter.channel is Capability.MAIL and "lost" not in letter.went
        if isinstance(problem, OutcomeUnknown):
            letter.is_over = True
            letter.went.add("lost")
            letter.became = "lost" if letter.channel is Capability.MAIL else None
        elif isinstance(problem, Rejected):
            letter.is_over = True
            letter.went |= {"refused", "lost"} if not is_sure else {"refused"}
            letter.became = "refused" if is_sure else None
        elif problem is None:
            letter.is_over = True
        elif outcome.action.attempts >= self.policy.retry.max_attempts:
            letter.is_over = True
            letter.went.add("refused")

    def stop_a_process(self, process: Process, *, for_good: bool) -> None:
        """Killed, or stopped past its leases to go on later: what it armed and has not sent, it must not send then."""
        held = {row.key for row in self.world.rows("actions") if row.claimed_by == process.name and row.lease_until}
        if held:
            self.world.kill(*held)
        for key in held:
            self.model.letters[key].is_over = True
            self.model.letters[key].went.add("lost")
        process.armed = [(armed, False) for armed, _ in process.armed]
        if for_good:
            self.deaths += 1
            self.did["died holding something"] += 1
            self.processes[self.processes.index(process)] = Process(f"w after {self.deaths} deaths")

    def tell(self, pick: int, what: MessageNews) -> None:
        """A vendor tells what became of something that it has."""
        keys = sorted({key for key, _ in self.outside.effects})
        if not keys:
            return
        letter = self.model.letters[keys[pick % len(keys)]]
        told = MessageTold(letter.key, what, self.world.now, b"{}")
        with self.database.write("news") as connection:
            deliveries = [("sendgrid", MessageEvents((told,)))]
            take_message_events(connection, deliveries, self.policy, Journeys(), run="gateway", now=self.world.now)
        letter.went.add(what.value)
        letter.became = None if letter.became == "lost" else letter.became
        self.did[f"told: {what}"] += 1

    def waiting(self) -> dict[str, str]:
        """Letters that are neither final nor wait where a person looks."""
        seen = FINAL | {State.NEEDS_HUMAN, State.FAILED}
        halted = {paper.id for paper in self.model.papers.values() if paper.is_halted}
        return {
            row.key: f"{row.state}: {row.reason}"
            for row in self.world.rows("actions")
            if row.state not in seen
            and not (row.review_id in halted and row.state in {State.AWAITING_REVIEW, State.READY})
        }


def said(payload: Any) -> Said:
    """What a letter says."""
    params = payload["params"]
    return params["links"]["video"], params["wordings"]["en"]
