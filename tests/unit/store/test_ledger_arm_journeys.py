"""Arming a journey's step: only where its customer stands, over a channel that may be used, and spread."""

from datetime import timedelta
from typing import Any

import pytest
from journey_world import a_published_journey, an_enrolment
from ledger_world import MORNING, NIGHT, NOON, World, a_message, check_audit, later
from sqlalchemy import event

from domain.actions import Basis, Capability, State
from domain.customers import Purpose
from domain.planning import Payload
from store import customers as people

MAIL = Capability.MAIL


def a_step(world: World, ref: str = "C-1", step: str = "guide", *, stands: dict[str, Any] | None = None) -> str:
    """A step that is due at noon, of a customer who is at it unless told; its key."""
    customer = world.customer(ref)
    with world.database.write() as connection:
        people.set_consent(connection, customer, Purpose.ONBOARDING, MAIL, granted=True, now=NOON)
    enrolment = an_enrolment(world, customer, **{"step": step, **(stands or {})})
    key = f"journey/onboarding/{ref}/1/{step}"
    params = {"journey": "onboarding", "step": step, "wordings": {}}
    plan = a_message(key, purpose=Purpose.ONBOARDING, payload=Payload("journey-step/1", params))
    world.put(plan, customer_id=customer, enrolment_id=enrolment)
    return key


@pytest.fixture(autouse=True)
def _journey(world: World) -> None:
    a_published_journey(world, at_goal="thanks")


def test_a_step_goes_to_whom_it_belongs(world: World) -> None:
    key = a_step(world)
    (armed,) = world.take(MAIL)
    assert armed.key == key
    assert armed.enrolment_id is not None


@pytest.mark.parametrize(
    ("stands", "reason"),
    [
        ({"step": "check-in"}, "the customer is at another step of the journey"),
        ({"step": None, "state": "left", "reason": "churned"}, "the journey is over: churned"),
        ({"step": None, "state": "goal", "reason": "goal.reached"}, "the journey is over: goal.reached"),
        ({"step": None, "state": "finished"}, "the journey is over: finished"),
    ],
)
def test_nothing_is_armed_after_an_exit_that_did_not_reach_it(
    world: World, stands: dict[str, Any], reason: str
) -> None:
    key = a_step(world, stands=stands)
    assert world.take(MAIL) == []
    assert (world.state(key), world.row(key).reason) == (State.SKIPPED, reason)
    check_audit(world.database)


def test_thanks_go_out_at_the_goal(world: World) -> None:
    key = a_step(world, step="thanks", stands={"step": None, "state": "goal"})
    assert [armed.key for armed in world.take(MAIL)] == [key]


def test_a_refused_channel_sends_the_step_back_to_planning(world: World) -> None:
    key = a_step(world)
    with world.database.write() as connection:
        people.set_consent(connection, world.row(key).customer_id, Purpose.ONBOARDING, MAIL, granted=False, now=NOON)
    assert world.take(MAIL) == []
    assert (world.state(key), world.row(key).reason) == (State.PLANNED, "no consent for this purpose on this channel")


def test_a_backlog_of_one_night_comes_back_spread(world: World) -> None:
    keys = [a_step(world, f"C-{number}") for number in range(40)]
    world.arm(world.reserve(MAIL, now=NIGHT), MAIL, now=NIGHT)
    due = sorted(world.row(key).due_at for key in keys)
    assert MORNING <= due[0] < due[20] < due[-1] < MORNING + timedelta(minutes=60)
    assert len(set(due)) > 35
    assert len(world.take(MAIL, now=MORNING + timedelta(minutes=30))) == sum(
        at <= MORNING + timedelta(minutes=30) for at in due
    )


def test_the_cap_counts_steps_of_journeys(world: World) -> None:
    a_step(world)
    customer = world.row("journey/onboarding/C-1/1/guide").customer_id
    for number in range(2):
        world.put(a_message(f"m{number}", basis=Basis.PROACTIVE), customer_id=customer)
        assert len(world.take(MAIL, now=later(minutes=number))) == 1
    assert world.take(MAIL, now=later(minutes=3)) == []


def test_who_has_no_step_to_arm_is_asked_nothing_more(world: World) -> None:
    asked: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    customer = world.customer()
    world.put(a_message(), customer_id=customer)
    rows = world.reserve(MAIL)
    event.listen(world.database.engine, "before_cursor_execute", note)
    try:
        assert len(world.arm(rows, MAIL).armed) == 1
    finally:
        event.remove(world.database.engine, "before_cursor_execute", note)
    assert asked
    assert not [statement for statement in asked if "enrolments" in statement]
