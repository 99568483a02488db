"""Pages of a table by its id, and steps of writing: memory stays flat, and others get their turn."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, Generic, NamedTuple, Self, TypeVar

from sqlalchemy import Connection, Table, bindparam, func, select

from store.database import Database

T = TypeVar("T")

_UNDER_WAY = 2
"""Transactions done aside at a time: two keep two cores of PostgreSQL's server writing."""


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


def in_steps(database: Database, rows: Sequence[T], count: int) -> Iterator[list[T]]:
    """So many rows at a time, each to be written in a transaction of its own.

    On SQLite with a rest as long as each step took: who else writes may have the lock meanwhile.
    """
    for start in range(0, len(rows), count):
        begun = time.monotonic()
        yield list(rows[start : start + count])
        if database.is_sqlite:
            time.sleep(time.monotonic() - begun)


class Written(NamedTuple, Generic[T]):
    """What became of one transaction."""

    made: T
    seconds: float  # without the commit, whose disk takes the same for any page
    held_seconds: float


def timed(
    write: Callable[[str], AbstractContextManager[Connection]], name: str, do: Callable[[Connection], T]
) -> Written[T]:
    """Do it in one transaction that `write` begins under this name, and say how long it took."""
    with write(name) as connection:
        begun = time.monotonic()
        made = do(connection)
        took = time.monotonic() - begun
    return Written(made, took, time.monotonic() - begun)


class Pace:
    """How many rows one transaction takes, so that it lasts about `hold_seconds`; it learns from each that was."""

    def __init__(self, hold_seconds: float, *, first: int, smallest: int, largest: int) -> None:
        self.size = first
        self._hold, self._smallest, self._largest = hold_seconds, smallest, largest

    def took(self, rows: int, seconds: float) -> None:
        """So many rows took so long: the next page is at most twice this one."""
        fits = rows * self._hold / max(seconds, 1e-6)
        self.size = round(max(self._smallest, min(self._largest, 2 * self.size, fits)))

    def pages(self, items: Iterable[T], size_of: Callable[[T], int]) -> Iterator[list[T]]:
        """Items, each for so many rows, in pages of one transaction each; one of more rows than that has its own."""
        page: list[T] = []
        room = self.size
        for item in items:
            size = size_of(item)
            if page and size > room:
                yield page
                page, room = [], self.size
            page.append(item)
            room -= size
        if page:
            yield page


class Aside:
    """Transactions done beside who hands them over, who meanwhile reads and decides what comes next.

    On PostgreSQL, in threads: two under way, so that the server writes one page while another is committed. On SQLite,
    which lets one write at a time, each is done where it is handed over. To be left as a context: what is under way
    then is waited for, whatever happened.
    """

    def __init__(self, database: Database) -> None:
        self._pool = None if database.is_sqlite else ThreadPoolExecutor(_UNDER_WAY, thread_name_prefix="aside")
        self._under_way: deque[tuple[Future[Any], Callable[[Any], None]]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def do(self, job: Callable[[], T], then: Callable[[T], None]) -> None:
        """Do a job, then tell its outcome in this thread, in the order they came. Raises what an earlier one did."""
        if self._pool is None:
            then(job())
            return
        while len(self._under_way) >= _UNDER_WAY:
            self._tell_first()
        self._under_way.append((self._pool.submit(job), then))

    def finish(self) -> None:
        """Wait for all that is under way. Raises what one of them did."""
        while self._under_way:
            self._tell_first()

    def _tell_first(self) -> None:
        future, then = self._under_way.popleft()
        then(future.result())
