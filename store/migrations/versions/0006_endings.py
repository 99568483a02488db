"""Entitlements, purchases, and the gates their data came through"""

import sqlalchemy as sa
from alembic import op

from store.types import Identity, Instant

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "gates",
        sa.Column("id", Identity, nullable=False),
        sa.Column("data_set", sa.String(), nullable=False),
        sa.Column("feed", sa.String(), nullable=False),
        sa.Column("batch", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("is_events", sa.Boolean(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("broken", sa.Integer(), nullable=False),
        sa.Column("findings", sa.JSON(), nullable=False),
        sa.Column("measures", sa.JSON(), nullable=False),
        sa.Column("decided_at", Instant(), nullable=False),
        sa.Column("run", sa.String(), nullable=False),
        sa.Column("taken_at", Instant(), nullable=True),
        sa.Column("approved_by", sa.String(), nullable=True),
        sa.Column("approved_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_gates_feed", "gates", ["data_set", "feed", "decided_at"], unique=False)
    op.create_index(
        "ux_gates_events",
        "gates",
        ["data_set", "feed", "batch"],
        unique=True,
        sqlite_where=sa.text("is_events"),
        postgresql_where=sa.text("is_events"),
    )
    op.create_table(
        "entitlements",
        sa.Column("id", Identity, nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("key_part", sa.String(), nullable=False),
        sa.Column("customer_id", Identity, nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("auto_renews", sa.Boolean(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("earliest_on", sa.Date(), nullable=True),
        sa.Column("latest_on", sa.Date(), nullable=True),
        sa.Column("time_zone", sa.String(), nullable=False),
        sa.Column("occurrence", sa.String(), nullable=False),
        sa.Column("value_minor", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(), nullable=True),
        sa.Column("at_risk_minor", sa.BigInteger(), nullable=False),
        sa.Column("renewed_from", sa.Date(), nullable=True),
        sa.Column("gate_id", Identity, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("changed_at", Instant(), nullable=False),
        sa.Column("told_at", Instant(), nullable=True),
        sa.Column("created_at", Instant(), nullable=False),
        sa.Column("updated_at", Instant(), nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"]),
        sa.ForeignKeyConstraint(["gate_id"], ["gates.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("ref"),
    )
    op.create_index(op.f("ix_entitlements_customer_id"), "entitlements", ["customer_id"], unique=False)
    op.create_index(
        "ix_entitlements_ending",
        "entitlements",
        ["kind", "state", "auto_renews", "ends_on", "time_zone", "id", "at_risk_minor", "latest_on"],
        unique=False,
    )
    op.create_index(
        "ix_entitlements_renewed",
        "entitlements",
        ["kind", "renewed_from", "time_zone"],
        unique=False,
        sqlite_where=sa.text("renewed_from IS NOT NULL"),
        postgresql_where=sa.text("renewed_from IS NOT NULL"),
    )
    op.create_index("ix_entitlements_changed", "entitlements", ["changed_at", "id"], unique=False)
    op.create_table(
        "purchases",
        sa.Column("id", Identity, nullable=False),
        sa.Column("ref", sa.String(), nullable=False),
        sa.Column("customer_id", Identity, nullable=False),
        sa.Column("product", sa.String(), nullable=False),
        sa.Column("is_supply", sa.Boolean(), nullable=False),
        sa.Column("bought_on", sa.Date(), nullable=False),
        sa.Column("quantity", sa.Float(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(), nullable=False),
        sa.Column("gate_id", Identity, nullable=False),
        sa.ForeignKeyConstraint(["customer_id"], ["customers.id"]),
        sa.ForeignKeyConstraint(["gate_id"], ["gates.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("ref"),
    )
    op.create_index("ix_purchases_customer", "purchases", ["customer_id", "product", "bought_on"], unique=False)
    op.create_table(
        "detection_marks",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("looked_at", Instant(), nullable=False),
        sa.Column("whole_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("kind"),
    )
    op.create_index(
        "ix_customers_erased",
        "customers",
        ["erased_at"],
        unique=False,
        sqlite_where=sa.text("erased_at IS NOT NULL"),
        postgresql_where=sa.text("erased_at IS NOT NULL"),
    )
    op.add_column("customers", sa.Column("ltv_minor", sa.BigInteger(), nullable=True))
    for column in ("is_ltv_stated", "is_tier_stated"):
        op.add_column("customers", sa.Column(column, sa.Boolean(), nullable=False, server_default=sa.text("false")))
    # Tiers were only ever imported until now: none that somebody stated is counted away.
    op.execute("UPDATE customers SET is_tier_stated = true WHERE tier <> 'basic'")
    _reference("customers", "gate_id", "gates")
    _reference("actions", "entitlement_id", "entitlements")
    _reference("actions", "gate_id", "gates")
    op.create_index(op.f("ix_actions_entitlement_id"), "actions", ["entitlement_id"], unique=False)
    op.create_index(
        "ix_actions_calls",
        "actions",
        ["updated_at", "id"],
        unique=False,
        sqlite_where=sa.text("kind = 'call' AND state = 'done'"),
        postgresql_where=sa.text("kind = 'call' AND state = 'done'"),
    )
    op.create_table(
        "call_outcomes",
        sa.Column("id", Identity, nullable=False),
        sa.Column("action_id", Identity, nullable=False),
        sa.Column("outcome", sa.String(), nullable=False),
        sa.Column("source", sa.String(), nullable=False),
        sa.Column("ended_at", Instant(), nullable=False),
        sa.Column("received_at", Instant(), nullable=False),
        sa.Column("said", sa.Text(), nullable=True),
        sa.Column("followed_by", sa.String(), nullable=True),
        sa.ForeignKeyConstraint(["action_id"], ["actions.id"]),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("action_id"),
    )


def _reference(table: str, column: str, to: str) -> None:
    """A column that refers to another table, without SQLite's copy of the whole table (which would drop triggers)."""
    kind = "INTEGER" if op.get_bind().dialect.name == "sqlite" else "BIGINT"
    op.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind} REFERENCES {to} (id)")


def downgrade() -> None:
    op.drop_table("call_outcomes")
    op.drop_index("ix_customers_erased", "customers")
    op.drop_index("ix_actions_calls", "actions")
    op.drop_index(op.f("ix_actions_entitlement_id"), "actions")
    for table, column in (("actions", "gate_id"), ("actions", "entitlement_id"), ("customers", "gate_id")):
        op.drop_column(table, column)
    for column in ("is_tier_stated", "is_ltv_stated", "ltv_minor"):
        op.drop_column("customers", column)
    for table in ("detection_marks", "purchases", "entitlements", "gates"):
        op.drop_table(table)
