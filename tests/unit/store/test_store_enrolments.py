"""Who is in which journey, and what customers did: kept by the database, many at once."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import permutations
from threading import Barrier
from typing import Any

import pytest
from ledger_world import NOON, World, a_message, check_audit, later
from sqlalchemy import insert

from domain.actions import Capability, State
from domain.journeys import EventName, Happened, Standing
from store import customers as people
from store import enrolments
from store.enrolments import Did, NewEnrolment
from store.tables import metadata

ACTIVATED, USED = EventName.ACTIVATED, EventName.FEATURE_USED
JOURNEY = "onboarding"


def _entering(
    customer: int, *, journey: str = JOURNEY, number: int = 1, due_at: datetime | None = None
) -> NewEnrolment:
    return NewEnrolment(customer, journey, journey, number, "C-1", NOON, "welcome", due_at or later(hours=1))


def _enter(world: World, *entering: NewEnrolment) -> list[int]:
    with world.database.write() as connection:
        return enrolments.enrol(connection, entering, run="test", now=NOON)


@pytest.fixture
def world(world: World) -> World:
    """Two journeys are published."""
    published = [
        {"hash": name, "name": name, "version": 1, "content": {"purpose": purpose}, "published_at": NOON}
        for name, purpose in ((JOURNEY, "onboarding"), ("refresher", "marketing"))
    ]
    with world.database.write() as connection:
        connection.execute(insert(metadata.tables["journeys"]), published)
    return world


def _leave(world: World, *customers: int, journey: str | None = None) -> int:
    with world.database.write() as connection:
        return enrolments.leave(
            connection, customer_ids=customers, reason="churned", journey=journey, by="test", now=later(minutes=5)
        )


def test_whoever_enters_twice_is_in_once(world: World) -> None:
    anna, bert = world.customer("C-1"), world.customer("C-2")
    first = _enter(world, _entering(anna))
    assert len(first) == 1
    assert len(_enter(world, _entering(anna), _entering(bert))) == 1
    assert [(row.customer_id, row.state) for row in world.rows("enrolments")] == [(anna, "active"), (bert, "active")]


def test_entering_side_by_side_is_entering_once(world: World) -> None:
    anna, together = world.customer(), Barrier(4)

    def enter(_: int) -> int:
        together.wait(timeout=30)
        return len(_enter(world, _entering(anna)))

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(enter, range(4))) == 1


@pytest.mark.parametrize("state", [State.PLANNED, State.AWAITING_REVIEW, State.READY, State.CLAIMED])
def test_leaving_cancels_what_is_unsent(world: World, state: State) -> None:
    anna = world.customer()
    (enrolment,) = _enter(world, _entering(anna))
    world.put(a_message("m"), customer_id=anna, enrolment_id=enrolment)
    world.put(a_message("other"), customer_id=anna)
    world.force("m", state)
    assert _leave(world, anna) == 1
    (row,) = world.rows("enrolments")
    assert (row.state, row.reason, row.ended_at) == (Standing.LEFT, "churned", later(minutes=5))
    assert (row.step, row.due_at, row.action_id) == (None, None, None)
    assert (world.state("m"), world.row("m").reason) == (State.CANCELLED, "churned")
    assert world.state("other") is State.READY, "what is no step of a journey stays"
    check_audit(world.database)


@pytest.mark.parametrize("state", [State.SENDING, State.DONE, State.UNCERTAIN, State.NEEDS_HUMAN, State.SKIPPED])
def test_leaving_stops_nothing_that_may_have_left_the_house(world: World, state: State) -> None:
    anna = world.customer()
    (enrolment,) = _enter(world, _entering(anna))
    world.put(a_message("m"), customer_id=anna, enrolment_id=enrolment)
    world.force("m", state)
    assert _leave(world, anna) == 1
    assert world.state("m") is state


def test_what_may_have_gone_out_once_is_left_for_a_person(world: World) -> None:
    """Its answer was lost, then it was made ready again: to call it cancelled would say that nobody has it."""
    anna = world.customer()
    (enrolment,) = _enter(world, _entering(anna))
    world.put(a_message("m"), customer_id=anna, enrolment_id=enrolment)
    world.change("m", attempts=1)
    for state in (State.CLAIMED, State.SENDING, State.UNCERTAIN, State.READY):
        world.change("m", state=state)
    _leave(world, anna)
    assert world.state("m") is State.READY


def test_a_worker_that_has_reserved_the_message_cannot_arm_it_any_more(world: World) -> None:
    anna = world.customer()
    (enrolment,) = _enter(world, _entering(anna))
    world.put(a_message("m"), customer_id=anna, enrolment_id=enrolment)
    reserved = world.reserve(Capability.MAIL)
    _leave(world, anna)
    assert world.arm(reserved, Capability.MAIL).armed == []
    assert world.state("m") is State.CANCELLED


def test_leaving_one_journey_is_not_leaving_the_other(world: World) -> None:
    anna, bert = world.customer("C-1"), world.customer("C-2")
    _enter(world, _entering(anna), _entering(anna, journey="refresher"), _entering(bert))
    assert _leave(world, anna, journey=JOURNEY) == 1
    assert [(row.customer_id, row.journey) for row in world.rows("enrolments") if row.state == "active"] == [
        (anna, "refresher"),
        (bert, JOURNEY),
    ]
    assert _leave(world, anna, bert) == 2
    assert _leave(world, anna, bert) == 0


def test_hurry_ends_a_wait_and_lengthens_none(world: World) -> None:
    anna, bert = world.customer("C-1"), world.customer("C-2")
    waits, is_due = _enter(world, _entering(anna, due_at=later(days=3)), _entering(bert, due_at=later(minutes=1)))
    with world.database.write() as connection:
        assert enrolments.hurry(connection, [waits, is_due], later(hours=1)) == 1
    assert [row.due_at for row in world.rows("enrolments")] == [later(hours=1), later(minutes=1)]


def test_behaviour_comes_to_the_same_in_every_order(world: World) -> None:
    did = [(USED, "export", later(days=day)) for day in (2, 1, 3)] + [(ACTIVATED, "", NOON)]
    for place, order in enumerate(permutations(did)):
        customer = world.customer(f"C-{place}")
        with world.database.write() as connection:
            enrolments.note_behaviour(connection, [Did(customer, *one) for one in order[:2]])
            for one in order[2:]:
                enrolments.note_behaviour(connection, [Did(customer, *one)])
        with world.database.read() as connection:
            assert enrolments.behaviour_of(connection, [customer])[customer] == {
                (USED, "export"): Happened(later(days=1), later(days=3), 3),
                (ACTIVATED, ""): Happened(NOON, NOON, 1),
            }


def test_who_did_nothing_has_no_behaviour(world: World) -> None:
    anna = world.customer()
    with world.database.read() as connection:
        assert enrolments.behaviour_of(connection, [anna]) == {anna: {}}
        assert enrolments.active_of(connection, [anna]) == {}


# -- what takes customers out wherever it is said -----------------------------------------------------------------


def _say(world: World, customer: int, channel: str, *, granted: bool) -> None:
    with world.database.write() as connection:
        people.set_consent(connection, customer, "onboarding", channel, granted=granted, now=later(minutes=1))


@pytest.mark.parametrize(
    ("silence", "reason"),
    [
        (lambda connection, who: people.set_tact_lock(connection, who, "bereavement", now=NOON), enrolments.SILENCED),
        (lambda connection, who: people.erase(connection, who, now=NOON), enrolments.ERASED),
    ],
    ids=["tact lock", "erasure"],
)
def test_silence_ends_every_journey_of_that_customer_alone(world: World, silence: Any, reason: str) -> None:
    anna, bert = world.customer("C-1"), world.customer("C-2")
    _, second, _ = _enter(world, _entering(anna), _entering(anna, journey="refresher"), _entering(bert))
    world.put(a_message("m"), customer_id=anna, enrolment_id=second)
    with world.database.write() as connection:
        silence(connection, anna)
    assert [(row.state, row.reason) for row in world.rows("enrolments")] == [("left", reason)] * 2 + [("active", None)]
    assert world.state("m") is State.CANCELLED


def test_who_allows_no_channel_any_more_has_left(world: World) -> None:
    anna, bert = world.customer("C-1"), world.customer("C-2")
    _enter(world, _entering(anna), _entering(anna, journey="refresher"), _entering(bert))
    for channel in ("mail", "sms"):
        _say(world, anna, channel, granted=True)
    _say(world, anna, "mail", granted=False)
    assert [row.state for row in world.rows("enrolments")] == ["active"] * 3, "by text message we still may"
    _say(world, anna, "sms", granted=False)
    assert [(row.journey, row.state, row.reason) for row in world.rows("enrolments")] == [
        (JOURNEY, "left", enrolments.NO_CONSENT),
        ("refresher", "active", None),  # it has another purpose
        (JOURNEY, "active", None),
    ]
