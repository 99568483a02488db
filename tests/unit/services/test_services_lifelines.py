"""Proof of death: never of the living, however still; always of the dead; and what recovery makes of it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from domain.actions import Capability
from services import lifelines
from services.lifelines import Lifelines
from services.recovery import sweep
from services.wiring import Handrail
from store.ledger.rows import Worker

NAME = "host/17/abc"
_HOLDS = """
import os, sys, time
from pathlib import Path
from services.lifelines import Lifelines
Lifelines(Path(sys.argv[1]), sys.argv[2]).hold()
pid = os.fork() if sys.argv[3] == "forks" else os.getpid()
if pid:
    print(pid, flush=True)
if pid != os.getpid() and pid:
    os._exit(0)
time.sleep(60)
"""


@contextmanager
def other_process(directory: Path, how: str = "waits") -> Iterator[int]:
    """A process that holds its lifeline; its id. With `forks` it has died, and it is a child that lives."""
    command = [sys.executable, "-c", _HOLDS, str(directory), NAME, how]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    if how == "forks":
        process.wait(30)
    try:
        yield pid
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(30)
        process.stdout.close()


def dead(directory: Path) -> set[str]:
    """The proven dead, whose files stay."""
    seen: set[str] = set()
    with suppress(LookupError), Lifelines(directory, "me").dead() as found:
        seen |= found
        raise LookupError
    return seen


def in_time(claim: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not claim():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.slow
def test_a_process_that_lives_or_is_only_stopped_is_never_dead_and_a_killed_one_is(tmp_path: Path) -> None:
    with other_process(tmp_path) as pid:
        assert dead(tmp_path) == set()
        os.kill(pid, signal.SIGSTOP)
        assert dead(tmp_path) == set()
        os.kill(pid, signal.SIGCONT)
        os.kill(pid, signal.SIGKILL)
        in_time(lambda: dead(tmp_path) == {NAME})


@pytest.mark.slow
def test_while_a_forked_child_lives_nothing_is_proven(tmp_path: Path) -> None:
    with other_process(tmp_path, "forks") as child:
        assert dead(tmp_path) == set()
        os.kill(child, signal.SIGKILL)
        in_time(lambda: dead(tmp_path) == {NAME})


def _died(directory: Path, name: str = NAME) -> None:
    """Leave what a process leaves that was killed."""
    lifeline = Lifelines(directory, name)
    lifeline.hold()
    assert lifeline._held is not None
    os.close(lifeline._held)


def test_the_dead_are_taken_by_one_at_a_time_and_only_once(tmp_path: Path) -> None:
    _died(tmp_path)
    one, other = Lifelines(tmp_path, "one"), Lifelines(tmp_path, "other")
    with one.dead() as found, other.dead() as beside:
        assert (set(found), set(beside)) == ({NAME}, set())
    with other.dead() as found:
        assert not found
    assert not list(tmp_path.iterdir())


def test_when_taking_over_fails_somebody_else_does_it(tmp_path: Path) -> None:
    _died(tmp_path)
    assert dead(tmp_path) == {NAME}
    assert dead(tmp_path) == {NAME}


def test_who_ends_in_order_leaves_no_file(tmp_path: Path) -> None:
    lifeline = Lifelines(tmp_path / "new", NAME)
    lifeline.hold()
    assert len(list((tmp_path / "new").iterdir())) == 1
    lifeline.let_go()
    assert not list((tmp_path / "new").iterdir())


def test_a_file_appears_locked(tmp_path: Path) -> None:
    """A process that is just beginning is not taken for dead."""
    over, found = Event(), set[str]()

    def look() -> None:
        watcher = Lifelines(tmp_path, "watcher")
        while not over.is_set():
            with watcher.dead() as seen:
                found.update(seen)

    thread = Thread(target=look)
    thread.start()
    begun = [Lifelines(tmp_path, f"w/{number}") for number in range(200)]
    for lifeline in begun:
        lifeline.hold()
    over.set()
    thread.join()
    for lifeline in begun:
        lifeline.let_go()
    assert not found


def test_another_machines_file_proves_nothing_and_goes_after_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(lifelines, "_boot_id", lambda: "another kernel")
        _died(tmp_path)
    assert dead(tmp_path) == set()
    (file,) = tmp_path.iterdir()
    os.utime(file, (time.time() - 90_000, time.time() - 90_000))
    assert dead(tmp_path) == set()
    assert not file.exists()


def test_without_a_directory_to_write_to_it_works_on_by_leases(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    lifeline = Lifelines(file / "workers", NAME)
    lifeline.hold()
    with pytest.raises(NotADirectoryError):
        next((file / "workers").iterdir())
    with lifeline.dead() as found:
        assert not found
    lifeline.let_go()


# -- recovery -------------------------------------------------------------------------------------------------------


async def test_what_a_killed_process_held_is_taken_over_at_once(
    installation: Any, handrail: Handrail, answered: Callable[..., tuple[str, str]]
) -> None:
    """The acknowledgement, which may be resent once, at once; a ticket in flight is given its vendor's time first."""
    ticket, acknowledgement = answered()
    _, reserved = answered("C-2")
    killed = installation.handrail()
    killed.lifelines.hold()
    await _armed(killed, Capability.TICKETING, ticket)
    await _armed(killed, Capability.MAIL, acknowledgement)
    worker = Worker(killed.dispatcher.worker, "killed")
    assert await killed.dispatcher.take(Capability.MAIL, "urgent", worker, 1)
    await sweep(handrail, run="sweeper")
    assert {installation.states()[key] for key in (ticket, acknowledgement)} == {"sending"}, "it lives"
    os.close(killed.lifelines._held)
    await sweep(handrail, run="sweeper")
    states = installation.states()
    assert (states[ticket], states[acknowledgement], states[reserved]) == ("uncertain", "ready", "ready")
    assert installation.action(acknowledgement).resends == 1
    timeout = installation.ticketing.configured().timeout_seconds
    installation.clock.go(seconds=timeout / 2)  # the database's own clock goes on as well
    await sweep(handrail, run="sweeper")
    assert installation.states()[ticket] == "uncertain"
    installation.clock.go(seconds=timeout / 2)
    await sweep(handrail, run="sweeper")
    assert installation.states()[ticket] == "ready"


async def _armed(process: Handrail, capability: Capability, key: str) -> None:
    configured = process.roster.of(capability)
    assert configured is not None
    worker = Worker(process.dispatcher.worker, "killed")
    rows = await process.dispatcher.take(capability, "urgent", worker, 1, keys=[key])
    window, _ = process.dispatcher._arm(rows, configured, worker)
    assert [armed.key for armed in window.armed] == [key]
