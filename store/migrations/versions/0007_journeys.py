"""Journeys, who is in them, what customers did, and who was erased"""

import sqlalchemy as sa
from alembic import op

from store.types import Identity, Instant

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "journeys",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content", sa.JSON(), nullable=False),
        sa.Column("published_at", Instant(), nullable=False),
        sa.Column("approved_at", Instant(), nullable=True),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.PrimaryKeyConstraint("hash"),
    )
    op.create_index("ix_journeys_name", "journeys", ["name", "approved_at"], unique=False)
    op.create_table(
        "enrolments",
        sa.Column("id", Identity, nullable=False),
        sa.Column("customer_id", Identity, nullable=False),
        sa.Column("journey", sa.String(), nullable=False),
        sa.Column("journey_hash", sa.String(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("key_part", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("entered_at", Instant(), nullable=False),
        sa.Column("step", sa.String(), nullable=True),
        sa.Column("due_at", Instant(), nullable=True),
        sa.Column("action_id", Identity, nullable=True),
        sa.Column("look_at", Instant(), nullable=True),
        sa.Column("previous_at", Instant(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.Column("updated_by", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"]),
        sa.ForeignKeyConstraint(["journey_hash"], ["journeys.hash"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("customer_id", "journey", "number"),
    )
    for name, columns, where in (
        ("ix_enrolments_due", ["due_at", "id"], "due_at IS NOT NULL"),
        ("ix_enrolments_air", ["look_at", "id"], "action_id IS NOT NULL"),
        ("ix_enrolments_aside", ["id"], "state = 'active' AND reason IS NOT NULL"),
    ):
        op.create_index(
            name,
            "enrolments",
            columns,
            unique=False,
            sqlite_where=sa.text(where),
            postgresql_where=sa.text(where),
        )
    op.create_index("ix_enrolments_journey", "enrolments", ["journey", "entered_at"], unique=False)
    op.create_table(
        "behaviour",
        sa.Column("customer_id", Identity, nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("first_at", Instant(), nullable=False),
        sa.Column("last_at", Instant(), nullable=False),
        sa.Column("times", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"]),
        sa.PrimaryKeyConstraint("customer_id", "event", "name"),
    )
    op.create_table(
        "message_events",
        sa.Column("id", Identity, nullable=False),
        sa.Column("action_id", Identity, nullable=False),
        sa.Column("what", sa.String(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["action_id"], ["actions.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("action_id", "what"),
    )
    op.create_table(
        "erasures",
        sa.Column("id", Identity, nullable=False),
        sa.Column("customer_id", Identity, nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"]),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_erasures_customer_id"), "erasures", ["customer_id"], unique=False)
    op.add_column("customers", sa.Column("device", sa.String(), nullable=True))
    # Not by Alembic's own way, for which SQLite would copy the whole table and drop its triggers.
    kind = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    op.execute(f"ALTER TABLE actions ADD COLUMN enrolment_id {kind} REFERENCES enrolments (id)")
    op.create_index(
        "ix_actions_enrolment",
        "actions",
        ["enrolment_id", "id"],
        unique=False,
        sqlite_where=sa.text("enrolment_id IS NOT NULL"),
        postgresql_where=sa.text("enrolment_id IS NOT NULL"),
    )


def downgrade() -> None:
    op.drop_index("ix_actions_enrolment", "actions")
    op.drop_column("actions", "enrolment_id")
    op.drop_column("customers", "device")
    for table in ("erasures", "message_events", "behaviour", "enrolments", "journeys"):
        op.drop_table(table)
