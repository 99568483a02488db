"""Thin actions, written many at a time: what is the same for many is told once, their rows are made by the database.

Both come to a statement as a table: `given`, a row for each action, and `shared`, a row for each that is alike.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

import orjson
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    ColumnElement,
    DateTime,
    FromClause,
    Integer,
    String,
    TableValuedAlias,
    bindparam,
    cast,
    column,
    false,
    func,
    literal_column,
    select,
    type_coerce,
)
from sqlalchemy.types import TypeEngine

from domain.actions import Basis, Capability, Kind, State
from domain.planning import Payload
from store.canonical import payload_hash
from store.ledger.rows import actions
from store.types import Instant

Types = Mapping[str, TypeEngine[Any]]

CONTENT = ("kind", "basis", "capability", "purpose", "state", "payload", "payload_hash", "review_id", "reviewed_hash")
"""The columns of an action that `content` tells."""


def content(
    kind: Kind,
    basis: Basis,
    capability: Capability,
    purpose: str | None,
    payload: Payload,
    *,
    is_skipped: bool,
    review_id: int | None = None,
) -> dict[str, Any]:
    """What is the same for many actions, by column: its hash is computed once."""
    said = payload.as_json()
    hashed = payload_hash(said)
    waits = review_id is not None and not is_skipped
    return {
        "kind": kind,
        "basis": basis,
        "capability": capability,
        "purpose": purpose,
        "state": State.SKIPPED if is_skipped else State.AWAITING_REVIEW if waits else State.READY,
        "payload": said,
        "payload_hash": hashed,
        "review_id": review_id if waits else None,
        "reviewed_hash": hashed if waits else None,
    }


def new_row() -> dict[str, ColumnElement[Any]]:
    """The columns that are the same for every new action; its parameters are `run` and `now`."""
    run, now = bindparam("run", type_=String()), bindparam("now", type_=Instant())
    return {
        "lane": literal_column("'normal'"),
        "urgent": false(),
        "revision": literal_column("1"),
        **dict.fromkeys(("fence", "attempts", "resends", "lookups", "deaths_alone"), literal_column("0")),
        "planned_by": run,
        "created_at": now,
        "updated_at": now,
        "updated_by": run,
    }


def given(dialect: str, types: Types) -> FromClause:
    """The rows as a table: one JSON parameter on SQLite, an array a column on PostgreSQL."""
    if dialect != "sqlite":
        arrays = [_array(f"given_{name}", kind) for name, kind in types.items()]
        return func.unnest(*arrays).table_valued(*types, name="given").render_derived()
    each = func.json_each(bindparam("given", type_=String())).table_valued("value", name="each_given")
    columns = (
        func.json_extract(each.c.value, literal_column(f"'$[{place}]'"), type_=kind).label(name)
        for place, (name, kind) in enumerate(types.items())
    )
    return select(*columns).subquery("given")


def _array(name: str, kind: TypeEngine[Any]) -> ColumnElement[Any]:
    """Whole numbers come as a text: the driver takes six times as long for a list of them.

    Aware instants are the driver's own on PostgreSQL: no look at each.
    """
    if isinstance(kind, Integer):
        return cast(bindparam(name, type_=String()), ARRAY(kind))
    return bindparam(name, type_=ARRAY(DateTime(timezone=True) if isinstance(kind, Instant) else kind))


def _as_array(kind: TypeEngine[Any], values: Iterable[Any]) -> Any:
    if isinstance(kind, Integer):
        return f"{{{','.join(['NULL' if value is None else str(value) for value in values])}}}"
    return list(values)


def given_as(dialect: str, types: Types, rows: Sequence[tuple[Any, ...]]) -> dict[str, Any]:
    """The parameters of `given`; each row is in the order of its columns."""
    if dialect == "sqlite":
        return {"given": orjson.dumps(rows, Instant.microseconds, orjson.OPT_PASSTHROUGH_DATETIME).decode()}
    return {
        f"given_{name}": _as_array(kind, map(itemgetter(place), rows))
        for place, (name, kind) in enumerate(types.items())
    }


def shared(dialect: str, types: Types) -> FromClause:
    """What is the same for many rows, as a table: one JSON parameter."""
    told = bindparam("shared", type_=String())
    if dialect != "sqlite":
        columns = [column(name, kind) for name, kind in types.items()]
        return (
            func.json_to_recordset(cast(told, JSON))
            .table_valued(*columns, name="shared")
            .render_derived(with_types=True)
        )
    each = func.json_each(told).table_valued("value", name="each_shared")
    extracted = (
        type_coerce(func.json_extract(each.c.value, literal_column(f"'$.{name}'")), kind).label(name)
        for name, kind in types.items()
    )
    return select(*extracted).cte("shared").prefix_with("MATERIALIZED")


def shared_as(dialect: str, rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The parameters of `shared`."""
    return {
        "shared": json.dumps(list(rows), default=Instant.microseconds if dialect == "sqlite" else datetime.isoformat)
    }


def members(dialect: str, ids: ColumnElement[str]) -> TableValuedAlias:
    """The ids that a row of `shared` lists, as a table of `value`."""
    if dialect != "sqlite":
        value = column("value", BigInteger())
        return func.unnest(cast(ids, ARRAY(BigInteger))).table_valued(value, name="members").render_derived()
    return func.json_each(ids).table_valued(column("value", BigInteger()), name="members")


def members_as(dialect: str, ids: Iterable[str]) -> str:
    """What a row of `shared` lists: texts of ids with commas, as one."""
    joined = ",".join(ids)
    return f"[{joined}]" if dialect == "sqlite" else f"{{{joined}}}"


def content_types() -> dict[str, TypeEngine[Any]]:
    """The types of `CONTENT`, as `shared` takes them."""
    return {name: actions.c[name].type for name in CONTENT}
