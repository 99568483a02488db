"""Step one of a claim: reserve a chunk of one capability's queue; nothing is sent yet."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    any_,
    bindparam,
    exists,
    func,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from domain.actions import FINAL, State
from domain.controls import Scope, read_stops
from store.at_once import AtOnce
from store.ledger.rows import Reserved, Worker, actions, controls, integration_state
from store.types import Instant, among, db_now

_NOW = bindparam("now", type_=Instant)
_DUE_BY = bindparam("due_by", type_=Instant)
_READY = text("actions.state = 'ready'")  # literal: a bound state would miss the partial index
_DUE = (
    _READY,
    actions.c.lane == bindparam("of_lane"),
    actions.c.capability == bindparam("of_capability"),
    actions.c.due_at <= _DUE_BY,
)
_WAITING = select(literal(1)).select_from(actions).where(*_DUE).limit(1)
_HOLDING = exists(
    select(literal(1))
    .select_from(integration_state)
    .where(
        integration_state.c.capability == bindparam("of_capability"),
        (integration_state.c.breaker == "open") | (integration_state.c.not_before > _NOW),
    )
)
_HELD = select(or_(controls.c.stopped, _HOLDING), controls.c.stops).where(controls.c.id == 1)
_OF_CAPABILITY = select(integration_state.c.name).where(integration_state.c.capability == bindparam("of_capability"))

_RENEW = (
    update(actions)
    .where(among(actions.c.id, "ids"), actions.c.state == State.CLAIMED, actions.c.claimed_by == bindparam("worker"))
    .values(lease_until=db_now(bindparam("lease_seconds")))
)


def reserve(
    connection: Connection,
    *,
    capability: str,
    lane: str,
    worker: Worker,
    lease_seconds: float,
    limit: int,
    now: datetime,
    due_by: datetime | None = None,
    urgent_only: bool = False,
    keys: Sequence[str] | None = None,
) -> list[Reserved]:
    """`ready → claimed` for the oldest due rows of a lane (`urgent`, `normal`, `alone`), skipping what others hold.

    `due_by` leaves those whose time came after it to others; without it, those whose time comes after `now`.
    Nothing is reserved while everything or the integration is stopped, the breaker is open, or the vendor asked us to
    wait: arming would only move the rows back. Rows of a stopped job or kind are reserved: arming puts them off for
    long, so that not every reservation reads past them. A row that must come after another waits until that is over.
    """
    is_held, stops = connection.execute(_HELD, {"of_capability": capability, "now": now}).one()
    if is_held or (stops and _is_stopped(connection, capability, stops)):
        return []
    asked = {
        "of_capability": capability,
        "of_lane": lane,
        "now": now,
        "due_by": due_by or now,
        "worker": worker.name,
        "run": worker.run,
        "lease_seconds": lease_seconds,
        "most": limit,
    }
    if keys is not None:
        asked["keys"] = list(keys)
    if connection.dialect.name == "sqlite":
        reserved = _due(urgent_only=urgent_only, named=keys is not None).rows(connection, asked)
        if reserved:
            connection.execute(_CLAIM, asked | {"ids": [row[0] for row in reserved]})
    else:
        reserved = connection.execute(_claim(urgent_only=urgent_only, named=keys is not None), asked).all()
    return sorted((Reserved(*row) for row in reserved), key=lambda row: row.id)


def _is_stopped(connection: Connection, capability: str, stops: Sequence[Mapping[str, Any]]) -> bool:
    names = {stop.part.name for stop in read_stops(stops) if stop.part.scope is Scope.INTEGRATION}
    return bool(names) and not names.isdisjoint(
        connection.execute(_OF_CAPABILITY, {"of_capability": capability}).scalars()
    )


_CLAIMED = (
    update(actions)
    .values(
        state=State.CLAIMED,
        fence=actions.c.fence + 1,
        claimed_by=bindparam("worker"),
        lease_until=db_now(bindparam("lease_seconds")),
        reason=None,
        updated_at=_NOW,
        updated_by=bindparam("run"),
    )
    .where(_READY)
)
_CLAIM = _CLAIMED.where(among(actions.c.id, "ids"))


def _first(columns: Sequence[ColumnElement[Any]], *, urgent_only: bool, named: bool) -> Select[Any]:
    """The oldest due rows of a lane that wait for nothing."""
    earlier = actions.alias("earlier")
    # Not as NOT EXISTS: PostgreSQL would join the whole table to itself before it took the first few rows.
    is_over = select(earlier.c.state.in_(sorted(FINAL))).where(earlier.c.id == actions.c.after_id).scalar_subquery()
    due = (
        select(*columns)
        .where(*_DUE, actions.c.after_id.is_(None) | is_over)
        .order_by(actions.c.due_at, actions.c.id)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True, of=actions)
    )
    if urgent_only:
        due = due.where(actions.c.urgent)
    return due.where(among(actions.c.key, "keys")) if named else due


@cache
def _due(*, urgent_only: bool, named: bool) -> AtOnce:
    """On SQLite, where nobody else writes meanwhile: the rows as they are claimed next."""
    columns = (actions.c.id, actions.c.key, actions.c.fence + 1, actions.c.lane, actions.c.customer_id, actions.c.basis)
    return AtOnce(_first(columns, urgent_only=urgent_only, named=named))


@cache
def _claim(*, urgent_only: bool, named: bool) -> ReturningUpdate[Any]:
    """On PostgreSQL both in one statement: built once, as it runs for every answer."""
    due = _first((actions.c.id,), urgent_only=urgent_only, named=named)
    # As a fence for the planner: the limit must be taken once. And as an array, whose rows are looked up by their ids:
    # joined, it may read the whole table.
    chosen = func.array(select(due.cte("due").prefix_with("MATERIALIZED").c.id).scalar_subquery())
    return _CLAIMED.where(actions.c.id == any_(chosen)).returning(
        actions.c.id, actions.c.key, actions.c.fence, actions.c.lane, actions.c.customer_id, actions.c.basis
    )


def renew(connection: Connection, ids: Sequence[int], *, worker: Worker, lease_seconds: float) -> int:
    """Keep what is claimed and not armed yet; how many were still ours."""
    kept = {"ids": ids, "worker": worker.name, "lease_seconds": lease_seconds}
    renewed = connection.execute(_RENEW, kept)
    return renewed.rowcount


def is_waiting(connection: Connection, *, capability: str, lane: str, due_by: datetime) -> bool:
    """True when a lane has a row whose time had come by then."""
    asked = {"of_capability": capability, "of_lane": lane, "due_by": due_by}
    return connection.execute(_WAITING, asked).first() is not None
