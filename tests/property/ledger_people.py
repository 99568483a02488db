"""What becomes true of a customer: written as the house writes it, and remembered by the test itself."""

from dataclasses import replace

from ledger_house import House
from ledger_outside import REFS
from sqlalchemy import Connection, select

from domain.actions import Capability
from store import cases
from store import customers as people
from store.tables import metadata


def change(house: House, ref: str, what: str, channel: Capability) -> None:
    """One of `CHANGES`."""
    with house.database.write() as connection:
        _change(connection, house, ref, what, channel)


def _change(connection: Connection, house: House, ref: str, what: str, channel: Capability) -> None:
    person, now = house.people[ref], house.world.now
    match what:
        case "withdraw" | "allow":
            person.consent[channel.value] = what == "allow"
            people.set_consent(connection, person.id, "reminders", channel, granted=what == "allow", now=now)
        case "suppress":
            people.suppress(connection, channel, person.address(channel), "bounce", now=now)
            house.suppressed.add((channel.value, person.address(channel)))
        case "lock":
            people.set_tact_lock(connection, person.id, "words", now=now)
            person.is_locked = True
        case "lift":
            people.lift_tact_lock(connection, person.id, now=now)
            person.is_locked = False
        case "move" if not person.is_erased:
            found = people.locked(connection, ref)
            assert found is not None
            person.email, person.moves = f"new-{person.email}", person.moves + 1
            people.save(connection, person.id, found[1], replace(found[1], email=person.email), now=now)
        case "solve":
            standing = metadata.tables["cases"]
            for row in connection.execute(select(standing.c.id).where(standing.c.customer_id == person.id)).all():
                house.tally.did("case solved", cases.solve(connection, row.id, now=now) is not None)
            return
        case "erase" if ref == REFS[-1]:
            people.erase(connection, person.id, now=now)
            person.is_erased = True
        case _:
            return
    house.tally.did(f"customer: {what}")
