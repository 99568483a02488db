"""Customers: read, created, their blanks filled, silenced, remembered as not to be written to."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, time
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, func, insert, select, text, update

from domain.actions import Capability
from domain.customers import Customer, Tier
from domain.hours import ContactWindow
from store.canonical import address_hash
from store.enrolments import ERASED, SILENCED, leave, leave_refused
from store.ledger.rows import consents, customers, suppressions
from store.once import insert_listed, insert_once, insert_rows
from store.types import among

BOUND = ("name", "email", "phone", "device", "language", "time_zone", "tier", "preferred_channel", "dedicated_agent")
"""Columns messages are planned on: a change raises `version` and so re-plans what waits."""


class Person(NamedTuple):
    """What `as_customer` reads of a row, in the order of `PERSON`."""

    ref: str
    name: str | None
    email: str | None
    phone: str | None
    device: str | None
    language: str | None
    time_zone: str | None
    tier: str
    preferred_channel: str | None
    dedicated_agent: str | None
    window_start: str | None
    window_end: str | None
    tact_lock: str | None
    erased_at: datetime | None


PERSON = tuple(customers.c[name] for name in Person._fields)

_LOCKED = (
    select(customers).where(among(customers.c.ref, "refs")).order_by(customers.c.id).with_for_update(key_share=True)
)
_HELD = select(customers).where(among(customers.c.id, "ids")).order_by(customers.c.id).with_for_update(key_share=True)
_CREATE = insert_once(customers, "ref").returning(customers.c.id, customers.c.ref)
_CREATE_LISTED = insert_listed(
    *(customers, "ref"),
    columns=(
        *("ref", "name", "email", "phone", "device", "language", "time_zone", "tier", "preferred_channel"),
        *("window_start", "window_end", "dedicated_agent", "version", "touched", "created_at", "updated_at"),
    ),
    returning=("id", "ref"),
)
_IDS = select(customers.c.id, customers.c.ref, customers.c.time_zone).where(among(customers.c.ref, "refs"))
_SILENCE = (
    update(customers)
    .where(customers.c.id == bindparam("row_id"), customers.c.tact_lock.is_(None))
    .values(
        tact_lock=bindparam("reason"),
        tact_lock_at=bindparam("now"),
        touched=customers.c.touched + 1,
        updated_at=bindparam("now"),
    )
)
_SAID = "ON CONFLICT (customer_id, purpose, channel) DO UPDATE SET granted = excluded.granted, at = excluded.at"
_SAY = insert(consents).returning(consents.c.id)
_SAY._post_values_clause = text(_SAID)  # see `store.once`
_TELL = insert(consents).returning(consents.c.id)
_TELL._post_values_clause = text(  # of two words of one instant the one that silences us counts
    f"{_SAID} WHERE excluded.at > consents.at"
    " OR (excluded.at = consents.at AND consents.granted AND NOT excluded.granted)"
)
_SUPPRESS = insert_once(suppressions, "channel", "address_hash")
_SUPPRESSED = select(suppressions.c.channel, suppressions.c.address_hash).where(
    among(suppressions.c.channel, "channels"),  # without it SQLite looks through the whole table
    among(suppressions.c.address_hash, "hashes"),
)


def as_customer(row: Row[Any] | Person) -> Customer:
    """The row as the domain's value."""
    window = None
    if row.window_start and row.window_end:
        window = ContactWindow(time.fromisoformat(row.window_start), time.fromisoformat(row.window_end))
    return Customer(
        ref=row.ref,
        name=row.name,
        email=row.email,
        phone=row.phone,
        language=row.language,
        time_zone=row.time_zone,
        tier=Tier(row.tier),
        preferred_channel=Capability(row.preferred_channel) if row.preferred_channel else None,
        window=window,
        dedicated_agent=row.dedicated_agent,
        tact_lock=row.tact_lock,
        erased=row.erased_at is not None,
        device=row.device,
    )


def locked(connection: Connection, ref: str) -> tuple[int, Customer] | None:
    """The customer with this ref, held until the transaction ends; None: unknown."""
    return all_locked(connection, [ref]).get(ref)


def all_locked(connection: Connection, refs: Sequence[str]) -> dict[str, tuple[int, Customer]]:
    """The customers with these refs, held until the transaction ends, in id order; who is unknown is missing."""
    return {row.ref: (row.id, as_customer(row)) for row in connection.execute(_LOCKED, {"refs": list(refs)})}


def held(connection: Connection, customer_id: int) -> Customer | None:
    """The customer with this id of ours, held until the transaction ends; None: there is none."""
    row = connection.execute(select(customers).where(customers.c.id == customer_id).with_for_update()).one_or_none()
    return None if row is None else as_customer(row)


def by_id(connection: Connection, customer_id: int) -> Customer | None:
    """The customer with this id of ours; None: there is none."""
    row = connection.execute(select(*PERSON).where(customers.c.id == customer_id)).one_or_none()
    return None if row is None else as_customer(Person(*row))


def these(connection: Connection, ids: Collection[int]) -> dict[int, Customer]:
    """Customers by our ids, as they stand; who is not there is missing."""
    found = connection.execute(select(customers.c.id, *PERSON).where(among(customers.c.id, "ids")), {"ids": list(ids)})
    return {row.id: as_customer(Person(*row[1:])) for row in found}


def by_ref(connection: Connection, ref: str) -> Customer | None:
    """The customer with this ref; None: unknown."""
    row = connection.execute(select(*PERSON).where(customers.c.ref == ref)).one_or_none()
    return None if row is None else as_customer(Person(*row))


def all_held(connection: Connection, ids: Collection[int]) -> dict[int, Customer]:
    """The customers with these ids of ours, held until the transaction ends, in id order."""
    return {row.id: as_customer(row) for row in connection.execute(_HELD, {"ids": sorted(set(ids))})}


def ids_and_zones(connection: Connection, refs: Sequence[str]) -> list[tuple[int, str, str | None]]:
    """Id, ref and time zone of those customers among `refs` that we know."""
    found: list[tuple[int, str, str | None]] = []
    wanted = sorted(refs)  # in the order of the index
    for start in range(0, len(wanted), _REFS):
        found += connection.execute(_IDS, {"refs": wanted[start : start + _REFS]}).tuples().all()
    return found


_REFS = 10_000
"""Refs that one statement asks for."""


def create(connection: Connection, customer: Customer, *, now: datetime) -> int:
    """Insert a customer; the id. Somebody else may insert the same ref meanwhile: theirs stays, its id is returned."""
    made = create_all(connection, [customer], now=now).get(customer.ref)
    if made is None:
        made = connection.execute(select(customers.c.id).where(customers.c.ref == customer.ref)).scalar_one()
    return int(made)


def create_all(connection: Connection, created: Sequence[Customer], *, now: datetime) -> dict[str, int]:
    """Insert customers; the ids by ref. One whose ref somebody else inserted meanwhile is missing: theirs stays."""
    rows = [
        {"ref": one.ref, **_columns(one), "version": 1, "touched": 0, "created_at": now, "updated_at": now}
        for one in sorted(created, key=lambda one: one.ref)
    ]
    return {row.ref: row.id for row in insert_rows(connection, _CREATE, _CREATE_LISTED, rows)} if rows else {}


def save(connection: Connection, customer_id: int, before: Customer, after: Customer, *, now: datetime) -> bool:
    """Write what differs; raises the version when messages rest on it. True when anything changed."""
    old, new = _columns(before), _columns(after)
    changed = {column: value for column, value in new.items() if old[column] != value}
    if not changed:
        return False
    if any(column in BOUND for column in changed):
        changed["version"] = customers.c.version + 1
    connection.execute(update(customers).where(customers.c.id == customer_id).values(**changed, updated_at=now))
    return True


def set_tact_lock(connection: Connection, customer_id: int, reason: str, *, now: datetime) -> None:
    """Silence all proactive contact; the first reason stays until a person lifts it."""
    set_tact_locks(connection, {customer_id: reason}, now=now)


def set_tact_locks(connection: Connection, reasons: Mapping[int, str], *, now: datetime) -> None:
    """Silence customers, by our ids; they leave their journeys at once."""
    silenced = [{"row_id": row_id, "reason": reason, "now": now} for row_id, reason in sorted(reasons.items())]
    if silenced:
        connection.execute(_SILENCE, silenced)
        leave(connection, customer_ids=reasons, reason=SILENCED, by="tact lock", now=now)


def lift_tact_lock(connection: Connection, customer_id: int, *, now: datetime) -> None:
    """Only a solved ticket or a person does this."""
    connection.execute(
        update(customers)
        .where(customers.c.id == customer_id)
        .values(tact_lock=None, tact_lock_at=None, touched=customers.c.touched + 1, updated_at=now)
    )


def set_consent(
    connection: Connection,
    customer_id: int,
    purpose: str,
    channel: str,
    *,
    granted: bool,
    now: datetime,
    at: datetime | None = None,
) -> bool:
    """What the customer says now; or, with `at`, said then. False: that is no news, their word we know is not older.

    The customer's row is updated first: arming waits for it, or we for arming. Who allows a purpose on no channel any
    more leaves the journeys of that purpose at once.
    """
    touch(connection, customer_id, now=now)
    said = {"customer_id": customer_id, "purpose": purpose, "channel": channel, "granted": granted, "at": at or now}
    is_news = connection.execute(_SAY if at is None else _TELL, said).first() is not None
    if is_news and not granted:
        leave_refused(connection, [customer_id], by="their consent", now=now)
    return is_news


def purposes_allowed(connection: Connection, customer_id: int) -> set[str]:
    """The purposes that a customer allowed on some channel, and has not taken back there."""
    allowed = select(consents.c.purpose).where(consents.c.customer_id == customer_id, consents.c.granted)
    return set(connection.execute(allowed).scalars())


def consents_to(connection: Connection, customer_id: int, purpose: str) -> dict[Capability, bool]:
    """What the customer said last to a purpose, by channel; where they were never asked is missing."""
    said = connection.execute(
        select(consents.c.channel, consents.c.granted).where(
            consents.c.customer_id == customer_id, consents.c.purpose == purpose
        )
    )
    return {Capability(channel): granted for channel, granted in said.tuples()}


def consent(connection: Connection, customer_id: int, purpose: str, channel: str) -> bool | None:
    """What the customer said last about a purpose on a channel; None: never asked."""
    said = connection.execute(
        select(consents.c.granted).where(
            consents.c.customer_id == customer_id, consents.c.purpose == purpose, consents.c.channel == channel
        )
    ).scalar()
    return None if said is None else bool(said)


def suppress(connection: Connection, channel: str, address: str, reason: str, *, now: datetime) -> None:
    """Never write to this address again, however it is spelled; who has it is touched first, in id order."""
    if channel in {"sms", "voice"}:
        has_it = customers.c.phone == address.strip()
    elif channel == "push":
        has_it = customers.c.device == address.strip()
    else:
        has_it = func.lower(func.trim(customers.c.email)) == address.strip().lower()
    for customer_id in connection.execute(
        select(customers.c.id).where(has_it).order_by(customers.c.id).with_for_update(key_share=True)
    ).scalars().all():  # fmt: skip
        touch(connection, customer_id, now=now)
    connection.execute(
        _SUPPRESS, {"channel": channel, "address_hash": address_hash(address), "reason": reason, "at": now}
    )


def suppressed_channels(connection: Connection, customer: Customer) -> set[Capability]:
    """Channels whose address on file must not be written to."""
    return all_suppressed_channels(connection, [customer])[0]


def all_suppressed_channels(connection: Connection, people: Sequence[Customer]) -> list[set[Capability]]:
    """The same of many, in order."""
    reached = [_address_hashes(customer) for customer in people]
    asked = {
        "channels": sorted({at for channels in reached for at in channels}),
        "hashes": sorted({hashed for channels in reached for hashed in channels.values()}),
    }
    listed = {(row.channel, row.address_hash) for row in connection.execute(_SUPPRESSED, asked)}
    return [{at for at, hashed in channels.items() if (at.value, hashed) in listed} for channels in reached]


def _address_hashes(customer: Customer) -> dict[Capability, str]:
    addresses = {
        Capability.MAIL: customer.email,
        Capability.SMS: customer.phone,
        Capability.VOICE: customer.phone,
        Capability.PUSH: customer.device,
    }
    return {at: address_hash(address) for at, address in addresses.items() if address}


def erase(connection: Connection, customer_id: int, *, now: datetime) -> None:
    """Blank the person on the customer's row; the row, its ref and its counts stay. They leave their journeys."""
    blank: Mapping[str, Any] = dict.fromkeys(
        ("name", "email", "phone", "device", "preferred_channel", "dedicated_agent")
    )
    connection.execute(
        update(customers)
        .where(customers.c.id == customer_id)
        .values(
            **blank,
            erased_at=now,
            touched=customers.c.touched + 1,
            version=customers.c.version + 1,
            updated_at=now,
        )
    )
    leave(connection, customer_ids=[customer_id], reason=ERASED, by="erasure", now=now)


def touch(connection: Connection, customer_id: int, *, now: datetime) -> None:
    """Take the customer's row: the common lock of arming and of everyone who may silence it."""
    connection.execute(
        update(customers).where(customers.c.id == customer_id).values(touched=customers.c.touched + 1, updated_at=now)
    )


def facts_moved(connection: Connection, customer_id: int, *, now: datetime) -> None:
    """Something that plans about a customer rest on is not as it was: what waits is planned anew before it goes."""
    connection.execute(
        update(customers)
        .where(customers.c.id == customer_id)
        .values(version=customers.c.version + 1, touched=customers.c.touched + 1, updated_at=now)
    )


def _columns(customer: Customer) -> dict[str, Any]:
    window = customer.window
    return {
        "name": customer.name,
        "email": customer.email,
        "phone": customer.phone,
        "device": customer.device,
        "language": customer.language,
        "time_zone": customer.time_zone,
        "tier": customer.tier,
        "preferred_channel": customer.preferred_channel,
        "window_start": None if window is None else f"{window.starts:%H:%M}",
        "window_end": None if window is None else f"{window.ends:%H:%M}",
        "dedicated_agent": customer.dedicated_agent,
    }
