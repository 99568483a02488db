"""SQLite's log written back into the file by a thread, beside whoever writes page after page."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from sqlalchemy import Engine

_LONG = 4_000
"""Pages of a log that should have begun anew by now: two of a planner's pages, and more."""


class WriteBack:
    """Writes the log back after each page, by a connection of its own, while the next page is read.

    SQLite begins its log anew with the first write that finds all of it in the file, so it stays as long as one page
    is, if the next page is written when the last one is in the file: `wait`. Where others commit in between again and
    again, it is cut when it has become long. What somebody still reads as it was before stays in the log until that
    reader is done, as it always does.
    """

    def __init__(self, engine: Engine, cut: Callable[[], bool]) -> None:
        """`cut` writes all of the log back and cuts it; writers wait meanwhile."""
        self._engine, self._cut = engine, cut
        self._thread = ThreadPoolExecutor(1, "write-back")
        self._under_way: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for the last page, and raise what went wrong with it, unless something else did already."""
        self._thread.shutdown()
        if problem is None:
            self.wait()

    def begin(self) -> None:
        """Something was committed: have it written back, if nobody else is at it already."""
        self._under_way = self._thread.submit(self._write_back)

    def wait(self) -> None:
        """Until what was begun is over. Raises what the database said if it could not be done."""
        begun, self._under_way = self._under_way, None
        if begun is not None:
            begun.result()

    def _write_back(self) -> None:
        with self._engine.connect() as connection:
            # Neither readers nor writers wait for it, nor it for them.
            _, log, done = connection.exec_driver_sql("PRAGMA wal_checkpoint(PASSIVE)").one()
        # While somebody still reads some of it, cutting would wait for them, and keep writers waiting.
        if log == done and log > _LONG:
            self._cut()
