"""One transaction for everything that waits: many small writes, one commit each time the disk is free."""

import logging
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from queue import Empty, PriorityQueue
from threading import Lock, Thread
from time import monotonic
from typing import Any, TypeVar

from sqlalchemy import Connection

from store.database import Database, in_short

T = TypeVar("T")
_log = logging.getLogger("store")

_SECONDS = {True: 0.05, False: 0.25}
"""How long a group goes on, by `is_sqlite`: there every other writer waits for it. On PostgreSQL longer is better: what
comes in together is sent together, for a fraction of the work."""

_FIRST, _NEXT, _LAST = range(3)


@dataclass(order=True, slots=True)
class _Job:
    rank: int
    number: int
    work: Callable[[Connection], Any] | None = field(compare=False)  # None: the writer is closed
    future: "Future[Any]" = field(default_factory=Future, compare=False)


class GroupCommit:
    """A writer thread. Jobs run one after the other in the group's transaction and are answered after its commit.

    When anything fails (a job raises, a deadlock, a lost connection), the transaction is taken back and each of its
    jobs is run once more by itself, so that one cannot spoil the others; a job must bear being run again. That is
    rare, and savepoints, which would spare the others, cost each job two statements. A group ends after `seconds`.
    """

    def __init__(self, database: Database, *, largest: int = 64, seconds: float | None = None) -> None:
        self._database = database
        self._largest = largest
        self._seconds = seconds if seconds is not None else _SECONDS[database.is_sqlite]
        self._queue: PriorityQueue[_Job] = PriorityQueue()
        self._numbers = count()
        self._gate = Lock()
        self._is_closed = False
        self._thread = Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[Connection], T], *, ahead: bool = False) -> "Future[T]":
        """Run `job(connection)` in the next group. The future is done only once it is committed, or failed.

        `ahead` of all that wait without it: what came of a send must be written before its lease ends, however many
        answers are waiting to come in. Raises RuntimeError after `close()`: nobody would ever answer.
        """
        with self._gate:
            if self._is_closed:
                raise RuntimeError("this writer is closed; nothing was written")
            waiting = _Job(_FIRST if ahead else _NEXT, next(self._numbers), job)
            self._queue.put(waiting)
        return waiting.future

    def close(self) -> None:
        """Finish what waits, then end the thread. Twice is once."""
        with self._gate:
            if not self._is_closed:
                self._is_closed = True
                self._queue.put(_Job(_LAST, next(self._numbers), None))
        self._thread.join()

    def _run(self) -> None:
        while (first := self._queue.get()).work is not None:
            taken: list[_Job] = []
            try:
                self._commit(self._group(first, taken))
            except Exception as problem:
                _log.warning("writes failed together (%s); each is tried alone", in_short(problem))
                if not taken and first.future.set_running_or_notify_cancel():  # there was no transaction to begin with
                    taken = [first]
                for job in taken:
                    self._commit_alone(job)

    def _group(self, first: _Job, taken: list[_Job]) -> Iterator[_Job]:
        """`first` and whoever waits or comes while there is time, but for those given up; each is noted in `taken`."""
        ends = monotonic() + self._seconds
        job = first
        while True:
            if job.future.set_running_or_notify_cancel():
                taken.append(job)
                yield job
            if len(taken) >= self._largest or monotonic() > ends:
                return
            try:
                job = self._queue.get_nowait()
            except Empty:
                return
            if job.work is None:
                self._queue.put(job)
                return

    def _commit(self, group: Iterable[_Job]) -> None:
        outcomes: list[tuple[Future[Any], Any]] = []
        with self._database.write("group") as connection:
            for job in group:
                assert job.work is not None  # noqa: S101 - the one without work ends the thread
                outcomes.append((job.future, job.work(connection)))
        for future, value in outcomes:
            future.set_result(value)

    def _commit_alone(self, job: _Job) -> None:
        try:
            self._commit([job])
        except Exception as problem:
            job.future.set_exception(problem)
