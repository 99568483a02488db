"""Inserts that happen once per key: `INSERT … ON CONFLICT … DO NOTHING`, for both databases.

What runs for every answer is built once, as a module constant with bound parameters: building a statement costs
several times what running it does, and all of it is spent on the thread that answers are waiting for.
"""

from sqlalchemy import Insert, Table, insert, text


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
