"""What was planned about endings that need it no more: taken back while it is unsent, else closed at the CRM."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    tuple_,
    update,
)

from domain.actions import UNSENT, Basis, Capability, Kind, State
from domain.ending_tasks import CLOSE_SCHEMA
from domain.planning import Payload
from store.canonical import payload_hash
from store.ledger.endings import key_of
from store.ledger.rows import actions, audit, customers, entitlements, evidence
from store.once import insert_once
from store.types import Instant, among


class Needless(NamedTuple):
    """An action about an ending that needs nothing any more, in the order of its columns."""

    id: int
    entitlement_id: int
    version: int  # of the entitlement, when this was read
    is_unsent: bool  # and no earlier try may have arrived
    reason: str


_ABOUT = (Kind.TASK, Kind.TASK_NOTE, Kind.CALL)
_MAY_BE_THERE = (State.DONE, State.SENDING, State.UNCERTAIN, State.NEEDS_HUMAN, *UNSENT)
"""A task in one of these may be at the CRM; one that is unsent only if an earlier try's answer was lost."""

_REASON = case(
    (customers.c.erased_at.is_not(None), "the customer was erased"),
    (entitlements.c.state == "cancelled", "cancelled"),
    (entitlements.c.auto_renews, "renews by itself"),
    (entitlements.c.kind == "supply", "bought anew"),
    (entitlements.c.renewed_from.is_not(None), "renewed"),
    else_="its end has moved",
)


def _needless() -> Select[Any]:
    e, a, closing = entitlements, actions, actions.alias("closing")
    # Not as EXISTS, for which PostgreSQL may read the whole audit, and all actions, into a hash.
    lost = select(literal(1)).where(audit.c.action_id == a.c.id, audit.c.after == literal(State.UNCERTAIN))
    was_lost = lost.limit(1).scalar_subquery().is_not(None)
    unsent = a.c.state.in_(sorted(UNSENT))
    is_unsent = and_(unsent, or_(a.c.attempts == 0, ~was_lost))
    closing_of = select(literal(1)).where(closing.c.key == a.c.key.concat("/close"))
    closed = closing_of.limit(1).scalar_subquery().is_not(None)
    other_ending = func.substr(a.c.key, 1, func.length(key_of(e, ""))) != key_of(e, "")
    not_needed = or_(other_ending, e.c.state != "active", e.c.auto_renews, customers.c.erased_at.is_not(None))
    may_be_there = and_(a.c.kind == Kind.TASK, a.c.state.in_(sorted(_MAY_BE_THERE)), ~closed)
    return (
        select(a.c.id, e.c.id, e.c.version, is_unsent, _REASON)
        .join_from(e, a, a.c.entitlement_id == e.c.id)
        .join(customers, customers.c.id == e.c.customer_id)
        .where(a.c.kind.in_(_ABOUT), or_(is_unsent, may_be_there), not_needed)
        .limit(bindparam("most"))
    )


_CHANGED = (
    _needless()
    .add_columns(entitlements.c.changed_at)
    .where(
        tuple_(entitlements.c.changed_at, entitlements.c.id)
        >= tuple_(bindparam("since", type_=Instant), bindparam("row_id")),
        or_(entitlements.c.id != bindparam("row_id"), actions.c.id > bindparam("action_id")),
    )
    .order_by(entitlements.c.changed_at, entitlements.c.id, actions.c.id)
)
_ERASED = (
    _needless()
    .where(customers.c.erased_at > bindparam("since", type_=Instant), actions.c.id > bindparam("action_id"))
    .order_by(actions.c.id)
)
_HELD = select(actions.c.id).where(among(actions.c.id, "ids"), actions.c.state.in_(sorted(UNSENT)))
_TAKE_BACK = (
    update(actions)
    .where(actions.c.id.in_(_HELD.with_for_update(skip_locked=True).scalar_subquery()))
    .where(actions.c.state.in_(sorted(UNSENT)))
    .values(
        state=State.CANCELLED,
        reason=bindparam("because"),
        lease_until=None,
        updated_at=bindparam("now", type_=Instant),
        updated_by=bindparam("run"),
    )
    .returning(actions.c.id)
)


class Again(NamedTuple):
    """An ending that goes on after all, although its task was taken back or closed."""

    task_key: str
    kind: str
    ends_on: date
    time_zone: str


_TASK, _CLOSING = actions.alias("task"), actions.alias("task_closing")
_WAS_CLOSED = (
    select(literal(1))
    .where(_CLOSING.c.key == _TASK.c.key.concat("/close"), _CLOSING.c.state != State.SKIPPED)
    .limit(1)
    .scalar_subquery()
)
_AGAIN = (
    select(_TASK.c.key, entitlements.c.kind, entitlements.c.ends_on, entitlements.c.time_zone)
    .join_from(entitlements, _TASK, _TASK.c.key == key_of(entitlements, "task"))
    .join(customers, customers.c.id == entitlements.c.customer_id)
    .where(
        entitlements.c.changed_at > bindparam("since", type_=Instant),
        entitlements.c.state == "active",
        entitlements.c.auto_renews.is_(False),
        customers.c.erased_at.is_(None),
        or_(_TASK.c.state == State.CANCELLED, _WAS_CLOSED.is_not(None)),
    )
    .order_by(entitlements.c.id)
    .limit(bindparam("most"))
)


class Place(NamedTuple):
    """Up to where the changed ones were read."""

    changed_at: datetime
    entitlement_id: int
    action_id: int


def changed(connection: Connection, after: Place, *, limit: int) -> tuple[list[Needless], Place]:
    """Needless actions of entitlements that changed from a place on, and the place after them."""
    asked = {"since": after.changed_at, "row_id": after.entitlement_id, "action_id": after.action_id, "most": limit}
    rows = connection.execute(_CHANGED, asked).all()
    found = [Needless(*row[:-1]) for row in rows]
    return found, Place(rows[-1][-1], found[-1].entitlement_id, found[-1].id) if found else after


def erased(connection: Connection, since: datetime, after_id: int, *, limit: int) -> list[Needless]:
    """Needless actions of customers who were erased after an instant, by id."""
    asked = {"since": since, "action_id": after_id, "most": limit}
    return [Needless(*row) for row in connection.execute(_ERASED, asked)]


def again(connection: Connection, since: datetime, *, limit: int) -> list[Again]:
    """Endings of entitlements that changed after an instant, and go on although their task was taken back or closed."""
    return [Again(*row) for row in connection.execute(_AGAIN, {"since": since, "most": limit})]


def take_back(connection: Connection, ids: Sequence[int], *, reason: str, run: str, now: datetime) -> int:
    """Cancel those that are still unsent; how many were. What somebody is just arming is found by its evidence."""
    asked = {"ids": list(ids), "because": reason, "run": run, "now": now}
    return len(connection.execute(_TAKE_BACK, asked).all())


def close(connection: Connection, needless: Sequence[Needless], *, reason: str, run: str, now: datetime) -> int:
    """Plan that these tasks are closed at the CRM, once they are over; how many of these plans are new."""
    content = Payload(CLOSE_SCHEMA, {"reason": reason}).as_json()
    values: dict[str, ColumnElement[Any]] = {
        "key": actions.c.key.concat("/close"),
        "kind": literal(Kind.TASK_CLOSE),
        "basis": literal(Basis.INTERNAL),
        "capability": literal(Capability.CRM),
        "customer_id": actions.c.customer_id,
        "entitlement_id": actions.c.entitlement_id,
        "gate_id": actions.c.gate_id,
        "after_id": actions.c.id,
        "state": literal(State.READY),
        "lane": literal("normal"),
        "urgent": literal(False),
        "payload": literal(content, actions.c.payload.type),
        "payload_hash": literal(payload_hash(content)),
        "revision": literal_column("1"),
        "due_at": literal(now, Instant()),
        **dict.fromkeys(("fence", "attempts", "resends", "lookups", "deaths_alone"), literal_column("0")),
        "planned_by": literal(run),
        "created_at": literal(now, Instant()),
        "updated_at": literal(now, Instant()),
        "updated_by": literal(run),
    }
    chosen = select(*values.values()).where(among(actions.c.id, "ids"))
    made = connection.execute(
        insert_once(actions, "key").from_select(list(values), chosen).returning(actions.c.id, actions.c.entitlement_id),
        {"ids": [one.id for one in needless]},
    ).all()
    versions = {one.entitlement_id: one.version for one in needless}
    bound = [
        {"action_id": action, "fact": "entitlement", "subject_id": about, "version": versions[about]}
        for action, about in made
    ]
    if bound:
        connection.execute(insert(evidence), bound)
    return len(made)
