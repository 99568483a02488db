"""Good rows of a batch, written into the books."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from data_contracts.customers import consents_of
from domain.entitlements import Entitlement, EntitlementKind, Money, Standing, occurrence_after, occurrence_of
from domain.gates import DataSet
from domain.policy import Policy
from domain.value import in_policy_currency
from store import entitlements, imported_customers, purchases
from store.entitlements import Owned, Saved
from store.imported_customers import Told
from store.purchases import Bought

ReadRow = Mapping[str, Any]
"""A row as its contract reads it, with `customer_id` and `customer_zone` where it refers to a customer."""

Apply = Callable[[Connection, Sequence[ReadRow], int, Policy, datetime], Saved]


def apply(
    connection: Connection, data_set: DataSet, rows: Sequence[ReadRow], *, gate_id: int, policy: Policy, now: datetime
) -> Saved:
    """Write some rows of a data set, each of another ref, through their gate."""
    return _APPLY[data_set](connection, rows, gate_id, policy, now)


def _customers(connection: Connection, rows: Sequence[ReadRow], gate_id: int, policy: Policy, now: datetime) -> Saved:
    told = [Told(row["ref"], _said(row, policy), _answers(row)) for row in rows]
    return imported_customers.save(connection, told, gate_id=gate_id, now=now)


def _answers(row: ReadRow) -> dict[tuple[str, str], bool]:
    return {(purpose.value, channel.value): said for (purpose, channel), said in consents_of(row).items()}


_AS_SAID = (
    *("name", "email", "phone", "device", "language", "time_zone", "tier", "preferred_channel"),
    *("window_start", "window_end", "dedicated_agent"),
)


def _said(row: ReadRow, policy: Policy) -> dict[str, Any]:
    said = {name: row[name] for name in _AS_SAID if row[name] is not None}
    if "tier" in said:
        said["is_tier_stated"] = True
    if row["ltv"] is not None:
        worth = in_policy_currency(Money(row["ltv"], row["ltv_currency"]), policy.value)
        said |= {"ltv_minor": worth, "is_ltv_stated": True}
    return said


def _entitlements(
    connection: Connection, rows: Sequence[ReadRow], gate_id: int, policy: Policy, now: datetime
) -> Saved:
    owned = [Owned(row["customer_id"], _entitlement(row, policy), row["changed_at"]) for row in rows]
    return entitlements.save(connection, owned, gate_id=gate_id, policy=policy, now=now)


def _entitlement(row: ReadRow, policy: Policy) -> Entitlement:
    is_supply = row["kind"] == EntitlementKind.SUPPLY
    return Entitlement(
        ref=row["ref"],
        customer_ref=row["customer_ref"],
        kind=EntitlementKind(row["kind"]),
        product=row["product"],
        ends_on=row["ends_on"],
        time_zone=row["time_zone"] or row["customer_zone"] or policy.default_time_zone,
        occurrence=occurrence_after(row["bought_on"]) if is_supply else occurrence_of(row["ends_on"]),
        standing=Standing(row["state"]),
        auto_renews=row["auto_renews"],
        value=None if row["value"] is None else Money(row["value"], row["currency"]),
    )


def _purchases(connection: Connection, rows: Sequence[ReadRow], gate_id: int, _policy: Policy, _now: datetime) -> Saved:
    bought = [
        Bought(
            ref=row["ref"],
            customer_id=row["customer_id"],
            product=row["product"],
            is_supply=row["is_supply"],
            bought_on=row["bought_on"],
            quantity=row["quantity"],
            amount_minor=row["amount"],
            currency=row["currency"],
        )
        for row in rows
    ]
    return purchases.save(connection, bought, gate_id=gate_id)


_APPLY: Mapping[DataSet, Apply] = {
    DataSet.CUSTOMERS: _customers,
    DataSet.ENTITLEMENTS: _entitlements,
    DataSet.PURCHASES: _purchases,
}
