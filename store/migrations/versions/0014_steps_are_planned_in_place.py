"""Steps are planned in place"""

import sqlalchemy as sa
from alembic import op

from store.types import Instant

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_IN_THE_AIR = sa.text("action_id IS NOT NULL")


def upgrade() -> None:
    """An enrolment's due time stays while its step is in the air: no index is written, and PostgreSQL copies no row."""
    op.drop_index("ix_enrolments_air", "enrolments")
    op.execute("UPDATE enrolments SET due_at = look_at WHERE action_id IS NOT NULL")
    op.drop_column("enrolments", "look_at")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE enrolments SET (fillfactor = 85)")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE enrolments RESET (fillfactor)")
    op.add_column("enrolments", sa.Column("look_at", Instant(), nullable=True))
    op.execute("UPDATE enrolments SET look_at = due_at, due_at = NULL WHERE action_id IS NOT NULL")
    op.create_index(
        "ix_enrolments_air",
        "enrolments",
        ["look_at", "id"],
        unique=False,
        sqlite_where=_IN_THE_AIR,
        postgresql_where=_IN_THE_AIR,
    )
