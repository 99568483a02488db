"""The sandbox's state: every item, rebuilt from the record by applying its effects in order."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from handrail.sandbox.effects import COLLECTIONS, Change, Collection, Effect
from handrail.sandbox.items import Call, Item, Task, Ticket, compact

_SORTS: Mapping[str, type[Item]] = {"tickets": Ticket, "tasks": Task, "calls": Call}


class Shelf:
    """The items of one collection."""

    def __init__(self) -> None:
        """A shelf that has never held anything."""
        self.ever = 0  # items ever made, so that no id comes twice
        self.version = 0  # changes ever, so that readers can skip an unchanged list
        self.clear()

    def clear(self) -> None:
        """Forget every item."""
        self.items: dict[str, Item] = {}  # by id, in order of arrival
        self.by_key: dict[str, list[Item]] = defaultdict(list)  # a key comes twice when a write was repeated blindly
        self.once: dict[str, Item] = {}  # by Idempotency-Key

    def with_key(self, key: str) -> list[Item]:
        """The items with this key, oldest first."""
        return list(self.by_key.get(key, ()))


class State:
    """Everything the sandbox knows."""

    def __init__(self) -> None:
        """Nothing received yet."""
        self.shelves = {name: Shelf() for name in COLLECTIONS}

    def apply(self, effect: Effect) -> None:
        """Change as the effect says."""
        if effect.change is Change.RESET:
            for shelf in self.shelves.values():
                shelf.clear()
                shelf.version += 1
            return
        shelf = self.shelves[effect.collection]
        shelf.version += 1
        if effect.change is Change.CREATED:
            item = _made(effect)
            _put(shelf, item, once=effect.once)
        else:
            item = shelf.items[effect.id]
            _change(item, effect)
        noted = self.noted_by(COLLECTIONS[effect.collection], effect.payload)
        if noted is not None:
            noted.noted(item, effect.at)
            self.shelves[COLLECTIONS[effect.collection].on].version += 1

    def noted_by(self, collection: Collection, payload: Mapping[str, Any]) -> Ticket | Task | None:
        """The ticket or task that a note of this collection is on; the first one when its key was used twice."""
        found = self.shelves[collection.on].with_key(str(payload.get(collection.on_key))) if collection.on else []
        return found[0] if found and isinstance(found[0], Ticket | Task) else None


def _made(effect: Effect) -> Item:
    return _SORTS.get(effect.collection, Item)(
        id=effect.id, key=effect.key, received_at=effect.at, sent=compact(effect.payload)
    )


def _put(shelf: Shelf, item: Item, *, once: bool) -> None:
    shelf.ever += 1
    shelf.items[item.id] = item
    shelf.by_key[item.key].append(item)
    if once:
        shelf.once[item.key] = item


def _change(item: Item, effect: Effect) -> None:
    if effect.change in {Change.UPDATED, Change.ERASED}:
        item.sent = compact(effect.payload)
        if effect.change is Change.ERASED and isinstance(item, Call):
            item.said = None
    elif effect.change is Change.CLOSED and isinstance(item, Task):
        item.status, item.closed_reason = "closed", effect.payload["reason"]
    elif effect.change is Change.ENDED and isinstance(item, Call):
        item.outcome, item.said, item.ended_at = effect.payload["outcome"], effect.payload["said"], effect.at
    elif effect.change is Change.STATUS and isinstance(item, Ticket):
        item.status, item.assignee = effect.payload["status"], effect.payload["assignee"]
        item.answered_at = effect.payload.get("answered_at", item.answered_at)
    item.changed(effect.at)
