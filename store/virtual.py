"""What only a simulation asks of its own database: when something comes next, and what became of everybody."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update

from domain.actions import FINAL
from store.ledger.rows import actions, receipts
from store.types import among

_DUE = select(actions.c.id, actions.c.due_at).where(among(actions.c.id, "ids"))
_OVER = (
    update(actions)
    .where(among(actions.c.id, "ids"), actions.c.state.in_(sorted(FINAL)))
    .values(updated_at=actions.c.due_at)
)
_RECEIVED = (
    update(receipts)
    .where(among(receipts.c.action_id, "ids"))
    .values(at=select(actions.c.due_at).where(actions.c.id == receipts.c.action_id).scalar_subquery())
)


def due(connection: Connection, ids: Sequence[int]) -> dict[int, datetime]:
    """When actions are due, by their ids."""
    return {action_id: due_at for action_id, due_at in connection.execute(_DUE, {"ids": ids})}


def over_when_due(connection: Connection, ids: Sequence[int]) -> None:
    """Those of these actions that are over were so at the instant when each was due, though recorded together."""
    connection.execute(_OVER, {"ids": ids})
    connection.execute(_RECEIVED, {"ids": ids})
