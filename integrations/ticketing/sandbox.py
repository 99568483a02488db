"""The sandbox as a ticket desk."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from domain.actions import Capability
from integrations.answers import Answer
from integrations.declaration import Integration
from integrations.errors import Rejected
from integrations.ports import Erasure, Receipt, Ticket, TicketNote, TicketState, TicketStatus
from integrations.sandbox_protocol import DOCS_URL, VENDOR, SandboxConfig, SandboxPort, configured_class

STATUS: Mapping[str, TicketStatus] = {
    "new": TicketStatus.OPEN,
    "open": TicketStatus.OPEN,
    "pending": TicketStatus.PENDING,
    "hold": TicketStatus.PENDING,
    "solved": TicketStatus.SOLVED,
    "closed": TicketStatus.SOLVED,
}


class SandboxTicketing(SandboxPort):
    """Tickets and their notes in the sandbox."""

    CAPABILITY = Capability.TICKETING

    async def open_ticket(self, ticket: Ticket, *, key: str) -> Receipt:
        """Opens the ticket."""
        return await self._create("open_ticket", ticket, key)

    async def add_note(self, note: TicketNote, *, key: str) -> Receipt:
        """Adds the note to its ticket; Rejected (404) when the sandbox does not know the ticket."""
        return await self._create("add_note", note, key)

    async def erase_customer(self, erasure: Erasure, *, key: str) -> Receipt:
        """Has it forget what it was told of the customer."""
        return await self._erase(erasure, key)

    async def read_ticket(self, key: str) -> TicketState | None:
        """The ticket as it stands now, or None."""
        try:
            return await self._http.read("/api/tickets/by-key", {"key": key}, understand=_state)
        except Rejected as refusal:
            if refusal.status == 404:
                return None
            raise

    async def list_tickets(self, *, since: datetime, limit: int) -> Sequence[TicketState]:
        """Tickets that arrived since then, the oldest first."""
        asked = {"at": f"{since:%Y-%m-%dT%H:%M:%S}", "limit": str(limit)}
        return await self._http.read("/api/tickets/since", asked, understand=_states)


def _state(answer: Answer) -> TicketState:
    return _shown(answer.json)


def _states(answer: Answer) -> list[TicketState]:
    return [_shown(ticket) for ticket in answer.json]


def _shown(ticket: Mapping[str, Any]) -> TicketState:
    answered_at = ticket.get("answered_at")
    return TicketState(
        key=str(ticket["key"]),
        external_id=str(ticket["id"]),
        status=STATUS.get(ticket["status"], TicketStatus.UNKNOWN),
        assignee=ticket.get("assignee") or None,
        answered_at=None if answered_at is None else datetime.fromisoformat(answered_at),
    )


INTEGRATION = Integration(
    vendor=VENDOR,
    capability=Capability.TICKETING,
    config=SandboxConfig,
    connect=SandboxTicketing,
    write_class=configured_class,
    docs_url=DOCS_URL,
)
