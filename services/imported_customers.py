"""One row of an import of customers, taken into the books."""

from collections.abc import Collection
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, select

from data_contracts.customers import CustomerRow
from domain.customers import Customer
from store import customers
from store.ledger.rows import consents


def take_customer(connection: Connection, row: CustomerRow, said: Collection[str], *, now: datetime) -> bool:
    """Create the customer or write what the row says of them; True when anything changed.

    `said` are the row's columns that are not empty: an empty one changes nothing. An erased customer stays blank, and
    consent that was taken back is not given again by a file: it may be older than the customer's word.
    """
    told = row.as_customer()
    known = customers.locked(connection, told.ref)
    if known is None:
        customer_id = customers.create(connection, told, now=now)
        _say_consents(connection, customer_id, row, now=now)
        return True
    customer_id, on_file = known
    if on_file.erased:
        return False
    merged = _merged(on_file, told, said)
    changed = customers.save(connection, customer_id, on_file, merged, now=now)
    return _say_consents(connection, customer_id, row, now=now) or changed


def _merged(on_file: Customer, told: Customer, said: Collection[str]) -> Customer:
    merged = replace(
        on_file,
        name=told.name or on_file.name,
        email=told.email or on_file.email,
        phone=told.phone or on_file.phone,
        language=told.language or on_file.language,
        time_zone=told.time_zone or on_file.time_zone,
        preferred_channel=told.preferred_channel or on_file.preferred_channel,
        window=told.window or on_file.window,
        dedicated_agent=told.dedicated_agent or on_file.dedicated_agent,
    )
    return replace(merged, tier=told.tier) if "tier" in said else merged


def _say_consents(connection: Connection, customer_id: int, row: CustomerRow, *, now: datetime) -> bool:
    recorded = {
        (found.purpose, found.channel): found.granted
        for found in connection.execute(select(consents).where(consents.c.customer_id == customer_id))
    }
    changed = False
    for (purpose, channel), granted in row.consents.items():
        before = recorded.get((purpose, channel))
        if before is None or (before and not granted):
            customers.set_consent(connection, customer_id, purpose, channel, granted=granted, now=now)
            changed = True
    return changed
