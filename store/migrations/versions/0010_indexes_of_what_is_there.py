"""Cases and entitlements of actions indexed where there are any"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_INDEXES = (
    ("ix_actions_case_id", "ix_actions_case", "case_id"),
    ("ix_actions_entitlement_id", "ix_actions_entitlement", "entitlement_id"),
)


def upgrade() -> None:
    """Most actions have neither or one of the two, and PostgreSQL writes a row into every index with each move."""
    for whole, part, column in _INDEXES:
        where = sa.text(f"{column} IS NOT NULL")
        op.create_index(part, "actions", [column], unique=False, sqlite_where=where, postgresql_where=where)
        op.drop_index(whole, "actions")


def downgrade() -> None:
    for whole, part, column in _INDEXES:
        op.create_index(whole, "actions", [column], unique=False)
        op.drop_index(part, "actions")
