"""The sandbox as a ticket desk."""

from collections.abc import Mapping
from typing import Any

from domain.actions import Capability
from integrations.answers import Answer
from integrations.declaration import Integration
from integrations.errors import Rejected
from integrations.ports import Receipt, Ticket, TicketNote, TicketState, TicketStatus
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

    async def read_ticket(self, key: str) -> TicketState | None:
        """The ticket as it stands now, or None."""
        try:
            return await self._http.read("/api/tickets/by-key", {"key": key}, understand=_state)
        except Rejected as refusal:
            if refusal.status == 404:
                return None
            raise


def _state(answer: Answer) -> TicketState:
    ticket: Mapping[str, Any] = answer.json
    return TicketState(
        key=str(ticket["key"]),
        external_id=str(ticket["id"]),
        status=STATUS.get(ticket["status"], TicketStatus.UNKNOWN),
        assignee=ticket.get("assignee") or None,
    )


INTEGRATION = Integration(
    vendor=VENDOR,
    capability=Capability.TICKETING,
    config=SandboxConfig,
    connect=SandboxTicketing,
    write_class=configured_class,
    docs_url=DOCS_URL,
)
