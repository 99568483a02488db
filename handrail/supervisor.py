"""A small init: starts programs, starts again at once whichever dies, ends them all and leaves nothing behind."""

import ctypes
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from handrail.descendants import adopt_orphans, descendants

_log = logging.getLogger("handrail.up")

_AT_ONCE = 10.0
"""Seconds. A program that ends sooner by itself, and again, is started after a growing pause."""

_LONGEST_PAUSE = 10.0
_LAST_WORD = 2.0
"""Seconds to end in that are kept for each program started before the one that is ending now."""

_PR_SET_PDEATHSIG = 1
_MURDER = (-signal.SIGKILL, -signal.SIGTERM)
"""Ends that others brought about: they say nothing of the program, so it starts again without a pause."""


@dataclass(frozen=True, slots=True)
class Program:
    """One program to keep running."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    log: Path
    directory: Path | None = None
    nice: int = 0
    is_once: bool = False
    """It ends when its work is done and is not started again."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of one process: its exit status, or minus the signal that ended it."""

    name: str
    status: int


@dataclass(slots=True)
class _Running:
    program: Program
    process: subprocess.Popen[bytes]
    begun: float
    early_ends: int  # in a row, before this start


@dataclass(slots=True)
class Supervisor:
    """Runs in the main thread, alone: it takes over SIGCHLD, SIGTERM, SIGINT and SIGHUP until `close()`."""

    changed: Callable[[], None] = lambda: None
    """Called after each start, so that who publishes process ids can do so."""
    is_stopping: bool = False
    _running: dict[int, _Running] = field(default_factory=dict)
    _waiting: list[tuple[float, Program, int]] = field(default_factory=list)  # (start at, program, early ends)
    _places: dict[str, int] = field(default_factory=dict)  # name → when it was started first, among the others
    _bell: tuple[int, int] = (-1, -1)

    def open(self) -> None:
        """Take over the signals; from here on orphans of our programs come to us, so that they can be ended too."""
        self._bell = os.pipe()
        for end in self._bell:
            os.set_blocking(end, False)
        signal.set_wakeup_fd(self._bell[1], warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # its byte in the pipe is what wakes us
        for asked in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(asked) is not signal.SIG_IGN:  # `nohup` and background jobs mean it
                signal.signal(asked, self._asked_to_stop)
        adopt_orphans()

    @property
    def pids(self) -> dict[str, int]:
        """Name → process id, of those that are running."""
        return {running.program.name: pid for pid, running in self._running.items() if not running.program.is_once}

    def start(self, program: Program) -> None:
        """Start a program; it is kept running from now on."""
        self._places.setdefault(program.name, len(self._places))
        self._start(program, early_ends=0)

    def step(self, seconds: float) -> list[End]:
        """Wait for something to happen, at most so long; restart what died. The ends there were."""
        now = time.monotonic()
        next_start = min((start_at for start_at, _, _ in self._waiting), default=now + seconds)
        select.select([self._bell[0]], [], [], max(0.0, min(now + seconds, next_start) - now))
        with suppress(BlockingIOError):
            while os.read(self._bell[0], 4096):
                pass
        ends = self._reap()
        self._start_due()
        return ends

    def stop(self, seconds: float) -> None:
        """End everything: SIGTERM, the last first; after `seconds` SIGKILL. Orphans end with their parents.

        The last is who was started last in the beginning: what died and was started again still serves the others.
        """
        self.is_stopping = True
        self._waiting.clear()
        deadline = time.monotonic() + seconds
        last_word = min(_LAST_WORD, seconds / (2 * max(1, len(self._running))))
        for running in sorted(self._running.values(), key=lambda it: self._places[it.program.name], reverse=True):
            with suppress(ProcessLookupError):
                os.kill(running.process.pid, signal.SIGTERM)
            # One after the other while there is time: Prefect's worker tells its server how its last runs ended, for
            # seconds on a busy machine, and longer still once the server is gone.
            until = deadline - last_word * (len(self._running) - 1)
            while running.process.pid in self._running and time.monotonic() < until:
                self.step(0.1)
        while self._running and time.monotonic() < deadline:
            self.step(0.1)
        if self._running:
            left = ", ".join(running.program.name for running in self._running.values())
            _log.warning("%s did not end in %g s and is killed", left, seconds)
        self._kill_the_rest()

    def close(self) -> None:
        """Give the signals back."""
        signal.set_wakeup_fd(-1)
        for taken in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(taken) is not signal.SIG_IGN:
                signal.signal(taken, signal.default_int_handler if taken == signal.SIGINT else signal.SIG_DFL)
        for end in self._bell:
            os.close(end)

    def _asked_to_stop(self, *_: object) -> None:
        self.is_stopping = True

    def _start(self, program: Program, early_ends: int) -> None:
        program.log.parent.mkdir(parents=True, exist_ok=True)
        with program.log.open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - commands are put together in handrail/stack.py
                program.command,
                env=dict(program.environment),
                cwd=program.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=dies_with(os.getpid(), program.nice),
            )
        self._running[process.pid] = _Running(program, process, time.monotonic(), early_ends)
        self.changed()

    def _start_due(self) -> None:
        now = time.monotonic()
        due = [waiting for waiting in self._waiting if waiting[0] <= now]
        self._waiting = [waiting for waiting in self._waiting if waiting[0] > now]
        for _, program, early_ends in due:
            self._start(program, early_ends)

    def _reap(self) -> list[End]:
        """Wait for whoever ended: our programs, and orphans of theirs."""
        ends: list[End] = []
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return ends
            if pid == 0:
                return ends
            running = self._running.pop(pid, None)
            if running is None:
                continue
            running.process.returncode = os.waitstatus_to_exitcode(status)
            ends.append(End(running.program.name, running.process.returncode))
            if not self.is_stopping and not running.program.is_once:
                self._plan_restart(running, running.process.returncode)

    def _plan_restart(self, running: _Running, status: int) -> None:
        lived = time.monotonic() - running.begun
        is_early = lived < _AT_ONCE and status not in _MURDER
        early_ends = running.early_ends + 1 if is_early else 0
        pause = 0.0 if early_ends < 2 else min(_LONGEST_PAUSE, 0.5 * 2 ** (early_ends - 2))
        _log.warning(
            "%s (process %d) %s after %.1f s; starting it again%s; its log: %s",
            running.program.name,
            running.process.pid,
            f"was ended by {signal.Signals(-status).name}" if status < 0 else f"ended by itself with status {status}",
            lived,
            f" in {pause:g} s, as it ended {early_ends} times in a row" if pause else "",
            running.program.log,
        )
        self._waiting.append((time.monotonic() + pause, running.program, early_ends))

    def _kill_the_rest(self) -> None:
        """Whatever is left of our programs and of those they started."""
        while left := descendants() | set(self._running):
            for pid in left:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.step(0.05)


def dies_with(parent: int, nice: int = 0) -> Callable[[], None]:
    """What a new process does before it becomes its program: it ends when its parent does, however that ends."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None

    def begin() -> None:
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:  # it was gone before it could ask to be told
                os._exit(1)
        # A script that starts us with `&` has us ignore SIGINT, and Prefect's worker ends by sending itself one.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if nice:
            os.nice(nice)

    return begin
