"""A fake of every port that we call, in memory: for tests, held to the same contract as the vendors."""

import json
from collections import deque
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, Literal

from data_contracts.events import StandardEvent
from data_contracts.surveys import SurveyAnswered
from domain.actions import Capability, WriteClass
from integrations.declaration import integration_name
from integrations.errors import IntegrationError, Rejected, Unsupported
from integrations.ports import (
    ERASE,
    WRITES,
    Alert,
    Announced,
    Call,
    Erasure,
    Headers,
    Health,
    Mail,
    Noted,
    Push,
    Receipt,
    Sms,
    SurveyIntake,
    Task,
    TaskClosing,
    TaskNote,
    Ticket,
    TicketNote,
    TicketState,
    TicketStatus,
    Verified,
)
from integrations.registry import Configured

Scripted = Exception | tuple[Literal["after"], Exception] | None
"""How one write goes: well (None), fails with nothing done, or fails after it was done (the answer is lost)."""

LARGEST_BATCH = 100


class FakeVendor:
    """Serves one capability and remembers what it did.

    `effects` is what an outside observer would count: with class A or B one entry a key, with C or D one a write.
    """

    def __init__(self, capability: Capability, write_class: WriteClass = WriteClass.B) -> None:
        self.capability = capability
        self.vendor_class = write_class
        self.effects: list[tuple[str, str, Any]] = []
        self.calls: list[tuple[str, str, Any]] = []
        """Every write that reached the vendor, also those that failed."""
        self.statuses: dict[str, TicketStatus] = {}
        """What `read_ticket` says of a key; open unless set."""
        self.assignees: dict[str, str] = {}
        self.answered: dict[str, datetime] = {}
        self.unreadable: IntegrationError | None = None
        """What `read_ticket` and `list_tickets` raise."""
        self.reads: list[str] = []
        """The key of every `read_ticket`."""
        self.health = Health(ok=True, latency_ms=0)
        self.is_closed = False
        self.batches: list[int] = []
        """The size of each batch call that reached the vendor."""
        self._script: deque[Scripted] = deque()
        self._batch_script: deque[Scripted] = deque()

    def script(self, *outcomes: Scripted) -> None:
        """How the next writes go, one outcome each; after them, well."""
        self._script.extend(outcomes)

    def script_batches(self, *outcomes: Scripted) -> None:
        """How the next batch calls go as a whole; within one that goes well, each item goes as `script` says."""
        self._batch_script.extend(outcomes)

    def configured(
        self, *, rate_per_second: float | None = None, timeout_seconds: float = 8.0, batch: int = 1
    ) -> Configured:
        """The fake as a roster holds it."""
        return Configured(
            name=integration_name(self.capability, "fake"),
            capability=self.capability,
            vendor="fake",
            port=self,
            class_of=lambda operation: self.vendor_class,
            rate_per_second=rate_per_second,
            timeout_seconds=timeout_seconds,
            batches=dict.fromkeys(WRITES[self.capability], batch),
        )

    async def check(self) -> Health:
        """What `health` says."""
        return self.health

    async def find(self, operation: str, key: str) -> Receipt | None:
        """The oldest effect of `key`. Raises Unsupported unless the class is C."""
        if self.vendor_class is not WriteClass.C or operation not in WRITES[self.capability]:
            raise Unsupported(
                integration_name(self.capability, "fake"), f"{operation} cannot be looked up", "settle it"
            )
        found = self._places(operation, key)
        return self._receipt(found[0]) if found else None

    async def write_batch(
        self, operation: str, items: Sequence[tuple[str, Any]]
    ) -> Sequence[Receipt | IntegrationError]:
        """One call; an effect for each item that goes well. Unsupported for more than `LARGEST_BATCH` items."""
        if len(items) > LARGEST_BATCH:
            name = integration_name(self.capability, "fake")
            raise Unsupported(name, f"{len(items)} items in one call", f"send at most {LARGEST_BATCH}")
        self.batches.append(len(items))
        outcome = self._batch_script.popleft() if self._batch_script else None
        if isinstance(outcome, Exception):
            raise outcome
        ends = [self._ended(operation, key, value) for key, value in items]
        if outcome is not None:
            raise outcome[1]
        return ends

    async def aclose(self) -> None:
        """Notes that it was closed."""
        self.is_closed = True

    async def open_ticket(self, ticket: Ticket, *, key: str) -> Receipt:
        """One effect."""
        return self._write("open_ticket", key, ticket)

    async def add_note(self, note: TicketNote, *, key: str) -> Receipt:
        """One effect, and a solved ticket is open again; Rejected when the ticket is unknown, as ticket desks do."""
        if not self._places("open_ticket", note.ticket_key):
            raise Rejected(integration_name(self.capability, "fake"), "no such ticket", "open it first", 404)
        receipt = self._write("add_note", key, note)
        if self.statuses.get(note.ticket_key) is TicketStatus.SOLVED:
            self.statuses[note.ticket_key] = TicketStatus.OPEN
        return receipt

    async def read_ticket(self, key: str) -> TicketState | None:
        """The ticket as `statuses`, `assignees` and `answered` have it."""
        self.reads.append(key)
        if self.unreadable is not None:
            raise self.unreadable
        found = self._places("open_ticket", key)
        return self._shown(found[0]) if found else None

    async def list_tickets(self, *, since: datetime, limit: int) -> Sequence[TicketState]:
        """Every ticket: the fake knows no time."""
        if self.unreadable is not None:
            raise self.unreadable
        return [self._shown(place) for place, effect in enumerate(self.effects) if effect[0] == "open_ticket"][:limit]

    async def upsert_task(self, task: Task, *, key: str) -> Receipt:
        """One effect."""
        return self._write("upsert_task", key, task)

    async def add_task_note(self, note: TaskNote, *, key: str) -> Receipt:
        """One effect; Rejected (404) for a task it does not know, as vendors answer."""
        if not self._places("upsert_task", note.task_key):
            raise Rejected(integration_name(self.capability, "fake"), "no such task", "create it first", 404)
        return self._write("add_task_note", key, note)

    async def close_task(self, closing: TaskClosing, *, key: str) -> Receipt:
        """One effect."""
        return self._write("close_task", key, closing)

    async def send_mail(self, mail: Mail, *, key: str) -> Receipt:
        """One effect."""
        return self._write("send_mail", key, mail)

    async def send_sms(self, sms: Sms, *, key: str) -> Receipt:
        """One effect."""
        return self._write("send_sms", key, sms)

    async def place_call(self, call: Call, *, key: str) -> Receipt:
        """One effect."""
        return self._write("place_call", key, call)

    async def send_push(self, push: Push, *, key: str) -> Receipt:
        """One effect."""
        return self._write("send_push", key, push)

    async def raise_alert(self, alert: Alert, *, key: str) -> Receipt:
        """One effect."""
        return self._write("raise_alert", key, alert)

    async def erase_customer(self, erasure: Erasure, *, key: str) -> Receipt:
        """One effect."""
        return self._write(ERASE, key, erasure)

    def _write(self, operation: str, key: str, value: Any) -> Receipt:
        self.calls.append((operation, key, value))
        outcome = self._script.popleft() if self._script else None
        if isinstance(outcome, Exception):
            raise outcome
        receipt = self._applied(operation, key, value)
        if outcome is not None:
            raise outcome[1]
        return receipt

    def _ended(self, operation: str, key: str, value: Any) -> Receipt | IntegrationError:
        try:
            return self._write(operation, key, value)
        except IntegrationError as problem:
            return problem

    def _applied(self, operation: str, key: str, value: Any) -> Receipt:
        known = self._places(operation, key) if self.vendor_class in {WriteClass.A, WriteClass.B} else []
        if not known:
            self.effects.append((operation, key, value))
            return self._receipt(len(self.effects) - 1)
        if self.vendor_class is WriteClass.B:
            self.effects[known[0]] = (operation, key, value)
        return self._receipt(known[0])

    def _places(self, operation: str, key: str) -> list[int]:
        return [place for place, effect in enumerate(self.effects) if effect[:2] == (operation, key)]

    def _shown(self, place: int) -> TicketState:
        key = self.effects[place][1]
        return TicketState(
            key,
            self._receipt(place).external_id,
            self.statuses.get(key, TicketStatus.OPEN),
            self.assignees.get(key),
            self.answered.get(key),
        )

    @staticmethod
    def _receipt(place: int) -> Receipt:
        return Receipt(external_id=f"fake-{place + 1}")


class FakeSurveyTool:
    """A survey tool that tells of answers in ids and shows them when it is asked; it signs as its `intake` does.

    Its bodies are those of the source `standard`; with the type `survey.announced`, `data` is the ids alone.
    """

    ANNOUNCED = "survey.announced"

    def __init__(self, intake: SurveyIntake) -> None:
        self._intake = intake
        self.answers: dict[str, bytes] = {}
        """What it shows, by response."""
        self.asked: list[datetime] = []
        """Since when it was asked, each time."""
        self.fetched: list[str] = []
        self.is_open = True
        self.page = 2
        self._script: deque[Exception | None] = deque()

    def script(self, *outcomes: Exception | None) -> None:
        """How the next fetches and pages go: well (None), or not."""
        self._script.extend(outcomes)

    def verify(self, headers: Headers, body: bytes, now: datetime) -> Verified:
        """As its intake does."""
        return self._intake.verify(headers, body, now)

    def read(self, body: bytes) -> SurveyAnswered | StandardEvent | Announced | Noted:
        """An answer, or ids of one; any other type is noted."""
        event = json.loads(body)
        if event.get("type") == self.ANNOUNCED:
            return Announced(event["data"]["survey"], event["data"]["response"])
        if event.get("type") != "survey.responded":
            return Noted(str(event.get("type")), "an event that we do not act on")
        return self._intake.read(body)

    async def fetch(self, announced: Announced) -> bytes:
        """What `answers` says; Rejected (404) without it."""
        self.fetched.append(announced.response)
        self._play()
        if announced.response not in self.answers:
            raise Rejected("survey_intake via fake", "refused with 404", "look there", 404)
        return self.answers[announced.response]

    async def since(self, since: datetime) -> AsyncIterator[Sequence[bytes]]:
        """All of them in pages, whenever they were given."""
        self.asked.append(since)
        bodies = list(self.answers.values())
        for start in range(0, max(len(bodies), 1), self.page):
            self._play()
            yield bodies[start : start + self.page]

    async def aclose(self) -> None:
        """Nothing to close."""

    def _play(self) -> None:
        problem = self._script.popleft() if self._script else None
        if problem is not None:
            raise problem
