"""Proof of death: each process holds a lock on a file of its own for as long as it lives.

A lease says that a worker has been silent for long; a lock that can be had says that its process is gone. The kernel
lets go of it at any death, kill -9 included, and never while the process is only stopped, swapped out or busy. A child
forked from it shares the lock, and then it is not proven that nobody works under the name any more: the lease decides.
"""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote

_log = logging.getLogger("services.lifelines")

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_FOREIGN_FOR = 24 * 3600.0
"""Seconds after which the file of another machine, or of an earlier start of this one, is taken away."""


class Lifelines:
    """The files of one installation's processes, in `directory`; `name` is this process's, as the ledger knows it.

    A file counts only when this very kernel wrote it: on a file system that machines share, a lock that another machine
    holds may look free. Without a directory to write to there is no file, and recovery waits for the lease.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._path = directory / quote(name, safe="")
        self._boot = _boot_id()
        self._held: int | None = None

    def hold(self) -> None:
        """From now on this process is known to live; call it before it claims anything."""
        if self._boot is None or self._held is not None:
            return
        unnamed = self._path.with_name(f".{self._path.name}")
        with ExitStack() as undo:
            try:
                self._directory.mkdir(parents=True, exist_ok=True)
                held = os.open(unnamed, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
                undo.callback(os.close, held)
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.write(held, self._boot.encode())
                unnamed.rename(self._path)  # it appears locked: nobody takes one that is just beginning for dead
            except OSError as problem:
                _log.warning("%s: no lifeline (%s); if this process dies, its lease must run out", self._path, problem)
                return
            undo.pop_all()
            self._held = held

    def let_go(self) -> None:
        """This process ends in order: it holds nothing that anybody would have to take over."""
        if self._held is not None:
            self._path.unlink(missing_ok=True)
            os.close(self._held)
            self._held = None

    @contextmanager
    def dead(self) -> Iterator[frozenset[str]]:
        """The names of workers whose processes are proven to be dead, each for one taker at a time.

        When the block ends well, what they held counts as taken over, and their files go.
        """
        with ExitStack() as locks:
            found: dict[str, Path] = {}
            for path in self._files():
                if path != self._path and self._is_dead(path, locks):
                    found[unquote(path.name)] = path
            yield frozenset(found)
            for path in found.values():
                path.unlink(missing_ok=True)

    def _files(self) -> list[Path]:
        if self._boot is None:
            return []
        try:
            return sorted(path for path in self._directory.iterdir() if not path.name.startswith("."))
        except OSError:  # nobody could write there either
            return []

    def _is_dead(self, path: Path, locks: ExitStack) -> bool:
        """True when its lock is ours now, until `locks` are let go."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:  # somebody else took it over and away
            return False
        locks.callback(os.close, descriptor)
        if os.read(descriptor, 64).decode(errors="replace") != self._boot:
            _take_away_when_old(path, descriptor)
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return path.exists()  # or another had taken it over between our opening and our lock


def lifelines_of_runs(data: Path, run: str) -> Lifelines:
    """The files of flow runs' processes below the data directory; a run's name is its id at Prefect."""
    return Lifelines(data / "runs", run)


def _take_away_when_old(path: Path, descriptor: int) -> None:
    """Taking away the file of a process that lives after all costs it nothing but the shortcut."""
    if time.time() - os.fstat(descriptor).st_mtime > _FOREIGN_FOR:
        path.unlink(missing_ok=True)


def _boot_id() -> str | None:
    """What names this start of this kernel; None where there is no such thing."""
    with suppress(OSError):
        return _BOOT_ID.read_text(encoding="ascii").strip() or None
    return None
