"""The action ledger: actions, what they rest on, what came of them (design §4)."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from store.types import Identity, Instant


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    condition = text(where)
    return Index(name, *columns, unique=unique, sqlite_where=condition, postgresql_where=condition)


class Case(SQLModel, table=True):
    """A customer's trouble, from the first bad answer until it is solved. One open case a customer at most."""

    __tablename__ = "cases"
    __table_args__ = (
        UniqueConstraint("customer_id", "number"),
        _partial("ux_cases_one_open", "customer_id", where="state = 'open'", unique=True),
        _partial("ix_cases_desk", "desk_checked_at", "id", where="state = 'open'"),
        _partial("ix_cases_solved", "solved_at", where="state = 'solved'"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    customer_id: int = Field(foreign_key="customers.id", sa_type=Identity)
    number: int
    state: str = "open"  # open | solved
    reason: str
    team: str
    priority: str
    answer_by: datetime = Field(sa_type=Instant)
    opened_at: datetime = Field(sa_type=Instant)
    solved_at: datetime | None = Field(default=None, sa_type=Instant)
    version: int = 1
    turn: int = Field(default=1, sa_column_kwargs={"server_default": "1"})  # each reopening begins one
    reopened_at: datetime | None = Field(default=None, sa_type=Instant)  # when the last turn began; None: the first
    desk_status: str | None = None  # the ticket's, in the words of `integrations.ports.TicketStatus`
    assignee: str | None = None  # who has it, by the desk's own name of them
    desk_checked_at: datetime | None = Field(default=None, sa_type=Instant)  # when we last asked the desk
    desk_read_at: datetime | None = Field(default=None, sa_type=Instant)  # when it last answered
    desk_missing_since: datetime | None = Field(default=None, sa_type=Instant)  # the desk knows no such ticket
    answered_at: datetime | None = Field(default=None, sa_type=Instant)  # when a person last answered, in this turn
    last_word_at: datetime | None = Field(default=None, sa_type=Instant)  # a person's, to the customer
    last_word_by: str | None = None
    asked_at: datetime | None = Field(default=None, sa_type=Instant)  # when the recovery survey went out


class Promise(SQLModel, table=True):
    """A time told to a customer in an acknowledgement that went out, and what came of it."""

    __tablename__ = "promises"
    __table_args__ = (_partial("ix_promises_open", "case_id", where="state = 'open'"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    action_id: int = Field(foreign_key="actions.id", unique=True, sa_type=Identity)
    case_id: int = Field(foreign_key="cases.id", index=True, sa_type=Identity)
    made_at: datetime = Field(sa_type=Instant)
    answer_by: datetime = Field(sa_type=Instant, index=True)
    state: str = "open"  # open | kept | broken | excused
    settled_at: datetime | None = Field(default=None, sa_type=Instant)
    settled_by: str | None = None
    reason: str | None = Field(default=None, sa_type=Text)


class DeskDifference(SQLModel, table=True):
    """Something that our books and the ticket desk do not agree on, for as long as they don't."""

    __tablename__ = "desk_differences"
    __table_args__ = (UniqueConstraint("subject", "what"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    subject: str  # an action's key, or source/response of an answer
    what: str  # `domain.differences.What`
    detail: str = Field(sa_type=Text)
    found_at: datetime = Field(sa_type=Instant)
    seen_at: datetime = Field(sa_type=Instant)


class Action(SQLModel, table=True):
    """One intended effect on the outside world."""

    __tablename__ = "actions"
    __table_args__ = (
        _partial("ix_actions_ready", "lane", "capability", "due_at", "id", where="state = 'ready'"),
        _partial("ix_actions_leases", "lease_until", where="state IN ('claimed', 'sending')"),
        _partial("ix_actions_uncertain", "next_check_at", where="state = 'uncertain'"),
        _partial("ix_actions_planned", "id", where="state = 'planned'"),
        _partial("ix_actions_people", "id", where="state IN ('needs_human', 'failed')"),
        _partial("ix_actions_case", "case_id", where="case_id IS NOT NULL"),
        _partial("ix_actions_entitlement", "entitlement_id", where="entitlement_id IS NOT NULL"),
        _partial("ix_actions_enrolment", "enrolment_id", "id", where="enrolment_id IS NOT NULL"),
        _partial("ix_actions_review", "review_id", "id", where="review_id IS NOT NULL"),
        _partial("ix_actions_waiting", "review_id", "id", where="state = 'awaiting_review'"),
        _partial(
            "ix_actions_let_go", "review_id", "state", where="review_id IS NOT NULL AND state <> 'awaiting_review'"
        ),
        _partial("ix_actions_calls", "updated_at", "id", where="kind = 'call' AND state = 'done'"),
        _partial(
            "ix_actions_calls_withheld",
            "updated_at",
            "id",
            where="kind = 'call' AND state IN ('cancelled', 'expired') AND review_id IS NOT NULL",
        ),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    key: str = Field(unique=True)
    kind: str
    basis: str
    capability: str
    integration: str | None = None  # which one it was armed for
    purpose: str | None = None  # the consent a proactive action rests on
    customer_id: int | None = Field(default=None, foreign_key="customers.id", index=True, sa_type=Identity)
    case_id: int | None = Field(default=None, foreign_key="cases.id", sa_type=Identity)
    response_id: int | None = Field(default=None, foreign_key="survey_responses.id", sa_type=Identity)
    entitlement_id: int | None = Field(default=None, foreign_key="entitlements.id", sa_type=Identity)
    gate_id: int | None = Field(default=None, foreign_key="gates.id", sa_type=Identity)  # its data came through it
    enrolment_id: int | None = Field(default=None, foreign_key="enrolments.id", sa_type=Identity)
    after_id: int | None = Field(default=None, foreign_key="actions.id", sa_type=Identity)  # never before that one
    review_id: int | None = Field(default=None, foreign_key="reviews.id", sa_type=Identity)
    reviewed_hash: str | None = None  # the payload hash that its review asks about; another one is not approved

    state: str
    lane: str  # urgent | normal | apart, alone (retried after a death: with few others, or by itself)
    urgent: bool
    reason: str | None = Field(default=None, sa_type=Text)  # why it stands where it stands
    payload: dict[str, Any] = Field(sa_type=JSON)
    payload_hash: str
    revision: int = 1

    due_at: datetime = Field(sa_type=Instant)
    not_after: datetime | None = Field(default=None, sa_type=Instant)  # pointless after this
    stale_after: datetime | None = Field(default=None, sa_type=Instant)  # what it says stops being true

    fence: int = 0
    claimed_by: str | None = None
    lease_until: datetime | None = Field(default=None, sa_type=Instant)  # by the database's clock
    attempts: int = 0  # times armed
    resends: int = 0  # repeats of something that may have gone out (class D, counted)
    lookups: int = 0  # searches at the vendor since the answer was lost
    deaths_alone: int = 0
    next_check_at: datetime | None = Field(default=None, sa_type=Instant)  # by the database's clock

    planned_by: str  # a run id, or `gateway`
    dispatched_by: str | None = None
    verified_by: str | None = None
    created_at: datetime = Field(sa_type=Instant)
    updated_at: datetime = Field(sa_type=Instant)
    updated_by: str


class Evidence(SQLModel, table=True):
    """A fact an action was planned on, with its version then; another version now means: plan anew."""

    __tablename__ = "evidence"

    action_id: int = Field(foreign_key="actions.id", primary_key=True, sa_type=Identity)
    fact: str = Field(primary_key=True)  # customer | case | entitlement
    subject_id: int = Field(sa_type=Identity)
    version: int


class Receipt(SQLModel, table=True):
    """What the vendor answered when an action was done."""

    __tablename__ = "receipts"

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    action_id: int = Field(foreign_key="actions.id", index=True, sa_type=Identity)
    integration: str
    external_id: str
    adopted: bool = False  # found at the vendor after a lost answer, or entered by a person
    detail: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    at: datetime = Field(sa_type=Instant)


class CapSlot(SQLModel, table=True):
    """One proactive contact counted against a customer's frequency cap."""

    __tablename__ = "cap_slots"
    __table_args__ = (Index("ix_cap_slots_customer", "customer_id", "at"),)

    action_id: int = Field(foreign_key="actions.id", primary_key=True, sa_type=Identity)
    customer_id: int = Field(foreign_key="customers.id", sa_type=Identity)
    at: datetime = Field(sa_type=Instant)


class AuditEntry(SQLModel, table=True):
    """One move of one action, written by a trigger, so that no statement can forget it."""

    __tablename__ = "audit"

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    action_id: int = Field(index=True, sa_type=Identity)
    before: str | None = None
    after: str
    reason: str | None = Field(default=None, sa_type=Text)
    revision: int
    fence: int
    at: datetime = Field(sa_type=Instant)
    by: str
