"""What customers have that ends, what they bought, and the gates their data came through."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Date, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from store.types import Identity, Instant


class GateRecord(SQLModel, table=True):
    """What a gate said of one batch of a data set, or of one day of a source's events."""

    __tablename__ = "gates"
    __table_args__ = (
        Index("ix_gates_feed", "data_set", "feed", "decided_at"),
        Index("ux_gates_events", "data_set", "feed", "batch", unique=True, sqlite_where=text("is_events"),
              postgresql_where=text("is_events")),
    )  # fmt: skip

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    data_set: str  # `domain.gates.DataSet`
    feed: str  # what comes again and again under one name
    batch: str  # SHA-256 of the file; of events their day
    origin: str  # the file's name, or the webhook's source
    is_events: bool = False
    verdict: str  # `domain.gates.GateVerdict`
    rows: int  # as they came
    broken: int  # of them, in quarantine
    findings: list[dict[str, Any]] = Field(sa_type=JSON)  # what was checked, found, and expected, in words
    measures: dict[str, Any] = Field(sa_type=JSON)  # what later batches are compared with
    decided_at: datetime = Field(sa_type=Instant)
    run: str  # who had it judged
    taken_at: datetime | None = Field(default=None, sa_type=Instant)  # when the last of its good rows was in the books
    approved_by: str | None = None  # a person who let a halted batch through, and why
    approved_reason: str | None = Field(default=None, sa_type=Text)


class EntitlementRow(SQLModel, table=True):
    """Something of a customer's that ends: a subscription, a policy, a supply."""

    __tablename__ = "entitlements"
    __table_args__ = (
        # All that counting the endings of a window asks for, so that it reads no row.
        Index("ix_entitlements_ending", "kind", "state", "auto_renews", "ends_on", "time_zone", "id", "at_risk_minor",
              "latest_on"),
        Index("ix_entitlements_renewed", "kind", "renewed_from", "time_zone",
              sqlite_where=text("renewed_from IS NOT NULL"), postgresql_where=text("renewed_from IS NOT NULL")),
        Index("ix_entitlements_changed", "changed_at", "id"),
    )  # fmt: skip

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    ref: str = Field(unique=True)
    key_part: str  # the ref as keys quote it (`domain.actions.key`)
    customer_id: int = Field(foreign_key="customers.id", index=True, sa_type=Identity)
    kind: str  # `domain.entitlements.EntitlementKind`
    product: str
    state: str = "active"  # active | cancelled
    auto_renews: bool = False
    ends_on: date = Field(sa_type=Date)  # the last day it is good for, on the calendar of its time zone
    earliest_on: date | None = Field(default=None, sa_type=Date)  # of a supply's estimate
    latest_on: date | None = Field(default=None, sa_type=Date)
    time_zone: str
    occurrence: str  # names this ending in keys
    value_minor: int | None = Field(default=None, sa_type=BigInteger)
    currency: str | None = None
    at_risk_minor: int = Field(default=0, sa_type=BigInteger)  # by policy, in its currency
    renewed_from: date | None = Field(default=None, sa_type=Date)  # the end before the last renewal
    gate_id: int = Field(foreign_key="gates.id", sa_type=Identity)  # the one its present content came through
    version: int = 1  # raised when a column that actions bind changes (evidence)
    changed_at: datetime = Field(sa_type=Instant)  # when detection must look at it again
    told_at: datetime | None = Field(default=None, sa_type=Instant)  # since when, by its source, it is so
    created_at: datetime = Field(sa_type=Instant)
    updated_at: datetime = Field(sa_type=Instant)


class Purchase(SQLModel, table=True):
    """One line of what a customer bought."""

    __tablename__ = "purchases"
    __table_args__ = (Index("ix_purchases_customer", "customer_id", "product", "bought_on"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    ref: str = Field(unique=True)
    customer_id: int = Field(foreign_key="customers.id", sa_type=Identity)
    product: str
    is_supply: bool = True  # it runs out
    bought_on: date = Field(sa_type=Date)
    quantity: float
    amount_minor: int = Field(sa_type=BigInteger)
    currency: str
    gate_id: int = Field(foreign_key="gates.id", sa_type=Identity)


class CallOutcome(SQLModel, table=True):
    """How one placed call ended, as the telephone vendor tells."""

    __tablename__ = "call_outcomes"
    __table_args__ = (UniqueConstraint("action_id"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    action_id: int = Field(foreign_key="actions.id", sa_type=Identity)
    outcome: str  # `domain.calls.CallOutcome`
    source: str
    ended_at: datetime = Field(sa_type=Instant)
    received_at: datetime = Field(sa_type=Instant)
    said: str | None = Field(default=None, sa_type=Text)  # the customer's words, as the vendor wrote them down
    followed_by: str | None = None  # what was planned because of it, in words


class DetectionMark(SQLModel, table=True):
    """Up to where detection has looked at the endings of one kind."""

    __tablename__ = "detection_marks"

    kind: str = Field(primary_key=True)
    looked_at: datetime = Field(sa_type=Instant)  # when it last looked at what was new
    whole_at: datetime = Field(sa_type=Instant)  # when it last looked over the whole window
