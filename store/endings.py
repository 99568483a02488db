"""Endings as they stand: what ends, whose it is, what is at risk, and the gate its data came through."""

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, Connection, Date, Row, bindparam, func, select

from domain.entitlements import Entitlement, EntitlementKind, Money, Standing
from store.at_once import AtOnce
from store.ledger.rows import customers, entitlements
from store.types import among

_MOST = 20
"""Of one customer, those that end next."""
_ALIKE = 12
"""Characters that what was mistyped and what was meant begin with alike, at most."""
_LATELY = timedelta(days=30)
_SINCE: BindParameter[date] = bindparam("since", type_=Date)

_ALL = select(entitlements, customers.c.ref.label("customer_ref")).join(
    customers, customers.c.id == entitlements.c.customer_id
)
_THESE = _ALL.where(among(entitlements.c.id, "ids"))
_place = func.row_number().over(
    partition_by=entitlements.c.customer_id, order_by=(entitlements.c.ends_on, entitlements.c.id)
)
_NEXT = (
    select(entitlements.c.id, _place.label("place"))
    .where(among(entitlements.c.customer_id, "customer_ids"), entitlements.c.state == Standing.ACTIVE)
    .where(entitlements.c.ends_on >= _SINCE)
    .subquery()
)
OF_CUSTOMERS = AtOnce(
    _ALL.join(_NEXT, _NEXT.c.id == entitlements.c.id)
    .where(_NEXT.c.place <= _MOST)
    .order_by(entitlements.c.customer_id, _NEXT.c.place)
)
"""What `customer_ids` have that ends, or ended `since`; a customer's next ending first, cancelled left out."""


class Ending(NamedTuple):
    """An entitlement on the books."""

    id: int
    customer_id: int
    entitlement: Entitlement
    at_risk_minor: int  # in minor units of the policy's currency
    renewed_from: date | None  # its end before it was last renewed
    gate_id: int
    version: int


def these(connection: Connection, ids: Sequence[int]) -> dict[int, Ending]:
    """Some entitlements by our ids, however they stand; who is not there is missing."""
    return {row.id: as_ending(row) for row in connection.execute(_THESE, {"ids": list(ids)})} if ids else {}


def held(connection: Connection, entitlement_id: int) -> Ending:
    """One, that nobody changes until the transaction ends. Raises NoResultFound."""
    only = _ALL.where(entitlements.c.id == entitlement_id).with_for_update(read=True, of=entitlements)
    return as_ending(connection.execute(only).one())


def of_customers(connection: Connection, customer_ids: Sequence[int], *, today: date) -> list[Ending]:
    """What these customers have that ends, or ended lately; a customer's next ending first, cancelled left out."""
    asked = {"customer_ids": sorted(set(customer_ids)), "since": ended_lately(today)}
    return [as_ending(row) for row in OF_CUSTOMERS.named(OF_CUSTOMERS.rows(connection, asked))] if customer_ids else []


def ended_lately(today: date) -> date:
    """What ended since then still matters to whoever talks to the customer."""
    return today - _LATELY


def named(connection: Connection, ref: str) -> Ending | None:
    """The entitlement with this ref; None: unknown."""
    row = connection.execute(_ALL.where(entitlements.c.ref == ref)).one_or_none()
    return None if row is None else as_ending(row)


def refs_like(connection: Connection, subject: str, *, limit: int) -> list[str]:
    """Refs of entitlements and of customers that begin as this one does, for whoever mistyped it."""
    start = subject[: max(1, min(len(subject) // 2, _ALIKE))]
    return [
        ref
        for table in (entitlements, customers)
        for ref in connection.execute(
            select(table.c.ref).where(table.c.ref.istartswith(start, autoescape=True)).limit(limit)
        ).scalars()
    ]


def as_entitlement(row: Row[Any]) -> Entitlement:
    """A row of entitlements, with its customer's `customer_ref`, as the domain's value."""
    return Entitlement(
        ref=row.ref,
        customer_ref=row.customer_ref,
        kind=EntitlementKind(row.kind),
        product=row.product,
        ends_on=row.ends_on,
        time_zone=row.time_zone,
        occurrence=row.occurrence,
        standing=Standing(row.state),
        auto_renews=row.auto_renews,
        value=None if row.value_minor is None else Money(row.value_minor, row.currency),
        earliest_on=row.earliest_on,
        latest_on=row.latest_on,
    )


def as_ending(row: Row[Any]) -> Ending:
    """A row as `as_entitlement` reads it, as an ending."""
    return Ending(
        id=row.id,
        customer_id=row.customer_id,
        entitlement=as_entitlement(row),
        at_risk_minor=row.at_risk_minor,
        renewed_from=row.renewed_from,
        gate_id=row.gate_id,
        version=row.version,
    )
