"""Thin actions about endings, written many at a time: their content is made once, their rows by the database."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Insert,
    Integer,
    Select,
    String,
    Table,
    bindparam,
    cast,
    column,
    false,
    func,
    insert,
    literal_column,
    select,
    type_coerce,
)

from domain.actions import Basis, Capability, Kind, State
from domain.planning import Payload
from store.canonical import payload_hash
from store.ledger.rows import actions, entitlements, evidence
from store.once import insert_once
from store.types import Instant


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


class Chosen(NamedTuple):
    """An ending as it was when it was decided on, and the action that must be over first."""

    id: int
    version: int
    after_id: int | None


class Planned(NamedTuple):
    """What was planned; with a reason, what was recorded as not to be done."""

    kind: Kind
    skipped: str | None


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
    is_sqlite = connection.dialect.name == "sqlite"
    given = [(*one, place) for place, those in enumerate(chosen.values()) for one in those]
    thins = [_told(thin, place, is_sqlite=is_sqlite) for place, thin in enumerate(chosen)]
    asked = {"thins": json.dumps(thins), "run": run, "now": now}
    if not is_sqlite:
        columns = zip(*given, strict=True)
        arrays = {f"given_{name}": list(column) for name, column in zip(_GIVEN, columns, strict=True)}
        return _counted(connection.execute(_plan_at_once(), asked | arrays))
    before = connection.execute(_LAST).scalar_one()
    connection.execute(_plan("sqlite"), asked | {"given": json.dumps(given)})
    connection.execute(_BIND, {"before": before})  # SQLite has one writer at a time: what is new is all ours
    return _counted(connection.execute(_NEW, {"before": before}))


def _told(thin: Thin, place: int, *, is_sqlite: bool) -> dict[str, Any]:
    def at(instant: datetime | None) -> int | str | None:
        if instant is None:
            return None
        return Instant.microseconds(instant) if is_sqlite else instant.isoformat()

    return {
        "place": place,
        "what": thin.what,
        "kind": thin.kind,
        "basis": thin.basis,
        "capability": thin.capability,
        "purpose": thin.purpose,
        "state": State.SKIPPED if thin.is_skipped else State.READY,
        "reason": thin.reason,
        "payload": thin.payload.as_json(),
        "payload_hash": payload_hash(thin.payload.as_json()),
        "due_at": at(thin.due_at),
        "not_after": at(thin.not_after),
    }


def _counted(rows: Iterable[Any]) -> Counter[Planned]:
    return Counter({Planned(Kind(kind), reason): count for kind, reason, count in rows})


@cache
def _plan(dialect: str) -> Insert:
    given, thins, e = _given(dialect), _thins(dialect), entitlements
    run, now = bindparam("run", type_=String()), bindparam("now", type_=Instant())
    values: dict[str, ColumnElement[Any]] = {
        "key": key_of(e, thins.c.what),
        "customer_id": e.c.customer_id,
        "entitlement_id": e.c.id,
        "gate_id": e.c.gate_id,
        "after_id": given.c.after_id,
        **{name: thins.c[name] for name in _CONSTANT},
        "lane": literal_column("'normal'"),
        "urgent": false(),
        "revision": literal_column("1"),
        **dict.fromkeys(("fence", "attempts", "resends", "lookups", "deaths_alone"), literal_column("0")),
        "planned_by": run,
        "created_at": now,
        "updated_at": now,
        "updated_by": run,
    }
    chosen = (
        select(*values.values())
        .select_from(given)
        .join(e, e.c.id == given.c.id)
        .join(thins, thins.c.place == given.c.place)
        .where(e.c.version == given.c.version)
    )
    return insert_once(actions, "key").from_select(list(values), chosen)


@cache
def _plan_at_once() -> Select[Any]:
    """PostgreSQL's: actions, evidence and counts by one statement."""
    given = _given("postgresql")
    new = (
        _plan("postgresql")
        .returning(*(actions.c[name] for name in ("id", "entitlement_id", "kind", "state", "reason")))
        .cte("new")
    )
    bound = (
        select(new.c.id, literal_column("'entitlement'"), given.c.id, given.c.version)
        .join_from(new, given, given.c.id == new.c.entitlement_id)
        .where(new.c.state != State.SKIPPED)
    )
    written = insert(evidence).from_select(_EVIDENCE, bound).cte("written")
    return select(new.c.kind, new.c.reason, func.count()).group_by(new.c.kind, new.c.reason).add_cte(written)


_GIVEN = (*Chosen._fields, "place")
_CONSTANT = (
    "kind", "basis", "capability", "purpose", "state", "reason", "payload", "payload_hash", "due_at", "not_after",
)  # fmt: skip
_EVIDENCE = ["action_id", "fact", "subject_id", "version"]
_LAST = select(func.coalesce(func.max(actions.c.id), 0))
_ARE_NEW = actions.c.id > bindparam("before")
_BIND = insert(evidence).from_select(
    _EVIDENCE,
    select(actions.c.id, literal_column("'entitlement'"), entitlements.c.id, entitlements.c.version)
    .join_from(actions, entitlements, entitlements.c.id == actions.c.entitlement_id)
    .where(_ARE_NEW, actions.c.state != State.SKIPPED),
)
_NEW = select(actions.c.kind, actions.c.reason, func.count()).where(_ARE_NEW).group_by(actions.c.kind, actions.c.reason)


def _given(dialect: str) -> FromClause:
    """The endings as a table: one JSON parameter on SQLite, an array a column on PostgreSQL."""
    if dialect != "sqlite":
        arrays = [bindparam(f"given_{name}", type_=ARRAY(BigInteger)) for name in _GIVEN]
        return func.unnest(*arrays).table_valued(*_GIVEN, name="given").render_derived()
    each = func.json_each(bindparam("given", type_=String())).table_valued("value", name="each_given")
    columns = (
        func.json_extract(each.c.value, f"$[{place}]", type_=BigInteger()).label(name)
        for place, name in enumerate(_GIVEN)
    )
    return select(*columns).subquery("given")


def _thins(dialect: str) -> FromClause:
    """What is the same for many of them, as a table: one JSON parameter."""
    thins = bindparam("thins", type_=String())
    types: dict[str, Any] = {"place": Integer(), "what": String(), **{name: actions.c[name].type for name in _CONSTANT}}
    if dialect != "sqlite":
        columns = [column(name, kind) for name, kind in types.items()]
        return (
            func.json_to_recordset(cast(thins, JSON))
            .table_valued(*columns, name="thins")
            .render_derived(with_types=True)
        )
    each = func.json_each(thins).table_valued("value", name="each_thin")
    told = (type_coerce(func.json_extract(each.c.value, f"$.{name}"), kind).label(name) for name, kind in types.items())
    return select(*told).cte("thins").prefix_with("MATERIALIZED")
