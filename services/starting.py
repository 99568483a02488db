"""What a start would let go, before it does: counts, and what arming would say of the first of them as things stand."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from sqlalchemy import Connection

from domain import recheck
from domain.actions import Capability
from domain.controls import EVERYTHING, Part, Stop
from domain.customers import Customer
from domain.instants import iso
from domain.policy import Policy
from domain.words import how_many
from services.dispatch import ADDRESS
from store import controls
from store.customers import Person, as_customer
from store.database import Database
from store.ledger.facts import read_facts
from store.ledger.rows import Claimed

LOOKED_AT = 1_000
"""Actions that are judged one by one, those that would go first."""

_FATES: dict[type[recheck.Verdict], str] = {
    recheck.Go: "to go out",
    recheck.Skip: "to be skipped",
    recheck.Expire: "to expire",
    recheck.Defer: "to wait on",
    recheck.Replan: "to be planned anew",
    recheck.ToPerson: "to go to a person",
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """So many actions of one kind, on one channel, for customers of one tier."""

    kind: str
    channel: str
    tier: str | None
    count: int
    oldest: datetime  # when the first of them was due, or until when it was put off


@dataclass(frozen=True, slots=True)
class WouldGo:
    """What a start of `part` would let go."""

    part: Part
    is_stopped: bool  # False: a start changes nothing
    waiting: tuple[Waiting, ...]
    fates: dict[str, int]  # what becomes of those that would go first: `to go out`, `to expire` …
    still: tuple[Stop, ...]  # what stays stopped; of it nothing is counted

    @property
    def count(self) -> int:
        """How many actions are due."""
        return sum(one.count for one in self.waiting)

    @property
    def looked_at(self) -> int:
        """Of how many `fates` tells."""
        return sum(self.fates.values())

    @property
    def words(self) -> list[str]:
        """For people, a line each: what waits is a table of its own (`waiting`)."""
        lines = [] if self.is_stopped else [f"{self.part.words} is not stopped"]
        lines += [f"stays stopped: {stop.told}" for stop in self.still]
        if any(stop.part == EVERYTHING for stop in self.still):
            return [*lines, "nothing goes out before everything is started too"]
        if not self.count:
            return [*lines, "nothing that is due waits for it"]
        told = ", ".join(f"{count} {fate}" for fate, count in self.fates.items())
        those = "of them" if self.looked_at == self.count else f"of the first {self.looked_at}"
        return [*lines, how_many(self.count, "action is due", "actions are due"), f"{those}, as things stand: {told}"]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            **{"scope": self.part.scope.value, "name": self.part.name, "stopped": self.is_stopped},
            "count": self.count,
            "waiting": [{**asdict(one), "oldest": iso(one.oldest)} for one in self.waiting],
            "looked_at": self.looked_at,
            "fates": self.fates,
            "still_stopped": [stop.as_json() for stop in self.still],
        }


def what_would_go(database: Database, policy: Policy, part: Part, *, now: datetime) -> WouldGo:
    """What a start of this part would let go now. Changes nothing and locks nothing.

    Each is judged by itself: what the vendor's rate, or another message to the same customer, puts off later is not
    foreseen. A preview is no promise: everything is judged again when it is armed.
    """
    with database.read() as connection:
        stands = controls.standing(connection)
        still = tuple(stop for stop in stands if stop.part != part)
        besides = [stop.part for stop in still]
        counted = controls.due(connection, part, besides, now=now)
        first = controls.first_due(connection, part, besides, now=now, limit=LOOKED_AT)
        fates = _fates(connection, first, policy, now)
    waiting = tuple(Waiting(*row) for row in counted)
    return WouldGo(part, len(still) < len(stands), waiting, fates, still)


def _fates(connection: Connection, rows: Sequence[Claimed], policy: Policy, now: datetime) -> dict[str, int]:
    people = _people(connection, {row.customer_id for row in rows if row.customer_id is not None})
    told = Counter[str]()
    for capability, its in groupby(sorted(rows, key=lambda row: row.capability), key=lambda row: row.capability):
        told.update(_judged(connection, list(its), people, Capability(capability), policy, now))
    return {fate: told[fate] for fate in _FATES.values() if told[fate]}


def _judged(
    connection: Connection,
    rows: Sequence[Claimed],
    people: dict[int | None, Customer],
    capability: Capability,
    policy: Policy,
    now: datetime,
) -> list[str]:
    """As arming does; one whose facts make no sense goes to a person there, and does not spoil the preview here."""
    since = now - timedelta(days=policy.contact.cap.days)
    address = ADDRESS.get(capability)
    try:
        facts = read_facts(connection, rows, people, channel=capability, address_of=address, contacts_since=since)
        return [_FATES[type(recheck.recheck(facts[row.id], policy, now=now))] for row in rows]
    except (ValueError, LookupError):
        if len(rows) == 1:
            return [_FATES[recheck.ToPerson]]
    return [fate for row in rows for fate in _judged(connection, [row], people, capability, policy, now)]


def _people(connection: Connection, ids: set[int]) -> dict[int | None, Customer]:
    found: dict[int | None, Customer] = {}
    for customer_id, *person in controls.people(connection, sorted(ids)):
        try:
            found[customer_id] = as_customer(Person(*person))
        except ValueError:  # arming gives what is for them to a person
            continue
    return found
