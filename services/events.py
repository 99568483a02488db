"""What events that are no answers do to our books, each in the transaction that stores its delivery."""

from collections.abc import Hashable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection

from data_contracts.any_event import ahead_of
from data_contracts.events import CallEnded, EntitlementEvent, StandardEvent
from data_contracts.journey_events import CustomerDid, MessageEvents
from data_contracts.problems import ContractBroken, Problem
from domain.customers import Customer
from domain.entitlements import Standing
from domain.events import Told, is_news
from domain.gates import DataSet
from domain.policy import Policy
from services.calls import take_ended
from services.customer_events import take_done
from services.fates import Done, EventFate
from services.journeys import Journeys
from services.message_events import take_message_events
from services.rounds import in_rounds
from store import customers, entitlement_events
from store.entitlements import Owned, save
from store.gates import event_gate
from store.ledger.enqueue import send_back_to_planning

NO_CUSTOMER = Problem(
    "data.customer_ref", "nobody has this ref", "import the customer first, then replay this: nothing of it is lost"
)


Event = StandardEvent

_OnFile = Mapping[str, tuple[int, Customer]]


def take_events(
    connection: Connection,
    events: Sequence[tuple[str, Event]],
    policy: Policy,
    journeys: Journeys,
    *,
    run: str,
    now: datetime,
) -> list[EventFate]:
    """Take in events by (source, event); their fates, in order."""
    entitled = {place: (source, it) for place, (source, it) in enumerate(events) if isinstance(it, EntitlementEvent)}
    ended = {place: (source, it) for place, (source, it) in enumerate(events) if isinstance(it, CallEnded)}
    done = {place: it for place, (_, it) in enumerate(events) if isinstance(it, CustomerDid)}
    told = {place: (source, it) for place, (source, it) in enumerate(events) if isinstance(it, MessageEvents)}
    fates: dict[int, EventFate] = {}
    for places, its in (
        (done, take_done(connection, list(done.values()), policy, journeys, run=run, now=now)),
        (told, take_message_events(connection, list(told.values()), policy, journeys, run=run, now=now)),
        (ended, take_ended(connection, list(ended.values()), policy, run=run, now=now)),
        (entitled, take_entitlements(connection, list(entitled.values()), policy, run=run, now=now)),
    ):
        fates |= dict(zip(places, its, strict=True))
    return [fates[place] for place in range(len(events))]


def take_entitlements(
    connection: Connection, events: Sequence[tuple[str, EntitlementEvent]], policy: Policy, *, run: str, now: datetime
) -> list[EventFate]:
    """Take in events by (source, event), those of one entitlement one after the other; their fates, in order.

    An event that is older than what is known of its entitlement changes nothing, so that late, doubled and disordered
    deliveries come to the same in the end. What was planned on facts that changed is planned anew before it may go.
    """
    return in_rounds(events, _subject, lambda together: _take(connection, together, policy, run=run, now=now))


def _subject(one: tuple[str, EntitlementEvent]) -> frozenset[Hashable]:
    return frozenset({one[1].data.ref})


def _take(
    connection: Connection, events: Sequence[tuple[str, EntitlementEvent]], policy: Policy, *, run: str, now: datetime
) -> list[EventFate]:
    """Fates of events about different entitlements. Customers are taken first, as arming does: what it reads of an
    entitlement is from before or after this, never from between.
    """
    on_file = customers.all_locked(connection, [event.data.customer_ref for _, event in events])
    known = entitlement_events.standing(connection, [event.data.ref for _, event in events])
    news: dict[str, list[tuple[int, Told]]] = {}
    fates: list[EventFate] = []
    for source, event in events:
        if problems := _problems(event, on_file, policy, now):
            fates.append(ContractBroken(problems))
            continue
        customer_id, customer = on_file[event.data.customer_ref]
        told = event.as_told(customer.time_zone or policy.default_time_zone)
        before = known.get(event.data.ref)
        if is_news(told, before):
            news.setdefault(source, []).append((customer_id, told))
        fates.append(_done(event, told, before))
    for source, its in news.items():
        _write(connection, source, its, policy, run=run, now=now)
    return fates


def _problems(event: EntitlementEvent, on_file: _OnFile, policy: Policy, now: datetime) -> list[Problem]:
    it = event.data
    problems = ahead_of(it.changed_at, now, "data.changed_at")
    if it.currency is not None and it.currency not in policy.value.rates:
        rates = ", ".join(sorted(policy.value.rates))
        problems.append(Problem("data.currency", f"is {it.currency}, which policy has no rate for", f"known: {rates}"))
    if it.customer_ref not in on_file:
        problems.append(NO_CUSTOMER)
    return problems


def _write(
    connection: Connection, source: str, news: Sequence[tuple[int, Told]], policy: Policy, *, run: str, now: datetime
) -> None:
    gate_id = event_gate(connection, DataSet.ENTITLEMENTS, source, now=now, run=run)
    owned = [Owned(customer_id, told.entitlement, told.changed_at) for customer_id, told in news]
    save(connection, owned, gate_id=gate_id, policy=policy, now=now)
    keys = entitlement_events.resting_on(connection, [told.entitlement.ref for _, told in news])
    if keys:
        reason = "changed since it was planned: entitlement"
        send_back_to_planning(connection, keys, reason=reason, by=run, now=now)


def _done(event: EntitlementEvent, told: Told, before: Told | None) -> Done:
    subject, what = event.data.ref, event.type.value
    if before is None or is_news(told, before):
        it = told.entitlement
        ends = "cancelled" if it.standing is Standing.CANCELLED else f"ends on {it.ends_on}"
        return Done(subject, f"{what}: {ends}")
    if told == before:
        return Done(subject, f"{what}: known already", is_news=False)
    known = f"{before.changed_at:%Y-%m-%d %H:%M:%S} UTC"
    return Done(subject, f"{what}: not later than what is known, which is from {known}", is_news=False)
