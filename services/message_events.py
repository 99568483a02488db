"""What becomes of messages, as their vendors tell: kept once, and heeded at once."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from data_contracts.any_event import ahead_of
from data_contracts.journey_events import CHANNELS, MessageEvents, MessageTold, RefusedPart
from data_contracts.problems import ContractBroken, Problem
from domain.actions import Capability, State
from domain.channels import CHANNEL_OF
from domain.customers import Customer
from domain.journeys import EventName, message_name
from domain.message_events import MessageNews
from domain.policy import Policy
from services.fates import Done, EventFate
from services.journey_events import Happening, follow
from services.journeys import Journeys
from services.rounds import rounds
from store import customers, enrolments, message_events
from store.ledger.sweep import adopt, as_uncertain
from store.message_events import News

NO_MESSAGE = Problem(
    "data.message", "no message of ours has this key", "send the key that the message was sent with, or discard this"
)
NOT_SENT = Problem("data.message", "this message was never handed to a vendor", NO_MESSAGE.fix)

_BEHAVIOUR: Mapping[MessageNews, EventName] = {
    MessageNews.DELIVERED: EventName.DELIVERED,
    MessageNews.OPENED: EventName.OPENED,
    MessageNews.CLICKED: EventName.CLICKED,
    MessageNews.BOUNCED: EventName.BOUNCED,
    MessageNews.COMPLAINED: EventName.COMPLAINED,
}
_OPTS_OUT = frozenset({MessageNews.COMPLAINED, MessageNews.UNSUBSCRIBED})
_ADDRESS = {
    Capability.MAIL: "email",
    Capability.SMS: "phone",
    Capability.VOICE: "phone",
    Capability.PUSH: "device",
}


@dataclass(frozen=True, slots=True)
class _Known:
    """News that is new, of a message and a customer who are held."""

    told: MessageTold
    row: Row[Any]
    customer: Customer


def take_message_events(
    connection: Connection,
    deliveries: Sequence[tuple[str, MessageEvents]],
    policy: Policy,
    journeys: Journeys,
    *,
    run: str,
    now: datetime,
) -> list[EventFate]:
    """Take in what deliveries tell, by (source, events); a fate each, in order.

    A delivery is refused as a whole when it tells nothing that we can make sense of, else only what breaks its
    contract. Each kind of news of a message counts once, whoever tells it, and however often.
    """
    if not deliveries:
        return []
    keys = {told.message for _, events in deliveries for told in events.told}
    owners = message_events.owners(connection, keys)
    people = customers.all_held(connection, {owner for owner in owners.values() if owner is not None})
    rows = message_events.held(connection, owners)
    fates: list[EventFate] = []
    taken: list[tuple[int, str, _Known]] = []  # by place of their delivery
    refused: list[list[RefusedPart]] = []
    for place, (source, events) in enumerate(deliveries):
        refused.append(list(events.refused))
        for told in events.told:
            row = rows.get(told.message)
            if row is None or (problems := _problems(told, row, people, now)):
                refused[place].append(RefusedPart(told.body, tuple([NO_MESSAGE] if row is None else problems)))
            else:
                taken.append((place, source, _Known(told, row, people[row.customer_id])))
    news = _keep(connection, taken)
    _heed(connection, [it for _, it in news], policy, journeys, run=run, now=now)
    for place in range(len(deliveries)):
        mine = [it for at, _, it in taken if at == place]
        if not mine and refused[place]:
            fates.append(ContractBroken([problem for part in refused[place] for problem in part.problems]))
            continue
        is_new = [it for at, it in news if at == place]
        words = ", ".join(f"{it.told.what} ({it.row.key})" for it in is_new) or "known already"
        subject = mine[0].row.key if mine else ""
        fates.append(Done(subject, words, is_news=bool(is_new), refused=tuple(refused[place])))
    return fates


def _problems(told: MessageTold, row: Row[Any], people: Mapping[int, Customer], now: datetime) -> list[Problem]:
    if row.customer_id not in people or Capability(row.capability) not in _ADDRESS:
        return [NO_MESSAGE]
    if not row.attempts:
        return [NOT_SENT]
    return ahead_of(told.at, now, "data.at")


def _keep(connection: Connection, taken: Sequence[tuple[int, str, _Known]]) -> list[tuple[int, _Known]]:
    """Those that are news, by place of their delivery."""
    left = message_events.keep(
        connection, [News(it.row.id, it.told.what, it.told.at, source, it.told.detail) for _, source, it in taken]
    )
    news = []
    for place, _, it in taken:
        if (it.row.id, it.told.what) in left:
            left.discard((it.row.id, it.told.what))
            news.append((place, it))
    return news


def _heed(
    connection: Connection, news: Sequence[_Known], policy: Policy, journeys: Journeys, *, run: str, now: datetime
) -> None:
    for it in news:
        if it.row.state == State.UNCERTAIN:  # its vendor has it after all; of two pieces of news one finds it so
            adopt(connection, as_uncertain(it.row), external_id="", run=run, now=now)
        _silence(connection, it, now=now)
    _opt_out(connection, [it for it in news if it.told.what in _OPTS_OUT], now=now)
    happened = [one for it in news if (one := _happening(it, now)) is not None]
    for together in rounds(happened, _subject):
        follow(connection, together, policy, journeys, run=run, now=now)


def _subject(it: Happening) -> frozenset[Hashable]:
    return frozenset({it.customer_id})


def _silence(connection: Connection, it: _Known, *, now: datetime) -> None:
    """An address that is of no use, or whose owner complained, is not written to again."""
    what, at = it.told.what, Capability(it.row.capability)
    if what is MessageNews.COMPLAINED or (what is MessageNews.BOUNCED and it.told.is_permanent):
        address = it.told.address or getattr(it.customer, _ADDRESS[at])
        if address:
            reason = "complaint" if what is MessageNews.COMPLAINED else "bounce"
            customers.suppress(connection, at, address, reason, now=now)


def _opt_out(connection: Connection, news: Sequence[_Known], *, now: datetime) -> None:
    """Who wants no more of it gets no more of what it was for, on any channel; and leaves its journey."""
    purposes = (
        enrolments.purposes_by_enrolment(connection, {it.row.enrolment_id for it in news} - {None}) if news else {}
    )
    for it in news:
        purpose = it.row.purpose or purposes.get(it.row.enrolment_id)
        if purpose is None or it.customer.erased:
            continue
        at = min(it.told.at, now)
        for channel in (channel for channel, line in CHANNEL_OF.items() if line in CHANNELS):
            customers.set_consent(connection, it.row.customer_id, purpose, channel, granted=False, now=now, at=at)


def _happening(it: _Known, now: datetime) -> Happening | None:
    """As behaviour of whoever got it: steps of journeys alone have names that journeys know."""
    event, params = _BEHAVIOUR.get(it.told.what), it.row.payload.get("params") or {}
    if event is None or it.row.enrolment_id is None or it.customer.erased or "journey" not in params:
        return None
    name = message_name(params["journey"], params["step"])
    return Happening(it.row.customer_id, it.customer, event, name, min(it.told.at, now))
