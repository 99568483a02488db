"""Group commit: many writes, one transaction; a job that fails spoils nobody, and closing finishes what waits."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from threading import Event, Thread

import pytest
from ledger_world import NOON
from psycopg.errors import DeadlockDetected
from sqlalchemy import Connection, func, insert, select
from sqlalchemy.exc import IntegrityError, OperationalError

from store.crash_points import watch
from store.database import Database
from store.groupcommit import GroupCommit
from store.tables import metadata

_volumes = metadata.tables["volumes"]
_inbox = metadata.tables["inbox"]


@pytest.fixture
def writer(database: Database) -> Iterator[GroupCommit]:
    opened = GroupCommit(database)
    yield opened
    opened.close()


def _note(reason: str) -> Callable[[Connection], str]:
    def job(connection: Connection) -> str:
        connection.execute(insert(_volumes).values(what=reason, hour=NOON, planned=1))
        return reason

    return job


def _noted(database: Database) -> list[str]:
    with database.read() as connection:
        return sorted(connection.execute(select(_volumes.c.what)).scalars())


class _Held:
    """Keeps the writer busy, so that what is submitted meanwhile makes one group."""

    def __init__(self, writer: GroupCommit) -> None:
        self._free, busy = Event(), Event()

        def job(_: Connection) -> None:
            busy.set()
            assert self._free.wait(timeout=30)

        self.future = writer.submit(job)
        assert busy.wait(timeout=30)

    def release(self) -> None:
        self._free.set()


def test_a_job_is_answered_once_it_is_committed(database: Database, writer: GroupCommit) -> None:
    assert writer.submit(_note("a")).result(timeout=30) == "a"
    assert _noted(database) == ["a"]


def test_nobody_is_answered_while_the_group_is_still_being_written(database: Database, writer: GroupCommit) -> None:
    """P5: whoever is told so may rely on it."""
    held = _Held(writer)
    futures = [writer.submit(_note(reason)) for reason in "abc"]
    told: list[bool] = []
    watch(lambda place: told.extend(one.done() for one in futures) if place == "group.written" else None)
    try:
        held.release()
        wait(futures, timeout=30)
    finally:
        watch(None)
    assert told
    assert not any(told)
    assert _noted(database) == ["a", "b", "c"]


def test_a_job_that_raises_takes_back_only_itself(database: Database, writer: GroupCommit) -> None:
    def bad(connection: Connection) -> None:
        _note("bad")(connection)
        raise ValueError("no")

    held = _Held(writer)
    futures = [writer.submit(_note("a")), writer.submit(bad), writer.submit(_note("b"))]
    held.release()
    wait(futures, timeout=30)
    assert isinstance(futures[1].exception(), ValueError)
    assert (futures[0].result(), futures[2].result()) == ("a", "b")
    assert _noted(database) == ["a", "b"]


def test_a_job_the_database_refuses_spoils_nobody(database: Database, writer: GroupCommit) -> None:
    runs: list[str] = []

    def doubled(connection: Connection) -> None:
        row = {"source": "s", "webhook_id": "w", "body_hash": "", "received_at": NOON, "http_status": 1, "status": ""}
        for _ in range(2):
            connection.execute(insert(_inbox).values(problems=[], **row))

    def counted(connection: Connection) -> str:
        runs.append("c")
        return _note("c")(connection)

    held = _Held(writer)
    futures: list[Future[object]] = [writer.submit(counted), writer.submit(doubled), writer.submit(_note("d"))]  # type: ignore[list-item]
    held.release()
    wait(futures, timeout=30)
    assert isinstance(futures[1].exception(), IntegrityError)
    assert _noted(database) == ["c", "d"]
    assert len(runs) == 2  # once in the group, once alone: only the second was committed


def test_a_lost_connection_is_tried_again_alone(database: Database, writer: GroupCommit) -> None:
    tries: list[int] = []

    def broken_once(connection: Connection) -> str:
        tries.append(1)
        if len(tries) == 1:
            connection.exec_driver_sql("no such statement")
        return _note("second try")(connection)

    held = _Held(writer)
    futures = [writer.submit(broken_once), writer.submit(_note("other"))]
    held.release()
    assert [future.result(timeout=30) for future in futures] == ["second try", "other"]
    assert _noted(database) == ["other", "second try"]


def test_many_jobs_share_transactions(database: Database, writer: GroupCommit) -> None:
    commits = _count_commits(database)
    held = _Held(writer)
    futures = [writer.submit(_note(f"{number:02}")) for number in range(50)]
    held.release()
    wait(futures, timeout=30)
    assert len(_noted(database)) == 50
    assert len(commits) <= 3  # the one that held it, one group, and the count itself


def test_what_came_of_a_send_goes_before_answers_that_wait(writer: GroupCommit) -> None:
    order: list[str] = []

    def job(name: str) -> Callable[[Connection], None]:
        return lambda _: order.append(name)

    held = _Held(writer)
    futures = [writer.submit(job(name), ahead=name.startswith("result")) for name in ("a", "result 1", "b", "result 2")]
    held.release()
    wait(futures, timeout=30)
    assert order == ["result 1", "result 2", "a", "b"]


def test_a_group_is_bounded_so_that_other_writers_get_their_turn(database: Database) -> None:
    commits = _count_commits(database)
    writer = GroupCommit(database, largest=2)
    held = _Held(writer)
    futures = [writer.submit(_note(f"{number}")) for number in range(4)]
    held.release()
    wait(futures, timeout=30)
    writer.close()
    assert len(commits) == 1 + 2


def test_items_of_one_work_are_written_together_and_answered_each(database: Database, writer: GroupCommit) -> None:
    sets: list[list[str]] = []

    def work(connection: Connection, reasons: list[str]) -> list[str]:
        sets.append(reasons)
        return [_note(reason)(connection).upper() for reason in reasons]

    held = _Held(writer)
    futures = [writer.submit_to(work, "a"), writer.submit(_note("between")), writer.submit_to(work, "b")]
    held.release()
    assert [future.result(timeout=30) for future in futures] == ["A", "between", "B"]
    assert sets == [["a", "b"]]
    assert _noted(database) == ["a", "b", "between"]


def test_an_item_that_cannot_be_written_spoils_none_of_its_set(database: Database, writer: GroupCommit) -> None:
    def work(connection: Connection, reasons: list[str]) -> list[str]:
        if "bad" in reasons:
            raise ValueError("no")
        return [_note(reason)(connection) for reason in reasons]

    held = _Held(writer)
    futures = [writer.submit_to(work, reason) for reason in ("a", "bad", "b")]
    held.release()
    wait(futures, timeout=30)
    assert isinstance(futures[1].exception(), ValueError)
    assert (futures[0].result(), futures[2].result()) == ("a", "b")
    assert _noted(database) == ["a", "b"]


def _count_commits(database: Database) -> list[str]:
    from sqlalchemy import event

    commits: list[str] = []
    event.listen(database.engine, "commit", lambda _: commits.append("c"))
    return commits


def test_a_job_given_up_before_its_turn_does_not_run(database: Database, writer: GroupCommit) -> None:
    held = _Held(writer)
    given_up = writer.submit(_note("no"))
    assert given_up.cancel()
    kept = writer.submit(_note("yes"))
    held.release()
    kept.result(timeout=30)
    assert _noted(database) == ["yes"]


def test_closing_finishes_what_waits(database: Database) -> None:
    writer = GroupCommit(database, largest=4)
    held = _Held(writer)
    futures = [writer.submit(_note(f"{number:02}")) for number in range(11)]
    closing = Thread(target=writer.close)
    closing.start()
    held.release()
    closing.join(timeout=30)
    assert all(future.done() for future in futures)
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(_volumes)).scalar_one() == 11


def test_after_closing_nothing_is_taken_on(database: Database) -> None:
    writer = GroupCommit(database)
    writer.close()
    writer.close()
    with pytest.raises(RuntimeError, match="closed"):
        writer.submit(_note("too late"))
    assert _noted(database) == []


@pytest.mark.parametrize(("circles", "is_written"), [(4, True), (9, False)])
def test_who_waited_in_a_circle_comes_again_some_times(
    database: Database, writer: GroupCommit, circles: int, is_written: bool
) -> None:
    """Once in the group, and alone until it is right; a circle that never ends is told to who asked."""
    runs: list[int] = []

    def job(connection: Connection) -> str:
        done = _note("at last")(connection)
        runs.append(1)
        if len(runs) <= circles:
            raise OperationalError("statement", None, DeadlockDetected())
        return done

    written = writer.submit(job)
    if is_written:
        assert written.result(timeout=10) == "at last"
    else:
        with pytest.raises(OperationalError):
            written.result(timeout=10)
    assert (len(runs), _noted(database)) == ((5, ["at last"]) if is_written else (6, []))
