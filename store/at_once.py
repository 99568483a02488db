"""Rows read at one stroke."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from sqlalchemy import JSON, Boolean, Connection, Select, Text, cast, func, select

from store.types import Instant, of_microseconds


class AtOnce:
    """A statement whose rows are read at one stroke, on SQLite as one JSON text that SQLite writes.

    SQLite's driver lets go of Python's lock for each row, and an event loop that is busy keeps it for long each time: a
    hundred rows waited a hundred times. Values are those of the columns' types, JSON as `orjson` reads it: for columns
    that hold no half characters and no whole numbers beyond 64 bits.
    """

    def __init__(self, statement: Select[Any]) -> None:
        written = [
            cast(column, Text) if isinstance(column.type, JSON) else column for column in statement.selected_columns
        ]
        self._statement = statement.with_only_columns(*written, maintain_column_froms=True)
        self._in_json = [
            place for place, column in enumerate(statement.selected_columns) if isinstance(column.type, JSON)
        ]
        inner = statement.subquery()
        columns = [func.json(column) if isinstance(column.type, JSON) else column for column in inner.c]
        self._as_text = select(func.json_group_array(func.json_array(*columns))).select_from(inner)
        self._made: list[tuple[int, Callable[[Any], Any]]] = [
            (place, made) for place, column in enumerate(inner.c) if (made := _made_by(column.type)) is not None
        ]

    def rows(self, connection: Connection, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Its rows, each as long as its columns."""
        if connection.dialect.name != "sqlite":
            return self._row_by_row(connection, parameters)
        rows: list[list[Any]] = orjson.loads(connection.execute(self._as_text, parameters).scalar_one())
        for place, made in self._made:
            for row in rows:
                row[place] = made(row[place])
        return rows

    def _row_by_row(self, connection: Connection, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """PostgreSQL's driver has them all at once anyway."""
        found = connection.execute(self._statement, parameters).all()
        if not self._in_json:
            return found
        rows = [list(row) for row in found]
        for place in self._in_json:
            for row in rows:
                row[place] = None if row[place] is None else orjson.loads(row[place])
        return rows


def _made_by(kind: object) -> Callable[[Any], Any] | None:
    """What makes a column's value of what SQLite has; None: it is that."""
    if isinstance(kind, Instant):
        return of_microseconds
    return _as_bool if isinstance(kind, Boolean) else None


def _as_bool(value: int | None) -> bool | None:
    return None if value is None else bool(value)
