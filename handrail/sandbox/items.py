"""Items: what the sandbox received, as its lists show it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

PRIORITIES = ("low", "normal", "high", "urgent", "critical")
"""Lowest first. A word that is not among them ranks as normal."""

STATUSES = ("open", "pending", "solved")
"""Where a ticket can stand."""


def compact(fields: Mapping[str, Any]) -> str:
    """JSON on one line."""
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def higher(one: str, other: str) -> str:
    """The higher of two priorities; `one` when they are equal."""
    return other if _rank(other) > _rank(one) else one


def _rank(priority: str) -> int:
    return PRIORITIES.index(priority if priority in PRIORITIES else "normal")


@dataclass(slots=True, eq=False)
class Item:
    """A mail, text message, alert or note: what was sent, under the sandbox's id.

    What was sent is kept as JSON text: the garbage collector would stop the sandbox for a tenth of a second to walk
    through some ten thousand parsed ones.
    """

    id: str
    key: str
    received_at: str  # when it was first received
    sent: str
    updated_at: str | None = None
    _json: str | None = None

    @property
    def payload(self) -> dict[str, Any]:
        """What was sent."""
        payload: dict[str, Any] = json.loads(self.sent)
        return payload

    def fields(self) -> dict[str, Any]:
        """What the lists show. The sandbox's own fields win over those sent."""
        return self.payload | {
            "id": self.id,
            "key": self.key,
            "received_at": self.received_at,
            "updated_at": self.updated_at,
        }

    def as_json(self) -> str:
        """The fields as JSON text, kept until the item changes."""
        if self._json is None:
            self._json = compact(self.fields())
        return self._json

    def changed(self, at: str) -> None:
        """Note that something about the item changed."""
        self.updated_at = at
        self._json = None


@dataclass(slots=True, eq=False)
class Notes:
    """What was added to a ticket or a task, and how high that has raised its priority; nothing lowers it again."""

    taken: list[Item] = field(default_factory=list)
    raised_to: str = PRIORITIES[0]

    def take(self, note: Item) -> bool:
        """Take in a new or changed note. True for a new one."""
        self.raised_to = higher(self.raised_to, str(note.payload.get("priority") or PRIORITIES[0]))
        if note in self.taken:
            return False
        self.taken.append(note)
        return True

    def fields(self, priority: object) -> dict[str, Any]:
        """What the lists show of an item that was sent with this priority."""
        return {
            "priority": higher(str(priority or "normal"), self.raised_to),
            "notes": [_note_fields(note) for note in self.taken],
        }


@dataclass(slots=True, eq=False)
class Ticket(Item):
    """A ticket with its notes, which may have raised its priority."""

    status: str = "open"
    assignee: str | None = None
    answered_at: str | None = None  # when a person last wrote to the customer in it
    notes: Notes = field(default_factory=Notes)

    def fields(self) -> dict[str, Any]:
        """What the lists show."""
        fields = Item.fields(self)
        return (
            fields
            | self.notes.fields(fields.get("priority"))
            | {"status": self.status, "assignee": self.assignee, "answered_at": self.answered_at}
        )

    def noted(self, note: Item, at: str) -> None:
        """Take in a new or changed note. A new one opens a solved ticket again."""
        if self.notes.take(note) and self.status == "solved":
            self.status = "open"
        self.changed(at)


def _note_fields(note: Item) -> dict[str, Any]:
    shown = {"received_at": "at", "id": "id", "key": "key", "text": "text", "priority": "priority"}
    fields = note.fields()
    return {name: fields.get(source) for source, name in shown.items()}


@dataclass(slots=True, eq=False)
class Task(Item):
    """A CRM task with its notes, open until it is closed with a reason."""

    status: str = "open"
    closed_reason: str | None = None
    notes: Notes = field(default_factory=Notes)

    def fields(self) -> dict[str, Any]:
        """What the lists show."""
        fields = Item.fields(self)
        return (
            fields
            | self.notes.fields(fields.get("priority"))
            | {"status": self.status, "closed_reason": self.closed_reason}
        )

    def noted(self, note: Item, at: str) -> None:
        """Take in a new or changed note. A closed task stays closed: whoever closed it has dealt with it."""
        self.notes.take(note)
        self.changed(at)


@dataclass(slots=True, eq=False)
class Call(Item):
    """A call, which rings until it is ended with an outcome."""

    outcome: str | None = None
    said: str | None = None  # what the customer said or asked for
    ended_at: str | None = None

    def fields(self) -> dict[str, Any]:
        """What the lists show."""
        return Item.fields(self) | {"outcome": self.outcome, "said": self.said, "ended_at": self.ended_at}
