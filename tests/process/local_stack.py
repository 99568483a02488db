"""`handrail up` for tests: on ports that are free, in a directory of its own, ended whatever happens."""

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HANDRAIL = (sys.executable, "-m", "handrail.cli")


def free_base() -> int:
    """A port that is free with its two neighbours, below those the system gives to whoever connects somewhere."""
    for _ in range(100):
        base = random.randrange(10_000, 30_000, 3)
        if all(_is_free(base + offset) for offset in range(3)):
            return base
    raise AssertionError("no three free ports in a row")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def eventually(claim: Callable[[], bool], seconds: float, otherwise: str = "it never came true") -> float:
    """Poll until `claim()` holds; how many seconds that took."""
    begun = time.monotonic()
    while not claim():
        assert time.monotonic() - begun < seconds, f"{otherwise} within {seconds} s"
        time.sleep(0.02)
    return time.monotonic() - begun


def answers(address: str, path: str) -> bool:
    """True when GET is answered 200."""
    connection = http.client.HTTPConnection(address.removeprefix("http://"), timeout=1)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def is_alive(pid: int) -> bool:
    """True for a process that is there and not merely waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class LocalStack:
    """One running `handrail up`."""

    def __init__(self, process: subprocess.Popen[str], directory: Path, told: dict[str, Any]) -> None:
        self.process = process
        self.directory = directory
        self.told = told

    @property
    def standing(self) -> dict[str, Any]:
        """up.json, now."""
        found: dict[str, Any] = json.loads((self.directory / "up.json").read_text(encoding="utf-8"))
        return found

    def pid(self, name: str) -> int:
        """The process id up.json gives, now."""
        return int(self.standing["pids"][name])

    def kill(self, name: str) -> int:
        """kill -9; the process id it had."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it; its exit status."""
        self.process.send_signal(how)
        return self.process.wait(30)


@contextmanager
def local_stack(
    directory: Path, *, with_prefect: bool = False, environment: Mapping[str, str] | None = None
) -> Iterator[LocalStack]:
    """A stack that is ready."""
    command = (*HANDRAIL, "up", "--data", str(directory), "--ports", str(free_base()), "--json")
    with (directory.parent / f"{directory.name}.err").open("w+", encoding="utf-8") as errors:
        process = subprocess.Popen(
            command if with_prefect else (*command, "--no-prefect"),
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **(environment or {})},
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            errors.seek(0)
            assert '"gateway"' in line, errors.read()
            yield LocalStack(process, directory, json.loads(line))
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(30)
