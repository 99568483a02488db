"""What customers do and allow, as it is told: in the transaction that stores its delivery."""

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from data_contracts.any_event import ahead_of
from data_contracts.journey_events import DONE, ConsentChanged, CustomerDid
from data_contracts.problems import ContractBroken, Problem
from domain.customers import Customer
from domain.policy import Policy
from services.arrivals import on_file
from services.fates import Done, EventFate
from services.journey_events import Happening, follow
from services.journeys import Journeys
from services.rounds import in_rounds
from store import customers

NO_CUSTOMER = Problem(
    "data.customer",
    "nobody has this ref, and there is neither a mail address, nor a phone number, nor a device to write to",
    "import the customer first, then replay this, or send email, phone or device with the event",
)
_ERASED = "the customer was erased"


def take_done(
    connection: Connection, done: Sequence[CustomerDid], policy: Policy, journeys: Journeys, *, run: str, now: datetime
) -> list[EventFate]:
    """Take in what customers did, those of one customer one after the other; the fates, in order."""
    if not done:
        return []
    customers.all_locked(connection, [it.data.customer.ref for it in done])  # all of them first, in id order

    def take(together: list[CustomerDid]) -> list[EventFate]:
        fates: dict[int, EventFate] = {}
        while left := {place: it for place, it in enumerate(together) if place not in fates}:
            # Whom another process created at this very moment is seen the next time.
            fates |= _take(connection, left, policy, journeys, run=run, now=now)
        return [fates[place] for place in range(len(together))]

    return in_rounds(done, _subject, take)


def _subject(it: CustomerDid) -> frozenset[Hashable]:
    return frozenset({it.data.customer.ref})


def _take(
    connection: Connection,
    done: Mapping[int, CustomerDid],
    policy: Policy,
    journeys: Journeys,
    *,
    run: str,
    now: datetime,
) -> dict[int, EventFate]:
    """Fates of events about different customers; one whose customer another process creates just now has none yet."""
    told = {place: it.data.customer.as_customer() for place, it in done.items()}
    found = customers.all_locked(connection, [one.ref for one in told.values()])
    fates: dict[int, EventFate] = {}
    for place, it in done.items():
        problems = ahead_of(it.data.at, now, "data.at")
        if told[place].ref not in found and not told[place].is_reachable:
            problems.append(NO_CUSTOMER)
        if problems:
            fates[place] = ContractBroken(problems)
    going = {place: it for place, it in done.items() if place not in fates}
    people = on_file(connection, [told[place] for place in going], found, now)
    happened: dict[int, Happening] = {}
    for place, it in going.items():
        if told[place].ref not in people:
            continue
        customer_id, customer = people[told[place].ref]
        if customer.erased:
            fates[place] = Done(customer.ref, f"{it.type}: {_ERASED}", is_news=False)
        elif isinstance(it, ConsentChanged):
            fates[place] = _say(connection, it, customer_id, customer, now=now)
        else:
            happened[place] = Happening(customer_id, customer, DONE[it.type], it.data.name, min(it.data.at, now))
    outcomes = follow(connection, list(happened.values()), policy, journeys, run=run, now=now) if happened else []
    for (place, one), came_to in zip(happened.items(), outcomes, strict=True):
        fates[place] = Done(one.customer.ref, f"{one.words}: {'; '.join(came_to) or 'noted'}")
    return fates


def _say(connection: Connection, it: ConsentChanged, customer_id: int, customer: Customer, *, now: datetime) -> Done:
    said = it.data
    news = [
        channel
        for channel in said.channel
        if customers.set_consent(
            connection, customer_id, said.purpose, channel, granted=said.granted, now=now, at=min(said.at, now)
        )
    ]
    verb = "allowed" if said.granted else "taken back"
    if not news:
        return Done(customer.ref, f"{it.type}: {said.purpose}: a later word is known", is_news=False)
    return Done(customer.ref, f"{it.type}: {said.purpose} {verb} by {', '.join(news)}")
