"""Step one of a claim: reserve a chunk of one capability's queue; nothing is sent yet."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, exists, literal, select, text, update

from domain.actions import FINAL, State
from store.ledger.rows import Reserved, Worker, actions, controls, integration_state
from store.types import db_now

_READY = text("actions.state = 'ready'")  # literal: a bound state would miss the partial index
_FINAL = tuple(sorted(FINAL))


def reserve(
    connection: Connection,
    *,
    capability: str,
    lane: str,
    worker: Worker,
    lease_seconds: float,
    limit: int,
    now: datetime,
    urgent_only: bool = False,
    keys: Sequence[str] | None = None,
) -> list[Reserved]:
    """`ready → claimed` for the oldest due rows of a lane (`urgent`, `normal`, `alone`), skipping what others hold.

    Nothing is reserved while the kill switch is on, the breaker is open, or the vendor asked us to wait: arming would
    only move the rows back. A row that must come after another waits until that one is over.
    """
    if _is_held(connection, capability, now):
        return []
    earlier = actions.alias("earlier")
    due = (
        select(actions.c.id)
        .where(_READY, actions.c.lane == lane, actions.c.capability == capability, actions.c.due_at <= now)
        .where(
            ~exists(
                select(literal(1))
                .select_from(earlier)
                .where(earlier.c.id == actions.c.after_id, earlier.c.state.not_in(_FINAL))
            )
        )
        .order_by(actions.c.due_at, actions.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True, of=actions)
    )
    if urgent_only:
        due = due.where(actions.c.urgent)
    if keys is not None:
        due = due.where(actions.c.key.in_(keys))
    if connection.dialect.name == "sqlite":
        chosen = due.scalar_subquery()
    else:  # as a fence for the planner: the limit must be taken once
        chosen = select(due.cte("due").prefix_with("MATERIALIZED").c.id).scalar_subquery()
    claim = (
        update(actions)
        .where(actions.c.id.in_(chosen), _READY)
        .values(
            state=State.CLAIMED,
            fence=actions.c.fence + 1,
            claimed_by=worker.name,
            lease_until=db_now(lease_seconds),
            reason=None,
            updated_at=now,
            updated_by=worker.run,
        )
        .returning(actions.c.id, actions.c.key, actions.c.fence, actions.c.lane, actions.c.customer_id)
    )
    return sorted((Reserved(*row) for row in connection.execute(claim)), key=lambda row: row.id)


def renew(connection: Connection, ids: Sequence[int], *, worker: Worker, lease_seconds: float) -> int:
    """Keep what is claimed and not armed yet; how many were still ours."""
    renewed = connection.execute(
        update(actions)
        .where(actions.c.id.in_(ids), actions.c.state == State.CLAIMED, actions.c.claimed_by == worker.name)
        .values(lease_until=db_now(lease_seconds))
    )
    return renewed.rowcount


def give_back(connection: Connection, rows: Sequence[Reserved], *, worker: Worker, reason: str, now: datetime) -> int:
    """`claimed → ready`, unharmed, for rows reserved but not armed."""
    released = connection.execute(
        update(actions)
        .where(
            actions.c.id.in_([row.id for row in rows]),
            actions.c.state == State.CLAIMED,
            actions.c.claimed_by == worker.name,
        )
        .values(state=State.READY, reason=reason, lease_until=None, updated_at=now, updated_by=worker.run)
    )
    return released.rowcount


def is_waiting(connection: Connection, *, capability: str, lane: str, now: datetime) -> bool:
    """True when a lane has a row that is due."""
    due = (
        select(literal(1))
        .select_from(actions)
        .where(_READY, actions.c.lane == lane, actions.c.capability == capability, actions.c.due_at <= now)
        .limit(1)
    )
    return connection.execute(due).first() is not None


def _is_held(connection: Connection, capability: str, now: datetime) -> bool:
    if connection.execute(select(controls.c.stopped).where(controls.c.id == 1)).scalar_one():
        return True
    waiting = connection.execute(
        select(literal(1))
        .select_from(integration_state)
        .where(
            integration_state.c.capability == capability,
            (integration_state.c.breaker == "open") | (integration_state.c.not_before > now),
        )
    ).first()
    return waiting is not None
