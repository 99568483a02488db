"""Inserts that happen once per key: `INSERT … ON CONFLICT … DO NOTHING`, for both databases.

What runs for every answer is built once, as a module constant with bound parameters: building a statement costs
several times what running it does, and all of it is spent on the thread that answers are waiting for.
"""

from typing import Any

from sqlalchemy import Column, Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


class InsertOnce:
    """Inserts a row unless its key is there already."""

    def __init__(self, table: Table, *key: str, returning: Column[Any]) -> None:
        """`key`: the columns of the unique index that decides; `returning`: the column of a new row to hand back."""
        self._statements = {
            dialect: insert(table).on_conflict_do_nothing(index_elements=list(key)).returning(returning)
            for dialect, insert in (("sqlite", sqlite.insert), ("postgresql", postgresql.insert))
        }

    def __call__(self, connection: Connection, **values: Any) -> Any:
        """The new row's `returning` column; None when the key was there: then nothing is changed."""
        return connection.execute(self._statements[connection.dialect.name], values).scalar()
