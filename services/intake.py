"""Webhooks in: verified over raw bytes, checked against the contract, durable before they are answered."""

import asyncio
import hashlib
import logging
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from data_contracts.events import StandardEvent
from data_contracts.journey_events import CustomerActivated, RefusedPart
from data_contracts.problems import ContractBroken, NotStrictJson, Problem
from data_contracts.surveys import SurveyAnswered
from domain.actions import Capability
from domain.policy import Policy
from domain.surveys import SurveyAnswer
from integrations.ports import Announced, Headers, Noted, SurveyIntake
from services import events
from services.fates import Done, EventFate
from services.journeys import Journeys
from services.rounds import in_rounds
from services.surveys import Accepted, Fate, Given, Judged, UnknownCustomer, accept_answers, judge_answer
from services.wiring import Handrail
from store import fetches, inbox
from store.crash_points import reached

_log = logging.getLogger("services.intake")

_SHORT_COMMENT = 500
"""Characters; judging so many takes a millisecond or two at worst."""

NO_CUSTOMER = Problem(
    "data.customer",
    "nobody has this ref, and there is neither a mail address nor a phone number to answer to",
    "import the customer first, or send email or phone with the answer",
)
_Otherwise = StandardEvent | Announced | Noted
"""What an event may be that is no answer."""

REUSED_ID = Problem("webhook-id", "this id was used before for another body", "send each event under an id of its own")


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender is told, and for which capabilities something urgent was planned."""

    http_status: int
    body: dict[str, Any]
    urgent: frozenset[Capability]
    is_announced: bool = False
    """True when its vendor told of an answer that is still to be fetched."""
    is_activation: bool = False
    """True when a customer was activated, so that a step may be due at once."""


class UnknownSource(Exception):
    """No survey source of this name is configured."""


async def receive_webhook(handrail: Handrail, source: str, headers: Headers, body: bytes) -> Answer:
    """Take one delivery. Raises UnknownSource, and SignatureRefused for what nobody entitled has signed."""
    intakes: Mapping[str, SurveyIntake] = handrail.roster.intakes
    if source not in intakes:
        raise UnknownSource(source)
    now = handrail.clock()
    verified = intakes[source].verify(headers, body, now)
    event: SurveyAnswered | _Otherwise | None = None
    given: Given | None = None
    problems: Sequence[Problem] = ()
    http_status = 202
    try:
        event = intakes[source].read(body)
        if isinstance(event, SurveyAnswered):
            given = await given_by(event, source, handrail.policy, now=now)
    except NotStrictJson as broken:
        problems, http_status = broken.problems, 400
    except ContractBroken as broken:
        problems = broken.problems

    arrival = inbox.Arrival(source, verified.webhook_id, hashlib.sha256(body).hexdigest(), now)
    called_for = None if isinstance(event, SurveyAnswered) else event
    delivered = _Delivered(arrival, body, given, problems, http_status, handrail.policy, handrail.journeys, called_for)
    answer = await asyncio.wrap_future(handrail.writer.submit_to(_store, delivered))
    reached("intake.durable")
    return answer


async def given_by(
    event: SurveyAnswered, source: str, policy: Policy, *, now: datetime, is_import: bool = False
) -> Given:
    """An answer that came in just now, and what it means."""
    judged = await _judged(event.as_answer(source, now), policy)
    return Given(judged, event.customer.as_customer(), is_import)


async def _judged(answer: SurveyAnswer, policy: Policy) -> Judged:
    """A long comment is judged beside the event loop; a short one at once, as asking a thread takes longer."""
    if len(answer.comment or "") <= _SHORT_COMMENT:
        return judge_answer(answer, policy)
    return await asyncio.to_thread(judge_answer, answer, policy)


_WRITTEN_DOWN = "nothing to do; it is written down"


@dataclass(frozen=True, slots=True)
class _Delivered:
    """One verified delivery: read, judged and hashed before the transaction."""

    arrival: inbox.Arrival
    body: bytes
    given: Given | None
    problems: Sequence[Problem]
    http_status: int
    policy: Policy
    journeys: Journeys
    called_for: _Otherwise | None = None
    """What it comes to, where it is no answer."""


_Fates = dict[frozenset[Hashable], Fate | EventFate]


def _store(connection: Connection, delivered: Sequence[_Delivered]) -> list[Answer]:
    """Everything that came in while the database was busy, set by set; how each is answered."""
    return in_rounds(delivered, _door, lambda together: _store_together(connection, together))


def _door(it: _Delivered) -> frozenset[Hashable]:
    """A repeat is answered from what the first one came to."""
    return frozenset({(it.arrival.source, it.arrival.webhook_id)})


def _store_together(connection: Connection, delivered: Sequence[_Delivered]) -> list[Answer]:
    deliveries = inbox.receive(connection, [it.arrival for it in delivered])
    reached("intake.received")
    told = [
        (it, it.given)
        for it, delivery in zip(delivered, deliveries, strict=True)
        if delivery.is_new and it.given is not None
    ]
    fates = _accepted(connection, told) | _taken(
        connection,
        [
            (it, it.called_for)
            for it, delivery in zip(delivered, deliveries, strict=True)
            if isinstance(it.called_for, StandardEvent) and delivery.is_new
        ],
    )
    return [
        _answered(connection, it, delivery, fates.get(_door(it)))
        for it, delivery in zip(delivered, deliveries, strict=True)
    ]


def _taken(connection: Connection, told: Sequence[tuple[_Delivered, events.Event]]) -> _Fates:
    if not told:
        return {}
    latest = told[-1][0]
    now = latest.arrival.received_at
    its = [(it.arrival.source, event) for it, event in told]
    fates = events.take_events(connection, its, latest.policy, latest.journeys, run="gateway", now=now)
    return {_door(it): fate for (it, _), fate in zip(told, fates, strict=True)}


def _accepted(connection: Connection, told: Sequence[tuple[_Delivered, Given]]) -> _Fates:
    if not told:
        return {}
    latest = told[-1][0]
    now = latest.arrival.received_at
    fates = accept_answers(connection, [given for _, given in told], latest.policy, run="gateway", now=now)
    return {_door(it): fate for (it, _), fate in zip(told, fates, strict=True)}


def _answered(
    connection: Connection, it: _Delivered, delivery: inbox.Delivery, fate: Fate | EventFate | None
) -> Answer:
    if not delivery.is_new:
        return repeated(connection, delivery, it.arrival, it.body)
    problems = it.problems
    if isinstance(fate, UnknownCustomer):
        problems = [NO_CUSTOMER]
    elif isinstance(fate, ContractBroken):
        problems = fate.problems
    if problems:
        return refused(connection, delivery, it.arrival, it.body, problems, http_status=it.http_status)
    if isinstance(it.called_for, Noted):
        delivery = inbox.note(connection, delivery, [_nothing_to_do(it.called_for).as_json()])
    elif isinstance(fate, Done) and fate.refused:
        delivery = _in_part(connection, it.arrival, delivery, fate.refused)
    elif isinstance(fate, Done) and not fate.is_news:
        delivery = inbox.note(connection, delivery, [Problem("data", fate.outcome, _WRITTEN_DOWN).as_json()])
    elif isinstance(it.called_for, Announced):
        at = it.arrival
        fetches.announce(
            connection, at.source, it.called_for.response, it.body, inbox_id=delivery.id, now=at.received_at
        )
        return answer_of(delivery, is_announced=True)
    urgent = fate.urgent if isinstance(fate, Accepted) else frozenset()
    is_activation = isinstance(it.called_for, CustomerActivated) and isinstance(fate, Done) and fate.is_news
    return answer_of(delivery, urgent=urgent, is_activation=is_activation)


def _in_part(
    connection: Connection, at: inbox.Arrival, delivery: inbox.Delivery, refused: Sequence[RefusedPart]
) -> inbox.Delivery:
    """Keep those events of a delivery that break their contract, each by itself; the others are taken."""
    rows = [[problem.as_json() for problem in part.problems] for part in refused]
    for part, problems in zip(refused, rows, strict=True):
        inbox.keep(connection, at.source, at.webhook_id, part.body, problems, inbox_id=delivery.id, now=at.received_at)
    return inbox.take_in_part(connection, delivery, [problem for problems in rows for problem in problems])


def _nothing_to_do(noted: Noted) -> Problem:
    return Problem("event_type", f"{noted.event}: {noted.why}", _WRITTEN_DOWN)


def refused(
    connection: Connection,
    delivery: inbox.Delivery,
    at: inbox.Arrival,
    body: bytes,
    problems: Sequence[Problem],
    *,
    http_status: int,
) -> Answer:
    """Keep what broke its contract, and say what is wrong with it."""
    rows = [problem.as_json() for problem in problems]
    kept = inbox.refuse(
        connection, delivery, at.source, at.webhook_id, body, rows, http_status=http_status, now=at.received_at
    )
    return answer_of(kept)


def repeated(connection: Connection, delivery: inbox.Delivery, at: inbox.Arrival, body: bytes) -> Answer:
    """Answer as the first time. Another body under a known id is not answered otherwise, but it is kept."""
    if at.body_hash != delivery.body_hash and not inbox.is_kept(connection, delivery, body):
        _log.warning("%s: %s came again with another body; it is in quarantine", at.source, delivery.event_id)
        problem = REUSED_ID.as_json()
        inbox.keep(connection, at.source, at.webhook_id, body, [problem], inbox_id=delivery.id, now=at.received_at)
    return answer_of(delivery, duplicate=True)


def answer_of(
    delivery: inbox.Delivery,
    *,
    duplicate: bool = False,
    urgent: frozenset[Capability] = frozenset(),
    is_announced: bool = False,
    is_activation: bool = False,
) -> Answer:
    """What the sender is told of a delivery as the inbox has it now."""
    return Answer(
        delivery.http_status,
        {
            "event_id": delivery.event_id,
            "duplicate": duplicate,
            "status": delivery.status,
            "problems": delivery.problems,
        },
        urgent,
        is_announced,
        is_activation,
    )
