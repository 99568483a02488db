"""The audit's triggers, as revision 0001 creates them: every move is written down, an illegal one is refused.

The legal moves are frozen here as a migration must be; a test holds them equal to `domain.actions.EDGES`.
"""

from itertools import groupby

MOVES = tuple(
    f"{before}>{after}"
    for before, afters in (
        ("planned", "awaiting_review ready skipped cancelled expired"),
        ("awaiting_review", "ready planned skipped cancelled expired"),
        ("ready", "claimed planned skipped cancelled expired"),
        ("claimed", "sending ready needs_human planned skipped cancelled expired"),
        ("sending", "done failed uncertain ready"),
        ("uncertain", "done ready needs_human"),
        ("needs_human", "done cancelled ready awaiting_review"),
        ("failed", "ready cancelled"),
    )
    for after in afters.split()
)

_BY_STATE = " ".join(
    f"WHEN '{before}' THEN CASE NEW.state"
    + "".join(f" WHEN '{move.partition('>')[2]}' THEN false" for move in moves)
    + " ELSE true END"
    for before, moves in groupby(MOVES, key=lambda move: move.partition(">")[0])
)
"""Not as a list: SQLite would make a table of it for each row, a third of what a move costs. Files made before this was
so keep the list, which means the same."""

_LIST = ", ".join(f"'{move}'" for move in MOVES)
_COLUMNS = "action_id, before, after, reason, revision, fence, at, by"

SQLITE = (
    f"""CREATE TRIGGER actions_inserted AFTER INSERT ON actions BEGIN
    INSERT INTO audit ({_COLUMNS})
    VALUES (NEW.id, NULL, NEW.state, NEW.reason, NEW.revision, NEW.fence, NEW.updated_at, NEW.updated_by);
END""",
    f"""CREATE TRIGGER actions_moved AFTER UPDATE OF state ON actions WHEN OLD.state <> NEW.state BEGIN
    SELECT RAISE(ABORT, 'illegal move of an action') WHERE CASE OLD.state {_BY_STATE} ELSE true END;
    INSERT INTO audit ({_COLUMNS})
    VALUES (NEW.id, OLD.state, NEW.state, NEW.reason, NEW.revision, NEW.fence, NEW.updated_at, NEW.updated_by);
END""",
)

POSTGRESQL = (
    f"""CREATE FUNCTION actions_inserted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO audit ({_COLUMNS})
    SELECT id, NULL, state, reason, revision, fence, updated_at, updated_by FROM added;
    RETURN NULL;
END $$""",
    """CREATE TRIGGER actions_inserted AFTER INSERT ON actions
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION actions_inserted()""",
    f"""CREATE FUNCTION actions_moved() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE illegal text;
BEGIN
    SELECT o.key || ': ' || o.state || ' to ' || n.state INTO illegal
    FROM before_move o JOIN after_move n ON n.id = o.id
    WHERE o.state <> n.state AND (o.state || '>' || n.state) NOT IN ({_LIST}) LIMIT 1;
    IF illegal IS NOT NULL THEN
        RAISE EXCEPTION 'illegal move of an action: %', illegal;
    END IF;
    INSERT INTO audit ({_COLUMNS})
    SELECT n.id, o.state, n.state, n.reason, n.revision, n.fence, n.updated_at, n.updated_by
    FROM before_move o JOIN after_move n ON n.id = o.id WHERE o.state <> n.state;
    RETURN NULL;
END $$""",
    """CREATE TRIGGER actions_moved AFTER UPDATE ON actions
    REFERENCING OLD TABLE AS before_move NEW TABLE AS after_move
    FOR EACH STATEMENT EXECUTE FUNCTION actions_moved()""",
)
