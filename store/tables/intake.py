"""What came in: the inbox, what broke its contract, and the answers customers gave."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, LargeBinary, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from store.types import Identity, Instant


class InboxEvent(SQLModel, table=True):
    """One delivery, stored before it is answered; a repeat is answered from here."""

    __tablename__ = "inbox"
    __table_args__ = (UniqueConstraint("source", "webhook_id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    source: str
    webhook_id: str
    body_hash: str
    received_at: datetime = Field(sa_type=Instant)
    http_status: int
    status: str  # accepted | noted | quarantined
    problems: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON)


class QuarantinedRow(SQLModel, table=True):
    """Something that broke its contract, byte for byte, waiting for a person."""

    __tablename__ = "quarantine"
    __table_args__ = (Index("ix_quarantine_waiting", "received_at", sqlite_where=text("state = 'waiting'"),
                            postgresql_where=text("state = 'waiting'")),)  # fmt: skip

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    inbox_id: int | None = Field(default=None, foreign_key="inbox.id", sa_type=Identity)
    source: str
    origin: str  # the webhook id, or "FILE:LINE" for an import
    body: bytes = Field(sa_type=LargeBinary)
    problems: list[dict[str, Any]] = Field(sa_type=JSON)
    received_at: datetime = Field(sa_type=Instant)
    state: str = "waiting"  # waiting | replayed | discarded
    layout: dict[str, Any] | None = Field(default=None, sa_type=JSON(none_as_null=True))
    """How an imported row is read: its contract, and a CSV's columns and separator. None: a webhook's body."""


class QuarantineDecision(SQLModel, table=True):
    """What a person did about something in quarantine, appended."""

    __tablename__ = "quarantine_decisions"

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    quarantine_id: int = Field(foreign_key="quarantine.id", index=True, sa_type=Identity)
    what: str  # repaired | replayed | refused (a replay that its contract refused) | discarded
    by: str
    reason: str = Field(sa_type=Text)
    outcome: str = Field(sa_type=Text)  # in words
    subject: str | None = None  # what to trace after a replay
    body: bytes | None = Field(default=None, sa_type=LargeBinary)  # the corrected bytes of a repair
    at: datetime = Field(sa_type=Instant)


class SurveyResponse(SQLModel, table=True):
    """One answer to a survey, as the customer gave it, and what we made of it."""

    __tablename__ = "survey_responses"
    __table_args__ = (
        UniqueConstraint("source", "response_id"),
        Index("ix_survey_responses_distress", "customer_id", "received_at", sqlite_where=text("distress IS NOT NULL"),
              postgresql_where=text("distress IS NOT NULL")),
    )  # fmt: skip

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    source: str
    response_id: str
    customer_id: int = Field(foreign_key="customers.id", index=True, sa_type=Identity)
    case_id: int | None = Field(default=None, foreign_key="cases.id", index=True, sa_type=Identity)
    kind: str
    score: int
    comment: str | None = Field(default=None, sa_type=Text)
    language: str | None = None
    answered_at: datetime = Field(sa_type=Instant)
    received_at: datetime = Field(sa_type=Instant, index=True)
    sentiment: str
    is_critical: bool
    distress: str | None = None  # hardship | bereavement | legal_threat
    outcome: str  # what was done about it, in words


class SurveyFetch(SQLModel, table=True):
    """An answer that its vendor told of in ids: it waits here until it has been fetched."""

    __tablename__ = "survey_fetches"
    __table_args__ = (
        UniqueConstraint("source", "response_id"),
        Index("ix_survey_fetches_due", "due_at", sqlite_where=text("state = 'waiting'"),
              postgresql_where=text("state = 'waiting'")),
    )  # fmt: skip

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    source: str
    response_id: str
    body: bytes = Field(sa_type=LargeBinary)  # what its vendor sent
    inbox_id: int = Field(foreign_key="inbox.id", sa_type=Identity)
    announced_at: datetime = Field(sa_type=Instant)
    state: str = "waiting"  # waiting | done | quarantined
    due_at: datetime = Field(sa_type=Instant)
    turn: int  # raised whenever somebody takes it or its vendor tells of it again
    attempts: int
    problem: str | None = Field(default=None, sa_type=Text)


class SurveyPoll(SQLModel, table=True):
    """Up to when a source has been asked for its answers."""

    __tablename__ = "survey_polls"

    source: str = Field(primary_key=True)
    asked_up_to: datetime = Field(sa_type=Instant)
