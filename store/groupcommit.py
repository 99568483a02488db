"""One transaction for everything that waits: many small writes, one commit each time the disk is free."""

import logging
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from queue import Empty, PriorityQueue
from threading import Lock, Thread
from typing import Any, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random

from store.database import Database, in_short

T = TypeVar("T")
R = TypeVar("R")
Work = Callable[[Connection, list[T]], Sequence[R]]
"""Writes every item it is given; one result an item, in order."""

_log = logging.getLogger("store")

_FIRST, _NEXT, _LAST = range(3)

_CIRCLES = frozenset({"40P01", "40001"})
"""PostgreSQL's words for transactions that waited for each other in a circle, and for one that came too late."""


def _waited_in_a_circle(problem: BaseException) -> bool:
    return isinstance(problem, DBAPIError) and getattr(problem.orig, "sqlstate", None) in _CIRCLES


_WAITED_IN_A_CIRCLE = Retrying(
    retry=retry_if_exception(_waited_in_a_circle),
    stop=stop_after_attempt(5),
    wait=wait_random(0.005, 0.05),
    reraise=True,
)
"""Gateways whose groups hold the same customers and ids in another order: one of them is taken back, and is right to
come again."""

_LONGEST_REST = 0.02
"""Seconds. A transaction costs as much for one as for ten, so where several come at once, more may gather."""


@dataclass(order=True, slots=True)
class _Job:
    rank: int
    number: int
    work: Work[Any, Any] | None = field(compare=False)  # None: the writer is closed
    item: Any = field(default=None, compare=False)
    future: "Future[Any]" = field(default_factory=Future, compare=False)


class GroupCommit:
    """A writer thread. What waits is written in one transaction and answered after its commit.

    Items of the same work are handed to it together, so that it can write them set by set. When anything fails (a job
    raises, a deadlock, a lost connection), the transaction is taken back and each of its jobs is run once more by
    itself, so that one cannot spoil the others; or some times more, where it waited for somebody in a circle. A job
    must bear being run again. That is rare, and savepoints, which would spare the others, cost each job two
    statements. A group has at most `largest` jobs: other writers wait for it.
    After a group of several it rests for twice as long as that took, but no more than 20 milliseconds; after a single
    one never.
    """

    def __init__(self, database: Database, *, largest: int = 64) -> None:
        self._database = database
        self._largest = largest
        self._queue: PriorityQueue[_Job] = PriorityQueue()
        self._numbers = count()
        self._gate = Lock()
        self._is_closed = False
        self._thread = Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[Connection], R], *, ahead: bool = False) -> "Future[R]":
        """Run `job(connection)` in the next group. The future is done only once it is committed, or failed.

        `ahead` of all that wait without it: what came of a send must be written before its lease ends, however many
        answers are waiting to come in. Raises RuntimeError after `close()`: nobody would ever answer.
        """
        return self.submit_to(_each, job, ahead=ahead)

    def submit_to(self, work: Work[T, R], item: T, *, ahead: bool = False) -> "Future[R]":
        """As `submit`, for an item that `work` writes together with the other items that wait for it."""
        with self._gate:
            if self._is_closed:
                raise RuntimeError("this writer is closed; nothing was written")
            waiting = _Job(_FIRST if ahead else _NEXT, next(self._numbers), work, item)
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
            began = time.monotonic()
            taken = [first] if first.future.set_running_or_notify_cancel() else []
            try:
                self._commit(taken, take_more=True)
            except Exception as problem:
                _log.warning("writes failed together (%s); each is tried alone", in_short(problem))
                for job in taken:
                    self._commit_alone(job)
            if len(taken) > 1:
                time.sleep(min(2 * (time.monotonic() - began), _LONGEST_REST))

    def _take_waiting(self, taken: list[_Job]) -> None:
        """Everybody who waits by now, but for those given up."""
        while len(taken) < self._largest:
            try:
                job = self._queue.get_nowait()
            except Empty:
                return
            if job.work is None:
                self._queue.put(job)
                return
            if job.future.set_running_or_notify_cancel():
                taken.append(job)

    def _commit(self, jobs: list[_Job], *, take_more: bool = False) -> None:
        """`take_more`: also those who came while the database was not free."""
        with self._database.write("group") as connection:
            if take_more:
                self._take_waiting(jobs)
            outcomes = [outcome for together in _by_work(jobs) for outcome in _outcomes(connection, together)]
        for future, value in outcomes:
            future.set_result(value)

    def _commit_alone(self, job: _Job) -> None:
        try:
            for attempt in _WAITED_IN_A_CIRCLE:
                with attempt:
                    self._commit([job])
        except Exception as problem:
            job.future.set_exception(problem)


def _each(connection: Connection, jobs: list[Callable[[Connection], R]]) -> list[R]:
    return [job(connection) for job in jobs]


def _by_work(jobs: Sequence[_Job]) -> list[list[_Job]]:
    """Jobs of the same work together; the works in the order of their first jobs."""
    together: dict[Any, list[_Job]] = {}
    for job in jobs:
        together.setdefault((job.rank, job.work), []).append(job)
    return list(together.values())


def _outcomes(connection: Connection, jobs: list[_Job]) -> "list[tuple[Future[Any], Any]]":
    work = jobs[0].work
    assert work is not None  # noqa: S101 - the one without work ends the thread
    results = work(connection, [job.item for job in jobs])
    return [(job.future, result) for job, result in zip(jobs, results, strict=True)]
