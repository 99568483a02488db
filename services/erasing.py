"""Erase a customer: everything of theirs that is ours, and what connected systems are asked to forget.

First one transaction about the customer, who is silent from its commit on; then what came in and broke its contract,
page by page, as it belongs to nobody until its bytes are read. Done twice, it takes out what came in between.
"""

import csv
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.parser import BytesParser
from email.policy import default as default_policy
from itertools import zip_longest
from typing import Any

from sqlalchemy import Connection, Table

from domain.actions import Capability
from domain.customers import Customer
from domain.erasure import SUPPRESSED, Known, plan_erasures
from store import customers, erasing
from store.crash_points import reached
from store.database import Database
from store.erasing import Counts, Kept
from store.ledger.enqueue import About, enqueue
from store.pages import id_ranges

_PAGE = 100
"""Bodies read at a time; each may have 256 kB."""


class NoSuchCustomer(LookupError):
    """Nobody has this ref."""


@dataclass(slots=True)
class Erased:
    """What an erasure came to."""

    customer: str
    at: datetime  # when they were erased first
    counts: Counts  # rows blanked, by table
    cancelled: int  # actions that were not sent yet
    asked: list[str]  # the integrations that were asked to forget them
    shared: dict[str, list[str]] = field(default_factory=dict)  # channel → refs of others who have the same address
    look_at: list[int] = field(default_factory=list)  # in quarantine, and perhaps theirs: their name is in it
    log_is_empty: bool = True

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "customer": self.customer,
            "erased_at": self.at.isoformat(),
            "blanked": self.counts,
            "cancelled": self.cancelled,
            "asked": self.asked,
            "address_of_others_too": self.shared,
            "quarantine_to_look_at": self.look_at,
            "log_is_empty": self.log_is_empty,
        }


def erase_customer(
    database: Database,
    ref: str,
    integrations: Sequence[tuple[str, Capability]],
    *,
    by: str,
    reason: str,
    now: datetime,
) -> Erased:
    """Erase them. `integrations` are those that can forget a customer (name, capability). Raises NoSuchCustomer."""
    shared = _shared(database, ref)
    with database.write("erase") as connection:
        known, customer_id, erased = erase_known(connection, ref, integrations, shared, by=by, now=now)
    theirs, erased.look_at = _in_quarantine(database, known)
    fetches = _announced(database, known)
    if theirs or fetches:
        with database.write("erase-intake") as connection:
            erasing.blank_quarantine(connection, theirs, by=by, now=now)
            erasing.blank_fetches(connection, fetches)
        erased.counts |= {"quarantine": len(theirs)} if theirs else {}
        erased.counts["survey_fetches"] = erased.counts.get("survey_fetches", 0) + len(fetches)
    erased.counts = {table: count for table, count in erased.counts.items() if count}
    with database.write("erase-note") as connection:
        erasing.note(connection, customer_id, erased.counts, by=by, reason=known.taken_out_of(reason), now=now)
    erased.log_is_empty = database.empty_log()
    return erased


def erase_known(
    connection: Connection,
    ref: str,
    integrations: Sequence[tuple[str, Capability]],
    shared: Mapping[str, Sequence[str]],
    *,
    by: str,
    now: datetime,
) -> tuple[Known, int, Erased]:
    """What belongs to them by our own books, their row first; what they were known by, and our id of them.

    `shared`: by channel, the refs of others with the same address. Raises NoSuchCustomer.
    """
    found = customers.locked(connection, ref)
    if found is None:
        raise NoSuchCustomer(ref)
    customer_id, customer = found
    known = Known.of(customer)
    _suppress(connection, customer, shared, now)
    if not customer.erased:
        customers.erase(connection, customer_id, now=now)
        reached("erase.blanked")
    erasing.blank_person(connection, customer_id)
    cancelled = erasing.cancel_unsent(connection, customer_id, by=by, now=now)
    counts = erasing.take_out(connection, customer_id, ref, known.addresses, known.taken_out_of)
    counts["consents"] = erasing.refuse_all(connection, customer_id, now=now)
    counts["customers"] = 0 if customer.erased else 1
    planned = plan_erasures(ref, integrations, now=now)
    enqueue(connection, planned, About(customer_id=customer_id), run=by, now=now)
    reached("erase.taken_out")
    since = erasing.erased_at(connection, customer_id)
    asked = [name for name, _ in integrations]
    return (
        known,
        customer_id,
        Erased(ref, since, counts, cancelled, asked, {at: list(refs) for at, refs in shared.items()}),
    )


def _suppress(connection: Connection, customer: Customer, shared: Mapping[str, Sequence[str]], now: datetime) -> None:
    """Whoever is imported anew with an address of theirs, under whatever ref, is not written to there.

    An address that others have on file too is theirs as well: it stays open.
    """
    for channel, address in _addresses(customer):
        if channel not in shared:
            erasing.suppress(connection, channel, address, SUPPRESSED, now=now)


def _addresses(customer: Customer) -> list[tuple[str, str]]:
    on_file = {
        Capability.MAIL: customer.email,
        Capability.SMS: customer.phone,
        Capability.VOICE: customer.phone,
        Capability.PUSH: customer.device,
    }
    return [(channel.value, address) for channel, address in on_file.items() if address]


def _shared(database: Database, ref: str) -> dict[str, list[str]]:
    """Channel → the refs of others with the same address. Looked for before anything is held: it may take a while."""
    with database.read() as connection:
        customer = customers.by_ref(connection, ref)
        if customer is None:
            raise NoSuchCustomer(ref)
        found = {
            channel: erasing.others_with(connection, ref, channel, address) for channel, address in _addresses(customer)
        }
    return {channel: refs for channel, refs in found.items() if refs}


def _in_quarantine(database: Database, known: Known) -> tuple[list[int], list[int]]:
    """Rows that are about them, and rows that may be: their name is in it, and nothing else of theirs."""
    theirs: set[int] = set()
    perhaps: set[int] = set()
    for kept in _pages(database, erasing.quarantine, erasing.kept_bodies):
        fields = list(_fields(kept))
        if known.is_about(fields):
            theirs.add(kept.id)
        elif any(known.may_be_about(value) for _, value in fields):
            perhaps.add(kept.id)
    return sorted(theirs), sorted(perhaps - theirs)


def _announced(database: Database, known: Known) -> list[int]:
    """Announcements of survey tools that are about them."""
    kept = _pages(database, erasing.fetches, erasing.fetched_bodies)
    return sorted({one.id for one in kept if known.is_about(_fields(one))})


def _pages(database: Database, table: Table, read: Callable[[Connection, int, int], list[Kept]]) -> Iterator[Kept]:
    for above, up_to in id_ranges(database, table, _PAGE):
        with database.read() as connection:
            page = read(connection, above, up_to)
        yield from page


def _fields(kept: Kept) -> Iterator[tuple[str, str]]:
    """What bytes say, by name, however broken: the values of JSON, the cells of a CSV's row, a mail's words."""
    text = kept.body.decode("utf-8", errors="replace")
    as_csv = (kept.layout or {}).get("csv")
    if as_csv is not None:
        yield from _cells(text, as_csv["columns"], as_csv["separator"])
        return
    try:
        yield from _values("", json.loads(text))
    except (ValueError, RecursionError):
        yield "", text
        yield from _mail(kept.body)


def _values(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for inner, it in value.items():
            yield from _values(f"{name}.{inner}", it)
    elif isinstance(value, list):
        for it in value:
            yield from _values(name, it)
    elif value is not None:
        yield name, str(value)


def _cells(text: str, columns: Sequence[str], separator: str) -> Iterator[tuple[str, str]]:
    try:
        rows = list(csv.reader([text.rstrip("\r\n")], delimiter=separator))
    except csv.Error:
        rows = [[text]]
    for cells in rows:
        yield from zip_longest(columns, cells, fillvalue="")


def _mail(body: bytes) -> Iterator[tuple[str, str]]:
    """A raw mail's sender and its decoded text parts."""
    mail = BytesParser(policy=default_policy).parsebytes(body)
    yield "from", str(mail.get("from", ""))
    for part in mail.walk():
        if part.get_content_maintype() == "text":
            said = part.get_payload(decode=True)
            yield "text", said.decode("utf-8", errors="replace") if isinstance(said, bytes) else ""
