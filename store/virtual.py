"""What only a simulation asks of its own database: when something comes next, and what became of everybody."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, func, select, text, update

from domain.actions import FINAL, State
from domain.journeys import Standing
from store.enrolments import WAITS_UNTIL
from store.ledger.rows import actions, customers, enrolments, receipts
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
_NEXT_STEP = select(func.min(enrolments.c.due_at)).where(
    enrolments.c.due_at.is_not(None), enrolments.c.action_id.is_(None)
)
_NEXT_ACTION = select(func.min(actions.c.due_at)).where(
    text("actions.state = 'ready'"),
    among(actions.c.capability, "served"),  # literal: see `store.ledger.reserve`
)
_WAITING = (
    select(customers.c.ref, func.min(WAITS_UNTIL), func.min(actions.c.due_at))
    .select_from(customers)
    .join(enrolments, enrolments.c.customer_id == customers.c.id)
    .outerjoin(actions, (actions.c.id == enrolments.c.action_id) & (actions.c.state == State.READY))
    .where(among(customers.c.ref, "refs"), enrolments.c.state == Standing.ACTIVE)
    .group_by(customers.c.ref)
)
_PLANNED_LATER = select(actions.c.id, actions.c.due_at, actions.c.reason).where(
    actions.c.id > bindparam("after"), actions.c.state == State.READY, actions.c.reason.is_not(None)
)
_LAST = select(func.coalesce(func.max(actions.c.id), 0))
_ENROLMENTS = (
    select(
        customers.c.ref,
        enrolments.c.id,
        enrolments.c.state,
        enrolments.c.reason,
        enrolments.c.entered_at,
        enrolments.c.previous_at,
        enrolments.c.ended_at,
        enrolments.c.step,
        enrolments.c.due_at,
    )
    .join(customers, customers.c.id == enrolments.c.customer_id)
    .order_by(enrolments.c.id)
)
_ACTIONS = (
    select(
        actions.c.id,
        actions.c.enrolment_id,
        actions.c.key,
        actions.c.state,
        actions.c.capability,
        actions.c.due_at,
        actions.c.updated_at,
        actions.c.reason,
    )
    .where(actions.c.enrolment_id.is_not(None))
    .order_by(actions.c.id)
)


_ALIKE = (
    select(func.max(actions.c.id).label("id"), customers.c.tier, func.count().label("sent"))
    .join(customers, customers.c.id == actions.c.customer_id)
    .where(actions.c.enrolment_id.is_not(None), actions.c.state == State.DONE)
    .group_by(actions.c.kind, actions.c.basis, actions.c.payload_hash, customers.c.tier)
    .subquery()
)
_SENT = select(actions.c.kind, actions.c.basis, actions.c.payload, _ALIKE.c.tier, _ALIKE.c.sent).join(
    _ALIKE, _ALIKE.c.id == actions.c.id
)


class Next(NamedTuple):
    """What comes next of one customer; None: nothing does."""

    step_at: datetime | None  # when a step is due that is not planned yet
    action_at: datetime | None  # when what is planned is due


def due(connection: Connection, ids: Sequence[int]) -> dict[int, datetime]:
    """When actions are due, by their ids."""
    return {action_id: due_at for action_id, due_at in connection.execute(_DUE, {"ids": ids})}


def over_when_due(connection: Connection, ids: Sequence[int]) -> None:
    """Those of these actions that are over were so at the instant when each was due, though recorded together."""
    connection.execute(_OVER, {"ids": ids})
    connection.execute(_RECEIVED, {"ids": ids})


def next_at(connection: Connection, served: Collection[str]) -> datetime | None:
    """When the next step, or the next action that somebody is there for, is due; None: nothing is left."""
    coming = (
        connection.execute(_NEXT_STEP).scalar(),
        connection.execute(_NEXT_ACTION, {"served": sorted(served)}).scalar(),
    )
    return min((at for at in coming if at is not None), default=None)


def next_of(connection: Connection, refs: Collection[str]) -> dict[str, Next]:
    """What comes next of those of these customers who are in a journey."""
    return {ref: Next(*comes) for ref, *comes in connection.execute(_WAITING, {"refs": sorted(refs)})}


def last_action(connection: Connection) -> int:
    """The id of the newest action; 0: there is none."""
    return int(connection.execute(_LAST).scalar_one())


def planned_later(connection: Connection, after: int) -> list[Row[Any]]:
    """Actions newer than `after` that were planned for later than they were due: (id, due_at, reason)."""
    return list(connection.execute(_PLANNED_LATER, {"after": after}))


def all_enrolments(connection: Connection) -> list[Row[Any]]:
    """Everybody who ever entered, with their ref."""
    return list(connection.execute(_ENROLMENTS))


def all_actions(connection: Connection) -> list[Row[Any]]:
    """Every action of a journey, in the order in which they were planned."""
    return list(connection.execute(_ACTIONS))


def sent(connection: Connection) -> list[Row[Any]]:
    """What was sent, those alike together: kind, basis, payload, the customers' tier, and how many."""
    return list(connection.execute(_SENT))
