"""Transactions: what is not finished is not there, and writers wait for each other instead of failing."""

import socket
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from time import monotonic

import pytest
from ledger_world import NOON
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import DBAPIError, OperationalError

import store.database
from store.database import Database, sqlite_url
from store.ledger.rows import controls
from store.tables import metadata

_volumes = metadata.tables["volumes"]


def _note(database: Database, reason: str = "r") -> None:
    with database.write() as connection:
        connection.execute(insert(_volumes).values(what=reason, hour=NOON, planned=1))


def _count(database: Database) -> int:
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(_volumes)).scalar_one()


def test_a_write_that_fails_leaves_nothing(database: Database) -> None:
    def fails() -> None:
        with database.write() as connection:
            connection.execute(insert(_volumes).values(what="r", hour=NOON, planned=1))
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
        connection.execute(insert(_volumes).values(what="r", hour=NOON, planned=1))
        assert _count(database) == 0
    assert _count(database) == 1


def test_what_is_read_ahead_waits_for_nobody_and_holds_nobody(database: Database) -> None:
    other = Database(database.url.render_as_string(hide_password=False))
    _note(database)
    with other.write() as connection:
        connection.execute(insert(_volumes).values(what="r", hour=NOON, planned=1))
        with database.read_ahead() as ahead:
            assert ahead.execute(select(func.count()).select_from(_volumes)).scalar_one() == 1
    with database.read_ahead() as ahead:
        assert ahead.execute(select(func.count()).select_from(_volumes)).scalar_one() == 2
        _note(other)
    _note(database)
    assert _count(database) == 4
    other.close()


def test_after_reading_ahead_who_writes_has_the_lock_from_the_beginning_again(tmp_path: Path) -> None:
    database = Database(sqlite_url(tmp_path / "handrail.db"))

    def fails() -> None:
        with database.read_ahead() as ahead:
            ahead.exec_driver_sql("SELECT 1")
            raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fails()
    impatient = sqlite3.connect(tmp_path / "handrail.db", timeout=0)
    with database.write() as connection:
        connection.exec_driver_sql("SELECT 1")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            impatient.execute("BEGIN IMMEDIATE")
    impatient.execute("BEGIN IMMEDIATE")
    impatient.close()
    database.close()


@pytest.mark.postgres
def test_who_falls_silent_in_a_transaction_does_not_hold_his_rows_for_ever(standing_postgres_url: str) -> None:
    """A stopped process, or one on a machine that is gone: PostgreSQL takes its transaction back."""
    silent, next_one = Database(standing_postgres_url, idle_seconds=0.3), Database(standing_postgres_url)

    def falls_silent() -> None:
        with silent.write() as connection:
            connection.execute(select(controls).with_for_update())
            with next_one.write() as theirs:
                assert theirs.execute(select(controls).with_for_update()).one()
            connection.execute(select(controls))

    with pytest.raises(DBAPIError):
        falls_silent()
    with silent.write() as connection:
        assert connection.execute(select(controls)).one(), "the next transaction has a connection of its own"
    silent.close()
    next_one.close()


@pytest.mark.postgres
def test_the_connection_used_last_is_used_next_if_it_lives(standing_postgres_url: str) -> None:
    database = Database(standing_postgres_url)

    def server() -> int:
        with database.read() as connection:
            return int(connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one())

    with database.read(), database.read():
        pass  # there are two now
    assert len({server() for _ in range(3)}) == 1
    killer, killed = Database(standing_postgres_url), server()
    with killer.read() as connection:
        connection.exec_driver_sql(f"SELECT pg_terminate_backend({killed}, 5000)")
    assert server() != killed, "it was found dead before anybody needed it"
    database.close()
    killer.close()


@pytest.mark.slow
def test_a_database_that_does_not_answer_is_given_up_in_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its host takes the connection and says nothing: without a bound we would wait with it."""
    monkeypatch.setattr(store.database, "_CONNECT_SECONDS", 2)  # libpq knows nothing shorter
    with socket.create_server(("127.0.0.1", 0)) as mute:
        database = Database(f"postgresql://nobody@127.0.0.1:{mute.getsockname()[1]}/none")
        begun = monotonic()
        with pytest.raises(OperationalError), database.read():
            pass
        database.close()
    assert monotonic() - begun < 20


def test_a_sqlite_file_keeps_what_was_committed(tmp_path: Path, sqlite_template: Path) -> None:
    path = tmp_path / "kept.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database(sqlite_url(path))
    with database.read() as connection:
        pragmas = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in _DURABLE}
    database.close()
    assert pragmas == _DURABLE


_DURABLE = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "busy_timeout": 30_000}
