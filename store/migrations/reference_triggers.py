"""References that PostgreSQL holds by the statement, as revisions 0011 and 0013 create them: foreign keys' promises.

A foreign key asks for each row by itself. Planners write thousands at once and dispatch a window, so here one query
asks about all rows of a statement; whoever deletes what may be referred to shuts out everybody who writes references
meanwhile.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence

References = Mapping[str, Sequence[tuple[str, str]]]
"""By table: its columns, and the table whose `id` each refers to."""

PLANNED: References = {
    "actions": (
        ("customer_id", "customers"),
        ("case_id", "cases"),
        ("response_id", "survey_responses"),
        ("entitlement_id", "entitlements"),
        ("gate_id", "gates"),
        ("enrolment_id", "enrolments"),
        ("after_id", "actions"),
    ),
    "evidence": (("action_id", "actions"),),
}
"""Of what is planned (0011). An action's review keeps its foreign key: an empty review is deleted every day, and must
not shut out everybody for that."""

SENT: References = {
    "cap_slots": (("action_id", "actions"), ("customer_id", "customers")),
    "receipts": (("action_id", "actions"),),
}
"""Of what is sent (0013)."""

REFERENCES: References = {**PLANNED, **SENT}
"""All of them."""

_COMMITTED_ONLY = """IF current_setting('transaction_isolation') <> 'read committed' THEN
        RAISE EXCEPTION 'references of % are held in READ COMMITTED only', TG_TABLE_NAME
            USING ERRCODE = 'feature_not_supported';
    END IF;"""
"""Each query of a trigger sees what was committed before it: on an older picture it would find what is gone."""

KEEP = f"""CREATE FUNCTION keep_referred() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    place integer;
    is_referred boolean;
BEGIN
    IF TG_OP = 'UPDATE' AND NEW.id = OLD.id THEN
        RETURN NULL;
    END IF;
    {_COMMITTED_ONLY}
    FOR place IN 0 .. TG_NARGS / 2 - 1 LOOP
        EXECUTE format('LOCK TABLE %I IN SHARE ROW EXCLUSIVE MODE', TG_ARGV[2 * place]);
        IF TG_OP = 'TRUNCATE' THEN
            EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %I IS NOT NULL)',
                TG_ARGV[2 * place], TG_ARGV[2 * place + 1]) INTO is_referred;
        ELSE
            EXECUTE format('SELECT EXISTS (SELECT FROM %I WHERE %I = $1)',
                TG_ARGV[2 * place], TG_ARGV[2 * place + 1]) INTO is_referred USING OLD.id;
        END IF;
        IF is_referred THEN
            RAISE EXCEPTION 'update or delete on table "%" violates foreign key constraint "%" on table "%"',
                TG_TABLE_NAME, TG_ARGV[2 * place] || '_' || TG_ARGV[2 * place + 1] || '_fkey', TG_ARGV[2 * place]
                USING ERRCODE = 'foreign_key_violation', TABLE = TG_ARGV[2 * place],
                    CONSTRAINT = TG_ARGV[2 * place] || '_' || TG_ARGV[2 * place + 1] || '_fkey';
        END IF;
    END LOOP;
    RETURN NULL;
END $$"""


def refer(references: References) -> Iterator[str]:
    """The statements by which those who refer ask once a statement, no foreign key for each row."""
    for table, columns in references.items():
        yield from (f"ALTER TABLE {table} DROP CONSTRAINT {table}_{column}_fkey" for column, _ in columns)
        yield _refers(f"{table}_refer", "added", columns)
        yield (
            f"CREATE TRIGGER {table}_refer AFTER INSERT ON {table} REFERENCING NEW TABLE AS added"
            f" FOR EACH STATEMENT EXECUTE FUNCTION {table}_refer()"
        )
        # Of an update that may change one, row by row: a trigger with rows of its own would be run by every move.
        names = [column for column, _ in columns]
        is_other = " OR ".join(f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in names)
        yield _refers(f"{table}_refer_anew", "(SELECT NEW.*)", columns)
        yield (
            f"CREATE TRIGGER {table}_refer_anew AFTER UPDATE OF {', '.join(names)} ON {table} FOR EACH ROW"
            f" WHEN ({is_other}) EXECUTE FUNCTION {table}_refer_anew()"
        )


def refer_by_keys(references: References) -> Iterator[str]:
    """The statements that put the foreign keys back."""
    for table, columns in references.items():
        for name in (f"{table}_refer", f"{table}_refer_anew"):
            yield f"DROP TRIGGER {name} ON {table}"
            yield f"DROP FUNCTION {name}()"
        for column, parent in columns:
            yield (
                f"ALTER TABLE {table} ADD CONSTRAINT {table}_{column}_fkey"
                f" FOREIGN KEY ({column}) REFERENCES {parent} (id)"
            )


def keep(references: References, parents: Collection[str]) -> Iterator[str]:
    """The statements by which rows of these parents stay while one of the references is to them."""
    for parent in parents:
        told = [
            one
            for table, columns in references.items()
            for column, to in columns
            if to == parent
            for one in (table, column)
        ]
        arguments = ", ".join(f"'{one}'" for one in told)
        does = f"EXECUTE FUNCTION keep_referred({arguments})"
        yield f"CREATE TRIGGER {parent}_keep AFTER DELETE OR UPDATE OF id ON {parent} FOR EACH ROW {does}"
        yield f"CREATE TRIGGER {parent}_keep_all AFTER TRUNCATE ON {parent} FOR EACH STATEMENT {does}"


def let_go(parents: Collection[str]) -> Iterator[str]:
    """The statements that undo `keep`."""
    for parent in parents:
        yield f"DROP TRIGGER {parent}_keep ON {parent}"
        yield f"DROP TRIGGER {parent}_keep_all ON {parent}"


def parents(references: References) -> list[str]:
    """The tables that are referred to, each once."""
    return list(dict.fromkeys(parent for columns in references.values() for _, parent in columns))


def _refers(name: str, rows: str, columns: Sequence[tuple[str, str]]) -> str:
    """A function that raises, in a foreign key's words, when one of these rows refers to what is not there.

    What no row refers to is not asked about: starting a query costs more than a row of it. Each reference is looked up
    by its parent's key, however small the parent was when the session planned it (0009 tells what happens else).
    """
    looks = {column: _look(rows, column, parent) for column, parent in columns}
    if len(columns) == 1:
        (look,), told, first = looks.values(), "", ""
    else:
        told = "".join(f"\n    any_{column} bigint;" for column in looks)
        which, into = (", ".join(pattern % column for column in looks) for pattern in ("max(a.%s)", "any_%s"))
        first = f"\n    SELECT {which} INTO {into} FROM {rows} AS a;"
        look = "".join(f"\n    IF any_{column} IS NOT NULL THEN{one}\n    END IF;" for column, one in looks.items())
    return f"""CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql SET enable_seqscan = off AS $$
DECLARE
    lost bigint;{told}
BEGIN
    {_COMMITTED_ONLY}{first}{look}
    RETURN NULL;
END $$"""


def _look(rows: str, column: str, parent: str) -> str:
    return f"""
        SELECT a.{column} INTO lost FROM {rows} AS a
        WHERE a.{column} IS NOT NULL AND (SELECT true FROM {parent} p WHERE p.id = a.{column}) IS NULL LIMIT 1;
        IF lost IS NOT NULL THEN
            RAISE EXCEPTION 'insert or update on table "%" violates foreign key constraint "%"',
                TG_TABLE_NAME, TG_TABLE_NAME || '_{column}_fkey'
                USING ERRCODE = 'foreign_key_violation', TABLE = TG_TABLE_NAME,
                    CONSTRAINT = TG_TABLE_NAME || '_{column}_fkey',
                    DETAIL = format('Key ({column})=(%s) is not present in table "{parent}".', lost);
        END IF;"""
