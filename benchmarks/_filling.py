"""Rows for benchmarks, made by the database itself, many at a time."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Interval,
    Select,
    Table,
    case,
    column,
    func,
    insert,
    literal,
    literal_column,
    select,
)

from store.database import Database
from store.types import Instant

NOON = datetime(2026, 3, 4, 11, tzinfo=UTC)
"""A Wednesday, noon in Warsaw."""

ZONES = ("Europe/Warsaw", "Europe/Prague", "Europe/London", "America/New_York", "Asia/Tokyo")
_CHUNK = 500_000
"""Rows a transaction."""


def fill(
    database: Database,
    table: Table,
    most: int,
    values: Callable[[ColumnElement[int], bool], Mapping[str, ColumnElement[Any]]],
) -> None:
    """Rows 1 to `most` of a table: `values` says what each column of a number is, on SQLite or not."""
    for first in range(1, most + 1, _CHUNK):
        with database.write("fill") as connection:
            numbers = numbers_from(first, min(first + _CHUNK - 1, most), database.is_sqlite)
            columns = values(numbers.subquery().c[0], database.is_sqlite)
            connection.execute(insert(table).from_select(list(columns), select(*columns.values())))


def at(instant: datetime) -> ColumnElement[datetime]:
    """An instant as the database keeps it."""
    return literal(instant, Instant())


def seconds_after(instant: datetime, seconds: ColumnElement[int], is_sqlite: bool) -> ColumnElement[Any]:
    """So many seconds later."""
    if is_sqlite:
        return literal_column(str(Instant.microseconds(instant))) + seconds * literal_column("1000000")
    return at(instant) + seconds * literal_column("INTERVAL '1 second'", Interval())


def numbers_from(first: int, last: int, is_sqlite: bool) -> Select[Any]:
    """The numbers from one to another, both with them."""
    if not is_sqlite:
        return select(
            func.generate_series(first, last, type_=BigInteger())
            .table_valued(column("n", BigInteger()))
            .render_derived()
            .c.n
        )
    numbers = select(literal(first).label("n")).cte("numbers", recursive=True)
    numbers = numbers.union_all(select(numbers.c.n + 1).where(numbers.c.n < last))
    return select(numbers.c.n)


def one_of(number: ColumnElement[int], *words: str) -> ColumnElement[str]:
    """The words in turn."""
    return case(
        *((number % len(words) == place, literal_column(f"'{word}'")) for place, word in enumerate(words[1:], start=1)),
        else_=literal_column(f"'{words[0]}'"),
    )


def without_indexes(database: Database, *tables: str) -> list[str]:
    """Drop the indexes that are no constraints: they are made faster afterwards. What makes them again."""
    listed = (
        "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        if database.is_sqlite
        else "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'"
    )
    with database.read() as connection:
        found = [(name, made) for name, made in connection.exec_driver_sql(listed).all()]
    dropped = [(name, made) for name, made in found if name.startswith(tuple(f"ix_{table}" for table in tables))]
    run_each(database, *(f"DROP INDEX {name}" for name, _ in dropped))
    return [made for _, made in dropped]


def run_each(database: Database, *statements: str) -> None:
    """Outside any transaction: some statements allow none."""
    borrowed = database.engine.raw_connection()
    try:
        if not database.is_sqlite:
            borrowed.driver_connection.autocommit = True
        for statement in statements:
            borrowed.cursor().execute(statement)
    finally:
        borrowed.detach()
        borrowed.close()
