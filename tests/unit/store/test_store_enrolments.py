"""Who is in which journey, and what customers did: kept by the database, many at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as NotYet
from datetime import datetime
from itertools import permutations
from random import sample
from threading import Barrier, Event
from typing import Any

import pytest
from ledger_world import NOON, POLICY, WORKER, World, a_message, check_audit, later
from sqlalchemy import Connection, func, insert, select, text

from domain.actions import Capability, State
from domain.journeys import EventName, Happened, Standing
from domain.planning import Payload
from store import customers as people
from store import enrolments
from store.alike import due
from store.enrolments import Did, NewEnrolment
from store.ledger.arm import Target, arm
from store.ledger.enqueue import About, enqueue
from store.ledger.rows import Worker, actions, audit
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


def publish_two(world: World) -> World:
    """Two journeys are published."""
    published = [
        {"hash": name, "name": name, "version": 1, "content": {"purpose": purpose}, "published_at": NOON}
        for name, purpose in ((JOURNEY, "onboarding"), ("refresher", "marketing"))
    ]
    with world.database.write() as connection:
        connection.execute(insert(metadata.tables["journeys"]), published)
    return world


@pytest.fixture
def world(world: World) -> World:
    """With two journeys."""
    return publish_two(world)


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


# -- against arming (P4, P7): ordered by the database, not by a clock ---------------------------------------------


def _step(world: World, number: int) -> tuple[int, str]:
    """A customer who is at their welcome, which is ready; them and its key."""
    customer = world.customer(f"C-{number}")
    with world.database.write() as connection:
        people.set_consent(connection, customer, "onboarding", "mail", granted=True, now=NOON)
    (enrolment,) = _enter(world, _entering(customer))
    key = f"m-{number}"
    payload = Payload("journey-step/1", {"step": "welcome"})
    world.put(a_message(key, payload=payload, purpose="onboarding"), customer_id=customer, enrolment_id=enrolment)
    return customer, key


def _opt_out(connection: Connection, customer: int) -> None:
    people.set_consent(connection, customer, "onboarding", "mail", granted=False, now=NOON)


def _go(connection: Connection, customer: int) -> None:
    enrolments.leave(connection, customer_ids=[customer], reason="churned", by="test", now=NOON)


def _armed(connection: Connection, customer: int) -> int:
    counted = (
        select(func.count())
        .select_from(audit.join(actions, actions.c.id == audit.c.action_id))
        .where(audit.c.after == State.SENDING, actions.c.customer_id == customer)
    )
    return connection.execute(counted).scalar_one()


@pytest.mark.parametrize("ends", [_opt_out, _go], ids=["opt-out", "churn"])
def test_nothing_of_a_journey_is_armed_after_its_customer_has_left(
    world: World, ends: Callable[[Connection, int], None]
) -> None:
    steps = [_step(world, number) for number in range(24)]
    over, together = Event(), Barrier(4)
    armed_before: dict[int, int] = {}

    def work(number: int) -> int:
        me, armed = Worker(f"w{number}", "run"), 0
        together.wait(timeout=30)
        while True:
            is_last = over.is_set()
            left = world.reserve(Capability.MAIL, limit=3, worker=me)
            if not left and is_last:
                return armed
            while left:
                window = world.arm(left, Capability.MAIL, worker=me)
                armed, left = armed + len(window.armed), window.left

    with ThreadPoolExecutor(3) as pool:
        workers = [pool.submit(work, number) for number in range(3)]
        together.wait(timeout=30)
        for customer, _ in sample(steps, len(steps)):
            with world.database.write() as connection:
                ends(connection, customer)
                armed_before[customer] = _armed(connection, customer)
        over.set()
        armed = sum(worker.result(timeout=60) for worker in workers)
    with world.database.read() as connection:
        assert {customer: _armed(connection, customer) for customer, _ in steps} == armed_before
    assert sum(armed_before.values()) == armed
    states = world.states()
    assert {states[key] for customer, key in steps if not armed_before[customer]} <= {State.CANCELLED}
    assert {row.state for row in world.rows("enrolments")} == {"left"}
    check_audit(world.database)


@pytest.mark.parametrize("ends", [_opt_out, _go], ids=["opt-out", "churn"])
def test_an_exit_waits_for_the_arming_under_way_and_stops_no_message_then(
    world: World, ends: Callable[[Connection, int], None]
) -> None:
    customer, key = _step(world, 1)
    reserved = world.reserve(Capability.MAIL)

    def leave() -> int:
        with world.database.write() as connection:
            ends(connection, customer)
            return _armed(connection, customer)

    target = Target("mail via fake", Capability.MAIL, None, "email")
    with ThreadPoolExecutor(1) as pool:
        with world.database.write() as connection:
            how: dict[str, Any] = {"worker": WORKER, "lease_seconds": 20.0, "policy": POLICY, "now": NOON}
            assert [one.key for one in arm(connection, reserved, target, **how).armed] == [key]
            leaving = pool.submit(leave)
            with pytest.raises(NotYet):
                leaving.result(timeout=0.15)
        assert leaving.result(timeout=30) == 1
    assert world.state(key) is State.SENDING
    assert [row.state for row in world.rows("enrolments")] == ["left"]


@pytest.mark.postgres
def test_an_exit_that_waits_for_a_planner_sees_what_it_planned(standing_world: World) -> None:
    """Whoever plans holds the enrolment: the exit comes after it, and cancels what was written meanwhile."""
    world = publish_two(standing_world)
    customer = world.customer()
    (enrolment,) = _enter(world, _entering(customer))
    held = select(enrolments.enrolments).where(enrolments.enrolments.c.id == enrolment).with_for_update()

    def leave() -> None:
        with world.database.write() as connection:
            _go(connection, customer)

    with ThreadPoolExecutor(1) as pool:
        with world.database.write() as connection:
            connection.execute(held).one()
            leaving = pool.submit(leave)
            with pytest.raises(NotYet):
                leaving.result(timeout=0.15)
            about = About(customer_id=customer, enrolment_id=enrolment)
            enqueue(connection, [a_message("m")], about, run="planner", now=NOON)
        leaving.result(timeout=30)
    assert world.state("m") is State.CANCELLED


@pytest.mark.postgres
def test_a_page_of_who_is_due_is_read_by_one_process(standing_world: World) -> None:
    """A worker started for each page costs more than the page; what is read afterwards is as before."""
    asked = text("SHOW max_parallel_workers_per_gather")
    with standing_world.database.read() as connection:
        as_it_comes = connection.execute(asked).scalar_one()
        due(connection, [], until=NOON, after=(NOON, 0), limit=1, just_now=None, hardship_since=None)
        assert connection.execute(asked).scalar_one() == "0" != as_it_comes
    with standing_world.database.read() as connection:
        assert connection.execute(asked).scalar_one() == as_it_comes
