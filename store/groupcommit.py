"""One transaction for everything that waits: many small writes, one commit each time the disk is free."""

import logging
from collections.abc import Callable
from concurrent.futures import Future
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from store.database import Database, in_short

T = TypeVar("T")
_log = logging.getLogger("store")
_Job = tuple[Callable[[Connection], Any], "Future[Any]"]


class GroupCommit:
    """A writer thread. Each job runs in a savepoint of the group's transaction and is answered after the commit.

    A job that raises takes back only itself. When the transaction itself fails (a deadlock, a lost connection), every
    job of the group is run once more by itself, so that one cannot spoil the others.
    """

    def __init__(self, database: Database, *, largest: int = 64) -> None:
        self._database = database
        self._largest = largest
        self._queue: SimpleQueue[_Job | None] = SimpleQueue()
        self._gate = Lock()
        self._is_closed = False
        self._thread = Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[Connection], T]) -> "Future[T]":
        """Run `job(connection)` in the next group. The future is done only once it is committed, or failed.

        Raises RuntimeError after `close()`: nobody would ever answer.
        """
        future: Future[T] = Future()
        with self._gate:
            if self._is_closed:
                raise RuntimeError("this writer is closed; nothing was written")
            self._queue.put((job, future))
        return future

    def close(self) -> None:
        """Finish what waits, then end the thread. Twice is once."""
        with self._gate:
            if not self._is_closed:
                self._is_closed = True
                self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        closing = False
        while not closing:
            group, closing = self._next_group()
            group = [job for job in group if job[1].set_running_or_notify_cancel()]
            if not group:
                continue
            try:
                self._commit(group)
            except Exception as problem:
                _log.warning("%d writes failed together (%s); each is tried alone", len(group), in_short(problem))
                for job in group:
                    self._commit_alone(job)

    def _next_group(self) -> tuple[list[_Job], bool]:
        first = self._queue.get()
        if first is None:
            return [], True
        group = [first]
        while len(group) < self._largest:
            try:
                job = self._queue.get_nowait()
            except Empty:
                break
            if job is None:
                return group, True
            group.append(job)
        return group, False

    def _commit(self, group: list[_Job]) -> None:
        outcomes: list[tuple[Future[Any], Any, Exception | None]] = []
        with self._database.write() as connection:
            for job, future in group:
                outcomes.append((future, *self._attempt(connection, job)))
        for future, value, problem in outcomes:
            if problem is None:
                future.set_result(value)
            else:
                future.set_exception(problem)

    @staticmethod
    def _attempt(connection: Connection, job: Callable[[Connection], Any]) -> tuple[Any, Exception | None]:
        try:
            with connection.begin_nested():
                return job(connection), None
        except DBAPIError:
            raise  # the whole transaction may be lost with it
        except Exception as problem:
            return None, problem

    def _commit_alone(self, job: _Job) -> None:
        try:
            self._commit([job])
        except Exception as problem:
            job[1].set_exception(problem)
