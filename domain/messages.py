"""Messages: what a customer writes to us of their own accord, through the web form or by mail."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Message:
    """One message, known by (`source`, `message_id`)."""

    source: str
    message_id: str
    subject: str | None
    text: str  # the customer's own words
    received_at: datetime  # UTC
    customer_ref: str | None = None  # who the sender says they are
    address: str | None = None  # where it was written from
    is_automatic: bool = False  # a robot wrote it (RFC 3834): nobody is in distress, and nobody waits

    @property
    def words(self) -> str:
        """All that they wrote; the subject is a sentence of its own."""
        return "\n".join(part for part in (self.subject, self.text) if part)
