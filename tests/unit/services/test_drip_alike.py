"""Those who are alike go on together: as each of them would alone, whatever decides about them."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from journeys_world import JourneysWorld, a_journey, a_step
from ledger_world import NOON, POLICY, check_audit

from domain.actions import Basis, Kind
from domain.channels import Channel
from domain.customers import Tier
from domain.journeys import Branch, Condition, EventName, Seen
from domain.review_rules import HardshipRule, KindRule, Risk
from services.step_plans import StepPlans
from store.canonical import address_hash
from store.database import Database

BOTH = frozenset({Kind.CALL, Kind.MESSAGE})
RULES = {"vip": KindRule(Risk.LOW, BOTH), "hardship": HardshipRule(Risk.MEDIUM, BOTH, 90)}
REVIEWS = replace(POLICY.reviews, rules=replace(POLICY.reviews.rules, **RULES))
SEEN = Condition(seen=Seen(EventName.FEATURE_USED, "setup"))
ALL = (Channel.MAIL, Channel.SMS, Channel.PUSH)
STEPS = {
    "of-all": a_step("first", by=ALL, pointless_after_hours=48),
    "consented": a_step("first", by=ALL, basis=Basis.PROACTIVE),
    "conditional": a_step("first", by=ALL, skip_when=SEEN, when=Condition(language=frozenset({"pl"}))),
    "of-tiers": a_step("first", by=(Channel.SMS, Channel.MAIL), when=Condition(tier=frozenset({Tier.VIP, Tier.BASIC}))),
    "parting": a_step("first", branch=(Branch("second"),)),
}
OFFSETS = (timedelta(minutes=-2), timedelta(seconds=-30), timedelta(minutes=9, seconds=20))

Change = Callable[[JourneysWorld, int], Any]


def columns(**values: Any) -> Change:
    return lambda world, who: world.set_customer(who, **values)


def suppressed(world: JourneysWorld, who: int, channel: str, column: str) -> None:
    address = next(getattr(row, column) for row in world.rows("customers") if row.id == who)
    world.add("suppressions", channel=channel, address_hash=address_hash(address), at=NOON, reason="bounce")


def distressed(world: JourneysWorld, who: int) -> None:
    how = {"words": "…", "confidence": 1.0, "urgency": "normal", "state": "sorted", "outcome": "…", "source": "s"}
    told = {"message_id": f"m{who}", "received_at": NOON - timedelta(days=1), "distress": "hardship"}
    world.add("messages", customer_id=who, **told, **how)


CHANGES: dict[str, Change] = {
    "nothing": lambda _world, _who: None,
    "no mail address": columns(email=None),
    "an empty one": columns(email=""),
    "nowhere": columns(email=None, phone=None),
    "a device": columns(device="d"),
    "only a device": columns(email=None, phone=None, device="d"),
    "sms preferred": columns(preferred_channel="sms"),
    "another language": columns(language="cs"),
    "no language": columns(language=None),
    "elsewhere": columns(time_zone="Asia/Tokyo"),
    "hours of their own": columns(window_start="15:00", window_end="16:00"),
    "hours that are on": columns(window_start="10:00", window_end="16:00"),
    "vip": columns(tier="vip"),
    "core": columns(tier="core"),
    "a tier that is none": columns(tier="gold"),
    "a person has them": columns(tact_lock="they asked"),
    "erased": columns(erased_at=NOON),
    "refused": lambda world, who: world.consent(who, granted=False),
    "allowed by sms alone": lambda world, who: (
        world.consent(who, granted=False),
        world.consent(who, by="sms"),
    ),
    "allowed something else": lambda world, who: world.consent(who, "reminders", granted=True, by="push"),
    "did something": lambda world, who: world.did(who, EventName.FEATURE_USED, "other"),
    "did what counts": lambda world, who: world.did(who, EventName.FEATURE_USED, "setup"),
    "mail suppressed": lambda world, who: suppressed(world, who, "mail", "email"),
    "phone suppressed": lambda world, who: suppressed(world, who, "sms", "phone"),
    "in hardship": distressed,
}


def enrol_all(world: JourneysWorld, group: str, step: str) -> None:
    for number, change in enumerate(CHANGES.values()):
        for place, offset in enumerate(OFFSETS):
            ref = f"{group}-{number}-{place}"
            who = world.customer(ref, language="pl", tier=Tier.BASIC)
            world.consent(who)
            change(world, who)
            world.enrol(ref, step, customer_id=who, due_at=NOON + offset)


def outcomes(world: JourneysWorld, group: str) -> dict[str, Any]:
    """What became of each, without what is made of their own name."""
    reviews = {row.id: row.rules for row in world.rows("reviews")}
    acts = {row.enrolment_id: row for row in world.rows("actions")}
    found = {}
    for row in world.rows("enrolments"):
        its_group, _, name = row.key_part.partition("-")
        if its_group != group:
            continue
        action = acts.get(row.id)
        stands = (row.state, row.step, row.reason, row.previous_at, row.action_id is None)
        due_at = row.due_at if row.action_id is None else row.due_at == action.due_at
        found[name] = (*stands, due_at, action and made_of(action, reviews))
    return found


def made_of(action: Any, reviews: dict[int, Any]) -> tuple[Any, ...]:
    is_held = action.reason is not None and action.state != "skipped"  # to a moment by its key, after that
    content = (action.kind, action.basis, action.capability, action.purpose, action.payload_hash)
    times = ("held" if is_held else action.due_at, action.not_after)
    return (action.state, action.reason, *content, *times, reviews.get(action.review_id))


@pytest.mark.parametrize("step", list(STEPS))
def test_together_they_get_what_each_would_get_alone(
    database: Database, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    world = JourneysWorld(database, replace(POLICY, reviews=REVIEWS))
    follows = a_step("second", by=ALL)
    world.publish(a_journey(STEPS[step], follows), step)
    enrol_all(world, "A", step)
    alone = world.drip(dry_run=True)
    together = world.drip()
    assert (alone.planned, alone.skipped, alone.reviewed) == (together.planned, together.skipped, together.reviewed)
    enrol_all(world, "B", step)
    monkeypatch.setattr(StepPlans, "decide_alike", lambda *_: None)
    world.drip()
    told = outcomes(world, "A")
    assert told == outcomes(world, "B")
    assert len({outcome[-1] and outcome[-1][:2] for outcome in told.values()}) > (3 if step != "parting" else 0)
    check_audit(database)


def test_who_is_suppressed_is_taken_out_of_those_who_are_alike(world_of_many: JourneysWorld) -> None:
    """They get theirs over the next channel."""
    report = world_of_many.drip()
    assert report.transactions == 1
    by = {row.key: row.capability for row in world_of_many.rows("actions")}
    assert list(by.values()).count("mail") == 39
    assert by["journey/onboarding/C-7/1/first"] == "sms"


@pytest.fixture
def world_of_many(database: Database) -> JourneysWorld:
    """Forty who are alike, but that one address is suppressed."""
    world = JourneysWorld(database)
    world.publish(a_journey(a_step("first", by=(Channel.MAIL, Channel.SMS))))
    for number in range(40):
        world.enrol(f"C-{number}")
    told = {"channel": "mail", "address_hash": address_hash("c-7@example.com"), "at": NOON, "reason": "bounce"}
    world.add("suppressions", **told)
    return world
