"""Reviews, reviewers, the chain of decisions, and stops of a part"""

import hashlib
import json
from datetime import UTC
from typing import Any

import sqlalchemy as sa
from alembic import op

from store.types import Identity, Instant

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_APPEND_ONLY_SQLITE = tuple(
    f"""CREATE TRIGGER chain_keeps_{verb.lower()} BEFORE {verb} ON chain BEGIN
    SELECT RAISE(ABORT, 'the chain of decisions is only appended to');
END"""
    for verb in ("UPDATE", "DELETE")
)
_APPEND_ONLY_POSTGRESQL = (
    """CREATE FUNCTION chain_keeps() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'the chain of decisions is only appended to';
END $$""",
    """CREATE TRIGGER chain_keeps BEFORE UPDATE OR DELETE OR TRUNCATE ON chain
    FOR EACH STATEMENT EXECUTE FUNCTION chain_keeps()""",
)


def upgrade() -> None:
    for column in (
        sa.Column("subject", sa.String(), nullable=False, server_default="actions"),
        sa.Column("what", sa.String(), nullable=False, server_default=""),
        sa.Column("rules", sa.JSON(), nullable=False, server_default="[]"),
        sa.Column("group_key", sa.String(), nullable=False, server_default=""),
        sa.Column("collect_until", Instant(), nullable=False, server_default="0" if _is_sqlite() else sa.text("now()")),
        sa.Column("sealed_at", Instant(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False, server_default="1"),
        sa.Column("count", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("value_minor", sa.BigInteger(), nullable=True),
        sa.Column("content", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("told", sa.Integer(), nullable=False, server_default="-1"),
        sa.Column("told_at", Instant(), nullable=True),
        sa.Column("told_vote", Identity, nullable=False, server_default="0"),
        sa.Column("told_halt", Instant(), nullable=True),
        sa.Column("stage", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("stage_at", Instant(), nullable=True),
        sa.Column("released", sa.Integer(), nullable=False, server_default="0"),
        sa.Column("halted_at", Instant(), nullable=True),
        sa.Column("halted_reason", sa.Text(), nullable=True),
        sa.Column("accepted", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("finished_at", Instant(), nullable=True),
    ):
        op.add_column("reviews", column)
    for name, columns, where, unique in (
        ("ux_reviews_collecting", ["group_key"], "state = 'collecting'", True),
        ("ix_reviews_open", ["deadline", "id"], "state IN ('collecting', 'open')", False),
        ("ix_reviews_unfinished", ["id"], "finished_at IS NULL", False),
        ("ix_reviews_untold", ["id"], "state = 'expired' AND told < 100", False),
    ):
        _partial_index(name, "reviews", columns, where, unique=unique)
    op.add_column("actions", sa.Column("reviewed_hash", sa.String(), nullable=True))
    _partial_index("ix_actions_review", "actions", ["review_id", "id"], "review_id IS NOT NULL")
    _partial_index("ix_actions_waiting", "actions", ["review_id", "id"], "state = 'awaiting_review'")
    _partial_index(
        "ix_actions_let_go", "actions", ["review_id", "state"], "review_id IS NOT NULL AND state <> 'awaiting_review'"
    )
    _partial_index(
        "ix_actions_calls_withheld",
        "actions",
        ["updated_at", "id"],
        "kind = 'call' AND state IN ('cancelled', 'expired') AND review_id IS NOT NULL",
    )
    for table in ("survey_responses", "messages"):
        _partial_index(f"ix_{table}_distress", table, ["customer_id", "received_at"], "distress IS NOT NULL")
    op.add_column("controls", sa.Column("stops", sa.JSON(), nullable=False, server_default="[]"))
    op.add_column("operator_sessions", sa.Column("way", sa.String(), nullable=False, server_default="password"))
    op.add_column("templates", sa.Column("approved_reason", sa.Text(), nullable=True))
    op.create_table(
        "review_votes",
        sa.Column("id", Identity, nullable=False),
        sa.Column("review_id", Identity, nullable=False),
        sa.Column("reviewer", sa.String(), nullable=False),
        sa.Column("decision", sa.String(), nullable=False),
        sa.Column("payload_hash", sa.String(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("comment", sa.Text(), nullable=True),
        sa.Column("way", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("voided_at", Instant(), nullable=True),
        sa.ForeignKeyConstraint(["review_id"], ["reviews.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_review_votes_review_id"), "review_votes", ["review_id"], unique=False)
    op.create_table(
        "review_asks",
        sa.Column("id", Identity, nullable=False),
        sa.Column("review_id", Identity, nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("flow_run_id", sa.String(), nullable=False),
        sa.Column("payload_hash", sa.String(), nullable=False),
        sa.Column("asked_at", Instant(), nullable=False),
        sa.Column("answered_at", Instant(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("is_accepted", sa.Boolean(), nullable=True),
        sa.ForeignKeyConstraint(["review_id"], ["reviews.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("review_id", "number"),
    )
    op.create_table(
        "reviewers",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("roles", sa.JSON(), nullable=False),
        sa.Column("secret", sa.String(), nullable=False),
        sa.Column("spent_step", sa.BigInteger(), nullable=True),
        sa.Column("added_at", Instant(), nullable=False),
        sa.Column("added_by", sa.String(), nullable=False),
        sa.Column("removed_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "recovery_codes",
        sa.Column("code_hash", sa.String(), nullable=False),
        sa.Column("reviewer", sa.String(), nullable=False),
        sa.Column("spent_at", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("code_hash"),
    )
    op.create_index(op.f("ix_recovery_codes_reviewer"), "recovery_codes", ["reviewer"], unique=False)
    op.create_table(
        "code_tries",
        sa.Column("name_hash", sa.String(), nullable=False),
        sa.Column("wrong", sa.Integer(), nullable=False),
        sa.Column("wait_until", Instant(), nullable=True),
        sa.PrimaryKeyConstraint("name_hash"),
    )
    op.create_table(
        "spent_links",
        sa.Column("link_hash", sa.String(), nullable=False),
        sa.Column("review_id", Identity, nullable=False),
        sa.Column("reviewer", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["review_id"], ["reviews.id"]),
        sa.PrimaryKeyConstraint("link_hash"),
    )
    op.create_table(
        "chain",
        sa.Column("id", Identity, nullable=False, autoincrement=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("subject_id", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_chain_subject", "chain", ["subject", "subject_id", "id"], unique=False)
    op.create_table(
        "chain_head",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("entries", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute("INSERT INTO chain_head (id, entries, hash) VALUES (1, 0, '')")
    op.create_table(
        "volumes",
        sa.Column("id", Identity, nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("hour", Instant(), nullable=False),
        sa.Column("planned", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_volumes_what", "volumes", ["what", "hour", "planned"])
    op.create_index("ix_volumes_hour", "volumes", ["hour"])
    _carry_into_chain()
    op.drop_table("control_log")
    for statement in _APPEND_ONLY_SQLITE if _is_sqlite() else _APPEND_ONLY_POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    for table in (
        "volumes",
        "chain_head",
        "chain",
        "spent_links",
        "code_tries",
        "recovery_codes",
        "reviewers",
        "review_asks",
        "review_votes",
    ):
        op.drop_table(table)


def _carry_into_chain() -> None:
    """Every flip of the kill switch so far begins the chain, hashed as `store.chain` did when this was written."""
    log = sa.table("control_log", *map(sa.column, ("id", "stopped", "reason", "by")), sa.column("at", Instant()))
    chain = sa.table(
        "chain",
        *map(sa.column, ("id", "subject", "subject_id", "what", "by", "previous", "hash")),
        sa.column("at", Instant()),
        sa.column("detail", sa.JSON()),
    )
    number, last = 0, ""
    for flip in op.get_bind().execute(sa.select(log).order_by(log.c.id)).all():
        number += 1
        stopped, at = bool(flip.stopped), flip.at.astimezone(UTC).isoformat(timespec="microseconds")
        row = {
            "stopped": stopped,
            "by": flip.by,
            "at": at,
            "reason": _sha256(flip.reason),
            "stops": _hash({"stops": []}),
        }
        entry = {
            "id": number,
            "subject": "control",
            "subject_id": "1",
            "what": "stopped" if stopped else "started",
            "by": flip.by,
            "detail": {"scope": "all", "row": row},
            "previous": last,
        }
        last = _hash({**entry, "at": at})
        op.get_bind().execute(sa.insert(chain).values(**entry, at=flip.at, hash=last))
    head = sa.table("chain_head", *map(sa.column, ("id", "entries", "hash")))
    op.get_bind().execute(sa.update(head).where(head.c.id == 1).values(entries=number, hash=last))


def _hash(told: dict[str, Any]) -> str:
    """Over JSON with sorted keys and no spaces: RFC 8785 for texts, whole numbers and truth values."""
    return _sha256(json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def _sha256(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()


def _is_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


def _partial_index(name: str, table: str, columns: list[str], where: str, *, unique: bool = False) -> None:
    condition = sa.text(where)
    op.create_index(name, table, columns, unique=unique, sqlite_where=condition, postgresql_where=condition)
