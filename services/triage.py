"""Messages in: verified, read, sorted by rules, durable before they are answered; and what people say of them."""

import asyncio
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from data_contracts.messages import read_form, read_mail
from data_contracts.problems import ContractBroken, NotStrictJson, Problem
from domain.actions import Capability
from domain.customers import Customer
from domain.instants import iso
from domain.journeys import EventName
from domain.messages import Message
from domain.policy import Policy
from domain.triage import Topic, Triage, Urgency, triage
from integrations.ports import Headers, SurveyIntake
from services.escalating import escalate_message
from services.intake import Answer, UnknownSource, answer_of, refused, repeated
from services.journey_events import Happening, follow
from services.journeys import Journeys
from services.wiring import Handrail
from store import customers, inbox, messages
from store.crash_points import reached
from store.database import Database


class UnknownMessage(LookupError):
    """There is no message of this number."""


class UnknownWriter(LookupError):
    """Nobody has this ref."""


class SomebodyElses(ValueError):
    """The message has come to another customer's case already: its text says which."""


INBOX = "messages/"
"""Begins the source of a message in the inbox and in quarantine: whoever delivers may also send survey answers."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What came of a message: whether it is news, in words, and for which capabilities something urgent was planned."""

    is_new: bool
    outcome: str
    urgent: frozenset[Capability] = frozenset()


@dataclass(frozen=True, slots=True)
class ReadMessage:
    """A message that keeps its contract: what it means, and the customers who may have written it."""

    message: Message
    triage: Triage
    writers: Sequence[str]


async def receive_message(handrail: Handrail, source: str, headers: Headers, body: bytes, *, is_mail: bool) -> Answer:
    """Take one delivery: a web form's JSON, or a raw mail. Raises UnknownSource, and SignatureRefused.

    Who may deliver is said once, by the sources of integrations.yaml: each signs with its own secret.
    """
    intakes: Mapping[str, SurveyIntake] = handrail.roster.intakes
    if source not in intakes:
        raise UnknownSource(source)
    now = handrail.clock()
    verified = intakes[source].verify(headers, body, now)
    read: ReadMessage | None = None
    problems: Sequence[Problem] = ()
    http_status = 202
    try:
        read = await asyncio.to_thread(read_message, handrail, source, body, now, is_mail=is_mail)
    except NotStrictJson as broken:
        problems, http_status = broken.problems, 400
    except ContractBroken as broken:
        problems = broken.problems
    arrival = inbox.Arrival(f"{INBOX}{source}", verified.webhook_id, hashlib.sha256(body).hexdigest(), now)

    def store(connection: Connection) -> Answer:
        return _store(connection, arrival, body, read, problems, http_status, handrail)

    answer = await asyncio.wrap_future(handrail.writer.submit(store))
    reached("intake.durable")
    return answer


def read_message(handrail: Handrail, source: str, body: bytes, now: datetime, *, is_mail: bool) -> ReadMessage:
    """A web form's JSON or a raw mail, read and judged. Raises NotStrictJson and ContractBroken."""
    message = read_mail(body, source, now) if is_mail else read_form(body, source, now)
    with handrail.database.read() as connection:  # addresses are looked through one by one: never in a write
        writers = messages.writers(connection, message)
    return ReadMessage(message, triage(message, handrail.policy.triage, handrail.policy.distress), writers)


def _store(
    connection: Connection,
    arrival: inbox.Arrival,
    body: bytes,
    read: ReadMessage | None,
    problems: Sequence[Problem],
    http_status: int,
    handrail: Handrail,
) -> Answer:
    [delivery] = inbox.receive(connection, [arrival])
    if not delivery.is_new:
        return repeated(connection, delivery, arrival, body)
    if read is None:
        return refused(connection, delivery, arrival, body, problems, http_status=http_status)
    accepted = accept_message(
        connection, read, handrail.policy, handrail.journeys, run="gateway", now=arrival.received_at
    )
    return answer_of(delivery, urgent=accepted.urgent)


def accept_message(
    connection: Connection, read: ReadMessage, policy: Policy, journeys: Journeys, *, run: str, now: datetime
) -> Accepted:
    """Record a message and plan what it calls for. Who writes to us leaves the journeys that say so.

    The same (source, message id) again changes nothing, whatever it was delivered as.
    """
    message, found = read.message, read.triage
    known = customers.locked(connection, read.writers[0]) if len(read.writers) == 1 else None
    if known is not None and known[1].erased:
        known = None  # a stranger by now: a person reads it
    escalates = known is not None and found.calls_for_case
    fate = _fate(read, policy, None if known is None else known[0], escalates=escalates)
    number = messages.save(connection, message, found, fate)
    if number is None:
        return Accepted(False, "known already")
    if known is not None and not message.is_automatic:
        _replied(connection, message, *known, policy, journeys, run=run, now=now)
    if known is None or not escalates:
        return Accepted(True, fate.outcome)
    case_id, escalated = escalate_message(connection, message, found, *known, policy, run=run, now=now)
    messages.conclude(connection, number, escalated.outcome, case_id)
    return Accepted(True, escalated.outcome, escalated.urgent)


def _replied(
    connection: Connection,
    message: Message,
    customer_id: int,
    customer: Customer,
    policy: Policy,
    journeys: Journeys,
    *,
    run: str,
    now: datetime,
) -> None:
    """They wrote to us of their own accord. Their row is held."""
    if not customer.erased:
        replied = Happening(customer_id, customer, EventName.REPLIED, "", min(message.received_at, now))
        follow(connection, [replied], policy, journeys, run=run, now=now)


def _fate(read: ReadMessage, policy: Policy, customer_id: int | None, *, escalates: bool) -> messages.Fate:
    found = read.triage
    if escalates:
        return messages.Fate(customer_id, "escalated", "a person replies")
    if read.message.is_automatic:
        return messages.Fate(customer_id, "sorted", "written by a robot: filed")
    if customer_id is None:
        who = "several customers have this address" if len(read.writers) > 1 else "nobody we know wrote it"
        return messages.Fate(None, "waiting", f"{who}: a person sorts")
    if not found.is_sure(policy.triage):
        return messages.Fate(customer_id, "waiting", "rules are not sure: a person sorts")
    return messages.Fate(customer_id, "sorted", f"{found.topic}, by rules")


def waiting_messages(database: Database, *, limit: int) -> list[dict[str, Any]]:
    """What waits for a person, the gravest first, with the customers' words."""
    with database.read() as connection:
        rows = messages.waiting(connection, limit=limit)
    return [
        {
            "id": row.id,
            "received_at": iso(row.received_at),
            "urgency": row.urgency,
            "distress": row.distress,
            "customer": row.ref,
            "from": row.claimed_ref or row.address,
            "language": row.language,
            "rules_say": row.topic,
            "confidence": row.confidence,
            "why": row.outcome,
            "subject": row.subject,
            "words": row.words,
        }
        for row in rows
    ]


def sort_message(
    database: Database,
    policy: Policy,
    number: int,
    topic: Topic,
    *,
    by: str,
    now: datetime,
    customer_ref: str | None = None,
) -> dict[str, Any]:
    """Keep a person's word on what a message is about and, with `customer_ref`, on whose it is.

    With its customer a critical one opens or joins their case, as it would have when it came. Raises UnknownMessage,
    UnknownWriter and SomebodyElses; nothing is written then.
    """
    with database.read() as connection:
        row = messages.one(connection, number)
    if row is None:
        raise UnknownMessage(number)
    message = messages.as_message(row)
    found = triage(message, policy.triage, policy.distress)  # not in a transaction: a long one takes a while to read
    outcome = ""
    with database.write("sort a message") as connection:
        known = None if customer_ref is None else customers.locked(connection, customer_ref)
        if customer_ref is not None and known is None:
            raise UnknownWriter(customer_ref)
        before = messages.sort(connection, number, topic, by=by, now=now)
        if before is None:
            raise UnknownMessage(number)
        if known is not None:
            outcome = _assigned(connection, before, message, found, known, policy, by=by, now=now)
    return {
        "id": number,
        "rules_said": before.topic,
        "confidence": before.confidence,
        "topic": topic,
        "customer": customer_ref,
        "outcome": outcome or before.outcome,
        "by": by,
    }


def _assigned(
    connection: Connection,
    row: Any,
    message: Message,
    found: Triage,
    known: tuple[int, Customer],
    policy: Policy,
    *,
    by: str,
    now: datetime,
) -> str:
    """What comes of a message once a person has said whose it is; in words. The message's and the customer's rows are
    held. Its case is opened once: whose it is cannot be said otherwise then."""
    if row.case_id is not None:
        if row.customer_id != known[0]:
            raise SomebodyElses(row.outcome)
        return str(row.outcome)
    outcome = f"{known[1].ref} wrote it, says {by}"
    messages.assign(connection, row.id, known[0], outcome)
    if row.customer_id != known[0] and not message.is_automatic:
        _replied(connection, message, *known, policy, Journeys(), run=by, now=now)
    is_critical = row.distress is not None or (row.urgency == Urgency.URGENT and found.calls_for_case)
    if not is_critical:
        return outcome
    case_id, escalated = escalate_message(connection, message, found, *known, policy, run=by, now=now)
    messages.conclude(connection, row.id, f"{escalated.outcome}; {outcome}", case_id)
    return escalated.outcome


def triage_report(database: Database) -> dict[str, Any]:
    """How often rules were right, by what people said: a row for each (language, rules, person)."""
    with database.read() as connection:
        rows = messages.confusion(connection)
        standing = messages.standing(connection)
    confusion = [
        {"language": row.language, "rules": row.rules, "person": row.person, "count": row.count} for row in rows
    ]
    right = sum(row["count"] for row in confusion if row["rules"] == row["person"])
    return {
        "messages": standing,
        "sorted_by_people": sum(row.count for row in rows),
        "agreed": right,
        "confusion": confusion,
    }
