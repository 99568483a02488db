"""Cases: one open case a customer, whatever comes at the same time; numbers go on."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from ledger_world import NOON, World, later
from sqlalchemy.exc import IntegrityError

from domain.escalation import CaseTerms
from store import cases, customers

TERMS = CaseTerms(reason="nps 2", team="Retention", priority="critical", answer_by=later(hours=4))


def _open(world: World, ref: str, terms: CaseTerms = TERMS) -> cases.StoredCase:
    with world.database.write() as connection:
        found = customers.locked(connection, ref)
        assert found is not None
        return cases.open_or_join(connection, [cases.Trouble(found[0], ref, terms)], now=NOON)[0]


def test_the_first_answer_opens_a_case_on_its_terms(world: World) -> None:
    world.customer("C-1")
    opened = _open(world, "C-1")
    assert (opened.case.number, opened.case.is_new, opened.case.reference) == (1, True, "C-1-1")
    assert (opened.case.team, opened.case.priority, opened.case.answer_by) == ("Retention", "critical", later(hours=4))


def test_a_second_answer_joins_it_on_the_first_terms(world: World) -> None:
    world.customer("C-1")
    opened = _open(world, "C-1")
    joined = _open(world, "C-1", CaseTerms("hardship", "Care", "low", later(days=9)))
    assert joined.id == opened.id
    assert not joined.case.is_new
    assert (joined.case.team, joined.case.priority, joined.case.answer_by) == ("Retention", "critical", later(hours=4))


def test_after_it_is_solved_the_next_one_has_the_next_number(world: World) -> None:
    customer = world.customer("C-1")
    other = world.customer("C-2")
    for number in (1, 2, 3):
        opened = _open(world, "C-1")
        assert (opened.case.number, opened.case.is_new) == (number, True)
        with world.database.write() as connection:
            assert cases.solve(connection, opened.id, now=NOON) == customer
            assert cases.solve(connection, opened.id, now=NOON) is None
    assert _open(world, "C-2").case.number == 1
    assert other != customer


def test_solving_a_case_changes_the_fact_that_actions_rest_on(world: World) -> None:
    world.customer("C-1")
    opened = _open(world, "C-1")
    with world.database.write() as connection:
        cases.solve(connection, opened.id, now=NOON)
    (row,) = world.rows("cases")
    assert (row.state, row.solved_at, row.version) == ("solved", NOON, 2)


def test_a_case_can_be_read_again(world: World) -> None:
    world.customer("C-1")
    opened = _open(world, "C-1")
    with world.database.read() as connection:
        again = cases.stored(connection, opened.id)
    assert (again.id, again.case.reference, again.case.is_new) == (opened.id, "C-1-1", False)


def test_twenty_answers_at_once_open_one_case(world: World) -> None:
    for ref in ("C-1", "C-2"):
        world.customer(ref)
    together = Barrier(20)

    def answer(number: int) -> cases.StoredCase:
        together.wait(timeout=30)
        return _open(world, f"C-{1 + number % 2}")

    with ThreadPoolExecutor(20) as pool:
        opened = list(pool.map(answer, range(20)))
    assert sum(one.case.is_new for one in opened) == 2
    assert len({one.id for one in opened}) == 2
    assert len(world.rows("cases")) == 2


def test_the_database_itself_refuses_a_second_open_case(world: World) -> None:
    customer = world.customer("C-1")
    _open(world, "C-1")
    (row,) = world.rows("cases")
    second = {**row._mapping, "number": 2}
    del second["id"]
    with pytest.raises(IntegrityError):
        world.add("cases", **second)
    assert row.customer_id == customer
