"""What Zendesk shows of a ticket, in our words: its status, who has it, when a person last wrote to the customer."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from integrations.answers import Answer
from integrations.ports import TicketState, TicketStatus

STATUS: Mapping[str, TicketStatus] = {
    "new": TicketStatus.OPEN,
    "open": TicketStatus.OPEN,
    "pending": TicketStatus.PENDING,
    "hold": TicketStatus.PENDING,
    "solved": TicketStatus.SOLVED,
    "closed": TicketStatus.SOLVED,  # solved for days; nothing can be added any more
}

_PEOPLE = frozenset({"agent", "admin"})

Shown = Mapping[str, Any]
"""A ticket as Zendesk shows it."""


def tickets_of(answer: Answer, key: str) -> list[Shown]:
    """Oldest first. External ids need not be unique, and what is asked for is not always all that comes."""
    return sorted(
        (ticket for ticket in answer.json["tickets"] if ticket["external_id"] == key), key=lambda one: one["id"]
    )


def state_of(ticket: Shown, names: Mapping[int, str]) -> TicketState:
    """A ticket in our words; `names` of those agents whose are known."""
    agent = ticket["assignee_id"]
    return TicketState(
        key=ticket["external_id"],
        external_id=str(int(ticket["id"])),
        status=STATUS.get(ticket["status"], TicketStatus.UNKNOWN),
        assignee=None if agent is None else names.get(agent, f"agent {agent}"),
    )


def is_told_to_the_customer(ticket: Shown) -> bool:
    """Whether what is public in it reaches anybody but us.

    We open tickets in our own name. Who answers in one makes the customer its requester first; until then a public
    comment is mail to ourselves.
    """
    ours = ticket.get("submitter_id")
    return ours is not None and ticket.get("requester_id") not in {None, ours}


def last_answer(answer: Answer, ticket: Shown) -> datetime | None:
    """When a person last wrote to the customer, by this page of the ticket's comments."""
    roles = {user["id"]: user["role"] for user in answer.json["users"]}
    spoken = [
        datetime.fromisoformat(one["created_at"])
        for one in answer.json["comments"]
        if one["public"] is True
        and one["author_id"] not in {ticket["submitter_id"], ticket["requester_id"]}
        and roles.get(one["author_id"]) in _PEOPLE
    ]
    return max(spoken, default=None)
