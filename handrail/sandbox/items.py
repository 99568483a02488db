"""Items: what the sandbox received, as its lists show it."""

import json
from dataclasses import dataclass, field
from typing import Any

PRIORITIES = ("low", "normal", "high", "urgent", "critical")
"""Lowest first. A word that is not among them ranks as normal."""

STATUSES = ("open", "pending", "solved")
"""Where a ticket can stand."""


def higher(one: str, other: str) -> str:
    """The higher of two priorities; `one` when they are equal."""
    return other if _rank(other) > _rank(one) else one


def _rank(priority: str) -> int:
    return PRIORITIES.index(priority if priority in PRIORITIES else "normal")


@dataclass(slots=True, eq=False)
class Item:
    """A mail, text message, call or note: what was sent, under the sandbox's id."""

    id: str
    key: str
    received_at: str  # when it was first received
    payload: dict[str, Any]
    updated_at: str | None = None
    _json: str | None = None

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
            self._json = json.dumps(self.fields(), ensure_ascii=False, separators=(",", ":"))
        return self._json

    def changed(self, at: str) -> None:
        """Note that something about the item changed."""
        self.updated_at = at
        self._json = None


@dataclass(slots=True, eq=False)
class Ticket(Item):
    """A ticket with its notes, which may have raised its priority."""

    status: str = "open"
    assignee: str | None = None
    notes: list[Item] = field(default_factory=list)
    _raised_to: str = PRIORITIES[0]

    def fields(self) -> dict[str, Any]:
        """What the lists show."""
        return Item.fields(self) | {
            "priority": higher(str(self.payload.get("priority") or "normal"), self._raised_to),
            "status": self.status,
            "assignee": self.assignee,
            "notes": [_note_fields(note) for note in self.notes],
        }

    def noted(self, note: Item, at: str) -> None:
        """Take in a new or changed note. It may raise the ticket's priority; nothing lowers it again."""
        if note not in self.notes:
            self.notes.append(note)
        self._raised_to = higher(self._raised_to, str(note.payload.get("priority") or PRIORITIES[0]))
        self.changed(at)


def _note_fields(note: Item) -> dict[str, Any]:
    said = {name: note.payload.get(name) for name in ("text", "priority")}
    return {"id": note.id, "key": note.key, "at": note.received_at, "updated_at": note.updated_at} | said


@dataclass(slots=True, eq=False)
class Task(Item):
    """A CRM task, open until it is closed with a reason."""

    status: str = "open"
    closed_reason: str | None = None

    def fields(self) -> dict[str, Any]:
        """What the lists show."""
        return Item.fields(self) | {"status": self.status, "closed_reason": self.closed_reason}
