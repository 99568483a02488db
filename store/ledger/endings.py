"""Thin actions about endings, written many at a time: their content is made once, their rows by the database."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, cached_property
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Insert,
    String,
    Table,
    bindparam,
    false,
    func,
    literal_column,
    select,
)

from domain.actions import Basis, Capability, Kind, State
from domain.planning import Payload
from store.canonical import payload_hash
from store.ledger.rows import actions, entitlements, evidence
from store.once import insert_once
from store.types import Instant


@dataclass(frozen=True, eq=False)
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

    @cached_property
    def hash(self) -> str:
        """The payload's hash."""
        return payload_hash(self.payload.as_json())


class Chosen(NamedTuple):
    """An ending as it was when it was decided on, and the action that must be over first."""

    id: int
    version: int
    after_id: int | None


def key_of(of: Table, what: str | ColumnElement[str]) -> ColumnElement[str]:
    """The key of what is done about the present ending (`domain.entitlements.expiry_key`), put together by SQL."""
    start = literal_column("'expiry/'", String()).concat(of.c.key_part).concat(literal_column("'/'", String()))
    return start.concat(of.c.occurrence).concat(literal_column("'/'", String())).concat(what)


def plan(connection: Connection, thin: Thin, chosen: Sequence[Chosen], *, run: str, now: datetime) -> int:
    """Insert an action for each of these endings that has not changed since, with its evidence; how many are new.

    Evidence is the version that was decided on, never the one that is there by now.
    """
    insert_actions, insert_evidence = _plan(connection.dialect.name)
    asked = _given(connection.dialect.name, chosen) | {
        "key_end": thin.what,
        "new_kind": thin.kind,
        "new_basis": thin.basis,
        "new_capability": thin.capability,
        "new_purpose": thin.purpose,
        "new_state": State.SKIPPED if thin.is_skipped else State.READY,
        "new_reason": thin.reason,
        "new_payload": thin.payload.as_json(),
        "new_hash": thin.hash,
        "new_due_at": thin.due_at,
        "new_not_after": thin.not_after,
        "run": run,
        "now": now,
    }
    made = connection.execute(insert_actions, asked).rowcount
    if made and not thin.is_skipped:
        connection.execute(insert_evidence, asked)
    return made


@cache
def _plan(dialect: str) -> tuple[Insert, Insert]:
    given, e = _rows(dialect), entitlements
    named = key_of(e, bindparam("key_end", type_=String()))
    values: dict[str, ColumnElement[Any]] = {
        "key": named,
        "customer_id": e.c.customer_id,
        "entitlement_id": e.c.id,
        "gate_id": e.c.gate_id,
        "after_id": given.c.after_id,
        **_constants("kind", "basis", "capability", "purpose", "state", "reason", "payload", "due_at", "not_after"),
        "payload_hash": bindparam("new_hash", type_=String()),
        **_UNTRIED,
        **_planned_by(),
    }
    as_decided = e.c.version == given.c.version
    chosen = select(*values.values()).select_from(given).join(e, e.c.id == given.c.id).where(as_decided)
    bound = (
        select(actions.c.id, literal_column("'entitlement'"), given.c.id, given.c.version)
        .select_from(given)
        .join(e, e.c.id == given.c.id)
        .join(actions, actions.c.key == named)
        .where(as_decided)
    )
    return (
        insert_once(actions, "key").from_select(list(values), chosen).execution_options(preserve_rowcount=True),
        insert_once(evidence, "action_id", "fact").from_select(["action_id", "fact", "subject_id", "version"], bound),
    )


_UNTRIED: dict[str, ColumnElement[Any]] = {
    "lane": literal_column("'normal'"),
    "urgent": false(),
    "revision": literal_column("1"),
    **dict.fromkeys(("fence", "attempts", "resends", "lookups", "deaths_alone"), literal_column("0")),
}


def _constants(*names: str) -> dict[str, ColumnElement[Any]]:
    return {name: bindparam(f"new_{name}", type_=actions.c[name].type) for name in names}


def _planned_by() -> dict[str, ColumnElement[Any]]:
    run, now = bindparam("run", type_=String()), bindparam("now", type_=Instant())
    return {"planned_by": run, "created_at": now, "updated_at": now, "updated_by": run}


def _rows(dialect: str) -> FromClause:
    """`Chosen` rows as a table: one JSON parameter on SQLite, an array a column on PostgreSQL."""
    if dialect == "sqlite":
        each = func.json_each(bindparam("chosen", type_=String())).table_valued("value", name="each")
        columns = [
            func.json_extract(each.c.value, f"$[{place}]", type_=BigInteger()).label(name)
            for place, name in enumerate(Chosen._fields)
        ]
        return select(*columns).subquery("given")
    arrays = [bindparam(f"chosen_{name}", type_=ARRAY(BigInteger)) for name in Chosen._fields]
    return func.unnest(*arrays).table_valued(*Chosen._fields, name="given").render_derived()


def _given(dialect: str, chosen: Sequence[Chosen]) -> dict[str, Any]:
    if dialect == "sqlite":
        return {"chosen": json.dumps(chosen)}
    return {
        f"chosen_{name}": list(column) for name, column in zip(Chosen._fields, zip(*chosen, strict=True), strict=True)
    }
