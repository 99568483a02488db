"""Purchases: what customers bought, written down once and only where it is new."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Connection, Table, bindparam, select, update

from store.entitlements import Saved
from store.once import insert_once
from store.tables import metadata
from store.types import among

purchases: Table = metadata.tables["purchases"]


@dataclass(frozen=True, slots=True)
class Bought:
    """One line of what a customer bought; `amount_minor` in minor units of `currency`."""

    ref: str
    customer_id: int
    product: str
    is_supply: bool
    bought_on: date
    quantity: float
    amount_minor: int
    currency: str


_COMPARED = ("customer_id", "product", "is_supply", "bought_on", "quantity", "amount_minor", "currency")
_KNOWN = (
    select(purchases.c.id, purchases.c.ref, *(purchases.c[name] for name in _COMPARED))
    .where(among(purchases.c.ref, "refs"))
    .order_by(purchases.c.id)
    .with_for_update()
)
_CREATE = insert_once(purchases, "ref").returning(purchases.c.ref)
_REWRITE = update(purchases).where(purchases.c.id == bindparam("row_id"))


def save(connection: Connection, bought: Sequence[Bought], *, gate_id: int) -> Saved:
    """Write down some purchases, each of another ref; one that is already so is not touched."""
    told = {one.ref: {name: getattr(one, name) for name in _COMPARED} for one in bought}
    known = {row.ref: row for row in connection.execute(_KNOWN, {"refs": list(told)})} if told else {}
    fresh = [{"ref": ref, **told[ref], "gate_id": gate_id} for ref in sorted(told) if ref not in known]
    made = set(connection.execute(_CREATE, fresh).scalars()) if fresh else set()
    late = [row["ref"] for row in fresh if row["ref"] not in made]  # somebody else was first
    if late:
        known |= {row.ref: row for row in connection.execute(_KNOWN, {"refs": late})}
    changed: list[dict[str, Any]] = [
        {"row_id": row.id, **told[ref], "gate_id": gate_id}
        for ref, row in known.items()
        if any(told[ref][name] != getattr(row, name) for name in _COMPARED)
    ]
    if changed:
        connection.execute(_REWRITE, changed)
    return Saved(len(made), len(changed), len(told) - len(made) - len(changed))
