"""Asking survey tools"""

import sqlalchemy as sa
from alembic import op

from store.types import Identity, Instant

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "survey_fetches",
        sa.Column("id", Identity, nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("response_id", sa.String(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("inbox_id", Identity, nullable=False),
        sa.Column("announced_at", Instant(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("due_at", Instant(), nullable=False),
        sa.Column("turn", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["inbox_id"], ["inbox.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("source", "response_id"),
    )
    with op.batch_alter_table("survey_fetches", schema=None) as batch_op:
        batch_op.create_index(
            "ix_survey_fetches_due",
            ["due_at"],
            unique=False,
            sqlite_where=sa.text("state = 'waiting'"),
            postgresql_where=sa.text("state = 'waiting'"),
        )
    op.create_table(
        "survey_polls",
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("asked_up_to", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("source"),
    )


def downgrade() -> None:
    op.drop_table("survey_polls")
    op.drop_table("survey_fetches")
