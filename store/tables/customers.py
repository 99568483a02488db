"""The people we serve, what they allowed, and where we must not write."""

from datetime import datetime

from sqlalchemy import BigInteger, Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from store.types import Identity, Instant


class Customer(SQLModel, table=True):
    """A person we serve, known by `ref` alone: phones and addresses may be shared (design §4)."""

    __tablename__ = "customers"
    __table_args__ = (
        Index("ix_customers_erased", "erased_at", sqlite_where=text("erased_at IS NOT NULL"),
              postgresql_where=text("erased_at IS NOT NULL")),
    )  # fmt: skip

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    ref: str = Field(unique=True)
    name: str | None = None
    email: str | None = Field(default=None, index=True)
    phone: str | None = Field(default=None, index=True)
    device: str | None = None  # where notifications are pushed to, as the vendor names it
    language: str | None = None
    time_zone: str | None = None
    tier: str = "basic"
    preferred_channel: str | None = None
    window_start: str | None = None  # "09:00", in the customer's own zone
    window_end: str | None = None
    dedicated_agent: str | None = None
    ltv_minor: int | None = Field(default=None, sa_type=BigInteger)  # lifetime value in the policy's currency
    is_ltv_stated: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    """True: the value was imported. False: it was counted from purchases and entitlements."""
    is_tier_stated: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    """True: the tier was imported and stays. False: it follows from the lifetime value."""
    gate_id: int | None = Field(default=None, foreign_key="gates.id", sa_type=Identity)
    tact_lock: str | None = None  # why all proactive contact is silent; None: it is not
    tact_lock_at: datetime | None = Field(default=None, sa_type=Instant)
    erased_at: datetime | None = Field(default=None, sa_type=Instant)
    version: int = 1  # raised when a column that messages bind changes (evidence)
    touched: int = 0  # raised by every writer of consent, suppression, lock and erasure: their common lock
    created_at: datetime = Field(sa_type=Instant)
    updated_at: datetime = Field(sa_type=Instant)


class Consent(SQLModel, table=True):
    """What a customer said to one purpose on one channel; the last word counts."""

    __tablename__ = "consents"
    __table_args__ = (UniqueConstraint("customer_id", "purpose", "channel"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    customer_id: int = Field(foreign_key="customers.id", sa_type=Identity)
    purpose: str
    channel: str
    granted: bool
    at: datetime = Field(sa_type=Instant)


class Suppression(SQLModel, table=True):
    """An address that must not be written to. Kept as a hash, so that it survives erasure."""

    __tablename__ = "suppressions"
    __table_args__ = (UniqueConstraint("channel", "address_hash"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    channel: str
    address_hash: str
    reason: str
    at: datetime = Field(sa_type=Instant)
