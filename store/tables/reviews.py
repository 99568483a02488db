"""Reviews: what waits for a person's decision, who said what, and the chain that shows when a row was touched."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from store.types import Identity, Instant


class Review(SQLModel, table=True):
    """One question to a person: may these actions, this wording, this journey go out?"""

    __tablename__ = "reviews"
    __table_args__ = (
        Index("ux_reviews_collecting", "group_key", unique=True, sqlite_where=text("state = 'collecting'"),
              postgresql_where=text("state = 'collecting'")),
        Index("ix_reviews_open", "deadline", "id", sqlite_where=text("state IN ('collecting', 'open')"),
              postgresql_where=text("state IN ('collecting', 'open')")),
        Index("ix_reviews_unfinished", "id", sqlite_where=text("finished_at IS NULL"),
              postgresql_where=text("finished_at IS NULL")),
        Index("ix_reviews_untold", "id", sqlite_where=text("state = 'expired' AND told < 100"),
              postgresql_where=text("state = 'expired' AND told < 100")),
    )  # fmt: skip

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    state: str = "collecting"  # `domain.reviews.Stand`
    risk: str  # `domain.review_rules.Risk`
    payload_hash: str = ""  # of everything that is asked, edits and exclusions included; empty while it is collecting
    initiator: str  # the run id, `gateway`, or the person who caused it: never one of its reviewers
    reviewers_needed: int = 1
    deadline: datetime = Field(sa_type=Instant)
    created_at: datetime = Field(sa_type=Instant)
    decided_at: datetime | None = Field(default=None, sa_type=Instant)
    decided_by: str | None = None
    subject: str = "actions"  # actions | wording | journey
    what: str = ""  # what is asked about, in ids (`domain.risk.Ask.what`); of a wording or journey its name
    rules: list[str] = Field(default_factory=list, sa_type=JSON)  # `domain.review_rules.Rule`
    group_key: str = ""  # what is alike and comes while it is collecting joins it
    collect_until: datetime = Field(sa_type=Instant)
    sealed_at: datetime | None = Field(default=None, sa_type=Instant)
    revision: int = 1  # raised by each edit and exclusion
    count: int = 0  # of its actions when it was sealed
    value_minor: int | None = Field(default=None, sa_type=BigInteger)  # at stake, in the policy's currency
    content: dict[str, Any] = Field(default_factory=dict, sa_type=JSON)
    """Of a wording or journey the hashes it asks about; of actions how many by kind, channel, tier, language."""
    reason: str | None = Field(default=None, sa_type=Text)  # of the decision, from the list
    told: int = -1  # per cent of its time when somebody was told last: 0, 50, 80, 100; -1: not yet
    told_at: datetime | None = Field(default=None, sa_type=Instant)  # of that; alerts that are shared wait a while
    told_vote: int = Field(default=0, sa_type=Identity)  # the last yes after which the next reviewer was told
    told_halt: datetime | None = Field(default=None, sa_type=Instant)  # the `halted_at` that somebody was told of
    stage: int = 0  # of its canary: how many stages were let go
    stage_at: datetime | None = Field(default=None, sa_type=Instant)  # since when the minutes before the next count
    released: int = 0  # actions let go so far
    halted_at: datetime | None = Field(default=None, sa_type=Instant)
    halted_reason: str | None = Field(default=None, sa_type=Text)
    accepted: dict[str, int] = Field(default_factory=dict, sa_type=JSON, sa_column_kwargs={"server_default": "{}"})
    """What had gone wrong (`domain.canary.Seen`) when a reviewer said: go on. Only what comes after it counts."""
    finished_at: datetime | None = Field(default=None, sa_type=Instant)  # decided, and none of its actions waits


class ReviewVote(SQLModel, table=True):
    """What one reviewer said about one revision of a review."""

    __tablename__ = "review_votes"

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    review_id: int = Field(foreign_key="reviews.id", index=True, sa_type=Identity)
    reviewer: str
    decision: str  # approve | reject
    payload_hash: str  # of what they saw
    revision: int
    reason: str  # from the list
    comment: str | None = Field(default=None, sa_type=Text)
    way: str  # `domain.review_rules.Way`
    at: datetime = Field(sa_type=Instant)
    voided_at: datetime | None = Field(default=None, sa_type=Instant)  # something was changed after it


class ReviewAsk(SQLModel, table=True):
    """One time that a review was asked in Prefect; its run's input key is `<review>-<number>`."""

    __tablename__ = "review_asks"
    __table_args__ = (UniqueConstraint("review_id", "number"),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    review_id: int = Field(foreign_key="reviews.id", sa_type=Identity)
    number: int
    flow_run_id: str
    payload_hash: str  # of what it showed
    asked_at: datetime = Field(sa_type=Instant)
    answered_at: datetime | None = Field(default=None, sa_type=Instant)
    outcome: str | None = Field(default=None, sa_type=Text)  # what came of the answer, in words
    is_accepted: bool | None = None


class Reviewer(SQLModel, table=True):
    """Somebody who may decide, known by one-time codes (RFC 6238)."""

    __tablename__ = "reviewers"

    name: str = Field(primary_key=True)
    roles: list[str] = Field(sa_type=JSON)
    secret: str  # of the codes, base32
    spent_step: int | None = Field(default=None, sa_type=BigInteger)  # the time step of the last code that counted
    added_at: datetime = Field(sa_type=Instant)
    added_by: str
    removed_at: datetime | None = Field(default=None, sa_type=Instant)


class RecoveryCode(SQLModel, table=True):
    """One of a reviewer's codes for the day the phone is gone; each counts once."""

    __tablename__ = "recovery_codes"

    code_hash: str = Field(primary_key=True)
    reviewer: str = Field(index=True)
    spent_at: datetime | None = Field(default=None, sa_type=Instant)


class CodeTries(SQLModel, table=True):
    """Wrong codes in a row for a name, whether somebody is called so or not: one row for each of 65,536 hashes."""

    __tablename__ = "code_tries"

    name_hash: str = Field(primary_key=True)  # its first four hex digits: whatever is tried, the table stays small
    wrong: int = 0
    wait_until: datetime | None = Field(default=None, sa_type=Instant)  # no code of a phone is looked at before


class SpentLink(SQLModel, table=True):
    """A signed link by which somebody has decided: it counts no second time."""

    __tablename__ = "spent_links"

    link_hash: str = Field(primary_key=True)
    review_id: int = Field(foreign_key="reviews.id", sa_type=Identity)
    reviewer: str
    at: datetime = Field(sa_type=Instant)


class ChainEntry(SQLModel, table=True):
    """One event of a review, of the kill switch or of a reviewer, appended; each hash covers the one before it."""

    __tablename__ = "chain"
    __table_args__ = (Index("ix_chain_subject", "subject", "subject_id", "id"),)

    id: int = Field(primary_key=True, sa_type=Identity)  # 1, 2, 3 … without a gap
    subject: str  # review | control | reviewer
    subject_id: str
    what: str
    by: str
    at: datetime = Field(sa_type=Instant)
    detail: dict[str, Any] = Field(sa_type=JSON)  # ids, counts, hashes: no personal data
    previous: str
    hash: str


class ChainHead(SQLModel, table=True):
    """The last entry of the chain (id 1): who appends locks it, and a tail that was cut off is noticed."""

    __tablename__ = "chain_head"

    id: int = Field(primary_key=True)
    entries: int = Field(sa_type=BigInteger)
    hash: str


class Volume(SQLModel, table=True):
    """How many reviewable actions of one purpose one transaction planned. Only added to: nobody waits for anybody."""

    __tablename__ = "volumes"
    __table_args__ = (Index("ix_volumes_what", "what", "hour", "planned"), Index("ix_volumes_hour", "hour"))

    id: int | None = Field(default=None, primary_key=True, sa_type=Identity)
    what: str  # as `reviews.what`
    hour: datetime = Field(sa_type=Instant)  # its beginning
    planned: int
