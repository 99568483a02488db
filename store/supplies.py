"""Supplies: what customers bought that runs out, and the estimates that are written down for it."""

from collections.abc import Iterator
from datetime import date
from itertools import groupby
from operator import itemgetter
from statistics import median_low
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Table, bindparam, func, select

from domain.depletion import Bought
from domain.entitlements import EntitlementKind, Money
from store.entitlements import entitlements
from store.ledger.rows import customers
from store.tables import metadata
from store.types import among

purchases: Table = metadata.tables["purchases"]


class Supply(NamedTuple):
    """One product of one customer: when it was bought, what a purchase usually costs."""

    customer_id: int
    product: str
    history: list[Bought]  # in order, of different days
    usual: Money  # of a day on which it was bought, in the last purchase's currency
    gate_id: int  # the newest that its purchases came through


_OF_PAGE = (purchases.c.customer_id > bindparam("above")) & (purchases.c.customer_id <= bindparam("up_to"))
_RUNS_OUT = (purchases.c.is_supply, purchases.c.bought_on <= bindparam("today"))

_NEWEST = select(func.max(purchases.c.bought_on)).where(*_RUNS_OUT)

_BOUGHT = (
    select(
        purchases.c.customer_id,
        purchases.c.product,
        purchases.c.bought_on,
        purchases.c.quantity,
        purchases.c.amount_minor,
        purchases.c.currency,
        purchases.c.gate_id,
    )
    .join(customers, customers.c.id == purchases.c.customer_id)
    .where(_OF_PAGE, *_RUNS_OUT, customers.c.erased_at.is_(None))
    .order_by(purchases.c.customer_id, purchases.c.product, purchases.c.bought_on, purchases.c.id)
)

_WRITTEN = select(entitlements).where(
    entitlements.c.customer_id > bindparam("above"),
    entitlements.c.customer_id <= bindparam("up_to"),
    entitlements.c.kind == EntitlementKind.SUPPLY.value,
)

_OWNERS = select(customers.c.id, customers.c.ref, customers.c.time_zone).where(among(customers.c.id, "ids"))


def newest_purchase(connection: Connection, *, today: date) -> date | None:
    """The last day whose purchases are known, at most today; None: there are none of what runs out."""
    found: date | None = connection.execute(_NEWEST, {"today": today}).scalar()
    return found


def supplies(connection: Connection, page: tuple[int, int], *, today: date) -> Iterator[Supply]:
    """What the customers of a page (ids above the first, up to the second) bought that runs out, until today."""
    rows = connection.execute(_BOUGHT, {"above": page[0], "up_to": page[1], "today": today})
    for (customer_id, product), lines in groupby(rows, key=itemgetter(0, 1)):
        yield _supply(customer_id, product, list(lines))


def written(connection: Connection, page: tuple[int, int]) -> dict[str, Row[Any]]:
    """The supplies of a page's customers as they are written down, by ref."""
    return {row.ref: row for row in connection.execute(_WRITTEN, {"above": page[0], "up_to": page[1]})}


def owners(connection: Connection, ids: list[int]) -> dict[int, Row[Any]]:
    """Customers' refs and time zones."""
    return {row.id: row for row in connection.execute(_OWNERS, {"ids": ids})}


def _supply(customer_id: int, product: str, lines: list[Row[Any]]) -> Supply:
    currency = lines[-1][5]
    history: list[Bought] = []
    costs: list[int] = []
    gate_id = 0
    for on, of_day in groupby(lines, key=itemgetter(2)):
        quantity, cost = 0.0, 0
        for _, _, _, much, minor, paid_in, gate in of_day:
            quantity += much
            cost += minor if paid_in == currency else 0
            gate_id = max(gate_id, gate)
        history.append(Bought(on, quantity))
        if cost:
            costs.append(cost)
    return Supply(customer_id, product, history, Money(median_low(costs) if costs else 0, currency), gate_id)
