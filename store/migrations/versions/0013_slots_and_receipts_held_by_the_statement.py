"""Slots and receipts held by the statement"""

from alembic import op

from store.migrations.reference_triggers import (
    PLANNED,
    REFERENCES,
    SENT,
    keep,
    let_go,
    parents,
    refer,
    refer_by_keys,
)

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_THEIRS = parents(SENT)


def upgrade() -> None:
    """Three foreign keys of PostgreSQL asked for each message that is sent and recorded."""
    if op.get_bind().dialect.name == "postgresql":
        for statement in (*refer(SENT), *let_go(_THEIRS), *keep(REFERENCES, _THEIRS)):
            op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for statement in (*let_go(_THEIRS), *keep(PLANNED, _THEIRS), *refer_by_keys(SENT)):
            op.execute(statement)
