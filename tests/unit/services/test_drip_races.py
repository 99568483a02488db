"""Planners beside each other, exits in between, deaths anywhere: everybody gets each step once, and nobody who left."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import datetime, timedelta
from threading import Barrier
from typing import Any

import pytest
from journeys_world import JourneysWorld, a_journey, a_step
from ledger_world import NOON, check_audit, empty, hasten
from sqlalchemy import select, update

from domain.actions import State
from domain.customers import Tier
from domain.journeys import Condition, Standing
from services import drip
from services.drip import DripReport, run_drip
from services.step_plans import StepPlans
from store import crash_points
from store import drip as reads
from store.database import Database
from store.enrolments import leave
from store.ledger.rows import actions, customers, enrolments

FIRST = "journey/onboarding/C-1/1/first"
MANY = 120


class Died(BaseException):
    """As if the process were gone."""


@pytest.fixture
def world(database: Database) -> Iterator[JourneysWorld]:
    """A world whose journeys are planned."""
    made = JourneysWorld(database)
    yield made
    crash_points.watch(None)
    check_audit(database)


def exit_of(world: JourneysWorld, row_id: int) -> Callable[[], Any]:
    """What takes a customer out, in a transaction of its own."""

    def go() -> None:
        with world.database.write("leave") as connection:
            whose = [world.enrolled(row_id).customer_id]
            leave(connection, customer_ids=whose, reason="churned", by="event", now=world.now)

    return go


LATE = NOON - timedelta(minutes=2)
"""Who was due so long ago is decided on alone."""


def once_read(patched: pytest.MonkeyPatch, due_at: datetime, go: Callable[[], Any]) -> None:
    """Let something happen after enrolments due then were read, before they are written about."""
    where, name = (reads, "next_endings") if due_at == LATE else (StepPlans, "decide_alike")
    decide = getattr(where, name)

    def meanwhile(*args: Any, **named: Any) -> Any:
        go()
        return decide(*args, **named)

    patched.setattr(where, name, meanwhile)


def test_two_planners_at_once_plan_each_step_once(world: JourneysWorld) -> None:
    """Each with connections of its own, as two workers have; whatever one leaves to the other is done in the end."""
    nobody = Condition(tier=frozenset({Tier.VIP}))
    world.publish(a_journey(a_step("zero", when=nobody), a_step("first"), a_step("second")))
    rows = [world.enrol(f"C-{number}") for number in range(MANY)]
    begin = Barrier(2)

    def work(name: str) -> DripReport:
        database = Database(world.database.url.render_as_string(hide_password=False))
        try:
            begin.wait()
            return run_drip(hasten(database), world.policy, world.journeys, run=name, now=NOON)
        finally:
            database.close()

    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(work, ("one", "other")))
    reports.append(world.drip())
    assert sum(report.planned.total() for report in reports) == MANY
    assert sum(report.skipped.total() for report in reports) == MANY
    wanted = {f"journey/onboarding/C-{number}/1/{step}" for number in range(MANY) for step in ("zero", "first")}
    assert sorted(world.planned_keys()) == sorted(wanted)
    assert all(world.enrolled(row).action_id for row in rows[:: MANY // 10])
    cancel_all(world, "first")
    with ThreadPoolExecutor(2) as pool:
        reports = list(pool.map(work, ("one", "other")))
    reports.append(world.drip())
    assert sum(report.landed for report in reports) >= MANY
    assert sum(report.planned.total() for report in reports) == MANY
    assert len(world.planned_keys()) == 3 * MANY


@pytest.mark.parametrize("due_at", [NOON, LATE])
def test_who_leaves_after_they_were_read_is_not_planned_about(
    world: JourneysWorld, monkeypatch: pytest.MonkeyPatch, due_at: datetime
) -> None:
    """The move is guarded by what was read; others of the page go on."""
    world.publish(a_journey(a_step("first")))
    leaving, staying = (world.enrol(ref, due_at=due_at) for ref in ("C-1", "C-2"))
    once_read(monkeypatch, due_at, exit_of(world, leaving))
    report = world.drip()
    assert report.planned.total() == 1
    assert world.planned_keys() == ["journey/onboarding/C-2/1/first"]
    assert (world.enrolled(leaving).state, world.enrolled(leaving).reason) == ("left", "churned")
    assert world.enrolled(staying).action_id is not None


@pytest.mark.parametrize(
    "change", [{"due_at": NOON - timedelta(minutes=1)}, {"step": "second"}, {"journey_hash": "h2"}]
)
@pytest.mark.parametrize("due_at", [NOON, LATE])
def test_an_enrolment_that_was_changed_after_it_was_read_is_left_to_the_next_run(
    world: JourneysWorld, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], due_at: datetime
) -> None:
    """Hurried, or taken to another version or step: it is planned as it stands then."""
    world.publish(a_journey(a_step("first"), a_step("second")))
    world.publish(a_journey(a_step("first"), a_step("second"), version=2), "h2")
    changed = world.enrol(due_at=due_at)
    with monkeypatch.context() as patched:
        once_read(patched, due_at, lambda: world.alter(changed, **change))
        assert world.drip().planned.total() == 0
    assert world.planned_keys() == []
    assert world.drip().planned.total() == 1


@pytest.mark.parametrize("due_at", [NOON, LATE])
def test_a_customer_who_changed_after_they_were_read_is_decided_on_anew(
    world: JourneysWorld, monkeypatch: pytest.MonkeyPatch, due_at: datetime
) -> None:
    """Nothing is planned on what is known to be stale."""
    world.publish(a_journey(a_step("first")))
    row = world.enrol(due_at=due_at)
    with monkeypatch.context() as patched:
        once_read(patched, due_at, lambda: world.bump(world.enrolled(row).customer_id))
        assert world.drip().planned.total() == 0
    assert world.drip().planned.total() == 1


@pytest.mark.postgres
def test_planning_waits_for_nobody_who_holds_a_customer_or_an_enrolment(standing_world: JourneysWorld) -> None:
    """Whoever ends a journey holds both, and would wait for the planner in turn: who is leaving is left to them."""
    world = standing_world
    world.publish(a_journey(a_step("first"), a_step("second")))
    leaving, held, free = (world.enrol(f"C-{number}") for number in range(3))
    landing = world.enrol("C-3")
    with world.database.write() as connection:
        leave(connection, customer_ids=[world.enrolled(leaving).customer_id], reason="churned", by="e", now=NOON)
        whose = customers.c.id == world.enrolled(held).customer_id
        connection.execute(select(customers.c.id).where(whose).with_for_update())
        assert world.drip().planned.total() == 3
        assert world.enrolled(free).action_id is not None
    assert world.enrolled(held).action_id is not None
    assert world.drip().planned.total() == 0
    world.finish("first", State.CANCELLED, "C-3")
    with world.database.write() as connection:
        connection.execute(select(enrolments.c.id).where(enrolments.c.id == landing).with_for_update())
        world.drip(now=NOON + timedelta(minutes=1))
        assert world.enrolled(landing).step == "first"
    world.drip(now=NOON + timedelta(minutes=1))
    assert world.enrolled(landing).step == "second"
    assert world.enrolled(leaving).state == Standing.LEFT
    check_audit(world.database)


@pytest.fixture
def standing_world(standing_postgres_url: str) -> Iterator[JourneysWorld]:
    """On PostgreSQL alone, for what SQLite's one writer cannot show."""
    database = Database(standing_postgres_url)
    empty(database)
    yield JourneysWorld(database)
    database.close()


@pytest.mark.postgres
def test_an_exit_that_waited_for_a_planner_cancels_what_it_wrote(standing_world: JourneysWorld) -> None:
    """The planner has the enrolment; the customer leaves before it commits."""
    world = standing_world
    world.publish(a_journey(a_step("first")))
    row = world.enrol()
    with ThreadPoolExecutor(1) as pool:
        exits: list[Any] = []

        def meanwhile(place: str) -> None:
            if place == "plan-steps.written" and not exits:
                exits.append(pool.submit(exit_of(world, row)))
                assert wait(exits, timeout=0.3).not_done, "it did not wait for the planner"

        crash_points.watch(meanwhile)
        assert world.drip().planned.total() == 1
        crash_points.watch(None)
        exits[0].result(timeout=10)
    assert (world.enrolled(row).state, world.state(FIRST)) == ("left", State.CANCELLED)
    check_audit(world.database)


@pytest.mark.parametrize("place", ["plan-steps.written", "plan-steps.committed"])
@pytest.mark.parametrize("after", [1, 2])
def test_whoever_dies_planning_leaves_nothing_half_done(world: JourneysWorld, place: str, after: int) -> None:
    """A run again does the rest, and nothing twice; the second transaction follows skipped steps."""
    nobody = Condition(tier=frozenset({Tier.VIP}))
    world.publish(a_journey(a_step("zero", when=nobody), a_step("first"), a_step("second")))
    rows = [world.enrol(f"C-{number}") for number in range(3)]
    die_at(place, after)
    with pytest.raises(Died):
        world.drip()
    crash_points.watch(None)
    world.drip()
    assert len(world.planned_keys()) == 6
    assert [world.enrolled(row).step for row in rows] == ["first"] * 3
    assert all(world.enrolled(row).action_id for row in rows)


@pytest.mark.parametrize("place", ["settle-steps.written", "settle-steps.committed"])
def test_whoever_dies_settling_leaves_nothing_half_done(world: JourneysWorld, place: str) -> None:
    world.publish(a_journey(a_step("first"), a_step("second")))
    row = world.enrol()
    world.drip()
    world.finish("first")
    die_at(place, 1)
    with pytest.raises(Died):
        world.drip()
    crash_points.watch(None)
    world.drip()
    assert world.planned_keys() == [FIRST, "journey/onboarding/C-1/1/second"]
    assert (world.enrolled(row).step, world.enrolled(row).previous_at) == ("second", NOON)


@pytest.mark.parametrize("place", ["plan-steps.written", "plan-steps.committed"])
def test_whoever_dies_with_pages_under_way_leaves_nothing_half_done(
    world: JourneysWorld, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """On PostgreSQL one page is written beside another, and each is whole or not there."""
    monkeypatch.setattr(drip, "_FIRST_PAGE", 50)
    monkeypatch.setattr(drip, "_LARGEST_PAGE", 50)
    world.publish(a_journey(a_step("first")))
    rows = [world.enrol(f"C-{number}") for number in range(MANY)]
    die_at(place, 2)
    with pytest.raises(Died):
        world.drip()
    crash_points.watch(None)
    written = len(world.planned_keys())
    assert written in {50, 70, 100, MANY}
    assert sum(world.enrolled(row).action_id is not None for row in rows) == written
    assert world.drip().planned.total() == MANY - written
    assert len(world.planned_keys()) == MANY


def die_at(place: str, time: int) -> None:
    """The process dies when it is there for the `time`th time."""
    left = [time]

    def watcher(reached: str) -> None:
        left[0] -= reached == place
        if left[0] == 0:
            raise Died

    crash_points.watch(watcher)


def test_many_are_planned_in_short_transactions(world: JourneysWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page shrinks where the disk is slow, down to its least; nobody is left out between pages."""
    for name, value in (
        ("_SQLITE_HOLD_SECONDS", 0.0),
        ("_HOLD_SECONDS", 0.0),
        ("_FIRST_PAGE", 50),
        ("_SMALLEST_PAGE", 10),
    ):
        monkeypatch.setattr(drip, name, value)
    world.publish(a_journey(a_step("first"), a_step("second")))
    for number in range(MANY):
        world.enrol(f"C-{number}", due_at=NOON - timedelta(minutes=number % 7))
    report = world.drip()
    # 50, then 10 at a time; on PostgreSQL two more are read before it is known how long the first one took.
    assert (report.planned.total(), report.transactions) == (MANY, 8 if world.database.is_sqlite else 3)
    assert report.longest_hold_seconds > 0
    cancel_all(world, "first")
    again = world.drip()
    assert (again.landed, again.planned.total(), len(world.planned_keys())) == (MANY, MANY, 2 * MANY)


def cancel_all(world: JourneysWorld, step: str) -> None:
    """Everybody's action of a step is over."""
    with world.database.write() as connection:
        those = update(actions).where(actions.c.key.like(f"%/{step}"))
        connection.execute(those.values(state=State.CANCELLED, updated_at=world.now))
