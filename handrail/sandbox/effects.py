"""Effects: what the sandbox did, one line of its record each."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from domain.actions import Capability


class Change(StrEnum):
    """What an effect did."""

    CREATED = "created"  # a new item
    UPDATED = "updated"  # an upsert that said something new
    CLOSED = "closed"  # a CRM task, with a reason
    ENDED = "ended"  # a call, with its outcome, by an operator
    STATUS = "status"  # a ticket's status or assignee, set by an operator
    ERASED = "erased"  # what was sent of a customer who is forgotten
    RESET = "reset"  # every item forgotten; the record keeps its past


@dataclass(frozen=True, slots=True)
class Collection:
    """Items of one sort: the capability they belong to, the letters of their ids, the texts they cannot do without.

    Notes are written `on` an item of another collection, by the key that their own `on_key` names.
    """

    name: str
    capability: Capability
    letters: str
    needs: tuple[str, ...] = ("customer_ref",)
    on: str = ""
    on_key: str = ""


COLLECTIONS: Mapping[str, Collection] = {
    collection.name: collection
    for collection in (
        Collection("tickets", Capability.TICKETING, "T"),
        Collection("notes", Capability.TICKETING, "N", ("customer_ref", "ticket_key", "text"), "tickets", "ticket_key"),
        Collection("tasks", Capability.CRM, "K"),
        Collection("task_notes", Capability.CRM, "KN", ("customer_ref", "task_key", "text"), "tasks", "task_key"),
        Collection("mail", Capability.MAIL, "M", needs=("customer_ref", "to")),
        Collection("sms", Capability.SMS, "S", needs=("customer_ref", "to")),
        Collection("calls", Capability.VOICE, "C", needs=("customer_ref", "to")),
        Collection("push", Capability.PUSH, "P", needs=("customer_ref", "to")),
        Collection("alerts", Capability.ALERT, "A", needs=("summary", "severity")),  # about the house, not a customer
    )
}

CAPABILITIES = tuple(dict.fromkeys(collection.capability for collection in COLLECTIONS.values()))
"""What the sandbox stands in for."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One change of the sandbox's state. `once` is true when the write came with an Idempotency-Key."""

    at: str  # UTC, see `stamp`
    change: Change
    collection: str = ""
    id: str = ""
    key: str = ""
    once: bool = False
    payload: Mapping[str, Any] = field(default_factory=dict)

    def line(self) -> bytes:
        """The effect as one line of JSON. Raises UnicodeEncodeError for text that no UTF-8 can carry."""
        fields = {
            "at": self.at,
            "effect": self.change,
            "collection": self.collection,
            "key": self.key,
            "id": self.id,
            "once": self.once,
            "payload": self.payload,
        }
        return (json.dumps(fields, ensure_ascii=False, separators=(",", ":")) + "\n").encode()

    @classmethod
    def from_line(cls, line: bytes) -> "Effect":
        """The effect a line tells of. Raises ValueError or KeyError when it tells of none."""
        fields = json.loads(line)
        return cls(
            at=fields["at"],
            change=Change(fields["effect"]),
            collection=fields["collection"],
            id=fields["id"],
            key=fields["key"],
            once=fields["once"],
            payload=fields["payload"],
        )


def stamp(instant: datetime) -> str:
    """An instant as the sandbox writes it: ISO 8601, UTC, milliseconds, `Z`."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
