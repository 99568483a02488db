"""Journeys: their published versions, who is in them, what customers did, and what became of messages to them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from store.types import Identity, Instant


class PublishedJourney(SQLModel, table=True):
    """One version of a journey, by content hash: who began it finishes it, whatever comes later."""

    __tablename__ = "journeys"
    __table_args__ = (Index("ix_journeys_name", "name", "approved_at"),)

    hash: str = Field(primary_key=True)
    name: str
    version: int
    content: dict[str, Any] = Field(sa_type=JSON)
    published_at: datetime = Field(sa_type=Instant)
    approved_at: datetime | None = Field(default=None, sa_type=Instant)  # None: not live; nobody enters it
    approved_by: str | None = None


class Enrolment(SQLModel, table=True):
    """One customer in one journey, for the `number`th time.

    When a step is planned at its time no column of an index changes, and its page has room (revision 0014): PostgreSQL
    moves it in place.
    """

    __tablename__ = "enrolments"
    __table_args__ = (
        UniqueConstraint("customer_id", "journey", "number"),
        Index("ix_enrolments_due", "due_at", "id", sqlite_where=text("due_at IS NOT NULL"),
              postgresql_where=text("due_at IS NOT NULL")),
        Index("ix_enrolments_aside", "id", sqlite_where=text("state = 'active' AND reason IS NOT NULL"),
              postgresql_where=text("state = 'active' AND reason IS NOT NULL")),
        Index("ix_enrolments_journey", "journey", "entered_at"),
    )  # fmt: skip

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    customer_id: int = Field(foreign_key="customers.id", sa_type=Identity)
    journey: str
    journey_hash: str = Field(foreign_key="journeys.hash")  # the version they began
    number: int = 1
    key_part: str  # the customer's ref as keys quote it (`domain.actions.key`)
    state: str = "active"  # `domain.journeys.Standing`
    reason: str | None = Field(default=None, sa_type=Text)  # why it ended; while it is active: why it was set aside
    entered_at: datetime = Field(sa_type=Instant)  # when the event that began it happened
    step: str | None = None  # the step that comes next, or that is in the air
    due_at: datetime | None = Field(default=None, sa_type=Instant)  # when `step` is, or its action; None: over
    action_id: int | None = Field(default=None, sa_type=Identity)  # of `step` while it is in the air
    previous_at: datetime = Field(sa_type=Instant)  # when the step before was over; at first, when they entered
    ended_at: datetime | None = Field(default=None, sa_type=Instant)
    created_at: datetime = Field(sa_type=Instant)
    updated_at: datetime = Field(sa_type=Instant)
    updated_by: str


class CustomerBehaviour(SQLModel, table=True):
    """What a customer did, counted: by event and its name."""

    __tablename__ = "behaviour"

    customer_id: int = Field(foreign_key="customers.id", primary_key=True, sa_type=Identity)
    event: str = Field(primary_key=True)  # `domain.journeys.EventName`
    name: str = Field(default="", primary_key=True)
    first_at: datetime = Field(sa_type=Instant)
    last_at: datetime = Field(sa_type=Instant)
    times: int = 1


class MessageEvent(SQLModel, table=True):
    """What became of one message, as its vendor tells: each kind of news once."""

    __tablename__ = "message_events"
    __table_args__ = (UniqueConstraint("action_id", "what"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    action_id: int = Field(foreign_key="actions.id", sa_type=Identity)
    what: str  # delivered | opened | clicked | bounced | complained | …
    at: datetime = Field(sa_type=Instant)
    source: str
    detail: str | None = Field(default=None, sa_type=Text)  # the vendor's own words, without addresses


class ErasureRecord(SQLModel, table=True):
    """That a customer was erased: who asked for it, and how much was blanked where. No personal data."""

    __tablename__ = "erasures"

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    customer_id: int = Field(foreign_key="customers.id", index=True, sa_type=Identity)
    by: str
    reason: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=Instant)
    counts: dict[str, Any] = Field(sa_type=JSON)  # rows blanked, by table
