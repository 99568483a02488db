"""The process that flow runs are forked from: Prefect and Handrail imported once, not again for each run.

`handrail up` keeps it beside Prefect's worker. The worker starts a run as everywhere (`handrail.flow_process`); that
process asks here, and the run is a child of this one: with the asker's environment, directory and open files, ended
by its signals and by its death. What came of it is told to the asker as its exit status, or minus the signal.

A run that would not be the same as one that imports everything itself does import everything itself: one whose
environment says other things to Prefect or Python, and one that comes when a file of what was imported has changed. In
the latter case this process ends as soon as none of its runs is left, and is started again on what is there now.
"""

import gc
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import integrations
from data_contracts.policy import load_policy
from handrail import flow_run
from handrail.flow_process import BEGUN, FORK_SERVER, HANDED_ON, LENGTH_BYTES, at
from handrail.supervisor import dies_with
from integrations.registry import find_integrations
from services.settings import load_settings

_FLOWS = (
    "action_review",
    "dispatch_actions",
    "emergency_stop",
    "expiry_detection",
    "integration_health",
    "onboarding_drip",
    "poll_surveys",
    "recovery_sweep",
    "survey_escalation",
)
"""What is imported here. Not the two flows that read files: polars begins threads, which a fork would not have."""

_PREFECTS = ("prefect.deployments.steps.core", "prefect.deployments.steps.pull", "prefect.runner")
"""What Prefect itself imports only once it runs something."""

_PATIENCE = 1.0
"""Seconds for an asker's request, which it sends in one go."""


@dataclass(slots=True)
class _Run:
    """A child, and the process that asked for it."""

    pid: int
    ended: int  # a descriptor that can be read when the child has ended
    asker: socket.socket


@dataclass(slots=True)
class ForkServer:
    """Forks a run for each process that asks at the socket `path`."""

    path: Path
    _code: dict[Path, tuple[int, int]]
    """Each imported file: when it was written, and how long it is."""
    _events: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    _door: socket.socket = field(default_factory=lambda: socket.socket(socket.AF_UNIX))
    _runs: dict[int, _Run] = field(default_factory=dict)
    _is_outdated: bool = False

    def open(self) -> None:
        """From here on processes of this user may ask."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.unlink(missing_ok=True)
        own = os.umask(0o177)
        try:
            at(self.path, self._door.bind)
        finally:
            os.umask(own)
        self._door.listen(64)
        self._events.register(self._door, selectors.EVENT_READ)

    def serve(self) -> dict[str, Any] | None:
        """Fork until what was imported has changed and no run is left: None.

        In each child: what was asked, as soon as it is the process that the asker would have been.
        """
        while self._runs or not self._is_outdated:
            for key, _ in self._events.select():
                if key.fileobj is self._door:
                    wanted = self._asked()
                    if wanted is not None:
                        return wanted
                elif isinstance(key.fileobj, socket.socket):
                    self._told(key.data)
                else:
                    self._ended(key.data)
        return None

    def _asked(self) -> dict[str, Any] | None:
        """What was asked, in the child; None in this process."""
        asker, _ = self._door.accept()
        taken = self._taken(asker)
        if taken is None:
            asker.close()
            return None
        wanted, files = taken
        if self._is_child(asker):
            _become(wanted, files)
            return wanted
        _close(files)
        return None

    def _taken(self, asker: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
        """What an asker wants, and its files, who is told that its run begins; None for one that must see to itself."""
        asker.settimeout(_PATIENCE)
        files: list[int] = []
        try:
            wanted = _request(asker, files)
            if self._is_current():
                asker.sendall(BEGUN)
                return wanted, files
            asker.sendall(b"what was imported has changed since")
        except (OSError, ValueError) as problem:
            sys.stderr.write(f"fork server: no request: {problem}\n")
        _close(files)
        return None

    def _is_child(self, asker: socket.socket) -> bool:
        """Fork: true in the child, where nothing of the server is left; here the child is a run from now on."""
        begin, pid = dies_with(os.getpid()), os.fork()
        if pid == 0:
            begin()
            os.setsid()  # or a terminal's Ctrl-C would come to it by two ways
            signal.signal(signal.SIGINT, signal.default_int_handler)
            self._leave(asker)
            return True
        run = _Run(pid, os.pidfd_open(pid), asker)
        self._runs[pid] = run
        self._events.register(run.ended, selectors.EVENT_READ, run)
        self._events.register(run.asker, selectors.EVENT_READ, run)
        return False

    def _is_current(self) -> bool:
        if not self._is_outdated and written(self._code) != self._code:
            self._is_outdated = True
            self.path.unlink(missing_ok=True)
        return not self._is_outdated

    def _told(self, run: _Run) -> None:
        """Hand a signal on; an asker that is gone takes its run with it."""
        try:
            numbers = run.asker.recv(64)
        except OSError:
            numbers = b""
        for number in numbers or [signal.SIGKILL]:
            if number in (*HANDED_ON, signal.SIGKILL):
                os.kill(run.pid, number)  # it is not waited for yet, so the number is still its own
        if not numbers:
            self._events.unregister(run.asker)

    def _ended(self, run: _Run) -> None:
        _, status = os.waitpid(run.pid, 0)
        self._events.unregister(run.ended)
        os.close(run.ended)
        if run.asker in self._events.get_map():
            self._events.unregister(run.asker)
        with suppress(OSError):  # it died first
            run.asker.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        run.asker.close()
        del self._runs[run.pid]

    def _leave(self, asker: socket.socket) -> None:
        """In a child: nothing of the server stays open, or an asker would not see how another run ended."""
        self._events.close()
        self._door.close()
        asker.close()
        for run in self._runs.values():
            os.close(run.ended)
            run.asker.close()


def main() -> None:
    """Serve at the socket that HANDRAIL_FORK_SERVER names, until SIGTERM or until there is other code to import."""
    path = Path(os.environ[FORK_SERVER])
    flow_run.prepare()
    flow_run.import_at_leisure((*_PREFECTS, *(f"flows.{name}" for name in _FLOWS)))
    _read_installation()
    if not _is_alone():
        sys.exit("something that was imported has begun a thread, which no fork would have")
    gc.collect()
    gc.freeze()
    imported_with = _looked_at()
    server = ForkServer(path, written(_files([*sys.modules.values()])))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's is for who started us, and ends us in its turn
    server.open()
    if server.serve() is None:
        return
    if _looked_at() == imported_with and _prefect_is_told_the_same():
        flow_run.run()
    else:
        sys.stderr.write("flow run: its environment is not the fork server's; it imports everything itself\n")
        del os.environ[FORK_SERVER]
        os.execv(sys.executable, [sys.executable, "-m", "handrail.flow_process"])  # noqa: S606 - ourselves


def _read_installation() -> None:
    """Import the vendors, and read the policy, which a run finds read as long as the file says the same."""
    with suppress(Exception):  # whatever is wrong, the run itself says it, where people look
        find_integrations(integrations)
        settings, _ = load_settings()
        load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))


def _looked_at() -> dict[str, str]:
    """What Python looks at as it starts."""
    return {name: value for name, value in os.environ.items() if name.startswith(("PYTHON", "LC_", "LANG", "TZ"))}


def _prefect_is_told_the_same() -> bool:
    """True if Prefect was imported with the settings that the environment says now.

    The words may be others: a worker hands its settings on as it understood them. What is for servers and workers may
    differ; it is read anew.
    """
    from prefect import context

    imported_with = context.GLOBAL_SETTINGS_CONTEXT.settings
    context.refresh_global_settings_context()
    told = context.GLOBAL_SETTINGS_CONTEXT.settings
    others = {"server", "worker"}
    return told.model_dump(exclude=others) == imported_with.model_dump(exclude=others)


def _is_alone() -> bool:
    """True when this process has one thread; the one that imported may take a moment to go."""
    until = time.monotonic() + 5
    while (threads := len(os.listdir("/proc/self/task"))) > 1 and time.monotonic() < until:
        time.sleep(0.01)
    return threads == 1


def _request(asker: socket.socket, files: list[int]) -> dict[str, Any]:
    """What is asked; the asker's three standard files go to `files`. Raises OSError and ValueError for no request."""
    head, come, _, _ = socket.recv_fds(asker, LENGTH_BYTES, 3)
    files += come
    length, said = int.from_bytes(head), b""
    while len(said) < length:
        more = asker.recv(length - len(said))
        if not more:
            raise ValueError("it ended before its request did")
        said += more
    if len(files) != 3:
        raise ValueError("its files did not come")
    return dict(json.loads(said))


def _close(files: Iterable[int]) -> None:
    for descriptor in files:
        os.close(descriptor)


def _become(wanted: dict[str, Any], files: list[int]) -> None:
    """Be the process that asked: its files, its environment, its directory first among those modules come from."""
    for standard, descriptor in enumerate(files):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(wanted["environment"])
    os.chdir(wanted["directory"])
    sys.path.insert(0, wanted["directory"])
    sys.argv = ["handrail.flow_process"]


def _files(modules: Iterable[ModuleType]) -> list[Path]:
    """The files of modules, and the directories in which something that is installed appears."""
    named = [name for module in modules if (name := getattr(module, "__file__", None))]
    return [Path(name) for name in (*named, *(name for name in sys.path if name.endswith("-packages")))]


def written(files: Iterable[Path]) -> dict[Path, tuple[int, int]]:
    """What a server compares, to see that it would import something else by now."""
    return {path: _last_written(path) for path in files}


def _last_written(path: Path) -> tuple[int, int]:
    try:
        told = path.stat()
    except OSError:  # taken away, or inside an archive
        return 0, 0
    return told.st_mtime_ns, told.st_size


if __name__ == "__main__":
    main()
