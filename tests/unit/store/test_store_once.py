"""Statements that run for every answer: known again by SQLAlchemy's cache, so that they are compiled once."""

from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest
from ledger_world import NOON, World, a_message
from sqlalchemy import select
from sqlalchemy.exc import StatementError
from sqlalchemy.sql.elements import ClauseElement

from domain.planning import Payload
from store import cases, context, customers, entitlements, gates, inbox, integrations, surveys, wordings
from store.canonical import payload_hash
from store.ledger import arm, enqueue, facts, record, reserve
from store.ledger.enqueue import About
from store.ledger.rows import actions

MODULES = (
    *(cases, context, customers, entitlements, gates, inbox, integrations, surveys, wordings),
    *(arm, enqueue, facts, record, reserve),
)

STATEMENTS = [
    pytest.param(value, id=f"{module.__name__}.{name}")
    for module in MODULES
    for name, value in vars(module).items()
    if name.startswith("_") and isinstance(value, ClauseElement)
]


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_prepared_statement_is_compiled_once(statement: ClauseElement) -> None:
    assert statement._generate_cache_key() is not None


def test_there_are_prepared_statements() -> None:
    assert len(STATEMENTS) > 25


def test_rows_as_one_parameter_say_what_rows_one_by_one_say(world: World) -> None:
    """Whatever stands in them: zero characters in JSON, quotes, nothing, instants of another zone."""
    warsaw = NOON.astimezone(ZoneInfo("Europe/Warsaw"))
    words = {"words": "a\u0000b \\u0000 \"'[]{},: żółć", "more": [1, None, True, {"deep": "\u0000"}]}
    plan = a_message(payload=Payload("words/1", words))
    with world.database.write() as connection:
        (one, two) = (replace(plan, key=key, due_at=warsaw) for key in ("one'\"\\:x", "two"))
        made = enqueue.enqueue_all(
            connection, [(one, About()), (two, About()), (one, About())], run="run :rows", now=warsaw
        )
        again = enqueue.enqueue_all(connection, [(two, About())], run="again", now=warsaw)
        found = {row.key: row for row in connection.execute(select(actions))}
    assert list(made) == ["one'\"\\:x", "two"]
    assert made == {key: row.id for key, row in found.items()}
    assert again == {}
    for row in found.values():
        assert (row.payload["params"], row.due_at, row.not_after) == (words, NOON, plan.not_after)
        assert (row.planned_by, row.fence, row.revision, row.review_id) == ("run :rows", 0, 1, None)
        assert row.payload_hash == payload_hash(row.payload)


def test_an_instant_without_a_zone_is_refused(world: World) -> None:
    naive = replace(a_message("m"), due_at=NOON.replace(tzinfo=None))
    with pytest.raises((TypeError, StatementError)), world.database.write() as connection:
        enqueue.enqueue(connection, [naive], About(), run="run", now=NOON)
