"""The audit of moves in one pass"""

from alembic import op

from store.migrations.audit_triggers import MOVES, POSTGRESQL

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_LIST = ", ".join(f"'{move}'" for move in MOVES)

_REFUSE = """CREATE FUNCTION refuse_move(key text, before text, after text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'illegal move of an action: %: % to %', key, before, after;
END $$"""

_MOVED = f"""CREATE OR REPLACE FUNCTION actions_moved() RETURNS trigger LANGUAGE plpgsql SET enable_nestloop = off AS $$
BEGIN
    INSERT INTO audit (action_id, before, after, reason, revision, fence, at, by)
    SELECT n.id, o.state,
        CASE WHEN (o.state || '>' || n.state) IN ({_LIST}) THEN n.state
            ELSE refuse_move(o.key, o.state, n.state) END,
        n.reason, n.revision, n.fence, n.updated_at, n.updated_by
    FROM before_move o JOIN after_move n ON n.id = o.id WHERE o.state <> n.state;
    RETURN NULL;
END $$"""


def upgrade() -> None:
    """PostgreSQL joined the rows before a move to those after it twice, to find an illegal one and to write it down."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_REFUSE)
        op.execute(_MOVED)


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        (before,) = (one for one in POSTGRESQL if one.startswith("CREATE FUNCTION actions_moved()"))
        op.execute(before.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION", 1))
        op.execute("ALTER FUNCTION actions_moved() SET enable_nestloop = off")
        op.execute("DROP FUNCTION refuse_move(text, text, text)")
