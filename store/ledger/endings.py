"""Thin actions about endings, written many at a time: their content is made once, their rows by the database."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Insert,
    Select,
    String,
    Table,
    bindparam,
    case,
    func,
    insert,
    literal_column,
    select,
    true,
)

from domain.actions import Basis, Capability, Kind, State
from domain.planning import Payload
from domain.risk import Ask
from store import reviews
from store.ledger import thin
from store.ledger.rows import actions, entitlements, evidence
from store.once import insert_once


@dataclass(frozen=True, slots=True, eq=False)
class Thin:
    """One action, the same for many endings but for its key and whom it is about."""

    what: str  # the end of its key: `task`, `call/1`, `task/14`
    kind: Kind
    basis: Basis
    capability: Capability
    payload: Payload
    due_at: datetime
    not_after: datetime | None = None
    purpose: str | None = None
    reason: str | None = None
    is_skipped: bool = False
    is_after_task: bool = False  # the ending's task must be over first
    ask: Ask | None = None  # it waits for a review


class Chosen(NamedTuple):
    """Endings as they were when they were decided on, all of one version."""

    version: int
    ids: str  # with commas, as the database that read them wrote them down: nobody here needs to read them
    endings: int  # how many


class Planned(NamedTuple):
    """What was planned; with a reason, what was recorded as not to be done."""

    kind: Kind
    skipped: str | None
    waits: bool  # for a review


def key_of(of: Table, what: str | ColumnElement[str]) -> ColumnElement[str]:
    """The key of what is done about the present ending (`domain.entitlements.expiry_key`), put together by SQL."""
    start = literal_column("'expiry/'", String()).concat(of.c.key_part).concat(literal_column("'/'", String()))
    return start.concat(of.c.occurrence).concat(literal_column("'/'", String())).concat(what)


def plan(
    connection: Connection, chosen: Mapping[Thin, Sequence[Chosen]], *, run: str, now: datetime
) -> Counter[Planned]:
    """Insert an action for each of these endings that has not changed since; how many are new, by what they are.

    Their evidence is the version that was decided on, never one that came later: an ending that has another by now is
    left out, and what changes while this is written makes the action be planned anew.
    """
    dialect = connection.dialect.name
    waiting = reviews.join_all(connection, {one.ask for one in chosen if one.ask is not None}, initiator=run, now=now)
    alike = (
        {**told, "version": version, "ids": thin.members_as(dialect, ids)}
        for one, those in chosen.items()
        for told in (_told(one, waiting),)
        for version, ids in _by_version(those).items()
    )
    asked = {**thin.shared_as(dialect, alike), "run": run, "now": now}
    if dialect != "sqlite":
        return _counted(connection.execute(_plan_at_once(), asked))
    before = connection.execute(_LAST).scalar_one()
    connection.execute(_plan("sqlite"), asked)
    connection.execute(_BIND, {"before": before})  # SQLite has one writer at a time: what is new is all ours
    return _counted(connection.execute(_NEW, {"before": before}))


def _by_version(those: Iterable[Chosen]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for one in those:
        found.setdefault(one.version, []).append(one.ids)
    return found


def _told(one: Thin, waiting: Mapping[Ask | None, int]) -> dict[str, Any]:
    return {
        "what": one.what,
        "is_after_task": one.is_after_task,
        **thin.content(
            one.kind,
            one.basis,
            one.capability,
            one.purpose,
            one.payload,
            is_skipped=one.is_skipped,
            review_id=waiting.get(one.ask),
        ),
        "reason": one.reason,
        "due_at": one.due_at,
        "not_after": one.not_after,
    }


def _counted(rows: Iterable[Any]) -> Counter[Planned]:
    counted: Counter[Planned] = Counter()
    for kind, reason, state, count in rows:
        counted[Planned(Kind(kind), reason, state == State.AWAITING_REVIEW)] += count
    return counted


@cache
def _plan(dialect: str) -> Insert:
    shared, e, task = thin.shared(dialect, _SHARED), entitlements, actions.alias("task")
    member = thin.members(dialect, shared.c.ids)
    values: dict[str, ColumnElement[Any]] = {
        "key": key_of(e, shared.c.what),
        "customer_id": e.c.customer_id,
        "entitlement_id": e.c.id,
        "gate_id": e.c.gate_id,
        "after_id": case(
            (shared.c.is_after_task, select(task.c.id).where(task.c.key == key_of(e, "task")).scalar_subquery())
        ),
        **{name: shared.c[name] for name in _SHARED if name in actions.c},
        **thin.new_row(),
    }
    chosen = (
        select(*values.values())
        .select_from(shared)
        .join(member, true())
        .join(e, e.c.id == member.c.value)
        .where(e.c.version == shared.c.version)
    )
    return insert_once(actions, "key").from_select(list(values), chosen)


@cache
def _plan_at_once() -> Select[Any]:
    """PostgreSQL's: actions, evidence and counts by one statement, to which a version is what it is to the insert."""
    new = (
        _plan("postgresql")
        .returning(*(actions.c[name] for name in ("id", "entitlement_id", "kind", "state", "reason")))
        .cte("new")
    )
    bound = (
        select(new.c.id, literal_column("'entitlement'"), entitlements.c.id, entitlements.c.version)
        .join_from(new, entitlements, entitlements.c.id == new.c.entitlement_id)
        .where(new.c.state != State.SKIPPED)
    )
    written = insert(evidence).from_select(_EVIDENCE, bound).cte("written")
    alike = (new.c.kind, new.c.reason, new.c.state)
    return select(*alike, func.count()).group_by(*alike).add_cte(written)


_SHARED: thin.Types = {
    "what": String(),
    "is_after_task": Boolean(),
    **thin.content_types(),
    **{name: actions.c[name].type for name in ("reason", "due_at", "not_after")},
    "version": BigInteger(),
    "ids": String(),
}
_EVIDENCE = ["action_id", "fact", "subject_id", "version"]
_LAST = select(func.coalesce(func.max(actions.c.id), 0))
_ARE_NEW = actions.c.id > bindparam("before")
_VERSION = select(entitlements.c.version).where(entitlements.c.id == actions.c.entitlement_id).scalar_subquery()
_BIND = insert(evidence).from_select(
    _EVIDENCE,
    # Not as a join, for which SQLite may read all entitlements: it cannot know how few actions are new.
    select(actions.c.id, literal_column("'entitlement'"), actions.c.entitlement_id, _VERSION).where(
        _ARE_NEW, actions.c.state != State.SKIPPED
    ),
)
_ALIKE = (actions.c.kind, actions.c.reason, actions.c.state)
_NEW = select(*_ALIKE, func.count()).where(_ARE_NEW).group_by(*_ALIKE)
