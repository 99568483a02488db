"""Statements that run for every answer: known again by SQLAlchemy's cache, so that they are compiled once."""

import pytest
from sqlalchemy.sql.elements import ClauseElement

from store import cases, context, customers, entitlements, gates, inbox, integrations, surveys, wordings
from store.ledger import arm, enqueue, facts, record, reserve

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
