"""Decisions about what is in quarantine, and operators' sessions"""

import sqlalchemy as sa
from alembic import op

from store.types import Identity, Instant

revision = "0004"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("quarantine", sa.Column("layout", sa.JSON(), nullable=True))
    op.create_table(
        "quarantine_decisions",
        sa.Column("id", Identity, nullable=False),
        sa.Column("quarantine_id", Identity, nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("subject", sa.String(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.Column("at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["quarantine_id"], ["quarantine.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_quarantine_decisions_quarantine_id", "quarantine_decisions", ["quarantine_id"])
    op.create_table(
        "operator_sessions",
        sa.Column("token_hash", sa.String(), nullable=False),
        sa.Column("operator", sa.String(), nullable=False),
        sa.Column("credential", sa.String(), nullable=False),
        sa.Column("began_at", Instant(), nullable=False),
        sa.Column("expires_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("token_hash"),
    )


def downgrade() -> None:
    op.drop_table("operator_sessions")
    op.drop_table("quarantine_decisions")
    op.drop_column("quarantine", "layout")
