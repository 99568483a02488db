"""Depletion: what customers bought that runs out becomes entitlements that end, by an estimate."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row

from domain.actions import key
from domain.depletion import NoEstimate, Rhythms, next_need
from domain.entitlements import Entitlement, EntitlementKind, Money, Standing, occurrence_after
from domain.policy import Policy
from store import supplies
from store.database import Database
from store.entitlements import Owned, save
from store.ledger.rows import customers
from store.pages import id_ranges, in_steps
from store.supplies import Supply

_READ = 2_000
"""Customers looked at in one step; nobody waits for it."""

_WRITTEN = 200
"""Entitlements written in one transaction: some milliseconds, for which the urgent path waits on SQLite."""


@dataclass(frozen=True, slots=True)
class SuppliesRenewed:
    """What became of the supplies; one is one product of one customer."""

    estimated: int  # newly, after a purchase
    unchanged: int  # nothing was bought since the estimate that stands
    withdrawn: int  # bought again, but nothing can be said of when the next is needed
    too_little_data: Mapping[str, int]
    """How many have no estimate, by reason in words (`domain.depletion.NoEstimate`)."""


@dataclass
class _Work:
    """What one run knows and counts."""

    policy: Policy
    as_of: date
    rhythms: Rhythms
    estimated: int = 0
    unchanged: int = 0
    withdrawn: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def supply_ref(customer_ref: str, product: str) -> str:
    """The ref of a supply."""
    return key("supply", customer_ref, product)


def renew_supplies(database: Database, policy: Policy, *, now: datetime) -> SuppliesRenewed:
    """Estimate when what was bought since the last run runs out, and write it down as entitlements.

    An estimate is made once after each purchase and stands until the next one: what is planned on it does not move
    because others bought. It is judged on the last day whose purchases are known, so a feed that is late does not look
    like customers who have stopped. The same purchases again change nothing. Memory does not grow with customers.
    """
    today = now.date()
    with database.read() as connection:
        as_of = supplies.newest_purchase(connection, today=today)
    if as_of is None:
        return SuppliesRenewed(0, 0, 0, {})
    rhythms = Rhythms(policy.depletion)
    for page in id_ranges(database, customers, _READ):
        with database.read() as connection:
            for supply in supplies.supplies(connection, page, today=today):
                rhythms.add(supply.product, supply.history)
    work = _Work(policy, as_of, rhythms)
    for page in id_ranges(database, customers, _READ):
        _write(database, _estimates(database, page, work), policy, now=now)
    return SuppliesRenewed(work.estimated, work.unchanged, work.withdrawn, dict(sorted(work.reasons.items())))


def _estimates(database: Database, page: tuple[int, int], work: _Work) -> dict[int, list[Owned]]:
    """What is to be written down for a page of customers, by gate."""
    told: defaultdict[int, list[Owned]] = defaultdict(list)
    with database.read() as connection:
        found = list(supplies.supplies(connection, page, today=work.as_of))
        known = supplies.written(connection, page)
        owners = supplies.owners(connection, list({supply.customer_id for supply in found}))
    for supply in found:
        owner = owners[supply.customer_id]
        entitlement = _entitlement(supply, owner, known.get(supply_ref(owner.ref, supply.product)), work)
        if entitlement is not None:
            told[supply.gate_id].append(Owned(supply.customer_id, entitlement))
    return told


def _entitlement(supply: Supply, owner: Row[Any], known: Row[Any] | None, work: _Work) -> Entitlement | None:
    """The supply as it is to be written down; None: as it is, or not at all."""
    occurrence = occurrence_after(supply.history[-1].on)
    if known is not None and known.occurrence == occurrence:
        work.unchanged += 1
        return None
    need = next_need(supply.history, work.rhythms.of(supply.product), work.policy.depletion, as_of=work.as_of)
    if isinstance(need, NoEstimate):
        work.reasons[need.value] += 1
        if known is None or known.state != Standing.ACTIVE:
            return None
        work.withdrawn += 1
        return _withdrawn(owner, known, work.policy)
    work.estimated += 1
    return Entitlement(
        ref=supply_ref(owner.ref, supply.product),
        customer_ref=owner.ref,
        kind=EntitlementKind.SUPPLY,
        product=supply.product,
        ends_on=need.likely_on,
        time_zone=owner.time_zone or work.policy.default_time_zone,
        occurrence=occurrence,
        value=supply.usual if supply.usual.minor and supply.usual.currency in work.policy.value.rates else None,
        earliest_on=need.earliest_on,
        latest_on=need.latest_on,
    )


def _withdrawn(owner: Row[Any], known: Row[Any], policy: Policy) -> Entitlement:
    """An estimate that a later purchase has ended, and that no other follows."""
    return Entitlement(
        ref=known.ref,
        customer_ref=owner.ref,
        kind=EntitlementKind.SUPPLY,
        product=known.product,
        ends_on=known.ends_on,
        time_zone=known.time_zone,
        occurrence=known.occurrence,
        standing=Standing.CANCELLED,
        value=Money(known.value_minor, known.currency) if known.currency in policy.value.rates else None,
        earliest_on=known.earliest_on,
        latest_on=known.latest_on,
    )


def _write(database: Database, told: Mapping[int, list[Owned]], policy: Policy, *, now: datetime) -> None:
    for gate_id, owned in told.items():
        for some in in_steps(database, owned, _WRITTEN):
            with database.write("supplies") as connection:
                save(connection, some, gate_id=gate_id, policy=policy, now=now)
