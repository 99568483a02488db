"""Inserts that happen once per key: `INSERT … ON CONFLICT … DO NOTHING`, for both databases.

What runs for every answer is built once, as a module constant with bound parameters: building a statement costs
several times what running it does, and all of it is spent on the thread that answers are waiting for.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import JSON, Connection, CursorResult, Insert, Table, TextClause, insert, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.sql.dml import ReturningInsert


def insert_once(table: Table, *key: str, where: str = "") -> Insert:
    """An insert that leaves a row alone whose `key` (the columns of a unique index) is there; it returns new rows only.

    `where` is the condition of a partial index, as it stands in the table.

    SQLAlchemy 2.0 compiles its own `on_conflict_do_nothing` anew each time it runs, half a millisecond; text it knows
    again. `tests/unit/store/test_store_once.py` holds that.
    """
    statement = insert(table)
    columns = ", ".join(f'"{column}"' for column in key)
    condition = f" WHERE {where}" if where else ""
    statement._post_values_clause = text(f"ON CONFLICT ({columns}){condition} DO NOTHING")
    return statement


def insert_listed(
    table: Table,
    *key: str,
    columns: Sequence[str],
    returning: Sequence[str],
    fixed: Mapping[str, str] | None = None,
) -> TextClause:
    """`insert_once` on PostgreSQL of any number of rows as one parameter: see `insert_rows`.

    The text is always the same. Of a list of values with a parameter for each, SQLAlchemy, the driver and the server
    each read every one anew: for the plans of fifteen answers six milliseconds of our processor alone. `fixed` are
    columns that have the same value in each row, as SQL. Without a `key` a row that is there already is an error.
    """
    dialect = postgresql.dialect()  # type: ignore[no-untyped-call]
    types = {name: table.c[name].type for name in columns}
    given = ", ".join(
        f'"{name}" {"TEXT" if isinstance(kind, JSON) else kind.compile(dialect)}' for name, kind in types.items()
    )
    values = [
        f'CAST("{name}" AS JSON)' if isinstance(kind, JSON) else f'"{name}"' for name, kind in types.items()
    ] + list((fixed or {}).values())
    return text(
        f"INSERT INTO {table.name} ({_names([*columns, *(fixed or {})])}) SELECT {', '.join(values)}"  # noqa: S608 - names
        f" FROM json_to_recordset(CAST(:rows AS JSON)) AS given ({given})"
        f"{f' ON CONFLICT ({_names(key)}) DO NOTHING' if key else ''} RETURNING {_names(returning)}"
    )


def insert_rows(
    connection: Connection, each: ReturningInsert[Any], at_once: TextClause, rows: Sequence[Mapping[str, Any]]
) -> CursorResult[Any]:
    """Insert rows by whichever is right here: `each` on SQLite, `at_once` (see `insert_listed`) on PostgreSQL."""
    if connection.dialect.name == "sqlite":
        return connection.execute(each, rows)
    return connection.execute(at_once, _listed(each.table, rows))


def _listed(table: Any, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """JSON is text within the parameter: PostgreSQL would not read a zero character there."""
    inner = [name for name in rows[0] if isinstance(table.c[name].type, JSON)]
    written = [{**row, **{name: orjson.dumps(row[name]).decode() for name in inner}} for row in rows]
    return {"rows": orjson.dumps(written, _instant, orjson.OPT_PASSTHROUGH_DATETIME).decode()}


def _instant(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone; instants are aware, in UTC")
    return value.isoformat()


def _names(columns: Sequence[str]) -> str:
    return ", ".join(f'"{column}"' for column in columns)
