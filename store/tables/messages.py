"""What customers wrote to us of their own accord, what rules made of it, and how people sorted it."""

from datetime import datetime

from sqlalchemy import Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from store.types import Identity, Instant


class Message(SQLModel, table=True):
    """One message, and what rules made of it: that stays, whatever people say later."""

    __tablename__ = "messages"
    __table_args__ = (UniqueConstraint("source", "message_id"),
                      Index("ix_messages_waiting", "urgency", "received_at", sqlite_where=text("state = 'waiting'"),
                            postgresql_where=text("state = 'waiting'")),
                      Index("ix_messages_distress", "customer_id", "received_at",
                            sqlite_where=text("distress IS NOT NULL"),
                            postgresql_where=text("distress IS NOT NULL")),)  # fmt: skip

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    source: str
    message_id: str
    customer_id: int | None = Field(default=None, foreign_key="customers.id", index=True, sa_type=Identity)
    case_id: int | None = Field(default=None, foreign_key="cases.id", index=True, sa_type=Identity)
    claimed_ref: str | None = None  # who the sender says they are
    address: str | None = None  # where it was written from
    subject: str | None = None
    words: str = Field(sa_type=Text)
    received_at: datetime = Field(sa_type=Instant)
    topic: str | None = None
    confidence: float
    language: str | None = None
    urgency: str  # urgent | normal
    distress: str | None = None  # bereavement | hardship | legal
    state: str  # waiting (for a person) | sorted | escalated (to a case)
    outcome: str  # what was done about it, in words


class MessageSorting(SQLModel, table=True):
    """A person's word on what a message is about. The latest counts; none is lost."""

    __tablename__ = "message_sortings"

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    message_id: int = Field(foreign_key="messages.id", index=True, sa_type=Identity)
    topic: str
    by: str
    at: datetime = Field(sa_type=Instant)
