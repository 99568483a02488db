"""Where a customer stands in a journey, what comes next and why: in their trace, and as policy explains it."""

from typing import Any

import pytest
from journey_world import a_published_journey, an_enrolment
from ledger_world import NOON, World, a_message, hasten, later

from domain.actions import State
from domain.customers import Purpose, Tier
from domain.planning import Payload
from services.explaining import explain
from services.places import Places
from services.tracing import trace
from store import customers as people
from store.database import Database

GUIDE = "journey/onboarding/C-1/1/guide"
JOURNEY: dict[str, Any] = {
    "version": 1,
    "about": "who activated for the first time",
    "purpose": "onboarding",
    "enters": {"on": "customer.activated"},
    "steps": [
        {
            "id": "guide",
            "message": "onboarding-guide",
            "by": ["sms", "mail"],
            "skip_when": {"seen": {"event": "feature.used", "named": "autopay"}},
        },
        {"id": "fork", "branch": [{"to": "end", "when": {"tier": ["vip"]}}]},
        {"id": "check", "ask": "see how they get on"},
    ],
}


@pytest.fixture
def world(database: Database) -> World:
    made = World(hasten(database))
    a_published_journey(made, **JOURNEY)
    customer = made.customer(tier=Tier.CORE)
    with database.write() as connection:
        people.set_consent(connection, customer, Purpose.ONBOARDING, "mail", granted=True, now=NOON)
    return made


def stands(world: World, **how: Any) -> None:
    an_enrolment(world, world.rows("customers")[0].id, **how)


def explained(world: World, **delta: float) -> dict[str, Any]:
    told = explain(world.database, world.policy, "C-1", now=later(**delta))
    assert told is not None
    (journey,) = told["journeys"]
    return dict(journey)


def traced(world: World) -> dict[str, Any]:
    story = trace(world.database, "C-1", Places())
    assert story is not None
    (journey,) = story["journeys"]
    return dict(journey)


def test_a_step_that_they_wait_for(world: World) -> None:
    stands(world, due_at=later(hours=2))
    assert traced(world) == {
        "customer": "C-1",
        "journey": "onboarding",
        "state": "active",
        "since": "2026-03-04T11:00:00.000Z",
        "step": "guide",
        "due_at": "2026-03-04T13:00:00.000Z",
        "in_words": "they wait for guide, due 2026-03-04 13:00 UTC",
        "steps": [],
    }
    told = explained(world)
    assert told["next"] == "guide by mail, 2026-03-04 13:00 UTC"
    assert told["channels"] == [
        {"channel": "sms", "is_in": False, "why": "no consent to onboarding"},
        {"channel": "mail", "is_in": True, "why": "nothing speaks against it"},
    ]


def test_why_it_comes_later_or_not_at_all(world: World) -> None:
    stands(world, due_at=later(hours=10))
    told = explained(world)["next"]
    assert told.startswith("guide by mail, 2026-03-05 07:")
    assert told.endswith(": quiet hours until 08:00 (Europe/Warsaw), then spread")
    world.add("behaviour", customer_id=1, event="feature.used", name="autopay", first_at=NOON, last_at=NOON, times=1)
    assert explained(world)["next"] == "guide would be left out: not needed any more: has done feature.used (autopay)"


def test_a_step_that_is_planned(world: World) -> None:
    stands(world)
    said = Payload("journey-step/1", {"journey": "onboarding", "step": "guide", "wordings": {}}, "onboarding-guide")
    world.put(a_message(GUIDE, payload=said), customer_id=1, enrolment_id=1)
    world.force(GUIDE, State.NEEDS_HUMAN)
    told = traced(world)
    assert told["in_words"] == "they are at guide (mail): waits for a person"
    assert [(step["step"], step["state"]) for step in told["steps"]] == [("guide", "needs_human")]


def test_where_ways_part(world: World) -> None:
    stands(world, step="fork", due_at=NOON)
    assert explained(world)["next"] == "ways part: as things stand on to check"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"state": "left", "reason": "customer.churned"}, "they left it (customer.churned)"),
        ({"state": "goal", "reason": "goal.reached"}, "it is over: they reached its goal (goal.reached)"),
        ({"state": "finished"}, "it is over: every step is done or was left out"),
    ],
)
def test_a_journey_that_is_over(world: World, how: dict[str, Any], words: str) -> None:
    stands(world, step=None, **how)
    told = explained(world)
    assert (told["in_words"], told["next"], told["channels"]) == (words, None, [])


def test_a_journey_that_nobody_can_read_is_told_as_such(world: World) -> None:
    stands(world, step="gone", due_at=NOON)
    assert explained(world)["next"] == "nothing: journey onboarding version 1 has no step gone"
