"""Valuing: what customers and endings are worth by policy, counted anew; only what changed is written."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from domain.policy import Policy
from domain.value import counts_from
from store.database import Database
from store.ledger.rows import customers
from store.pages import id_ranges
from store.valuing import Valuing, entitlements

T = TypeVar("T")

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
        for some in _in_steps(values):
            with database.write("valued") as connection:
                valued += valuing.value_customers(connection, some, now=now)
        with database.read() as connection:
            wrong = valuing.customers_to_tier(connection, page)
        for ids in _in_steps(wrong):
            with database.write("tiered") as connection:
                tiered += valuing.tier_customers(connection, ids, now=now)
    for page in id_ranges(database, entitlements, _READ):
        with database.read() as connection:
            wrong = valuing.entitlements_to_value(connection, page)
        for ids in _in_steps(wrong):
            with database.write("valued") as connection:
                at_risk += valuing.value_entitlements(connection, ids, now=now)
    return Revalued(valued, tiered, at_risk)


def _in_steps(rows: Sequence[T]) -> Iterator[list[T]]:
    """So many at a time, with a rest as long as each took: somebody else may have the lock meanwhile."""
    for start in range(0, len(rows), _WRITTEN):
        begun = time.monotonic()
        yield list(rows[start : start + _WRITTEN])
        time.sleep(time.monotonic() - begun)
