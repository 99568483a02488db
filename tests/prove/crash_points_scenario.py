"""What goes in: a small day at a company, always the same, in which every named place of the code is passed."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection

from domain.actions import Basis, Capability, Kind, WriteClass, acknowledgement_key, key, ticket_key, ticket_note_key
from domain.customers import Customer
from domain.escalation import ACKNOWLEDGEMENT
from domain.planning import Payload, PlannedAction
from store import customers
from store.ledger.enqueue import About, enqueue
from store.wordings import approved

NOON = datetime(2026, 3, 4, 11, tzinfo=UTC)
"""A Wednesday, noon in Warsaw, when every run begins: nobody sleeps, somebody is at work."""

SOURCE = "standard"
CAPABILITIES = (Capability.TICKETING, Capability.CRM, Capability.MAIL, Capability.SMS)
ROTATIONS: tuple[Mapping[Capability, WriteClass], ...] = tuple(
    {capability: list(WriteClass)[(place + turn) % 4] for place, capability in enumerate(CAPABILITIES)}
    for turn in range(4)
)
"""Which vendor promises what: in four rotations each capability has each write class once; two of them in batches."""

FAULTS: Mapping[Capability, tuple[tuple[str, float], ...]] = {
    Capability.TICKETING: (("timeout_after", 0.6), ("slow", 0.0), ("status_503", 0.0)),
    Capability.CRM: (("bad_json", 0.0), ("status_429", 0.5), ("reset_after", 0.0)),
    Capability.MAIL: (("slow", 0.0), ("reset_after", 0.0), ("slow", 0.0), ("bad_json", 0.0)),
    Capability.SMS: (("status_503", 0.0), ("timeout_after", 0.6)),
}
"""What the next writes of each vendor meet, in order; then all is well. ("slow" with 0 seconds: nothing happens.)"""

KNOWN = (
    *(
        Customer(f"P-{number}", name="Eva Dvořák", email=f"p{number}@example.com", phone="+420601000111", language="cs")
        for number in (1, 2, 3)
    ),
    Customer("C-9", email="c9@example.com", phone="+48601000222", language="en", preferred_channel=Capability.SMS),
)
"""On file before the day begins."""

CHANGED = {"ref": "C-9", "language": "pl"}
"""A line of a file of customers: what C-9 asks for between the plan and the send."""

_PURPOSE = "welcome"


@dataclass(frozen=True, slots=True)
class Webhook:
    """One event of the survey tool. `due` are the effects it promises once it was answered 2xx."""

    webhook_id: str
    body: bytes
    status: str
    due: tuple[str, ...] = ()


def _webhook(
    response: str, ref: str, *, score: int, due: tuple[str, ...], status: str = "accepted", **facts: Any
) -> Webhook:
    answered = f"{NOON:%Y-%m-%dT%H:%M:%SZ}"
    customer = {"ref": ref, "email": f"{ref.lower()}@example.com", "language": "pl"}
    data = {"response_id": response, "kind": "nps", "score": score, "answered_at": answered, "customer": customer}
    body = {"type": "survey.responded", "timestamp": answered, "data": {**data, **facts}}
    return Webhook(f"msg_{response}", json.dumps(body).encode(), status, due)


def _opens(response: str, ref: str) -> tuple[str, ...]:
    return ticket_key(ref, 1), acknowledgement_key(SOURCE, response)


ANSWERS = (
    _webhook("r-1", "C-1", score=1, due=_opens("r-1", "C-1"), comment="Czekam trzeci tydzień."),
    _webhook("r-2", "C-2", score=9, due=_opens("r-2", "C-2"), comment="My husband passed away in May."),
    _webhook(
        "r-3",
        "C-1",
        score=2,
        due=(ticket_note_key("C-1", 1, SOURCE, "r-3"), acknowledgement_key(SOURCE, "r-3")),
        comment="I nadal nic.",
    ),
    _webhook("r-4", "C-3", score=42, due=(), status="quarantined"),
    _webhook("r-5", "C-4", score=10, due=()),
)
"""A new case; words of distress at a good score; an answer that joins a case; one that breaks the contract; praise."""

AGAIN = ANSWERS[0]
"""Delivered a second time although it was answered."""

MOVES = _webhook("r-9", "C-9", score=3, due=_opens("r-9", "C-9"))
"""Planned while everything is stopped; then the customer's language changes, and only then may it go."""

TASKS = tuple(key("expiry", f"E-{number}", "2026-04-01", "task") for number in (1, 2, 3))
MESSAGES = (
    ("P-1", Capability.MAIL, key("journey", "welcome", "P-1", 1), None),
    ("P-1", Capability.MAIL, key("journey", "welcome", "P-1", 2), key("journey", "welcome", "P-1", 1)),
    ("P-2", Capability.MAIL, key("journey", "welcome", "P-2", 1), None),
    ("P-3", Capability.SMS, key("journey", "welcome", "P-3", 1), None),
)
"""Customer, channel, key, and the step that must be over first."""

PLANNED_KEYS = (*TASKS, *(message[2] for message in MESSAGES))
"""Due whatever happens: what expires and who is welcomed stands in the world, not in the ledger."""


def settle_in(connection: Connection, now: datetime) -> None:
    """The customers on file before the day, with their consents."""
    for customer in KNOWN:
        customer_id = customers.create(connection, customer, now=now)
        for channel in (Capability.MAIL, Capability.SMS):
            customers.set_consent(connection, customer_id, _PURPOSE, channel, granted=True, now=now)


def plan_everything(connection: Connection, now: datetime) -> None:
    """What a planner writes, each time it runs: a task for each occurrence, a message for each step."""
    wording = approved(connection)[ACKNOWLEDGEMENT, "cs"]
    for number, task in enumerate(TASKS, start=1):
        plan = PlannedAction(task, Kind.TASK, Basis.INTERNAL, Capability.CRM, Payload("task/1", _TASK), due_at=now)
        enqueue(connection, [plan], _about(connection, f"P-{number}"), run="planner", now=now)
    for ref, channel, message, after in MESSAGES:
        plan = PlannedAction(
            message,
            Kind.MESSAGE,
            Basis.PROACTIVE,
            channel,
            Payload("message/1", _WORDS, template=ACKNOWLEDGEMENT, template_hash=wording),
            due_at=now,
            purpose=_PURPOSE,
            after=after,
            facts=frozenset({"customer"}),
        )
        enqueue(connection, [plan], _about(connection, ref), run="planner", now=now)


def _about(connection: Connection, ref: str) -> About:
    found = customers.locked(connection, ref)
    assert found is not None
    return About(customer_id=found[0])


_TASK = {"title": "Renewal", "body": "Ends on 1 April.", "assignee": "Renewals", "priority": "high", "due_at": None}
_WORDS = {
    "name": "Eva Dvořák",
    "answer_by": "2026-03-04T15:00:00Z",
    "time_zone": "Europe/Warsaw",
    "received_at": "2026-03-04T11:00:00Z",
    "survey": "nps",
    "human": {"phone": "+420 200 000 000", "mail": "pomoc@example.com", "hours": "8–18"},
    "company": "Ostoja",
    "reference": "P-1",
    "language": "cs",
}
