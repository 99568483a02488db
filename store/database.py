"""Engines and transactions: one way to read, one way to write, on SQLite and PostgreSQL."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, PoolProxiedConnection, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from store.crash_points import reached
from store.turns import Turns
from store.write_back import WriteBack

_WRITES = "handrail_writes"
"""In what the pool remembers of a connection of SQLite's driver: its next transaction may write."""

_BUSY_MS = 30_000
_LOG_BUSY_MS = 50
"""How long emptying the log waits for readers, and so keeps writers waiting, each time it tries."""

_LOG_PAGES = 1_000
"""Who commits when the log is longer writes it back into the file; SQLite's own number."""

_CONNECT_SECONDS = 5
"""To reach PostgreSQL. Without a bound a host that is away, not refusing, would keep a webhook waiting for minutes."""

_IDLE_SECONDS = 15.0
"""Between two statements of one transaction. Ours compute for milliseconds; who is silent for longer is stopped, or on
a machine that is gone, and would hold an integration's row, for which everybody who arms waits, as long as he likes."""

_ALIVE = {"keepalives_idle": 10, "keepalives_interval": 5, "keepalives_count": 3, "tcp_user_timeout": 15_000}
"""When a silent connection counts as lost (seconds; the last in milliseconds), over TCP."""


class Database:
    """One database. `write()`, `read()`, `read_ahead()` and `in_pages()` are the only doors to it.

    On SQLite a write transaction begins IMMEDIATE, so it never fails halfway for a lock; inside one process writers
    take turns on a lock of ours, because SQLite's own busy handler sleeps up to 100 ms between tries. Errors quote
    statements without their parameters: those are customers' names and words, and errors are logged.
    """

    def __init__(self, url: str, *, idle_seconds: float = _IDLE_SECONDS, is_kept: bool = True) -> None:
        """`idle_seconds`: PostgreSQL takes a transaction back that does nothing for so long.

        A SQLite file that is not kept, as a simulation's, need not survive a power cut.
        """
        self.url = make_url(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(url, is_kept) if self.is_sqlite else _postgresql_engine(url, idle_seconds)
        self._writer = Turns()
        self._writing: Connection | None = None

    @contextmanager
    def write(self, name: str = "write") -> Iterator[Connection]:
        """A transaction that may write; commits at the end, rolls back on any exception.

        `name` says what it does ("arm"); its crash points are `name.written`, before the commit, and `name.committed`.
        """
        if self.is_sqlite:
            with self._writer:
                connection = self._connection_that_writes()
                with connection.begin():
                    yield connection
                    reached(f"{name}.written")
        else:
            with self.engine.begin() as connection:
                yield connection
                reached(f"{name}.written")
        reached(f"{name}.committed")

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that only reads: one consistent picture."""
        with self.engine.connect() as connection, connection.begin():
            yield connection

    @contextmanager
    def read_ahead(self) -> Iterator[Connection]:
        """`read()` of what this thread writes about next, for planners who read a page and write it, again and again.

        On SQLite it is the connection that writes: its pages are there then, while another's are forgotten with each
        write. Other writers of this process wait meanwhile. Raises RuntimeError where a `write()` is begun inside.
        """
        if not self.is_sqlite:
            with self.read() as connection:
                yield connection
            return
        with self._writer:
            connection = self._connection_that_writes(only_reads=True)
            with connection.begin():
                yield connection

    @contextmanager
    def in_pages(self) -> Iterator[Callable[[str], AbstractContextManager[Connection]]]:
        """`write()` for planners who read a page and write it, again and again: what is yielded is to be used for it.

        On SQLite a thread writes the log back into the file meanwhile, while otherwise each commit of a page waits
        until that is done. Raises what went wrong with that, at the next page or at the end; no page is lost by it.
        """
        if not self.is_sqlite:
            yield self.write
            return
        with self._log_left_to_others(), WriteBack(self.engine, partial(self.empty_log, tries=1)) as write_back:

            @contextmanager
            def write(name: str) -> Iterator[Connection]:
                write_back.wait()
                with self.write(name) as connection:
                    yield connection
                write_back.begin()

            yield write

    def empty_log(self, tries: int = 20) -> bool:
        """Write SQLite's log back into the file and cut it to nothing, so that no earlier page lies in it any more.

        False: somebody was reading all the time; it happens by itself later. Writers wait for moments only. On
        PostgreSQL there is nothing to do: what its log keeps is for its administrators.
        """
        if not self.is_sqlite:
            return True
        with self.engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {_LOG_BUSY_MS}")
            try:
                return any(
                    connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0] == 0 for _ in range(tries)
                )
            finally:
                connection.exec_driver_sql(f"PRAGMA busy_timeout = {_BUSY_MS}")

    def close(self) -> None:
        """Return every connection."""
        if self._writing is not None:
            self._connection_that_writes(only_reads=True).close()  # whoever gets it from the pool may read
            self._writing = None
        self.engine.dispose()

    @contextmanager
    def _log_left_to_others(self) -> Iterator[None]:
        """Commits of this process do not write the log back themselves."""
        try:
            self._write_back_from(0)
            yield
        finally:
            self._write_back_from(_LOG_PAGES)

    def _write_back_from(self, log_pages: int) -> None:
        """Commits do so when the log has so many pages; 0: never."""
        with self.read_ahead() as connection:
            connection.exec_driver_sql(f"PRAGMA wal_autocheckpoint = {log_pages}")

    def _connection_that_writes(self, *, only_reads: bool = False) -> Connection:
        """Always the same on SQLite: a connection forgets the pages it has read as soon as another one writes."""
        if self._writing is None or self._writing.closed:
            self._writing = self.engine.connect()
        self._writing.connection.info[_WRITES] = not only_reads
        return self._writing


def in_short(problem: Exception) -> str:
    """What the database said, in one line for a log: further lines ("DETAIL: Failing row contains …") quote rows."""
    said = getattr(problem, "orig", None) or problem
    return f"{type(said).__name__}: {str(said).splitlines()[0] if str(said) else 'nothing'}"


def is_database_url(url: str) -> bool:
    """True for an address of SQLite or PostgreSQL."""
    try:
        return make_url(url).get_backend_name() in {"sqlite", "postgresql"}
    except (ArgumentError, ValueError):  # the latter for a port that is no number
        return False


def sqlite_url(path: Path) -> str:
    """The address of a SQLite file."""
    return f"sqlite:///{path}"


def _postgresql_engine(url: str, idle_seconds: float) -> Engine:
    engine_url = make_url(url)
    if engine_url.drivername == "postgresql":
        engine_url = engine_url.set(drivername="postgresql+psycopg")
    engine = create_engine(
        engine_url,
        pool_size=10,
        max_overflow=20,
        pool_pre_ping=True,
        pool_use_lifo=True,  # the one used last has its statements prepared, and what its server read in memory
        hide_parameters=True,
        connect_args={"connect_timeout": _CONNECT_SECONDS, **_ALIVE},
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"SET idle_in_transaction_session_timeout = {round(idle_seconds * 1000)}")
        connection.commit()

    return engine


def _sqlite_engine(url: str, is_kept: bool) -> Engine:
    engine = create_engine(
        url,
        connect_args={"check_same_thread": False, "timeout": _BUSY_MS / 1000},
        pool_size=10,
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin as we say, not as the driver guesses
        _into_wal(connection)
        for pragma in (
            # A 2xx is a promise: it survives a power cut, not only a killed process.
            f"synchronous = {'FULL' if is_kept else 'OFF'}",
            "foreign_keys = ON",
            f"busy_timeout = {_BUSY_MS}",
            "temp_store = MEMORY",
            "cache_size = -16384",
            f"wal_autocheckpoint = {_LOG_PAGES}",
            "secure_delete = ON",  # what is erased is overwritten where it stood, not only given up
        ):
            connection.execute(f"PRAGMA {pragma}")

    # Not by an event: SQLAlchemy would make a statement of each BEGIN, and look for listeners at each other one.
    engine.dialect.do_begin = _begin  # type: ignore[assignment,method-assign]
    return engine


def _begin(connection: PoolProxiedConnection) -> None:
    connection.cursor().execute("BEGIN IMMEDIATE" if connection.info.get(_WRITES) else "BEGIN")


@retry(
    retry=retry_if_exception_type(sqlite3.OperationalError),
    stop=stop_after_delay(_BUSY_MS / 1000),
    wait=wait_fixed(0.01),
    reraise=True,
)
def _into_wal(connection: sqlite3.Connection) -> None:
    """Two processes that open a new file at once: SQLite refuses the second one outright, without its busy handler."""
    connection.execute("PRAGMA journal_mode = WAL")
