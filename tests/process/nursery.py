"""Processes in milliseconds: forked from one that has everything imported, so that hundreds may be killed in a minute.

Driver's side: `Nursery`. The other side: `python tests/process/nursery.py`, which is told by lines of JSON what to run.
"""

import json
import os
import random
import runpy
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from gateway_stack import Program

PRELOADED = ("gateway.__main__", "services.recovery", "uvicorn.loops.auto", "uvicorn.protocols.http.auto")
"""What takes the time when a process starts."""


class Child:
    """A process that is not ours to wait for; the part of `subprocess.Popen` that a program needs.

    Held by a descriptor of Linux, not by its number: among hundreds of deaths a number may be another's by now.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._descriptor: int | None
        try:
            self._descriptor = os.pidfd_open(pid)
        except ProcessLookupError:  # gone before we looked
            self._descriptor = None

    def poll(self) -> int | None:
        """None while it runs; of how it ended nothing is known."""
        return 0 if self._is_gone(0) else None

    def wait(self, seconds: float) -> int:
        """Until it is gone. Raises TimeoutError."""
        if not self._is_gone(seconds):
            raise TimeoutError(f"process {self.pid} is still there")
        return 0

    def send_signal(self, number: int) -> None:
        """Nothing when it is gone."""
        if self._descriptor is not None:
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    def _is_gone(self, seconds: float) -> bool:
        if self._descriptor is not None and select.select([self._descriptor], [], [], seconds)[0]:
            os.close(self._descriptor)
            self._descriptor = None
        return self._descriptor is None

    def kill(self) -> None:
        """kill -9."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """SIGTERM."""
        self.send_signal(signal.SIGTERM)


class Nursery:
    """Where processes are forked. Close it when all of them are gone."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def program(self, command: Sequence[str], environment: Mapping[str, str], log: Path, ready: str = "") -> Program:
        """As `Program`, only faster up."""
        return _Forked(self, command, environment, log, ready)

    def fork(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> Child:
        """Run `python COMMAND…` in a process of its own."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        told = {"command": list(command), "environment": dict(environment), "log": str(log)}
        self._process.stdin.write(json.dumps(told) + "\n")
        self._process.stdin.flush()
        return Child(int(self._process.stdout.readline()))

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class _Forked(Program):
    def __init__(
        self, nursery: Nursery, command: Sequence[str], environment: Mapping[str, str], log: Path, ready: str
    ) -> None:
        super().__init__(command, environment, log, ready)
        self._nursery = nursery

    def _launch(self) -> Child:
        return self._nursery.fork(self._command, self._environment, self._log)


def _serve() -> None:
    for module in PRELOADED:
        __import__(module)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever dies is gone, and leaves no zombie
    while line := sys.stdin.readline():
        told = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become(told["command"], told["environment"], told["log"])
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _become(command: Sequence[str], environment: Mapping[str, str], log: str) -> None:
    """Run what was asked for, as if Python had just been started with it. Does not return."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    said, nothing = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644), os.open(os.devnull, os.O_RDONLY)
    for number, target in ((nothing, 0), (said, 1), (said, 2)):
        os.dup2(number, target)
    os.environ.clear()
    os.environ.update(environment)
    random.seed()
    code = 1
    try:
        sys.argv = list(command[1:]) if command[0] == "-m" else list(command)
        if command[0] == "-m":
            runpy.run_module(command[1], run_name="__main__", alter_sys=True)
        else:
            runpy.run_path(command[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
