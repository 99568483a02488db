"""The record: a durable, append-only log of every effect the sandbox applied, one JSON line each."""

import asyncio
import fcntl
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from handrail.sandbox.effects import Effect


class RecordProblem(Exception):
    """The record cannot be read or written; says which file, what is wrong and what to do."""


class Record:
    """The log, open for appending.

    Effects appended while the disk is busy share the next fsync (group commit), so that a slow disk still takes
    hundreds of writes a second. After one failed write nothing more is taken: memory would run ahead of the disk.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the file and keep other processes out. Raises RecordProblem."""
        self.path = path
        self._pending: list[bytes] = []
        self._newest: asyncio.Future[None] | None = None  # done when the last appended effect is on disk
        self._writing: asyncio.Task[None] | None = None
        self._broken: RecordProblem | None = None
        self._file = _open_alone(path)
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="record")

    def replay(self, apply: Callable[[Effect], None]) -> None:
        """Apply every effect on record, oldest first.

        A last line without its end (a death while writing, so nobody was told of it) is cut off. Raises
        RecordProblem for any other line that is not an effect.
        """
        whole = 0
        with open(self._file, "rb", closefd=False) as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    break
                try:
                    apply(Effect.from_line(line))
                except (ValueError, KeyError, TypeError) as problem:
                    raise RecordProblem(
                        f"{self.path}, line {number}: not an effect ({problem}); mend the line or name another file"
                    ) from problem
                whole += len(line)
        os.ftruncate(self._file, whole)

    def append(self, effect: Effect) -> None:
        """Take an effect for writing; `durable` tells when it is on disk.

        Raises, taking nothing, UnicodeEncodeError for text that cannot be written and RecordProblem after a failure.
        """
        if self._broken is not None:
            raise self._broken
        line = effect.line()
        if not self._pending:
            self._newest = asyncio.get_running_loop().create_future()
        self._pending.append(line)
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write_pending())

    async def durable(self) -> None:
        """Wait until every effect appended so far is on disk. Raises RecordProblem when one is not."""
        if self._newest is not None:
            await asyncio.shield(self._newest)
        if self._broken is not None:
            raise self._broken

    async def close(self) -> None:
        """Write what is pending and let go of the file."""
        if self._writing is not None:
            await self._writing
        self._disk.shutdown()
        os.close(self._file)

    async def _write_pending(self) -> None:
        loop = asyncio.get_running_loop()
        while self._pending and self._newest is not None:
            lines, batch = b"".join(self._pending), self._newest
            self._pending = []
            try:
                await loop.run_in_executor(self._disk, self._write, lines)
            except OSError as problem:
                self._give_up(batch, problem)
                return
            batch.set_result(None)

    def _give_up(self, batch: "asyncio.Future[None]", problem: OSError) -> None:
        self._broken = RecordProblem(f"{self.path}: cannot be written ({problem.strerror}); make room and start again")
        self._pending = []
        batch.set_result(None)  # whoever waits finds the record broken
        if self._newest is not None and not self._newest.done():
            self._newest.set_result(None)

    def _write(self, lines: bytes) -> None:
        rest = memoryview(lines)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        os.fsync(self._file)


def _open_alone(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise RecordProblem(f"{path}: cannot be opened ({problem.strerror}); name a writable file") from problem
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise RecordProblem(f"{path}: another sandbox writes this record; stop it or name another file") from None
    _sync(path.parent)
    return file


def _sync(directory: Path) -> None:
    """Make a new file's name as durable as what will stand in it."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
