"""What arming must know of the rows it holds, read under its locks: the re-checks' facts, each a set-based query."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, func, literal, select

from domain import recheck
from domain.actions import Basis, Capability, State
from domain.customers import Customer
from store.canonical import address_hash
from store.ledger.rows import (
    BASES,
    CAPABILITIES,
    Claimed,
    actions,
    audit,
    cap_slots,
    cases,
    consents,
    customers,
    evidence,
    reviews,
    suppressions,
)
from store.types import Instant, among

_CHANGED = (
    select(evidence.c.action_id, evidence.c.fact)
    .outerjoin(customers, and_(evidence.c.fact == "customer", customers.c.id == evidence.c.subject_id))
    .outerjoin(cases, and_(evidence.c.fact == "case", cases.c.id == evidence.c.subject_id))
    .where(among(evidence.c.action_id, "ids"))
    .where(func.coalesce(customers.c.version, cases.c.version, literal(-1)) != evidence.c.version)
    .order_by(evidence.c.action_id, evidence.c.fact)
)
_APPROVED = (
    select(actions.c.id)
    .join(reviews, reviews.c.id == actions.c.review_id)
    .where(among(actions.c.id, "ids"), reviews.c.state == "approved", reviews.c.payload_hash == actions.c.payload_hash)
)
_LOST = (
    select(audit.c.action_id)
    .where(among(audit.c.action_id, "ids"), audit.c.after == literal(State.UNCERTAIN))
    .distinct()
)
_CONSENTS = select(consents.c.customer_id, consents.c.purpose, consents.c.granted).where(
    consents.c.channel == bindparam("on_channel"), among(consents.c.customer_id, "ids")
)
_CONTACTS = select(cap_slots.c.customer_id, cap_slots.c.at).where(
    among(cap_slots.c.customer_id, "ids"),
    cap_slots.c.at > bindparam("since", type_=Instant),
    ~among(cap_slots.c.action_id, "except_for"),
)
_SUPPRESSED = select(suppressions.c.address_hash).where(
    suppressions.c.channel == bindparam("on_channel"),
    among(suppressions.c.address_hash, "hashes"),
)


def read_facts(
    connection: Connection,
    rows: Sequence[Claimed],
    people: Mapping[int | None, Customer],
    *,
    channel: Capability,
    address_of: str | None,
    contacts_since: datetime,
) -> dict[int, recheck.Facts]:
    """The facts of each action by its id; `people` are their customers by id, `address_of` an address here."""
    changed = _changed(connection, [row.id for row in rows])
    approved = _approved(connection, [row.id for row in rows if row.review_id is not None])
    out = may_be_out(connection, [row.id for row in rows if row.fence > 1])  # the first claim has fence 1
    proactive = [row for row in rows if row.basis == Basis.PROACTIVE]
    granted = _consents(connection, proactive, channel)
    contacts = _contacts(connection, proactive, contacts_since)
    suppressed = set() if address_of is None else _suppressed(connection, people, channel, address_of)
    return {
        row.id: recheck.Facts(
            basis=BASES[row.basis],
            capability=CAPABILITIES[row.capability],
            not_after=row.not_after,
            stale_after=row.stale_after,
            changed=changed.get(row.id, ()),
            approved=row.review_id is None or row.id in approved,
            customer=people.get(row.customer_id),
            suppressed=row.customer_id in suppressed,
            consent=granted.get((row.customer_id, row.purpose)),
            contacts=tuple(contacts.get(row.customer_id, ())),
            may_be_out=row.id in out,
        )
        for row in rows
    }


def may_be_out(connection: Connection, ids: Sequence[int]) -> set[int]:
    """Those of which an answer was lost once: somebody may have them, whatever is decided now."""
    return set(connection.execute(_LOST, {"ids": ids}).scalars()) if ids else set()


def _changed(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """One set-based join: whose facts have another version now."""
    found: dict[int, tuple[str, ...]] = {}
    for action_id, fact in connection.execute(_CHANGED, {"ids": ids}):
        found[action_id] = (*found.get(action_id, ()), fact)
    return found


def _approved(connection: Connection, ids: Sequence[int]) -> set[int]:
    return set(connection.execute(_APPROVED, {"ids": ids}).scalars()) if ids else set()


def _consents(
    connection: Connection, rows: Sequence[Claimed], channel: Capability
) -> dict[tuple[int | None, str | None], bool]:
    if not rows:
        return {}
    said = connection.execute(_CONSENTS, {"on_channel": channel, "ids": [row.customer_id for row in rows]})
    return {(customer_id, purpose): granted for customer_id, purpose, granted in said.all()}


def _contacts(connection: Connection, rows: Sequence[Claimed], since: datetime) -> dict[int | None, list[datetime]]:
    found: dict[int | None, list[datetime]] = defaultdict(list)
    if rows:
        asked = {
            "ids": [row.customer_id for row in rows],
            "since": since,
            "except_for": [row.id for row in rows],  # a retry does not count twice
        }
        for customer_id, at in connection.execute(_CONTACTS, asked).all():
            found[customer_id].append(at)
    return found


def _suppressed(
    connection: Connection, people: Mapping[int | None, Customer], channel: Capability, address_of: str
) -> set[int | None]:
    hashes: dict[str, list[int | None]] = defaultdict(list)
    for customer_id, customer in people.items():
        address = getattr(customer, address_of)
        if address:
            hashes[address_hash(address)].append(customer_id)
    if not hashes:
        return set()
    listed = connection.execute(_SUPPRESSED, {"on_channel": channel, "hashes": list(hashes)}).scalars()
    return {customer_id for found in listed for customer_id in hashes[found]}
