"""Value, counted where the data is: lifetime values and tiers of customers, and what entitlements' endings put at risk.

Only rows that change are written, page by page; docs of the conversion and its rounding are in domain/value.py.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Subquery,
    Table,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    union_all,
    update,
)

from domain.entitlements import EntitlementKind, Standing
from domain.value import PARTS, ValuePolicy, parts_per_minor_unit
from store.ledger.rows import customers
from store.tables import metadata
from store.types import among

entitlements: Table = metadata.tables["entitlements"]
purchases: Table = metadata.tables["purchases"]

Page = tuple[int, int]
"""Ids: above the first, up to and including the second."""

_VALUE = (
    update(customers)
    .where(customers.c.id == bindparam("row_id"))
    .values(ltv_minor=bindparam("value"), updated_at=bindparam("now"))
)


@dataclass(frozen=True, slots=True)
class Valuing:
    """The statements for one policy, put together once."""

    policy: ValuePolicy

    # What differs: read without holding anybody up, since mostly nothing does.

    def customers_to_value(self, connection: Connection, page: Page, *, since: date) -> list[dict[str, int]]:
        """Customers whose lifetime value is not what it should be, with what it should be.

        What counts are the purchases since a day, and one term of each active subscription and policy that ends no
        earlier. A supply's estimate counts nothing: its purchases do. A customer of whom there is nothing has no value.
        """
        worth = _worth(self.policy)
        new = _whole(func.coalesce(worth.c.parts, 0))
        wanted = (
            select(customers.c.id.label("row_id"), new.label("value"))
            .outerjoin(worth, worth.c.customer_id == customers.c.id)
            .where(_of_page(customers.c.id), ~customers.c.is_ltv_stated, customers.c.erased_at.is_(None))
            .where(or_(worth.c.parts.is_not(None), customers.c.ltv_minor.is_not(None)))
            .where(customers.c.ltv_minor.is_distinct_from(new))
            .order_by(customers.c.id)
        )
        return [dict(row) for row in connection.execute(wanted, {**_bound(page), "since": since}).mappings()]

    def customers_to_tier(self, connection: Connection, page: Page) -> list[int]:
        """Customers whose tier is not that of their lifetime value, and was not stated either."""
        wanted = select(customers.c.id).where(_of_page(customers.c.id), *self._wrong_tier()).order_by(customers.c.id)
        return list(connection.execute(wanted, _bound(page)).scalars())

    def entitlements_to_value(self, connection: Connection, page: Page) -> list[int]:
        """Entitlements whose value at risk is not what policy makes of their value."""
        wanted = (
            select(entitlements.c.id).where(_of_page(entitlements.c.id), self._wrong_risk()).order_by(entitlements.c.id)
        )
        return list(connection.execute(wanted, _bound(page)).scalars())

    # What is written: these rows alone, locked in the order everybody locks them in.

    def value_customers(self, connection: Connection, values: list[dict[str, int]], *, now: datetime) -> int:
        """Write customers' lifetime values, as `customers_to_value` gave them; how many."""
        _lock(connection, customers, [value["row_id"] for value in values])
        connection.execute(_VALUE, [{**value, "now": now} for value in values])
        return len(values)

    def tier_customers(self, connection: Connection, ids: list[int], *, now: datetime) -> int:
        """Write these customers' tiers; how many. What was planned on the former tier is planned anew."""
        _lock(connection, customers, ids)
        change = (
            update(customers)
            .where(among(customers.c.id, "ids"), *self._wrong_tier())
            .values(tier=self._tier(), version=customers.c.version + 1, updated_at=bindparam("now"))
        )
        return connection.execute(change, {"ids": ids, "now": now}).rowcount

    def value_entitlements(self, connection: Connection, ids: list[int], *, now: datetime) -> int:
        """Write what these entitlements put at risk; how many. Actions do not rest on it: no version rises."""
        _lock(connection, entitlements, ids)
        change = (
            update(entitlements)
            .where(among(entitlements.c.id, "ids"), self._wrong_risk())
            .values(at_risk_minor=self._risk(), updated_at=bindparam("now"))
        )
        return connection.execute(change, {"ids": ids, "now": now}).rowcount

    def _wrong_tier(self) -> tuple[ColumnElement[bool], ...]:
        known = (customers.c.ltv_minor.is_not(None), ~customers.c.is_tier_stated, customers.c.erased_at.is_(None))
        return (*known, customers.c.tier != self._tier())

    def _tier(self) -> ColumnElement[str]:
        falling = sorted(self.policy.tiers.items(), key=lambda one: one[1], reverse=True)
        return case(
            *((customers.c.ltv_minor >= least, tier.value) for tier, least in falling), else_=falling[-1][0].value
        )

    def _wrong_risk(self) -> ColumnElement[bool]:
        return entitlements.c.at_risk_minor != self._risk()

    def _risk(self) -> ColumnElement[int]:
        by_kind = (
            (entitlements.c.kind == kind.value, _parts(entitlements.c.currency, self.policy, share=share))
            for kind, share in self.policy.at_risk.items()
        )
        parts = func.coalesce(entitlements.c.value_minor, 0) * case(*by_kind, else_=0)
        return _whole(parts)


def _worth(policy: ValuePolicy) -> Subquery:
    """What the customers of a page are worth, in parts."""
    bought = select(
        purchases.c.customer_id, (purchases.c.amount_minor * _parts(purchases.c.currency, policy)).label("parts")
    ).where(_of_page(purchases.c.customer_id), purchases.c.bought_on >= bindparam("since"))
    running = select(
        entitlements.c.customer_id,
        (entitlements.c.value_minor * _parts(entitlements.c.currency, policy)).label("parts"),
    ).where(
        _of_page(entitlements.c.customer_id),
        entitlements.c.state == Standing.ACTIVE.value,
        entitlements.c.kind != EntitlementKind.SUPPLY.value,
        entitlements.c.ends_on >= bindparam("since"),
        entitlements.c.value_minor.is_not(None),
    )
    both = union_all(bought, running).subquery()
    total = cast(func.sum(both.c.parts), BigInteger).label("parts")  # PostgreSQL's sum of big integers is a decimal
    return select(both.c.customer_id, total).group_by(both.c.customer_id).subquery()


def _parts(currency: Column[Any], policy: ValuePolicy, *, share: float = 1.0) -> ColumnElement[int]:
    """Parts of one minor unit; a currency whose rate was taken out of the policy counts nothing."""
    known = (
        (currency == code, literal(parts_per_minor_unit(code, policy, share=share), BigInteger()))
        for code in policy.rates
    )
    return case(*known, else_=literal(0, BigInteger()))


def _whole(parts: ColumnElement[int]) -> ColumnElement[int]:
    """As `domain.value.whole`."""
    return (parts + PARTS // 2) // PARTS


def _of_page(ids: Column[Any]) -> ColumnElement[bool]:
    return (ids > bindparam("above")) & (ids <= bindparam("up_to"))


def _bound(page: Page) -> dict[str, int]:
    return {"above": page[0], "up_to": page[1]}


def _lock(connection: Connection, table: Table, ids: list[int]) -> None:
    """Hold rows until the transaction ends, in id order, as everybody does who holds several."""
    held = select(table.c.id).where(among(table.c.id, "ids")).order_by(table.c.id).with_for_update(key_share=True)
    connection.execute(held, {"ids": ids})
