"""What planners ask before they plan: whom the rules find, many at once, and what facts that change do to a review."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from endings_world import TODAY, EndingsWorld
from journey_world import a_published_journey, an_enrolment
from journeys_world import JourneysWorld, a_journey, a_step
from ledger_world import NOON, NOTHING_IS_RISKY, POLICY, World, a_message, check_audit
from sqlalchemy import update

from domain.actions import Capability, Kind, State
from domain.customers import Tier
from domain.gates import GateVerdict
from domain.hours import ContactWindow
from domain.journeys import After, Branch
from domain.planning import Payload
from domain.policy import Policy
from domain.review_rules import (
    HardshipRule,
    KindRule,
    ManyCustomersRule,
    PhrasesRule,
    Risk,
    Rule,
    UnusualVolumeRule,
    Way,
)
from domain.reviews import Decision, Reason, Voter
from domain.risk import Ask
from services.replanning import replan_changed
from services.reviews import vote
from services.reviews_settling import settle_reviews
from store import customers as people
from store import volumes
from store.database import Database
from store.tables import metadata

BOTH = frozenset({Kind.CALL, Kind.MESSAGE})
VIP = KindRule(Risk.LOW, BOTH)
HARDSHIP = HardshipRule(Risk.MEDIUM, BOTH, 90)
WARNED = KindRule(Risk.LOW, BOTH)
MANY = ManyCustomersRule(Risk.HIGH, 3, 60)
UNUSUAL = UnusualVolumeRule(Risk.MEDIUM, 2, 3, 2)
MONEY = PhrasesRule(Risk.HIGH, {"en": ("refund*",)})
WEEK = timedelta(weeks=1)
STEP = "journey/onboarding/first"


def risky(**rules: Any) -> Policy:
    """Only these rules are on."""
    return replace(POLICY, reviews=replace(NOTHING_IS_RISKY, rules=replace(NOTHING_IS_RISKY.rules, **rules)))


@pytest.fixture
def drip(database: Database) -> Iterator[Callable[..., JourneysWorld]]:
    """`drip(vip=VIP)`: customers in a journey of one step, under these rules."""

    def made(**rules: Any) -> JourneysWorld:
        world = JourneysWorld(database, risky(**rules))
        world.publish(a_journey(a_step("first"), a_step("second", after=After(days=1))))
        return world

    yield made
    check_audit(database)


@pytest.fixture
def endings(database: Database) -> Iterator[Callable[..., EndingsWorld]]:
    """`endings(vip=VIP)`: customers who are called about what ends, under these rules."""
    yield lambda **rules: EndingsWorld(database, risky(**rules))
    check_audit(database)


def distress(world: World, customer: int, table: str = "messages", days_ago: int = 1) -> None:
    """They told of it."""
    at = world.now - timedelta(days=days_ago)
    if table == "messages":
        how: dict[str, Any] = {
            "message_id": str(customer),
            "words": "…",
            "confidence": 1.0,
            "urgency": "normal",
            "state": "sorted",
        }
    else:
        how = {
            "response_id": str(customer),
            "kind": "nps",
            "score": 2,
            "answered_at": at,
            "sentiment": "bad",
            "is_critical": True,
        }
    told = {"source": "s", "customer_id": customer, "received_at": at, "distress": "hardship", "outcome": "…"}
    world.add(table, **told, **how)


def asked(world: World) -> dict[str, list[str]]:
    """The rules by which each action waits."""
    reviews = {row.id: row.rules for row in world.rows("reviews")}
    return {row.key: reviews[row.review_id] for row in world.rows("actions") if row.state == State.AWAITING_REVIEW}


def first(number: int) -> str:
    return f"journey/onboarding/C-{number}/1/first"


def several(world: JourneysWorld, count: int, begin: int = 1) -> None:
    for number in range(begin, begin + count):
        world.enrol(f"C-{number}")


def test_a_step_of_a_vip_waits_and_nobody_elses(drip: Any) -> None:
    world = drip(vip=VIP)
    world.enrol("C-1", customer_id=world.customer("C-1", tier=Tier.VIP))
    world.enrol("C-2", customer_id=world.customer("C-2", tier=Tier.CORE))
    report = world.drip()
    assert asked(world) == {first(1): ["vip"]}
    assert world.state(first(2)) is State.READY
    assert dict(report.reviewed) == {(Rule.VIP,): 1}
    assert report.waiting == {"awaiting_review": 1}
    assert report.needs_people == 1
    [review] = world.rows("reviews")
    assert (review.what, review.initiator, review.risk) == (STEP, "drip", "low")
    row = world.row(first(1))
    assert row.reviewed_hash == row.payload_hash


def test_with_no_rule_on_nothing_waits_and_nothing_is_counted(drip: Any) -> None:
    world = drip()
    world.enrol("C-1", customer_id=world.customer("C-1", tier=Tier.VIP))
    assert not world.drip().reviewed
    assert asked(world) == {}
    assert world.rows("volumes") == []


@pytest.mark.parametrize(("table", "days_ago", "waits"), [
    ("messages", 1, True), ("survey_responses", 89, True), ("messages", 91, False), ("survey_responses", 91, False),
])  # fmt: skip
def test_who_told_of_hardship_lately_waits(drip: Any, table: str, days_ago: int, waits: bool) -> None:
    world = drip(hardship=HARDSHIP)
    customer = world.customer("C-1")
    distress(world, customer, table, days_ago)
    world.enrol("C-1", customer_id=customer)
    world.enrol("C-2")
    world.drip()
    assert asked(world) == ({first(1): ["hardship"]} if waits else {})


def test_words_of_money_wait_whoever_gets_them(drip: Any) -> None:
    world = drip(money_or_apology=MONEY)
    said = {"name": "welcome", "language": "en", "parts": {"sms.txt": "Your refund is on its way"}}
    with world.database.write() as connection:
        templates = metadata.tables["templates"]
        connection.execute(update(templates).where(templates.c.hash == "words-en").values(content=said))
    world.enrol("C-1")
    world.drip()
    assert asked(world) == {first(1): ["money_or_apology"]}


def test_more_than_the_cap_in_one_run_all_wait(drip: Any) -> None:
    world = drip(many_customers=MANY)
    several(world, 4)
    report = world.drip()
    assert asked(world) == {first(number): ["many_customers"] for number in range(1, 5)}
    assert dict(report.reviewed) == {(Rule.MANY_CUSTOMERS,): 4}
    assert report.planned.total() == 4
    assert [(row.what, row.planned) for row in world.rows("volumes")] == [(STEP, 4)]


def test_as_many_as_the_cap_go_and_those_who_come_after_it_within_the_hour_wait(drip: Any) -> None:
    world = drip(many_customers=MANY)
    several(world, 3)
    world.drip()
    assert asked(world) == {}
    several(world, 1, begin=4)
    world.drip(now=NOON + timedelta(minutes=30))
    assert asked(world) == {first(4): ["many_customers"]}
    several(world, 1, begin=5)
    world.drip(now=NOON + timedelta(hours=3))
    assert asked(world) == {first(4): ["many_customers"]}


def test_a_dry_run_tells_of_the_same_and_counts_nothing(drip: Any) -> None:
    world = drip(many_customers=MANY)
    several(world, 4)
    assert dict(world.drip(dry_run=True).reviewed) == {(Rule.MANY_CUSTOMERS,): 4}
    assert world.rows("volumes") == world.rows("reviews") == []


def test_a_run_again_counts_nobody_twice(drip: Any) -> None:
    world = drip(many_customers=MANY)
    several(world, 2)
    world.drip()
    world.drip(run="again")
    assert [row.planned for row in world.rows("volumes")] == [2]


def test_who_comes_by_a_parting_of_the_ways_is_counted_too(database: Database) -> None:
    world = JourneysWorld(database, risky(many_customers=MANY))
    ways = a_step("ways", branch=(Branch("first"),))
    world.publish(a_journey(ways, a_step("first")))
    several(world, 4)
    world.drip()
    assert set(asked(world)) == {first(number) for number in range(1, 5)}


def test_more_than_a_page_is_held_back_until_it_is_known(drip: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.drip._FIRST_PAGE", 2)
    monkeypatch.setattr("services.drip._SMALLEST_PAGE", 2)
    world = drip(many_customers=replace(MANY, more_than=7), vip=VIP)
    several(world, 8)
    world.enrol("C-9", customer_id=world.customer("C-9", tier=Tier.VIP))
    report = world.drip()
    found = asked(world)
    assert found.pop(first(9)) == ["many_customers", "vip"]
    assert found == {first(number): ["many_customers"] for number in range(1, 9)}
    assert report.planned.total() == 9


def before(world: World, *counts: tuple[datetime, int], what: str = STEP) -> None:
    """So many were planned at these instants."""
    with world.database.write() as connection:
        for at, count in counts:
            volumes.note(connection, {what: count}, now=at)


@pytest.mark.parametrize(
    ("known", "waits"),
    [
        (((NOON - WEEK, 1), (NOON - 2 * WEEK, 1)), True),  # usually one, now three
        (((NOON - WEEK, 4), (NOON - 2 * WEEK, 4)), False),  # not more than twice four
        (((NOON - WEEK, 1),), False),  # for fewer than two weeks: nobody knows what is usual
        ((), False),
        (((NOON - 2 * WEEK - timedelta(hours=5), 40),), True),  # never in this hour
    ],
)
def test_more_than_usual_in_this_hour_of_this_weekday_waits(
    drip: Any, known: tuple[tuple[datetime, int], ...], waits: bool
) -> None:
    world = drip(unusual_volume=UNUSUAL)
    before(world, *known)
    several(world, 3)
    world.drip()
    assert asked(world) == ({first(number): ["unusual_volume"] for number in range(1, 4)} if waits else {})


def test_what_no_rule_looks_at_any_more_is_forgotten(drip: Any) -> None:
    world = drip(unusual_volume=UNUSUAL)
    before(world, (NOON - 4 * WEEK, 7), (NOON - 2 * WEEK, 5))
    world.drip()
    assert [row.planned for row in world.rows("volumes")] == [5]


def test_fewer_than_matter_are_never_unusual(drip: Any) -> None:
    world = drip(unusual_volume=UNUSUAL)
    before(world, (NOON - 2 * WEEK, 0), (NOON - 2 * WEEK, 1))
    several(world, 2)
    world.drip()
    assert asked(world) == {}


@pytest.mark.parametrize("end", [State.CANCELLED, State.EXPIRED])
def test_a_step_that_its_review_does_not_let_go_is_over_and_the_journey_goes_on(drip: Any, end: State) -> None:
    world = drip(vip=VIP)
    made = world.enrol("C-1", customer_id=world.customer("C-1", tier=Tier.VIP))
    world.drip()
    world.change(first(1), state=end, updated_at=NOON + timedelta(hours=1))
    world.now = NOON + timedelta(hours=2)
    report = world.drip(now=world.now)
    assert report.landed == 1
    stands = world.enrolled(made)
    assert (stands.state, stands.step, stands.due_at) == ("active", "second", NOON + timedelta(days=1, hours=1))


def called(world: EndingsWorld, number: int = 1, **facts: Any) -> int:
    """Somebody who is called about an ending; their id."""
    customer = world.customer(f"C-{number}", **{"tier": Tier.CORE, **facts})
    world.entitlement(f"E-{number}", customer_id=customer)
    return customer


def call(number: int = 1) -> str:
    return f"expiry/E-{number}/{TODAY + timedelta(days=30)}/call/1"


def test_a_call_on_data_that_passed_with_warnings_waits(endings: Any) -> None:
    world = endings(gate_warnings=WARNED)
    called(world, 1)
    world.gate = world.pass_gate(verdict=GateVerdict.WARNINGS, batch="b2")
    called(world, 2)
    planning = world.plan()
    assert asked(world) == {call(2): ["gate_warnings"]}
    assert (planning.planned["call"], planning.reviewed) == (2, 1)
    assert {row.what for row in world.rows("reviews")} == {"expiry/subscription/call"}


def test_a_call_to_somebody_in_hardship_waits_and_a_colleagues_task_never(endings: Any) -> None:
    world = endings(hardship=HARDSHIP)
    distress(world, called(world, 1))
    distress(world, called(world, 2, tier=Tier.VIP), table="survey_responses")
    distress(world, called(world, 3), table="survey_responses")
    distress(world, called(world, 4), days_ago=HARDSHIP.days + 1)
    world.plan()
    assert asked(world) == {call(1): ["hardship"], call(3): ["hardship"]}
    assert world.state(call(2).replace("call/1", "task")) is State.READY


def test_more_calls_than_the_cap_all_wait_and_tasks_do_not(endings: Any) -> None:
    world = endings(many_customers=MANY)
    for number in range(1, 5):
        called(world, number)
    called(world, 5, tier=Tier.VIP)
    planning = world.plan()
    assert asked(world) == {call(number): ["many_customers"] for number in range(1, 5)}
    assert (planning.planned["call"], planning.planned["task"], planning.reviewed) == (4, 1, 4)
    called(world, 6)
    world.now += timedelta(minutes=5)
    world.plan()
    assert asked(world)[call(6)] == ["many_customers"]


def test_as_many_calls_as_the_cap_go_at_the_end_of_the_run(endings: Any) -> None:
    world = endings(many_customers=MANY)
    for number in range(1, 4):
        called(world, number)
    assert world.plan().planned["call"] == 3
    assert asked(world) == {}
    assert world.plan().planned.total() == 0


GUIDE = "journey/onboarding/C-1/1/guide"
EWA = Voter("Ewa Lis", frozenset({"on_call"}))
STAGES = ("collecting", "open", "approved", "released")


class Waiting:
    """One action in a review of its own, taken to a stage of it."""

    def __init__(self, world: World, key: str) -> None:
        self.world, self.key = world, key

    def settle(self) -> None:
        settle_reviews(self.world.database, self.world.policy, run="sweep", now=self.world.now)

    def go_to(self, stage: str) -> None:
        place = STAGES.index(stage)
        if place > 0:
            self.settle()
        if place > 1:
            self.approve()
        if place > 2:
            self.settle()
            assert self.world.state(self.key) is State.READY

    def approve(self) -> None:
        row = self.world.row(self.key)
        [review] = [one for one in self.world.rows("reviews") if one.id == row.review_id]
        told = {"decision": Decision.APPROVE, "reason": Reason.AS_INTENDED, "way": Way.PAGE}
        vote(
            self.world.database,
            self.world.policy,
            review.id,
            reviewer=EWA,
            payload_hash=review.payload_hash,
            now=self.world.now,
            **told,
        )


def a_waiting_step(database: Database) -> Waiting:
    world = World(database, risky(vip=VIP))
    steps = [{"id": "guide", "message": "onboarding-guide", "by": ["mail"]}]
    about = {"version": 1, "about": "new", "purpose": "onboarding", "enters": {"on": "customer.activated"}}
    a_published_journey(world, **about, steps=steps)
    customer = world.customer(tier=Tier.VIP)
    with world.database.write() as connection:
        people.set_consent(connection, customer, "onboarding", Capability.MAIL, granted=True, now=NOON)
    enrolment = an_enrolment(world, customer)
    said = Payload("journey-step/1", {"journey": "onboarding", "step": "guide", "wordings": {}, "links": {}}, "guide")
    plan = a_message(GUIDE, purpose="onboarding", payload=said, facts=frozenset({"customer"}))
    ask = Ask("journey/onboarding/guide", (Rule.VIP,), Risk.LOW, 1, 0)
    world.put(replace(plan, ask=ask), customer_id=customer, enrolment_id=enrolment)
    return Waiting(world, GUIDE)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(
    "fact",
    [
        {"name": "Jan"},
        {"email": "other@example.com"},
        {"phone": "+48601000000"},
        {"device": "d-1"},
        {"language": "cs"},
        {"time_zone": "Europe/Prague"},
        {"tier": "core"},
        {"preferred_channel": "mail"},
        {"dedicated_agent": "Jan Nowak"},
    ],
    ids=lambda fact: next(iter(fact)),
)
def test_the_wrong_airport_a_customer_who_changed_is_planned_and_asked_anew(
    on_sqlite: Any, fact: dict[str, str], stage: str
) -> None:
    it = a_waiting_step(on_sqlite.database)
    it.go_to(stage)
    row = it.world.row(GUIDE)
    with on_sqlite.database.write() as connection:
        customers = metadata.tables["customers"]
        changed = update(customers).where(customers.c.id == row.customer_id)
        connection.execute(changed.values(version=customers.c.version + 1, **fact))
    is_never_sent_and_asked_anew(it, Capability.MAIL, stage)


def is_never_sent_and_asked_anew(it: Waiting, capability: Capability, stage: str) -> None:
    """Whatever the review says from here on: what was approved is not what would be sent."""
    world = it.world
    before = world.row(it.key)
    if stage == "collecting":
        it.settle()
    if stage in {"collecting", "open"} and world.state(it.key) is State.AWAITING_REVIEW:
        it.approve()
    assert world.take(capability) == []
    it.settle()
    assert world.take(capability) == []
    assert world.state(it.key) is State.PLANNED
    assert replan_changed(world.database, world.policy, run="again", now=world.now) == [it.key]
    row = world.row(it.key)
    assert (world.state(it.key), row.revision) == (State.AWAITING_REVIEW, before.revision + 1)
    assert row.review_id != before.review_id
    assert world.take(capability) == []
    it.settle()
    it.approve()
    it.settle()
    assert [armed.key for armed in world.take(capability)] == [it.key]
    check_audit(world.database)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("fact", ["ends_on", "at_risk_minor"])
def test_the_wrong_airport_a_call_whose_ending_changed_is_planned_and_asked_anew(
    on_sqlite: Any, fact: str, stage: str
) -> None:
    rules = risky(hardship=replace(HARDSHIP, risk=Risk.LOW))
    hours = dict.fromkeys(Tier, ContactWindow(time(8), time(20)))
    calls = replace(rules.expiry.calls, windows=hours)
    world = EndingsWorld(on_sqlite.database, replace(rules, expiry=replace(rules.expiry, calls=calls)))
    distress(world, called(world))
    world.plan()
    assert asked(world) == {call(): ["hardship"]}
    it = Waiting(world, call())
    it.go_to(stage)
    changed = {"ends_on": TODAY + timedelta(days=30)} if fact == "ends_on" else {"at_risk_minor": 20_000}
    world.alter("E-1", **changed)
    is_never_sent_and_asked_anew(it, Capability.VOICE, stage)
