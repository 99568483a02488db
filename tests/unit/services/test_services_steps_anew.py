"""A journey's step that cannot go as planned: another channel, a colleague, or left out; and what a colleague gets."""

from typing import Any

import pytest
from journey_world import a_published_journey, an_enrolment
from ledger_world import NOON, World, a_message, check_audit, hasten, later
from pydantic import SecretStr
from sqlalchemy import update

from domain.actions import Basis, Capability, Kind, State
from domain.customers import Purpose, Tier
from domain.journeys import EventName
from domain.planning import Payload
from integrations.fakes import FakeVendor
from integrations.ports import Task
from services.journey_events import Happening, follow
from services.journeys import Journeys
from services.links import Links
from services.replanning import replan_changed
from services.sending import CannotSay, Sender
from store import customers as people
from store.database import Database
from store.enrolments import Did, note_behaviour
from store.ledger.rows import enrolments

MAIL, SMS = Capability.MAIL, Capability.SMS
KEY = "journey/onboarding/C-1/1/guide"
GUIDE = {
    "id": "guide",
    "message": "onboarding-guide",
    "by": ["mail", "sms", "person"],
    "skip_when": {"seen": {"event": "feature.used", "named": "autopay"}},
}
JOURNEY = {
    "version": 1,
    "about": "who activated for the first time",
    "purpose": "onboarding",
    "enters": {"on": "customer.activated"},
    "steps": [GUIDE, {"id": "thanks", "message": "onboarding-thanks", "by": ["mail"]}],
    "at_goal": "thanks",
}


@pytest.fixture
def world(database: Database) -> World:
    made = World(hasten(database))
    a_published_journey(made, **JOURNEY)
    return made


def a_guide(world: World, *, stands: dict[str, Any] | None = None, consents: str = "mail sms", **facts: Any) -> int:
    """A customer of tier core who is at the guide, planned by mail for noon; their id."""
    customer = world.customer(**{"tier": Tier.CORE, **facts})
    with world.database.write() as connection:
        for channel in consents.split():
            people.set_consent(connection, customer, Purpose.ONBOARDING, channel, granted=True, now=NOON)
    enrolment = an_enrolment(world, customer, **(stands or {}))
    said = Payload("journey-step/1", {"journey": "onboarding", "step": "guide", "wordings": {}, "links": {}}, "guide")
    plan = a_message(KEY, purpose=Purpose.ONBOARDING, payload=said, facts=frozenset({"customer"}))
    world.put(plan, customer_id=customer, enrolment_id=enrolment)
    return customer


def consent(world: World, customer: int, channel: str, *, granted: bool) -> None:
    with world.database.write() as connection:
        people.set_consent(connection, customer, Purpose.ONBOARDING, channel, granted=granted, now=NOON)


def bounce(world: World) -> None:
    with world.database.write() as connection:
        people.suppress(connection, "mail", "c-1@example.com", "hard bounce", now=NOON)


def use(world: World, feature: str) -> None:
    """The customer uses something, while the step is planned."""
    row = world.row(KEY)
    with world.database.write() as connection:
        connection.execute(update(enrolments).values(action_id=row.id))
        customer = people.held(connection, row.customer_id)
        assert customer is not None
        used = Happening(row.customer_id, customer, EventName.FEATURE_USED, feature, NOON)
        follow(connection, [used], world.policy, Journeys(), run="gateway", now=NOON)


def again(world: World) -> tuple[str, ...]:
    """Arm, plan anew what was sent back; what the row says then."""
    assert world.take(MAIL) == []
    assert world.state(KEY) is State.PLANNED
    assert replan_changed(world.database, world.policy, run="again", now=world.now) == [KEY]
    row = world.row(KEY)
    check_audit(world.database)
    return row.state, row.kind, row.basis, row.capability, row.purpose


def test_the_next_channel_of_the_step_is_taken(world: World) -> None:
    customer = a_guide(world)
    consent(world, customer, "mail", granted=False)
    assert again(world) == ("ready", "message", "proactive", "sms", "onboarding")
    (armed,) = world.take(SMS)
    assert (armed.key, armed.payload["params"]["step"]) == (KEY, "guide")


def test_a_colleague_is_the_last_way(world: World) -> None:
    customer = a_guide(world, consents="mail")
    bounce(world)
    assert again(world) == ("ready", "task", "internal", "crm", None)
    (armed,) = world.take(Capability.CRM)
    assert (armed.kind, armed.customer_id) == (Kind.TASK, customer)


def test_with_no_channel_left_it_is_skipped_and_says_why(world: World) -> None:
    a_guide(world, consents="mail", tier=Tier.BASIC)
    bounce(world)
    assert again(world)[0] == "skipped"
    assert world.row(KEY).reason == (
        "mail: the address is suppressed (bounce or complaint); sms: no consent to onboarding; "
        "person: dearer than a step may be for tier basic"
    )


def test_a_step_that_came_to_be_done_already_is_skipped(world: World) -> None:
    a_guide(world)
    use(world, "autopay")
    assert again(world)[0] == "skipped"
    assert world.row(KEY).reason == "not needed any more: has done feature.used (autopay)"


def test_what_a_step_does_not_rest_on_changes_nothing(world: World) -> None:
    a_guide(world)
    use(world, "export")
    assert len(world.take(MAIL)) == 1


def test_changed_facts_alone_change_nothing_about_when_it_goes(world: World) -> None:
    customer = a_guide(world)
    world.bump(customer)
    assert again(world)[0] == "ready"
    assert (world.row(KEY).due_at, world.row(KEY).capability) == (NOON, "mail")
    assert len(world.take(MAIL)) == 1


def test_what_waited_for_its_journey_to_end_is_skipped(world: World) -> None:
    a_guide(world, stands={"state": "left", "step": None, "reason": "churned"})
    world.change(KEY, state=State.PLANNED)
    assert replan_changed(world.database, world.policy, run="again", now=NOON) == [KEY]
    assert (world.state(KEY), world.row(KEY).reason) == (State.SKIPPED, "the journey is over: churned")


def test_what_may_be_out_keeps_its_channel_and_comes_to_a_person(world: World) -> None:
    customer = a_guide(world)
    world.force(KEY, State.UNCERTAIN)
    world.change(KEY, state=State.READY, fence=2)
    world.bump(customer)
    consent(world, customer, "mail", granted=False)
    assert world.take(MAIL, now=later(minutes=1)) == []
    assert world.state(KEY) is State.NEEDS_HUMAN


def test_one_that_cannot_be_planned_keeps_no_other_waiting(world: World) -> None:
    a_guide(world)
    world.change(KEY, state=State.PLANNED, payload={"schema": "journey-step/1", "params": {"step": "guide"}})
    customer = world.customer("C-2")
    said = Payload("journey-step/1", {"journey": "onboarding", "step": "guide", "wordings": {}}, "guide")
    other = "journey/onboarding/C-2/1/guide"
    world.put(a_message(other, payload=said), customer_id=customer, enrolment_id=an_enrolment(world, customer))
    world.change(other, state=State.PLANNED)
    assert replan_changed(world.database, world.policy, run="again", now=NOON) == [other]


def a_sender(world: World) -> Sender:
    return Sender(world.database, world.policy, lambda: world.now, Links("https://care.example", [SecretStr("s")]))


async def test_a_colleague_reads_what_to_do_and_where_the_customer_stands(world: World) -> None:
    customer = a_guide(world, name="Anna Nowak", dedicated_agent="dana")
    world.change(KEY, kind=Kind.TASK, basis=Basis.INTERNAL, capability="crm")
    with world.database.write() as connection:
        note_behaviour(connection, [Did(customer, EventName.FEATURE_USED, "export", NOON)])
    (armed,) = world.take(Capability.CRM)
    call = await a_sender(world).prepare(armed, FakeVendor(Capability.CRM).configured())
    task = call.value
    assert isinstance(task, Task)
    assert (call.operation, call.key, task.assignee, task.customer_ref) == ("upsert_task", KEY, "dana", "C-1")
    assert "What to do: tell them in your own words what the message onboarding-guide would have said." in task.body
    assert "Where they are: in the journey onboarding (who activated for the first time) since Wed 4 Mar 2026." in (
        task.body
    )
    assert "What they did: feature.used (export) on Wed 4 Mar 2026." in task.body


async def test_a_journey_that_nobody_can_read_stops_no_other_task(world: World) -> None:
    a_guide(world)
    world.change(KEY, kind=Kind.TASK, basis=Basis.INTERNAL, capability="crm")
    (armed,) = world.take(Capability.CRM)
    with world.database.write() as connection:
        connection.exec_driver_sql("UPDATE journeys SET content = '{}'")
    sender = a_sender(world)
    gathered = sender.gather([armed])
    with pytest.raises(CannotSay, match=KEY):
        await sender.prepare(armed, FakeVendor(Capability.CRM).configured(), gathered[armed.id])
