"""Valuing: what customers and endings are worth by policy, counted anew; only what changed is written."""

from dataclasses import dataclass
from datetime import datetime

from domain.policy import Policy
from domain.value import counts_from
from store.database import Database
from store.ledger.rows import customers
from store.pages import id_ranges, in_steps
from store.valuing import Valuing, entitlements

_READ = 5_000
"""Rows looked at in one step; nobody waits for it."""

_WRITTEN = 500
"""Rows written in one transaction: a few milliseconds, for which the urgent path waits on SQLite."""


@dataclass(frozen=True, slots=True)
class Revalued:
    """What changed."""

    customers: int  # whose lifetime value is another
    tiers_changed: int
    entitlements: int  # whose value at risk is another


def revalue(database: Database, policy: Policy, *, now: datetime) -> Revalued:
    """Count lifetime values, tiers and values at risk anew, and write those that changed.

    Lifetime values and tiers that were imported stay. A changed tier raises the customer's version, so that what was
    planned on the former one is planned anew. The same data and day again change nothing.
    """
    valuing = Valuing(policy.value)
    since = counts_from(now.date(), policy.value)
    valued = tiered = at_risk = 0
    for page in id_ranges(database, customers, _READ):
        with database.read() as connection:
            values = valuing.customers_to_value(connection, page, since=since)
        for some in in_steps(database, values, _WRITTEN):
            with database.write("valued") as connection:
                valued += valuing.value_customers(connection, some, now=now)
        with database.read() as connection:
            wrong = valuing.customers_to_tier(connection, page)
        for ids in in_steps(database, wrong, _WRITTEN):
            with database.write("tiered") as connection:
                tiered += valuing.tier_customers(connection, ids, now=now)
    for page in id_ranges(database, entitlements, _READ):
        with database.read() as connection:
            wrong = valuing.entitlements_to_value(connection, page)
        for ids in in_steps(database, wrong, _WRITTEN):
            with database.write("valued") as connection:
                at_risk += valuing.value_entitlements(connection, ids, now=now)
    return Revalued(valued, tiered, at_risk)
