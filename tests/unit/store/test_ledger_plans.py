"""However many actions there are: no statement of a claim reads a whole table."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from endings_world import TODAY, EndingsWorld
from journey_world import a_published_journey, an_enrolment
from ledger_world import NOON, WORKER, World, a_message, a_plan
from psycopg import Rollback
from sqlalchemy import event

from domain.actions import Basis, Capability, Kind, State
from domain.escalation import CaseTerms
from domain.planning import Payload
from domain.policy import Priority
from store import cases, customers, surveys
from store.context import bundles
from store.database import Database
from store.detection import Asked, unplanned_in
from store.ledger.enqueue import About, enqueue, enqueue_all
from store.ledger.reserve import renew
from store.ledger.rows import Result, entitlements
from store.ledger.steps import Advance, Going, StepAction, advance
from store.types import Instant

LARGE = (
    *("actions", "audit", "before", "cap_slots", "consents", "customers", "entitlements", "evidence", "gates", "later"),
    *("receipts", "reviews", "suppressions", "survey_responses", "messages", "enrolments"),
)
_TERMS = CaseTerms("nps 2", "care", Priority.CRITICAL, NOON)
_READS_ALL = re.compile(rf"SCAN ({'|'.join(LARGE)})\b(?! USING (COVERING )?INDEX ix_actions_ready)")


def test_reserving_a_few_looks_at_a_few_however_many_are_ready(world: World) -> None:
    """On PostgreSQL, which once joined the whole queue to the whole table for the first ten rows.

    It does so where most of a queue waits for the one before, as the steps of a journey do.
    """
    if world.database.is_sqlite:
        pytest.skip("SQLite's plans are judged below")
    with world.database.write() as connection:
        enqueue_all(connection, [(a_plan(f"k{n}"), About()) for n in range(2000)], run="planner", now=NOON)
        waits = "UPDATE actions SET after_id = id - 1 WHERE id > (SELECT min(id) + 30 FROM actions)"
        connection.exec_driver_sql(waits)
    with world.database.engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE actions")
    asked: list[tuple[str, Any]] = []

    @event.listens_for(world.database.engine, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        asked.append((statement, parameters))

    assert len(world.reserve(limit=10)) == 10
    ((claim, given),) = [one for one in asked if "UPDATE actions" in one[0]]
    with world.database.engine.begin() as connection:
        ((plan,),) = connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {claim}", given)
    assert max(_rows_of(plan[0]["Plan"])) <= 20


def test_arming_and_recording_a_few_look_at_a_few_however_many_are_claimed_and_known(world: World) -> None:
    """On PostgreSQL, which read the leases of all workers for each window, and all customers."""
    if world.database.is_sqlite:
        pytest.skip("SQLite's plans are judged below")
    with world.database.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO customers (ref, email, tier, version, touched, created_at, updated_at)"
            " SELECT 'C-' || n, n || '@example.com', 'core', 1, 0, now(), now() FROM generate_series(1, 2000) AS n"
        )
        people = connection.exec_driver_sql("SELECT id FROM customers").scalars().all()
        planned = [
            (a_message(f"m{who}", basis=Basis.SERVICE, facts=frozenset({"customer"})), About(customer_id=who))
            for who in people
        ]
        enqueue_all(connection, planned, run="planner", now=NOON)
        connection.exec_driver_sql("ANALYZE")
    rows = world.reserve(Capability.MAIL, limit=500)[:10]
    with _explaining(world, "FROM (actions|evidence|given)") as plans:
        armed = world.arm(rows, Capability.MAIL).armed
        world.record(*(Result(one.id, one.fence, State.DONE) for one in armed), integration="mail via fake")
    assert len(armed) == 10
    assert len(plans) == 3
    assert max(rows for plan in plans for rows in _rows_of(plan)) <= 20


def test_a_page_of_endings_is_read_alone_however_many_are_in_the_window(world: World) -> None:
    """On PostgreSQL, which read all of the window for each page, to sort it."""
    if world.database.is_sqlite:
        pytest.skip("SQLite's plans are judged below")
    endings = EndingsWorld(world.database)
    first = endings.entitlement("E-0", in_days=5)
    with world.database.engine.begin() as connection:
        columns = ", ".join(one.name for one in entitlements.c if one.name not in {"id", "ref", "key_part"})
        connection.exec_driver_sql(
            f"INSERT INTO entitlements (ref, key_part, {columns})"  # noqa: S608 - names of ours
            f" SELECT 'E-' || n, 'E-' || n, {columns} FROM entitlements, generate_series(1, 3000) AS n"
        )
        connection.exec_driver_sql("ANALYZE")
    asked = Asked("subscription", date.min, (0, 60), ["core"], 60, 900, "reminders", None, with_numbers=False)
    last = TODAY + timedelta(days=6)
    with _explaining(world, "^SELECT page") as plans, world.database.read() as connection:
        page = unplanned_in(connection, asked, last, nearest=30, after=(TODAY, "", 0), limit=10)
    assert str(first) in page.alike[0].ids.split(",")
    (plan,) = plans
    assert max(_rows_of(plan)) <= 20


def test_planning_steps_compares_no_two_of_them_however_many_they_are(world: World) -> None:
    """On PostgreSQL, which took what the statement makes on its way for one row, and compared each with each."""
    if world.database.is_sqlite:
        pytest.skip("SQLite has a statement for each table")
    many = 200
    version = a_published_journey(world)
    people = [world.customer(f"C-{number}") for number in range(many)]
    was_due = Instant.microseconds(NOON)
    going = [Going(an_enrolment(world, who, due_at=NOON), was_due, who, 1, None) for who in people]
    mail = StepAction(
        Kind.MESSAGE, Basis.PROACTIVE, Capability.MAIL, "onboarding", Payload("journey-step/1", {}), is_skipped=False
    )
    at = Advance("onboarding", version, "guide", mail, is_over=False, next_step="guide")
    with world.database.engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    with _explaining(world, "INSERT INTO actions") as plans, world.database.write() as connection:
        assert len(advance(connection, {at: going}, run="planner", now=NOON)) == many
    (plan,) = plans
    assert max(_rows_of(plan)) <= 3 * many


@contextmanager
def _explaining(world: World, which: str) -> Iterator[list[Any]]:
    """PostgreSQL's plans of statements that match, each carried out and taken back just before it is carried out."""
    plans: list[Any] = []

    def explain(connection: Any, _cursor: Any, statement: str, given: Any, _context: Any, many: bool) -> None:
        if many or not re.search(which, statement):
            return
        with connection.connection.cursor() as beside, connection.connection.driver_connection.transaction() as alone:
            ((plan,),) = beside.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", given).fetchone()
            plans.append(plan["Plan"])
            raise Rollback(alone)

    event.listen(world.database.engine, "before_cursor_execute", explain)
    try:
        yield plans
    finally:
        event.remove(world.database.engine, "before_cursor_execute", explain)


def _rows_of(node: dict[str, Any]) -> Iterator[float]:
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Join Filter", 0)
    yield (node["Actual Rows"] + removed) * node["Actual Loops"]
    for inner in node.get("Plans", []):
        yield from _rows_of(inner)


def test_a_claim_from_reserve_to_record_searches_and_never_scans(world: World) -> None:
    """On SQLite, whose planner needs no statistics for this; on PostgreSQL a small table is rightly read whole."""
    if not world.database.is_sqlite:
        return
    asked: list[tuple[str, Any]] = []

    @event.listens_for(world.database.engine, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        asked.append((statement, parameters[0] if many else parameters))

    for number in range(3):
        world.put(a_message(f"m{number}", facts=frozenset({"customer"})), customer_id=world.customer(f"C-{number}"))
    asked.clear()
    rows = world.reserve(Capability.MAIL, keys=["m0", "m1", "m2"])
    with world.database.write() as connection:
        assert renew(connection, [row.id for row in rows], worker=WORKER, lease_seconds=20) == 3
    armed = world.arm(rows, Capability.MAIL).armed
    ends = (State.DONE, State.UNCERTAIN, State.DONE)
    world.record(*(Result(one.id, one.fence, end) for one, end in zip(armed, ends, strict=True)))
    _check_plans(world, asked)


def test_arming_what_is_about_endings_searches_their_gates_and_tasks_and_never_scans(database: Database) -> None:
    """As above: the feed's last gate, the task a note belongs to, the version of what ends."""
    if not database.is_sqlite:
        return
    world = EndingsWorld(database)
    about = About(entitlement_id=world.entitlement(), gate_id=world.gate)
    with world.database.write() as connection:
        ending = frozenset({"entitlement"})
        task = a_plan("task", facts=ending, skip="nobody needs it")
        enqueue(
            connection,
            [task, a_plan("note", kind=Kind.TASK_NOTE, after="task", facts=ending)],
            about,
            run="t",
            now=NOON,
        )
    asked: list[tuple[str, Any]] = []

    @event.listens_for(world.database.engine, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        asked.append((statement, parameters[0] if many else parameters))

    world.take()
    assert world.row("note").reason == "the task it belongs to was never made"
    _check_plans(world, asked)


def test_what_an_answer_asks_about_its_customer_searches_and_never_scans(world: World) -> None:
    """As above: who they are, what is suppressed, what they said before, their cases and journeys, the context."""
    if not world.database.is_sqlite:
        return
    asked: list[tuple[str, Any]] = []

    @event.listens_for(world.database.engine, "before_cursor_execute")
    def _note(_connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        asked.append((statement, parameters[0] if many else parameters))

    customer_id = world.customer("C-1")
    asked.clear()
    with world.database.write() as connection:
        found = customers.all_locked(connection, ["C-1"])
        customers.all_suppressed_channels(connection, [replace(found["C-1"][1], email="anna@example.com")])
        customers.set_tact_lock(connection, customer_id, "case 1", now=NOON)
        surveys.standing(connection, [("survey", "r-1")])
        cases.open_or_join(connection, [cases.Trouble(customer_id, "C-1", _TERMS)], now=NOON)
        bundles(connection, [(customer_id, None)], today=NOON.date())
    _check_plans(world, asked)


def _check_plans(world: World, asked: Sequence[tuple[str, Any]]) -> None:
    statements = [(said, given) for said, given in asked if said.split()[0] in {"SELECT", "UPDATE", "INSERT"}]
    assert len(statements) > 5
    with world.database.engine.connect() as connection:
        plans = {
            said: [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", given)]
            for said, given in statements
        }
    scans = {said: plan for said, plan in plans.items() if any(_READS_ALL.search(step) for step in plan)}
    assert scans == {}
