"""Whom what comes in is about: found by their ref, or created from what it tells of them."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from domain.customers import Customer, fill_blanks
from store import customers

OnFile = Mapping[str, tuple[int, Customer]]
"""Our id of each customer and what we know of them, by ref."""


def on_file(connection: Connection, told: Sequence[Customer], found: OnFile, now: datetime) -> OnFile:
    """Those told of, each of another ref, as they are now: created, or their blanks filled.

    `found` are those that are on file already, held. Whom another process creates at this very moment is missing: they
    are on file the next time.
    """
    made = customers.create_all(connection, [one for one in told if one.ref not in found], now=now)
    people = {}
    for one in told:
        if one.ref in made:
            people[one.ref] = (made[one.ref], one)
        elif one.ref in found:
            customer_id, before = found[one.ref]
            filled = fill_blanks(before, one)
            customers.save(connection, customer_id, before, filled, now=now)
            people[one.ref] = (customer_id, filled)
    return people
