"""Cases are followed to their end"""

import sqlalchemy as sa
from alembic import op

from store.types import Identity, Instant

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("cases", sa.Column("turn", sa.Integer(), nullable=False, server_default="1"))
    for name in ("desk_status", "assignee", "last_word_by"):
        op.add_column("cases", sa.Column(name, sa.String(), nullable=True))
    for name in (
        "reopened_at",
        "desk_checked_at",
        "desk_read_at",
        "desk_missing_since",
        "answered_at",
        "last_word_at",
        "asked_at",
    ):
        op.add_column("cases", sa.Column(name, Instant(), nullable=True))
    _partial_index("ix_cases_desk", "cases", ["desk_checked_at", "id"], "state = 'open'")
    _partial_index("ix_cases_solved", "cases", ["solved_at"], "state = 'solved'")

    op.create_index("ix_survey_responses_received_at", "survey_responses", ["received_at"])

    op.create_table(
        "promises",
        sa.Column("id", Identity, nullable=False),
        sa.Column("action_id", Identity, sa.ForeignKey("actions.id"), nullable=False),
        sa.Column("case_id", Identity, sa.ForeignKey("cases.id"), nullable=False),
        sa.Column("made_at", Instant(), nullable=False),
        sa.Column("answer_by", Instant(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("settled_at", Instant(), nullable=True),
        sa.Column("settled_by", sa.String(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("action_id"),
    )
    op.create_index("ix_promises_case_id", "promises", ["case_id"])
    op.create_index("ix_promises_answer_by", "promises", ["answer_by"])
    _partial_index("ix_promises_open", "promises", ["case_id"], "state = 'open'")

    op.create_table(
        "desk_differences",
        sa.Column("id", Identity, nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("found_at", Instant(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("subject", "what"),
    )


def downgrade() -> None:
    raise RuntimeError("what became of promises is not taken back: restore a backup")


def _partial_index(name: str, table: str, columns: list[str], where: str) -> None:
    op.create_index(name, table, columns, sqlite_where=sa.text(where), postgresql_where=sa.text(where))
