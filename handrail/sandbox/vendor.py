"""The vendor: takes writes, keeps their effects on record and in memory, answers from both."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from typing import Any

from domain.actions import Capability
from handrail.sandbox.effects import COLLECTIONS, Change, Collection, Effect, stamp
from handrail.sandbox.items import Call, Item, Task, Ticket
from handrail.sandbox.record import Record
from handrail.sandbox.state import State

HALF_A_PAIR = "there is half a surrogate pair in it: send whole characters"
"""What is wrong with a text that no UTF-8 can carry."""


_NO_WORDS = frozenset({"customer_ref", "ticket_key", "task_key", "priority", "template", "language", "team", "due_at"})
"""Fields that an erasure leaves: they say nothing of the customer."""


class Manner(Enum):
    """What a vendor does when the same key comes again."""

    ONCE = "once"  # gives the first answer (an Idempotency-Key)
    UPSERT = "upsert"  # writes over the one item of this key
    PLAIN = "plain"  # makes another item: the key is only a marker


@dataclass(frozen=True, slots=True)
class Answer:
    """What a write is answered."""

    status: HTTPStatus
    body: Mapping[str, Any]

    @classmethod
    def about(cls, item_id: str, key: str, *, created: bool) -> "Answer":
        """A success: 201 for something new, 200 for something known."""
        status = HTTPStatus.CREATED if created else HTTPStatus.OK
        return cls(status, {"id": item_id, "key": key, "created": created})

    @classmethod
    def unknown(cls, what: str, key: str) -> "Answer":
        """A refusal: there is nothing of this key."""
        return cls(HTTPStatus.NOT_FOUND, {"error": f'there is no {what} with the key "{key}"'})


def now() -> datetime:
    """This instant, in UTC."""
    return datetime.now(UTC)


class Vendor:
    """An outside system with a memory that survives kill -9.

    Every method that answers waits until what it tells of is on disk; all of them raise RecordProblem when the
    record cannot be written.
    """

    def __init__(self, record: Path, *, clock: Callable[[], datetime] = now, search_lag: float = 0.0) -> None:
        """Open the record and rebuild the state from it. Items can be searched `search_lag` seconds after arrival."""
        self._clock = clock
        self._search_lag = timedelta(seconds=search_lag)
        self._record = Record(record)
        self._state = State()
        self._started = stamp(clock())
        self._record.replay(self._state.apply)

    async def write(self, collection: Collection, key: str, payload: Mapping[str, Any], manner: Manner) -> Answer:
        """Create or upsert an item."""
        answer = self._write(collection, key, payload, manner)
        await self._record.durable()
        return answer

    async def write_all(
        self, collection: Collection, writes: Iterable[tuple[str, Mapping[str, Any], Manner]]
    ) -> list[Answer]:
        """Create or upsert many items, in order; each has an answer of its own, and the disk is waited for once."""
        answers = []
        for key, payload, manner in writes:
            try:
                answers.append(self._write(collection, key, payload, manner))
            except UnicodeEncodeError:  # nothing of this one was taken; the others are none the worse
                answers.append(Answer(HTTPStatus.BAD_REQUEST, {"error": HALF_A_PAIR}))
        await self._record.durable()
        return answers

    async def close_task(self, key: str, task_key: str, reason: str) -> Answer:
        """Close the task with this key, and its twins; closing a closed one changes nothing. `key` is the closing's."""
        tasks = [task for task in self._state.shelves["tasks"].with_key(task_key) if isinstance(task, Task)]
        for task in tasks:
            if task.status != "closed":
                self._happened(Change.CLOSED, "tasks", task, {"reason": reason, "closing": key})
        await self._record.durable()
        return Answer.about(tasks[0].id, key, created=False) if tasks else Answer.unknown("task", task_key)

    async def set_status(self, key: str, changes: Mapping[str, str | None], *, answered: bool = False) -> Answer:
        """Set status, assignee or both of the ticket with this key, or write to its customer, as an operator does."""
        tickets = [ticket for ticket in self._state.shelves["tickets"].with_key(key) if isinstance(ticket, Ticket)]
        for ticket in tickets:
            before = {"status": ticket.status, "assignee": ticket.assignee, "answered_at": ticket.answered_at}
            after = {**before, **changes, **({"answered_at": stamp(self._clock())} if answered else {})}
            if after != before:
                self._happened(Change.STATUS, "tickets", ticket, after)
        await self._record.durable()
        return Answer.about(tickets[0].id, key, created=False) if tickets else Answer.unknown("ticket", key)

    async def end_call(self, key: str, outcome: str, said: str | None) -> Call | None:
        """End the call with this key, and its twins; one that has ended stays as it is. None: there is no such call."""
        calls = [call for call in self._state.shelves["calls"].with_key(key) if isinstance(call, Call)]
        for call in calls:
            if call.outcome is None:
                self._happened(Change.ENDED, "calls", call, {"outcome": outcome, "said": said})
        await self._record.durable()
        return calls[0] if calls else None

    async def erase(self, capability: Capability, key: str, customer_ref: str) -> Answer:
        """Forget what was sent of a customer by this capability; the record keeps its past. Twice is once."""
        for collection in COLLECTIONS.values():
            if collection.capability is not capability:
                continue
            for item in list(self._state.shelves[collection.name].items.values()):
                payload = item.payload
                blank = {name: value if name in _NO_WORDS else "" for name, value in payload.items()}
                if payload.get("customer_ref") == customer_ref and blank != payload:
                    self._happened(Change.ERASED, collection.name, item, blank)
        await self._record.durable()
        return Answer.about(f"erased-{customer_ref}", key, created=False)

    async def reset(self) -> None:
        """Forget every item."""
        self._keep(Effect(at=stamp(self._clock()), change=Change.RESET))
        await self._record.durable()

    def version(self, collection: str) -> str:
        """A word that changes with the list; a restart changes every one of them."""
        return f'"{self._started}-{self._state.shelves[collection].version}"'

    async def items(self, collection: str) -> list[str]:
        """Every item as JSON text, in order of arrival."""
        return await self._told(self._state.shelves[collection].items.values())

    async def with_key(self, collection: str, key: str) -> list[str]:
        """The items of this key as JSON texts, oldest first."""
        return await self._told(self._state.shelves[collection].with_key(key))

    async def opened_since(self, since: str, limit: int) -> list[str]:
        """The tickets that arrived since then, as JSON texts, oldest first."""
        tickets = self._state.shelves["tickets"].items.values()
        return await self._told([ticket for ticket in tickets if ticket.received_at >= since][:limit])

    async def search(self, collection: str, key: str, *, lag: float = 0.0) -> list[str]:
        """Those items of this key, as JSON texts, that the search knows of by now; `lag` seconds are the least."""
        indexed = stamp(self._clock() - max(self._search_lag, timedelta(seconds=lag)))
        found = self._state.shelves[collection].with_key(key)
        return await self._told(item for item in found if item.received_at <= indexed)

    async def close(self) -> None:
        """Let go of the record."""
        await self._record.close()

    async def _told(self, items: Iterable[Item]) -> list[str]:
        """The items as they are now, once that is on disk."""
        texts = [item.as_json() for item in items]
        await self._record.durable()
        return texts

    def _write(self, collection: Collection, key: str, payload: Mapping[str, Any], manner: Manner) -> Answer:
        shelf = self._state.shelves[collection.name]
        if manner is Manner.ONCE and key in shelf.once:
            return Answer.about(shelf.once[key].id, key, created=True)
        if manner is Manner.UPSERT and (known := shelf.with_key(key)):
            if known[0].payload != payload:
                self._happened(Change.UPDATED, collection.name, known[0], payload)
            return Answer.about(known[0].id, key, created=False)
        if collection.on and self._state.noted_by(collection, payload) is None:
            return Answer.unknown(collection.on.removesuffix("s"), str(payload[collection.on_key]))
        return self._create(collection, key, payload, manner)

    def _create(self, collection: Collection, key: str, payload: Mapping[str, Any], manner: Manner) -> Answer:
        item_id = f"{collection.letters}-{self._state.shelves[collection.name].ever + 1}"
        self._keep(
            Effect(
                at=stamp(self._clock()),
                change=Change.CREATED,
                collection=collection.name,
                id=item_id,
                key=key,
                once=manner is Manner.ONCE,
                payload=payload,
            )
        )
        return Answer.about(item_id, key, created=True)

    def _happened(self, change: Change, collection: str, item: Item, payload: Mapping[str, Any]) -> None:
        at = stamp(self._clock())
        self._keep(Effect(at=at, change=change, collection=collection, id=item.id, key=item.key, payload=payload))

    def _keep(self, effect: Effect) -> None:
        self._record.append(effect)
        self._state.apply(effect)
