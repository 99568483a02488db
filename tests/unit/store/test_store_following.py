"""A look at open cases fetches what may be due, and misses nothing of it: the rules over all of them are the judge."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ledger_world import World, a_plan
from sqlalchemy import insert

from domain.cases import due_pages, may_page
from domain.policy import Policy
from domain.promises import settle
from store import following, promises
from store.ledger.enqueue import About, enqueue_all
from store.ledger.rows import cases, customers

MONDAY = datetime(2026, 3, 2, 7, tzinfo=UTC)
"""When the shipped staffing begins to work, in Warsaw."""
FRIDAY_EVENING = MONDAY + timedelta(days=4, hours=9, minutes=40)
"""Twenty staffed minutes before a weekend."""
MANY = 150


def _somewhen(chance: random.Random) -> datetime:
    return MONDAY + timedelta(minutes=chance.randrange(7 * 24 * 60))


def _perhaps(chance: random.Random, value: Any, share: float) -> Any:
    return value if chance.random() < share else None


@pytest.fixture
def looks() -> Iterator[datetime]:
    """Instants all over a week and a night into the next, and one that lies on an edge."""
    return iter([FRIDAY_EVENING, *(MONDAY + timedelta(hours=3 * step, minutes=7 * step) for step in range(60))])


@pytest.fixture
def crowded(world: World) -> World:
    """Many open cases of every kind, with a promise or two each."""
    chance = random.Random(1)
    people = [world.customer(f"C-{number}") for number in range(MANY)]
    with world.database.write() as connection:
        for number, who in enumerate(people, start=1):
            facts = {"tier": chance.choice(("core", "vip")), "erased_at": _perhaps(chance, MONDAY, 0.1)}
            connection.execute(customers.update().where(customers.c.id == who).values(facts))
            missing = _perhaps(chance, _somewhen(chance), 0.1)
            row = {
                "id": number,
                "customer_id": who,
                "number": 1,
                "reason": "nps 2",
                "team": "Retention",
                "priority": "critical",
                "answer_by": _somewhen(chance),
                "opened_at": _somewhen(chance),
                "reopened_at": _perhaps(chance, _somewhen(chance), 0.3),
                "assignee": _perhaps(chance, "Ewa", 0.2),
                "desk_status": chance.choice((None, "open", "pending")),
                "answered_at": _perhaps(chance, _somewhen(chance), 0.2),
                "desk_missing_since": missing,
                "desk_read_at": missing and missing + timedelta(minutes=1),
            }
            connection.execute(insert(cases).values(row))
        told = [(a_plan(f"a{number}"), About(case_id=number % MANY + 1)) for number in range(2 * MANY)]
        ids = enqueue_all(connection, told, run="t", now=MONDAY)
        on_the_edge = FRIDAY_EVENING + timedelta(hours=18)
        for place, action_id in enumerate(ids.values()):
            due = on_the_edge if place % 25 == 0 else _somewhen(chance)
            made = due - timedelta(hours=chance.randrange(1, 60))
            row = {"action_id": action_id, "case_id": place % MANY + 1, "made_at": made, "answer_by": due}
            connection.execute(promises.promises.insert().values(**row, state=chance.choice(("open", "open", "kept"))))
    return world


def test_every_case_that_calls_for_a_page_is_looked_at(
    crowded: World, policy: Policy, looks: Iterator[datetime]
) -> None:
    with crowded.database.read() as connection:
        everything = following.open_cases(connection)
        assert len(everything) == following.count_open(connection) == MANY
        fetched = called = 0
        for now in looks:
            due = {one.id for one in everything if due_pages(one.case, policy, now=now)}
            found = {one.id for one in following.open_cases(connection, which=may_page(policy, now=now))}
            assert due <= found, now
            fetched, called = fetched + len(found), called + len(due)
    assert 500 < called < fetched < 61 * MANY * 0.8


def test_whom_nobody_has_and_who_is_promised_something_is_told_by_the_database(
    crowded: World, looks: Iterator[datetime]
) -> None:
    with crowded.database.read() as connection:
        everything = following.open_cases(connection)
        free = [(one.case.reference, one.case.began_at) for one in everything if not one.case.has_owner]
        assert following.unowned(connection, most=7) == (len(free), free[:7])
        assert 7 < len(free) < MANY
        for by in looks:
            due = [one.id for one in everything if any(each.answer_by <= by for each in one.case.promises)]
            assert [one.id for one in following.promised_by(connection, by)] == due


def test_every_promise_whose_end_is_known_is_looked_at(crowded: World, looks: Iterator[datetime]) -> None:
    tolerance = timedelta(minutes=1)
    with crowded.database.read() as connection:
        everything = promises.of_open_state(connection, range(1, MANY + 1))
        fetched = ended = 0
        for now in looks:
            over = {
                one.id for one in everything if settle(one.promise, one.seen, tolerance=tolerance, now=now) is not None
            }
            found = {one.id for one in promises.may_end(connection, passed_by=now - tolerance)}
            assert over <= found, now
            fetched, ended = fetched + len(found), ended + len(over)
    assert 1_000 < ended < fetched < 61 * len(everything) * 0.8
