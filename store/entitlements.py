"""Entitlements: what imports, events and estimates say of them, written down once and only where it is new."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Table, bindparam, select, update

from domain.actions import key
from domain.entitlements import Entitlement
from domain.policy import Policy
from domain.value import at_risk
from store.once import insert_once
from store.tables import metadata
from store.types import among

entitlements: Table = metadata.tables["entitlements"]


class Owned(NamedTuple):
    """An entitlement and our id of the customer who has it."""

    customer_id: int
    entitlement: Entitlement
    changed_at: datetime | None = None  # since when its source says so; None: it does not say


@dataclass(frozen=True, slots=True)
class Saved:
    """How many were new, changed, already so, and otherwise but older than what is known."""

    created: int = 0
    changed: int = 0
    unchanged: int = 0
    outdated: int = 0


_BOUND = (
    "customer_id",
    "kind",
    "product",
    "state",
    "auto_renews",
    "ends_on",
    "time_zone",
    "occurrence",
    "value_minor",
    "currency",
)
"""Columns that actions are planned on: a change raises `version`, and detection looks again."""

_COMPARED = (*_BOUND, "earliest_on", "latest_on", "at_risk_minor")

_KNOWN = (
    select(entitlements.c.id, entitlements.c.ref, entitlements.c.told_at, *(entitlements.c[name] for name in _COMPARED))
    .where(among(entitlements.c.ref, "refs"))
    .order_by(entitlements.c.id)
    .with_for_update(key_share=True)
)
_CREATE = insert_once(entitlements, "ref").returning(entitlements.c.ref)
_REWRITE = update(entitlements).where(entitlements.c.id == bindparam("row_id"))
_CHANGE = _REWRITE.values(version=entitlements.c.version + 1)
_RENEW = _CHANGE.values(renewed_from=entitlements.c.ends_on)


def save(connection: Connection, owned: Sequence[Owned], *, gate_id: int, policy: Policy, now: datetime) -> Saved:
    """Write down what is said of some entitlements, each of another ref; one that is already so is not touched.

    Who says since when it is so is not believed where something later is known, and that time is remembered: an export
    of last night does not undo what an event has told this morning. Who does not say since when is believed.

    The version rises, and detection looks again, when something that actions rest on changes; an end that moves later
    keeps the former one in `renewed_from`. Raises KeyError for a value in a currency without a rate.
    """
    told = {one.entitlement.ref: _columns(one, policy) for one in owned}
    stamps = {"gate_id": gate_id, "updated_at": now}
    known = _known(connection, told)
    fresh = [ref for ref in sorted(told) if ref not in known]
    created = 0
    if fresh:
        born = {**stamps, "created_at": now, "changed_at": now, "version": 1}
        rows = [{"ref": ref, "key_part": key(ref), **told[ref], **born} for ref in fresh]
        made = set(connection.execute(_CREATE, rows).scalars())
        created = len(made)
        known |= _known(connection, [ref for ref in fresh if ref not in made])  # somebody else was first
    changed, outdated = _rewrite(connection, known, told, stamps)
    return Saved(created, changed, len(told) - created - changed - outdated, outdated)


def _rewrite(
    connection: Connection, known: dict[str, Row[Any]], told: dict[str, dict[str, Any]], stamps: dict[str, Any]
) -> tuple[int, int]:
    """How many changed, and how many were left, as what is said of them is older than what is known."""
    kinds: dict[Any, list[dict[str, Any]]] = {_RENEW: [], _CHANGE: [], _REWRITE: []}
    confirmed: list[dict[str, Any]] = []
    outdated = 0
    for ref, row in known.items():
        new, since = told[ref], told[ref]["told_at"]
        is_news = any(new[name] != getattr(row, name) for name in _COMPARED)
        if since is not None and row.told_at is not None and since < row.told_at:
            outdated += is_news
        elif is_news:
            is_bound = any(new[name] != getattr(row, name) for name in _BOUND)
            how = _RENEW if new["ends_on"] > row.ends_on else _CHANGE if is_bound else _REWRITE
            kinds[how].append({"row_id": row.id, **new, **stamps, "told_at": since or row.told_at})
        elif since is not None and since != row.told_at:
            confirmed.append({"row_id": row.id, "told_at": since})
    for statement, rows in kinds.items():
        if rows:
            moved = {} if statement is _REWRITE else {"changed_at": stamps["updated_at"]}
            connection.execute(statement, [{**row, **moved} for row in rows])
    if confirmed:
        connection.execute(_REWRITE, confirmed)
    return sum(map(len, kinds.values())), outdated


def _known(connection: Connection, refs: Sequence[str] | dict[str, Any]) -> dict[str, Row[Any]]:
    return {row.ref: row for row in connection.execute(_KNOWN, {"refs": list(refs)})} if refs else {}


def _columns(owned: Owned, policy: Policy) -> dict[str, Any]:
    it = owned.entitlement
    return {
        "customer_id": owned.customer_id,
        "told_at": owned.changed_at,
        "kind": it.kind.value,
        "product": it.product,
        "state": it.standing.value,
        "auto_renews": it.auto_renews,
        "ends_on": it.ends_on,
        "time_zone": it.time_zone,
        "occurrence": it.occurrence,
        "value_minor": it.value.minor if it.value else None,
        "currency": it.value.currency if it.value else None,
        "earliest_on": it.earliest_on,
        "latest_on": it.latest_on,
        "at_risk_minor": at_risk(it.kind, it.value, policy.value),
    }
