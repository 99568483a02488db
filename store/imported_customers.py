"""Customers as imports tell of them: many at once, what a file says wins, what it does not say stays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from store.customers import BOUND
from store.enrolments import leave_refused
from store.entitlements import Saved
from store.ledger.rows import consents, customers
from store.once import insert_once
from store.types import among


@dataclass(frozen=True, slots=True)
class Told:
    """What one row says of a customer: columns of their row that it fills, and consents by purpose and channel."""

    ref: str
    said: Mapping[str, Any]
    consents: Mapping[tuple[str, str], bool]


_ANSWER = ("customer_id", "purpose", "channel", "granted")
_STATED = ("ltv_minor", "is_ltv_stated", "is_tier_stated")
_WRITTEN = (*BOUND, "window_start", "window_end", *_STATED)
_BLANK: Mapping[str, Any] = {
    **dict.fromkeys(_WRITTEN),
    "tier": "basic",
    "is_ltv_stated": False,
    "is_tier_stated": False,
    "version": 1,
    "touched": 0,
}

_KNOWN = (
    select(customers.c.id, customers.c.ref, customers.c.erased_at, *(customers.c[name] for name in _WRITTEN))
    .where(among(customers.c.ref, "refs"))
    .order_by(customers.c.id)
    .with_for_update(key_share=True)
)
_CREATE = insert_once(customers, "ref").returning(customers.c.id, customers.c.ref)
_REWRITE = update(customers).where(customers.c.id == bindparam("row_id"))
_CHANGE = _REWRITE.values(version=customers.c.version + 1)
_TOUCH = _REWRITE.values(touched=customers.c.touched + 1)
_CONSENTS = select(consents).where(among(consents.c.customer_id, "ids"))


def save(connection: Connection, told: Sequence[Told], *, gate_id: int, now: datetime) -> Saved:
    """Create customers or write what is said of them, each of another ref; who is already so is not touched.

    An erased customer stays blank, and consent that was taken back is not given again by a file: it may be older than
    the customer's word.
    """
    by_ref = {one.ref: one for one in told}
    known = _known(connection, list(by_ref))
    stamps = {"gate_id": gate_id, "updated_at": now}
    fresh = [
        {"ref": ref, **_BLANK, **by_ref[ref].said, **stamps, "created_at": now}
        for ref in sorted(by_ref)
        if ref not in known
    ]
    made = {row.ref: row.id for row in connection.execute(_CREATE, fresh)} if fresh else {}
    known |= _known(connection, [row["ref"] for row in fresh if row["ref"] not in made])  # somebody else was first
    changed = _rewrite(connection, known, by_ref, stamps)
    living = {ref: row.id for ref, row in known.items() if row.erased_at is None}
    spoke = _say_consents(connection, {made.get(ref) or living[ref]: one.consents for ref, one in by_ref.items()
                                       if one.consents and (ref in made or ref in living)}, now=now)  # fmt: skip
    changed |= {ref for ref, row_id in living.items() if row_id in spoke}
    return Saved(len(made), len(changed), len(by_ref) - len(made) - len(changed))


def _known(connection: Connection, refs: Sequence[str]) -> dict[str, Row[Any]]:
    return {row.ref: row for row in connection.execute(_KNOWN, {"refs": list(refs)})} if refs else {}


def _rewrite(
    connection: Connection, known: Mapping[str, Row[Any]], told: Mapping[str, Told], stamps: Mapping[str, Any]
) -> set[str]:
    """The refs of those of whom something else was said than we knew."""
    bound: list[dict[str, Any]] = []
    other: list[dict[str, Any]] = []
    changed: set[str] = set()
    for ref, row in known.items():
        said = told[ref].said
        differing = [name for name, value in said.items() if getattr(row, name) != value]
        if row.erased_at is not None or not differing:
            continue
        changed.add(ref)
        whole = {name: said.get(name, getattr(row, name)) for name in _WRITTEN}
        page = bound if any(name in BOUND for name in differing) else other
        page.append({"row_id": row.id, **whole, **stamps})
    for statement, rows in ((_CHANGE, bound), (_REWRITE, other)):
        if rows:
            connection.execute(statement, rows)
    return changed


def _say_consents(
    connection: Connection, said: Mapping[int, Mapping[tuple[str, str], bool]], *, now: datetime
) -> set[int]:
    """The ids of those whose word is new. Their rows are updated first: arming waits for it, or we for arming."""
    if not said:
        return set()
    recorded = {
        (row.customer_id, row.purpose, row.channel): row.granted
        for row in connection.execute(_CONSENTS, {"ids": sorted(said)})
    }
    new = [
        (customer_id, purpose, channel, granted)
        for customer_id, answers in sorted(said.items())
        for (purpose, channel), granted in sorted(answers.items())
        if (before := recorded.get((customer_id, purpose, channel))) is None or (before and not granted)
    ]
    if not new:
        return set()
    spoke = {customer_id for customer_id, *_ in new}
    connection.execute(_TOUCH, [{"row_id": customer_id, "updated_at": now} for customer_id in sorted(spoke)])
    insert = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(consents)
    upsert = insert.on_conflict_do_update(
        index_elements=["customer_id", "purpose", "channel"],
        set_={"granted": insert.excluded.granted, "at": insert.excluded.at},
    )
    rows = [dict(zip(_ANSWER, answer, strict=True), at=now) for answer in new]
    connection.execute(upsert, rows)
    silenced = {customer_id for customer_id, _, _, granted in new if not granted}
    if silenced:
        leave_refused(connection, silenced, by="their consent", now=now)
    return spoke
