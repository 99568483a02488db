"""SQLite's log, written back by a thread while pages are written: it stays short, and what goes wrong is told."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ledger_world import NOON
from sqlalchemy import event, func, insert, select

import store.write_back
from store.database import Database, sqlite_url
from store.tables import metadata

_volumes = metadata.tables["volumes"]

PAGE = 100_000
"""Bytes a page of these tests writes, about."""


@pytest.fixture
def path(tmp_path: Path, sqlite_template: Path) -> Path:
    """A file of its own."""
    path = tmp_path / "handrail.db"
    path.write_bytes(sqlite_template.read_bytes())
    return path


@pytest.fixture
def on_sqlite(path: Path) -> Iterator[Database]:
    """The database in it."""
    database = Database(sqlite_url(path))
    yield database
    database.close()


def fill(write: Callable[[str], Any], first: int, pages: int) -> None:
    """Write so many pages, of one row each, in a transaction each."""
    for number in range(first, first + pages):
        with write("page") as connection:
            connection.execute(insert(_volumes).values(what=f"{number}".rjust(PAGE, "-"), hour=NOON, planned=1))


def count(database: Database) -> int:
    """Rows that were committed."""
    with database.read() as connection:
        return connection.execute(select(func.count()).select_from(_volumes)).scalar_one()


def log_size(path: Path) -> int:
    """Of the log's file, in bytes: it never shrinks by itself."""
    return path.with_name(f"{path.name}-wal").stat().st_size


def written_back_from(database: Database) -> int:
    """Pages of the log from which a commit of ours writes it back."""
    with database.read_ahead() as connection:
        return int(connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar_one())


def fail_to_write_back(database: Database) -> None:
    """From now on the disk refuses it."""

    @event.listens_for(database.engine, "before_cursor_execute")
    def _refused(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "wal_checkpoint(" in statement:
            raise sqlite3.OperationalError("disk I/O error")


def test_the_log_stays_as_long_as_a_page_or_two(on_sqlite: Database, path: Path) -> None:
    with on_sqlite.in_pages() as write:
        fill(write, 0, 40)
    assert log_size(path) < 5 * PAGE
    assert count(on_sqlite) == 40


def test_it_is_cut_when_others_commit_in_between_again_and_again(
    on_sqlite: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of each page all is in the file but what another process committed just then: no log begins anew by itself."""
    monkeypatch.setattr(store.write_back, "_LONG", 100)
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("PRAGMA wal_autocheckpoint = 0")

    @event.listens_for(on_sqlite.engine, "after_cursor_execute")
    def _meanwhile(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "wal_checkpoint(PASSIVE)" in statement:
            other.execute("UPDATE controls SET by = by || '.'")

    with on_sqlite.in_pages() as write:
        fill(write, 0, 40)
    other.close()
    assert log_size(path) < 10 * PAGE
    assert count(on_sqlite) == 40


def test_a_long_log_that_is_read_keeps_nobody_waiting(
    on_sqlite: Database, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not cut, for which writers would have to wait until the reader is done."""
    monkeypatch.setattr(store.write_back, "_LONG", 100)
    tried: list[str] = []

    @event.listens_for(on_sqlite.engine, "before_cursor_execute")
    def _tried(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "wal_checkpoint(TRUNCATE)" in statement:
            tried.append(statement)

    with on_sqlite.in_pages() as write:
        with on_sqlite.read() as reader:
            reader.execute(select(_volumes)).all()
            fill(write, 0, 20)
        assert not tried
        fill(write, 20, 2)
    assert tried, "the reader is done"
    assert log_size(path) < 5 * PAGE


def test_only_while_pages_are_written_do_commits_leave_the_log_alone(on_sqlite: Database) -> None:
    assert written_back_from(on_sqlite) == 1_000

    def fails() -> None:
        with on_sqlite.in_pages() as write:
            fill(write, 0, 2)
            assert written_back_from(on_sqlite) == 0
            with write("page") as connection:
                connection.execute(insert(_volumes).values(what="r", hour=NOON, planned=1))
                raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        fails()
    assert count(on_sqlite) == 2
    assert written_back_from(on_sqlite) == 1_000


def test_whoever_reads_keeps_what_they_read_and_the_log_grows_only_meanwhile(on_sqlite: Database, path: Path) -> None:
    with on_sqlite.in_pages() as write:
        fill(write, 0, 2)
        with on_sqlite.read() as reader:
            assert reader.execute(select(func.count()).select_from(_volumes)).scalar_one() == 2
            fill(write, 2, 10)
            assert reader.execute(select(func.count()).select_from(_volumes)).scalar_one() == 2
        grown = log_size(path)
        assert grown > 10 * PAGE, "nothing that is still read is given up"
        fill(write, 12, 40)
        assert log_size(path) < grown + 5 * PAGE
    assert count(on_sqlite) == 52


def test_what_goes_wrong_in_the_thread_is_told_at_the_next_page(on_sqlite: Database) -> None:
    told: list[str] = []

    def fails() -> None:
        with on_sqlite.in_pages() as write:
            fail_to_write_back(on_sqlite)
            for number in range(5):
                fill(write, number, 1)
                told.append(f"written {number}")

    with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
        fails()
    assert told == ["written 0"]
    assert count(on_sqlite) == 1, "what was committed stays"
    assert written_back_from(on_sqlite) == 1_000


def test_what_goes_wrong_after_the_last_page_is_told_at_the_end(on_sqlite: Database) -> None:
    told: list[str] = []

    def fails() -> None:
        with on_sqlite.in_pages() as write:
            fail_to_write_back(on_sqlite)
            fill(write, 0, 1)
            told.append("written")

    with pytest.raises(sqlite3.OperationalError, match="disk I/O error"):
        fails()
    assert told == ["written"]
    assert count(on_sqlite) == 1


def test_what_went_wrong_first_is_what_is_told(on_sqlite: Database) -> None:
    def fails() -> None:
        with on_sqlite.in_pages() as write:
            fail_to_write_back(on_sqlite)
            fill(write, 0, 1)
            raise RuntimeError("of the planner")

    with pytest.raises(RuntimeError, match="of the planner"):
        fails()


def test_two_at_once_do_not_disturb_each_other(on_sqlite: Database, path: Path) -> None:
    with on_sqlite.in_pages() as write:
        with on_sqlite.in_pages() as other:
            fill(write, 0, 5)
            fill(other, 5, 5)
        fill(write, 10, 20)
    assert count(on_sqlite) == 30
    assert log_size(path) < 10 * PAGE
    assert written_back_from(on_sqlite) == 1_000
