"""Pages of a table by its id: what works through all rows does it in small steps, and its memory stays flat."""

from collections.abc import Iterator

from sqlalchemy import Table, bindparam, func, select

from store.database import Database


def id_ranges(database: Database, table: Table, rows: int) -> Iterator[tuple[int, int]]:
    """Ranges of ids, each (above, up to and including) and with about so many rows, up to the last row there is."""
    page = select(table.c.id).where(table.c.id > bindparam("above")).order_by(table.c.id).limit(rows).subquery()
    last = select(func.max(page.c.id))
    above = 0
    while True:
        with database.read() as connection:
            up_to = connection.execute(last, {"above": above}).scalar()
        if up_to is None:
            return
        yield above, up_to
        above = up_to
