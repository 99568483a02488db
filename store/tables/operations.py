"""What operators hold: the kill switch, the state of each integration, the published words."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, Text
from sqlmodel import Field, SQLModel

from store.types import Instant


class Control(SQLModel, table=True):
    """The kill switch: one row (id 1). Arming takes it FOR SHARE, so a stop is immediate."""

    __tablename__ = "controls"

    id: int = Field(primary_key=True)
    stopped: bool
    reason: str
    by: str
    at: datetime = Field(sa_type=Instant)
    stops: list[dict[str, Any]] = Field(default_factory=list, sa_type=JSON, sa_column_kwargs={"server_default": "[]"})
    """What is stopped alone while the whole is not: {scope: job | kind | integration, name, reason, by, at}."""


class IntegrationState(SQLModel, table=True):
    """What arming must know of one integration; locked while it arms."""

    __tablename__ = "integration_state"

    name: str = Field(primary_key=True)
    capability: str
    vendor: str
    breaker: str = "closed"  # closed | open
    reason: str | None = Field(default=None, sa_type=Text)
    since: datetime = Field(sa_type=Instant)  # of the breaker's state
    failures: int = 0  # in a row
    openings: int = 0  # in a row without a lasting recovery: probes grow rarer
    next_probe_at: datetime | None = Field(default=None, sa_type=Instant)
    not_before: datetime | None = Field(default=None, sa_type=Instant)  # the vendor said: wait
    next_free_at: datetime | None = Field(default=None, sa_type=Instant)  # vendor rate, as a virtual schedule
    ok: bool | None = None  # the last check
    latency_ms: int | None = None
    problem: str | None = Field(default=None, sa_type=Text)
    checked_at: datetime | None = Field(default=None, sa_type=Instant)


class PublishedTemplate(SQLModel, table=True):
    """One wording, by content hash: what was approved stays readable for ever."""

    __tablename__ = "templates"
    __table_args__ = (Index("ix_templates_name", "name", "language", "approved_at"),)

    hash: str = Field(primary_key=True)
    name: str
    language: str
    content: dict[str, Any] = Field(sa_type=JSON)
    published_at: datetime = Field(sa_type=Instant)
    approved_at: datetime | None = Field(default=None, sa_type=Instant)  # None: waits for a review
    approved_by: str | None = None
    approved_reason: str | None = Field(default=None, sa_type=Text)  # told where no review asked for it


class OperatorSession(SQLModel, table=True):
    """A browser in which an operator has signed in."""

    __tablename__ = "operator_sessions"

    token_hash: str = Field(primary_key=True)
    operator: str
    credential: str  # hash of the password's hash or the codes' secret: another one ends the session
    way: str = Field(default="password", sa_column_kwargs={"server_default": "password"})  # password | code
    began_at: datetime = Field(sa_type=Instant)
    expires_at: datetime = Field(sa_type=Instant)
