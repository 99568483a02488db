"""What customers decide on a page of their own: what we may write, how, when, in which language; that we call them.

Each change is one transaction that takes the customer's row first, so that arming comes before or after it. A link is
only as safe as the mailbox it lies in, so what it opens never makes us louder: consent is taken back here, not given.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from domain.actions import Capability
from domain.call_me import call_me_key, plan_call
from domain.customers import Customer, Purpose, primary_language
from domain.hours import ContactWindow
from services.wiring import Handrail
from store import customers, enrolments
from store.crash_points import reached
from store.ledger.enqueue import About, enqueue
from store.overview import payload_of

BY = "the customer's page"
"""Who moved what, in the audit."""

CHANNELS = (Capability.MAIL, Capability.SMS, Capability.VOICE, Capability.PUSH)
"""How we write of our own accord; consent is taken back on all of them."""


@dataclass(frozen=True, slots=True)
class Preferences:
    """How things stand for one customer."""

    customer: Customer
    allowed: frozenset[Purpose]  # what we may write about of our own accord on some channel, or are just writing about
    calls_by: datetime | None  # when somebody has called, if they asked for it today


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the customer chose. None: whatever suits us."""

    channel: Capability | None
    window: ContactWindow | None
    language: str


def read_preferences(handrail: Handrail, customer_id: int) -> Preferences | None:
    """How things stand; None for a customer who is erased, or whom there never was."""
    with handrail.database.read() as connection:
        customer = customers.by_id(connection, customer_id)
        if customer is None or customer.erased:
            return None
        return Preferences(
            customer,
            frozenset(Purpose(word) for word in customers.purposes_allowed(connection, customer_id))
            | frozenset(Purpose(word) for word in enrolments.purposes_of(connection, customer_id)),
            _promised(connection, call_me_key(customer, handrail.policy, handrail.clock())),
        )


def unsubscribe(handrail: Handrail, customer_id: int, purposes: Collection[Purpose]) -> None:
    """No more of these, on any channel, from this commit on. Somebody erased is silent already."""
    with handrail.database.write("unsubscribe") as connection:
        withdraw(connection, customer_id, purposes, now=handrail.clock())


def withdraw(connection: Connection, customer_id: int, purposes: Collection[Purpose], *, now: datetime) -> None:
    """Take consent back. Who leaves a purpose leaves its journeys; what waits to be sent is refused when armed."""
    customer = customers.held(connection, customer_id)
    if customer is None or customer.erased:
        return
    for purpose in purposes:
        for channel in CHANNELS:
            customers.set_consent(connection, customer_id, purpose, channel, granted=False, now=now)
    reached("unsubscribe.withdrawn")


def save_wishes(handrail: Handrail, customer_id: int, wishes: Wishes) -> None:
    """Keep what they chose; messages that wait and rest on it are planned anew."""
    now = handrail.clock()
    with handrail.database.write("wishes") as connection:
        customer = customers.held(connection, customer_id)
        if customer is None or customer.erased:
            return
        channel = wishes.channel if wishes.channel in reachable_by(customer) else None
        language = customer.language
        if language is None or primary_language(language) != wishes.language:  # "pl-PL" stays what it is
            language = wishes.language
        wished = replace(customer, preferred_channel=channel, window=wishes.window, language=language)
        customers.touch(connection, customer_id, now=now)
        customers.save(connection, customer_id, customer, wished, now=now)


def ask_for_call(handrail: Handrail, customer_id: int) -> None:
    """A person is to call them today or, if nobody is there any more, on the next day of work. Once a day."""
    now = handrail.clock()
    with handrail.database.write("call-me") as connection:
        customer = customers.held(connection, customer_id)
        if customer is None or customer.erased or customer.phone is None:
            return
        about = About(customer_id=customer_id)
        enqueue(connection, [plan_call(customer, handrail.policy, now)], about, run=BY, now=now)


def reachable_by(customer: Customer) -> list[Capability]:
    """The channels with an address on file."""
    addresses = {
        Capability.MAIL: customer.email,
        Capability.SMS: customer.phone,
        Capability.VOICE: customer.phone,
        Capability.PUSH: customer.device,
    }
    return [channel for channel, address in addresses.items() if address]


def _promised(connection: Connection, key: str) -> datetime | None:
    payload = payload_of(connection, key)
    told = None if payload is None else payload["params"].get("due_at")
    return None if told is None else datetime.fromisoformat(told)
