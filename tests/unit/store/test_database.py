"""Transactions: what is not finished is not there, and writers wait for each other instead of failing."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from ledger_world import NOON
from sqlalchemy import func, insert, select, update

from store.database import Database, sqlite_url
from store.ledger.rows import controls
from store.tables import metadata

_log = metadata.tables["control_log"]


def _note(database: Database, reason: str = "r") -> None:
    with database.write() as connection:
        connection.execute(insert(_log).values(stopped=True, reason=reason, by="t", at=NOON))


def _count(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(_log)).scalar_one()


def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    def fails() -> None:
        with database.write() as connection:
            connection.execute(insert(_log).values(stopped=True, reason="r", by="t", at=NOON))
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fails()
    assert _count(database) == 0
    _note(database)
    assert _count(database) == 1


def test_writers_of_two_connections_wait_for_each_other(database: Database) -> None:
    """Read, then write: the second sees what the first wrote, and no lock is refused halfway."""
    other = Database(database.url.render_as_string(hide_password=False))
    together = Barrier(4)

    def add(number: int) -> None:
        mine = database if number % 2 else other
        together.wait(timeout=30)
        for _ in range(10):
            with mine.write() as connection:
                row = connection.execute(select(controls).with_for_update()).one()
                by = str(int(row.by if row.by.isdecimal() else "0") + 1)
                connection.execute(update(controls).values(by=by))

    with database.write() as connection:
        connection.execute(update(controls).values(by="0"))
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(add, range(4)))
    with database.read() as connection:
        assert connection.execute(select(controls.c.by)).scalar_one() == "40"
    other.close()


def test_a_reader_does_not_wait_for_a_writer(database: Database) -> None:
    with database.write() as connection:
        connection.execute(insert(_log).values(stopped=True, reason="r", by="t", at=NOON))
        assert _count(database) == 0
    assert _count(database) == 1


def test_a_sqlite_file_keeps_what_was_committed(tmp_path: Path, sqlite_template: Path) -> None:
    path = tmp_path / "kept.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database(sqlite_url(path))
    with database.read() as connection:
        pragmas = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in _DURABLE}
    database.close()
    assert pragmas == _DURABLE


_DURABLE = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
