"""Planners, vendors and processes around reviews: what each does, held to what `review_model` remembers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

from crew import Crew
from ledger_house import Process, Proofs
from ledger_outside import APPLIED, ENDS, Outside
from ledger_world import NOON, World
from review_ground import CLASSES, PEOPLE, REFS, SORRY, USUAL, WHATS, dying, policy, said
from review_model import LASTS, NEEDED, Colleague, Letter, Model, Paper, View
from sqlalchemy import update

from data_contracts.journey_events import MessageEvents, MessageTold
from domain.actions import FINAL, Basis, Capability, Kind, State
from domain.controls import EVERYTHING
from domain.entitlements import EntitlementKind, occurrence_of
from domain.message_events import MessageNews
from domain.planning import Payload, PlannedAction
from domain.policy import Policy
from domain.review_rules import Risk, Rule
from domain.reviews import Stand
from domain.risk import Ask
from integrations.errors import OutcomeUnknown, Rejected
from services import controls
from services.journeys import Journeys
from services.message_events import take_message_events
from services.outcomes import Outcome, as_result, failed_before_sending
from services.reviewers import Credentials, add_reviewer
from services.reviews_settling import settle_reviews
from services.wiring import Handrail
from store import customers as people
from store import wordings
from store.database import Database
from store.groupcommit import GroupCommit
from store.ledger.enqueue import About, replan
from store.ledger.rows import Armed, entitlements


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
            for template in (USUAL, SORRY):
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
        params = {"journey": "onboarding", "step": "guide", "links": {"video": self.link()}}
        how = None if ask is None else self.policy.reviews.classes[ask]
        rule = Rule.HARDSHIP if ask is Risk.HIGH else Rule.VIP
        return PlannedAction(
            key=letter.key,
            kind=Kind.MESSAGE,
            basis=Basis.SERVICE,
            capability=letter.channel,
            payload=Payload("journey-step/1", {**params, "wordings": {"en": USUAL.hash}}, "guide"),
            due_at=self.world.now,
            facts=frozenset({"customer", "entitlement"} if letter.is_ending else {"customer"}),
            ask=None
            if how is None or ask is None
            else Ask(letter.what, (rule,), ask, how.reviewers, how.gather_minutes),
        )

    def link(self) -> str:
        """An address that no letter had before."""
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
            self.ask_again(letter)
            assert self.world.state(letter.key) is State.AWAITING_REVIEW, "P12: planned anew, and nobody is asked"
            self.did["planned anew"] += 1

    @staticmethod
    def ask_again(letter: Letter) -> None:
        """It waits for another review."""
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
