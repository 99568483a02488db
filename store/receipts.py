"""What vendors answered, as part of statements about actions."""

from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, select

from store.ledger.rows import actions, receipts


def last_receipts(column: ColumnElement[Any]) -> ScalarSelect[Any]:
    """A column of the last receipt of each action of a statement; null for one that has none.

    Looked up action by action: joined with the last receipt of every action, all that was ever sent would be read.
    """
    return (
        select(column)
        .where(receipts.c.action_id == actions.c.id)
        .order_by(receipts.c.id.desc())
        .limit(1)
        .correlate(actions)
        .scalar_subquery()
    )
