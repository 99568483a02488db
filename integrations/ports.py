"""The ports: what Handrail asks of the outside world, one protocol a capability.

Every write takes our `key`, returns a `Receipt`, and raises only the errors of `integrations.errors`: `NotSent`,
`RateLimited`, `Busy`, `AuthFailed`, `Rejected`, `Unsupported` (surely not done) or `OutcomeUnknown` (perhaps done).
Every read raises `Unavailable` or `ContractViolation` instead of `OutcomeUnknown`. Instants are aware UTC.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from data_contracts.events import StandardEvent
from data_contracts.journey_events import MessageEvents
from data_contracts.surveys import SurveyAnswered
from domain.actions import Capability
from domain.light import light
from integrations.errors import IntegrationError


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the vendor answered to a write. Same key, same receipt, where the write class promises it (A and B).

    `external_id` is empty when the vendor confirmed the write and named nothing.
    """

    external_id: str
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Health:
    """What a check found; `problem` is empty when `ok`, else the error's text."""

    ok: bool
    latency_ms: int
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Ticket:
    """A case to open. `context` is the bundle that spares the customer from repeating themselves (JSON values)."""

    customer_ref: str
    subject: str
    body: str
    priority: str
    team: str
    language: str
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TicketNote:
    """What is added to a ticket: one more answer, or what we ask of a colleague.

    The priority is raised if this one is higher, never lowered. A ticket that was solved is open again with it.
    """

    ticket_key: str
    customer_ref: str
    text: str
    priority: str


class TicketStatus(StrEnum):
    """A ticket's status in our words; every vendor's words are translated once, in its file."""

    OPEN = "open"  # nobody has finished with it
    PENDING = "pending"  # waits for the customer or somebody else
    SOLVED = "solved"  # done; lifts the tact lock
    UNKNOWN = "unknown"  # a word we have not met: never taken for solved


@dataclass(frozen=True, slots=True)
class TicketState:
    """A ticket as its vendor shows it now."""

    key: str
    external_id: str
    status: TicketStatus
    assignee: str | None
    answered_at: datetime | None = None
    """When a person last wrote to the customer in it; None: nobody did, or the vendor does not say."""


@dataclass(frozen=True, slots=True)
class Task:
    """Work for a colleague in the CRM; `due_at` None means no date.

    `customer_name` is how colleagues call the customer: all that a CRM is told of who they are, and only where it does
    not know them yet. Empty: their ref.
    """

    customer_ref: str
    title: str
    body: str
    assignee: str
    priority: str
    due_at: datetime | None
    customer_name: str = ""


@dataclass(frozen=True, slots=True)
class TaskNote:
    """What is added to a task. The priority is raised if this one is higher, never lowered.

    A closed task takes the note and stays closed: whoever closed it has dealt with the ending.
    """

    task_key: str
    customer_ref: str
    text: str
    priority: str


@dataclass(frozen=True, slots=True)
class TaskClosing:
    """A task that is not needed any more, and why."""

    task_key: str
    reason: str


@light(frozen=True, slots=True)
class Mail:
    """One message to one address, as text and as HTML; `template` names the wording."""

    customer_ref: str
    to: str
    subject: str
    text: str
    html: str
    language: str
    template: str
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sms:
    """One text message to one number (E.164)."""

    customer_ref: str
    to: str
    text: str
    language: str
    template: str


@dataclass(frozen=True, slots=True)
class Call:
    """One voicebot call to one number (E.164); `script` is what is spoken."""

    customer_ref: str
    to: str
    script: str
    language: str
    template: str


@dataclass(frozen=True, slots=True)
class Push:
    """One notification to one device."""

    customer_ref: str
    to: str
    title: str
    text: str
    link: str  # what opens when it is touched; empty: the app
    language: str
    template: str


@dataclass(frozen=True, slots=True)
class Erasure:
    """A customer who is to be forgotten; known to the outside system by our ref."""

    customer_ref: str


@dataclass(frozen=True, slots=True)
class Alert:
    """What a colleague on duty must know; carries references and counts, never a customer's words.

    `severity` is critical, error, warning or info; `link` is where to act, empty when there is no such place; `links`
    are further ones, by what they are called.
    """

    summary: str
    severity: str
    link: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verified:
    """A webhook whose signature is genuine and, where its vendor signs a time, recent.

    `webhook_id` is signed too, so that a replay is known by it; `sent_at` None: the vendor signs no time.
    """

    webhook_id: str
    sent_at: datetime | None


@dataclass(frozen=True, slots=True)
class Noted:
    """A genuine event that calls for nothing: a vendor's test, or of a kind that we do not act on."""

    event: str
    """The vendor's own word for it."""
    why: str


@dataclass(frozen=True, slots=True)
class Announced:
    """An answer that its vendor only tells of, in ids: `SurveyArchive.fetch` brings it."""

    survey: str
    response: str


class Port(Protocol):
    """What every outside system that we call can do."""

    async def check(self) -> Health:
        """Reachable, and our credentials accepted? One attempt; never raises an `IntegrationError`."""

    async def find(self, operation: str, key: str) -> Receipt | None:
        """The write of `operation` marked with `key`, or None when the vendor shows none (yet: searches lag).

        Raises `Unsupported` unless the operation's write class is C.
        """

    async def aclose(self) -> None:
        """Closes the connections. The port cannot be used afterwards."""


@runtime_checkable
class Batches(Protocol):
    """What a port has beside its single writes when its vendor takes several in one call."""

    async def write_batch(
        self, operation: str, items: Sequence[tuple[str, Any]]
    ) -> Sequence[Receipt | IntegrationError]:
        """One call of `operation` for all (key, value) of `items`; how each of them ended, in their order.

        An item the vendor refused is an error, returned beside the receipts of the others. Raises, as a single write
        does, what holds for all of them: when the answer is lost, each may have been done. Raises `Unsupported` for
        more items than the integration declares.
        """


@runtime_checkable
class Erases(Protocol):
    """What a port has beside its writes when its vendor keeps customers under our ref, and can forget them."""

    async def erase_customer(self, erasure: Erasure, *, key: str) -> Receipt:
        """Forgets the customer; one it does not know is forgotten already."""


@runtime_checkable
class Pages(Protocol):
    """What a port has beside its writes when its vendor shows people a page of each."""

    def page_of(self, operation: str, external_id: str, *, key: str) -> str | None:
        """The address of what a write of `operation` made, for a colleague's browser; None: it has no page."""


@runtime_checkable
class Ticketing(Port, Protocol):
    """A ticket desk."""

    async def open_ticket(self, ticket: Ticket, *, key: str) -> Receipt: ...
    async def add_note(self, note: TicketNote, *, key: str) -> Receipt: ...
    async def read_ticket(self, key: str) -> TicketState | None:
        """The ticket opened with `key` as it stands now; None when the vendor knows none."""


@runtime_checkable
class TicketList(Protocol):
    """What a ticket desk has beside `Ticketing` when it can list the tickets that carry keys of ours."""

    async def list_tickets(self, *, since: datetime, limit: int) -> Sequence[TicketState]:
        """Our tickets opened `since`, the oldest first, at most `limit`. Two with one key are two."""


@runtime_checkable
class Crm(Port, Protocol):
    """A customer relationship system."""

    async def upsert_task(self, task: Task, *, key: str) -> Receipt: ...
    async def add_task_note(self, note: TaskNote, *, key: str) -> Receipt:
        """Adds to the task upserted with `note.task_key`, and raises its priority."""

    async def close_task(self, closing: TaskClosing, *, key: str) -> Receipt:
        """Closes the task upserted with `closing.task_key`; closing a closed one changes nothing."""


@runtime_checkable
class MailPort(Port, Protocol):
    """A mail provider."""

    async def send_mail(self, mail: Mail, *, key: str) -> Receipt: ...


@runtime_checkable
class SmsPort(Port, Protocol):
    """A text message provider."""

    async def send_sms(self, sms: Sms, *, key: str) -> Receipt: ...


@runtime_checkable
class VoicePort(Port, Protocol):
    """A voicebot."""

    async def place_call(self, call: Call, *, key: str) -> Receipt: ...


@runtime_checkable
class PushPort(Port, Protocol):
    """A push notification provider."""

    async def send_push(self, push: Push, *, key: str) -> Receipt: ...


@runtime_checkable
class AlertPort(Port, Protocol):
    """What calls a colleague on duty."""

    async def raise_alert(self, alert: Alert, *, key: str) -> Receipt: ...


Headers = Mapping[str, str] | Iterable[tuple[bytes, bytes]]
"""A request's headers: a mapping, or the pairs as they came (the only way to see a doubled one)."""


@runtime_checkable
class SurveyIntake(Protocol):
    """A survey tool that sends us signed answers. No I/O: both methods are plain functions of what came in."""

    def verify(self, headers: Headers, body: bytes, now: datetime) -> Verified:
        """Raises `Unsigned`, `Forged` or `Stale`. To be called on the raw bytes, before anything reads them."""

    def read(self, body: bytes) -> SurveyAnswered | StandardEvent | Announced | Noted:
        """What the event says, in our words. Raises `NotStrictJson` or `ContractBroken` (`data_contracts.problems`)."""


@runtime_checkable
class DeliveryIntake(Protocol):
    """A vendor that tells what became of messages: a `SurveyIntake` that says nothing else."""

    def verify(self, headers: Headers, body: bytes, now: datetime) -> Verified:
        """Raises `Unsigned`, `Forged` or `Stale`. To be called on the raw bytes, before anything reads them."""

    def read(self, body: bytes) -> MessageEvents | Noted:
        """What the delivery says of our messages. Raises `NotStrictJson` or `ContractBroken`."""


@runtime_checkable
class LargeDeliveries(Protocol):
    """What a source has beside its two methods when its vendor tells of much at once."""

    @property
    def largest_body(self) -> int:
        """Bytes of one delivery."""


@runtime_checkable
class SurveyArchive(Protocol):
    """What a `SurveyIntake` has beside its two methods when its vendor's API shows the answers it has.

    Answers come as bodies that `SurveyIntake.read` understands. Both raise as every read does.
    """

    @property
    def is_open(self) -> bool:
        """True when we are configured to ask it."""

    def since(self, since: datetime) -> AsyncIterator[Sequence[bytes]]:
        """Every answer given or changed at or after `since`, page by page; some may come twice."""

    async def fetch(self, announced: Announced) -> bytes:
        """One answer. Raises `Rejected` (404) for one that the vendor does not show (yet)."""

    async def aclose(self) -> None:
        """Closes the connections. The archive cannot be asked afterwards."""


LISTENING = frozenset({Capability.SURVEY_INTAKE, Capability.DELIVERY_INTAKE})
"""What is listened to, not called: any number of sources each."""

PORTS: Mapping[Capability, type] = {
    Capability.TICKETING: Ticketing,
    Capability.CRM: Crm,
    Capability.MAIL: MailPort,
    Capability.SMS: SmsPort,
    Capability.VOICE: VoicePort,
    Capability.PUSH: PushPort,
    Capability.ALERT: AlertPort,
    Capability.SURVEY_INTAKE: SurveyIntake,
    Capability.DELIVERY_INTAKE: DeliveryIntake,
}

WRITES: Mapping[Capability, tuple[str, ...]] = {
    Capability.TICKETING: ("open_ticket", "add_note"),
    Capability.CRM: ("upsert_task", "add_task_note", "close_task"),
    Capability.MAIL: ("send_mail",),
    Capability.SMS: ("send_sms",),
    Capability.VOICE: ("place_call",),
    Capability.PUSH: ("send_push",),
    Capability.ALERT: ("raise_alert",),
    Capability.SURVEY_INTAKE: (),
    Capability.DELIVERY_INTAKE: (),
}
"""The operations that change something outside; each has a write class."""

ERASE = "erase_customer"
"""The one that any port may have beside them (`Erases`)."""
