"""Rows read at one stroke."""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

import orjson
from sqlalchemy import JSON, Boolean, Connection, Date, ScalarSelect, Select, Text, cast, func, select

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
        self._name = _namer(inner.c.keys())

    def rows(self, connection: Connection, parameters: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Its rows, each as long as its columns."""
        if connection.dialect.name != "sqlite":
            return self._row_by_row(connection, parameters)
        return self.read(connection.execute(self._as_text, parameters).scalar_one())

    def as_text(self) -> ScalarSelect[str]:
        """What SQLite writes, within another statement."""
        return self._as_text.scalar_subquery()

    def read(self, text: str) -> list[list[Any]]:
        """The rows of what SQLite wrote."""
        rows: list[list[Any]] = orjson.loads(text)
        for place, made in self._made:
            for row in rows:
                row[place] = made(row[place])
        return rows

    def named(self, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Its rows, each value under the name of its column."""
        return [self._name(row) for row in rows]

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


class Together:
    """Several that depend on nothing of one another: on SQLite one statement, which costs little more than one of them.

    What they have as parameters of the same name is the same.
    """

    def __init__(self, *parts: AtOnce) -> None:
        self._parts = parts
        self._as_texts = select(*(part.as_text() for part in parts))

    def rows(self, connection: Connection, parameters: Mapping[str, Any]) -> list[Sequence[Sequence[Any]]]:
        """The rows of each, in order."""
        if connection.dialect.name != "sqlite":
            return [part.rows(connection, parameters) for part in self._parts]
        texts = connection.execute(self._as_texts, parameters).one()
        return [part.read(text) for part, text in zip(self._parts, texts, strict=True)]

    def named(self, connection: Connection, parameters: Mapping[str, Any]) -> list[list[Any]]:
        """The same, each value under the name of its column."""
        found = self.rows(connection, parameters)
        return [part.named(rows) for part, rows in zip(self._parts, found, strict=True)]


def _namer(names: Sequence[str]) -> Callable[[Sequence[Any]], Any]:
    made: Any = namedtuple("made", names, rename=True)  # type: ignore[misc]
    make: Callable[[Sequence[Any]], Any] = made._make
    return make


def _made_by(kind: object) -> Callable[[Any], Any] | None:
    """What makes a column's value of what SQLite has; None: it is that."""
    if isinstance(kind, Instant):
        return of_microseconds
    if isinstance(kind, Date):
        return _as_date
    return _as_bool if isinstance(kind, Boolean) else None


def _as_date(value: str | None) -> date | None:
    return None if value is None else date.fromisoformat(value)


def _as_bool(value: int | None) -> bool | None:
    return None if value is None else bool(value)
