"""Prefect's server and worker for tests, started as `handrail up` starts them."""

import http.client
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from handrail.prefect_server import Launch, server_program


def free_port() -> int:
    """A port where nobody listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


Found = TypeVar("Found")


def eventually(look: Callable[[], Found], seconds: float, what: str) -> Found:
    """Poll until `look()` finds something; what it found."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.05)
    return found


def begin(launch: Launch, log: Path, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a program of the stack."""
    command, variables = launch
    with log.open("ab") as out:
        return subprocess.Popen(
            command, env={**os.environ, **variables, **(environment or {})}, stdout=out, stderr=subprocess.STDOUT
        )


@contextmanager
def running(
    launch: Launch, log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """The same, ended afterwards."""
    process = begin(launch, log, environment)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Server:
    """One Prefect server, and what tests ask it."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.directory = directory
        self.api = f"http://127.0.0.1:{self.port}/api"
        self.launch = server_program(directory, self.port)
        self.process = begin(self.launch, directory / "prefect.log")

    def wait(self, seconds: float) -> float:
        """Until it serves; how many seconds that took."""
        begun = time.monotonic()
        eventually(self._is_healthy, seconds, f"Prefect's server; its log: {self.directory / 'prefect.log'}")
        return time.monotonic() - begun

    def kill_and_start_again(self) -> None:
        """kill -9, and what the supervisor does then."""
        self.process.kill()
        self.process.wait()
        self.process = begin(self.launch, self.directory / "prefect.log")

    def stop(self) -> None:
        """End it for good."""
        self.process.kill()
        self.process.wait()

    def post(self, path: str, body: Any = None) -> Any:
        """The answer to a POST, or None when it has no body."""
        return self._ask("POST", path, body if body is not None else {})

    def patch(self, path: str, body: Any) -> None:
        """PATCH."""
        self._ask("PATCH", path, body)

    def delete(self, path: str) -> None:
        """DELETE."""
        self._ask("DELETE", path, None)

    def get(self, path: str) -> Any:
        """GET."""
        return self._ask("GET", path, None)

    def named(self, what: str, name: str) -> dict[str, Any]:
        """The one of `deployments`, `automations` … with this name."""
        (found,) = [each for each in self.post(f"/{what}/filter") if each["name"] == name]
        return dict(found)

    def _is_healthy(self) -> bool:
        try:
            return bool(self.get("/health"))
        except OSError:
            return False

    def _ask(self, method: str, path: str, body: Any) -> Any:
        """Repeats itself when the server is busy: on SQLite it says 503 then."""
        deadline = time.monotonic() + 30
        while True:
            connection = http.client.HTTPConnection(urlsplit(self.api).netloc, timeout=30)
            try:
                headers = {"Content-Type": "application/json"}
                connection.request(method, f"/api{path}", None if body is None else json.dumps(body), headers)
                answer = connection.getresponse()
                text = answer.read()
            finally:
                connection.close()
            if answer.status < 300:
                return json.loads(text) if text else None
            assert answer.status == 503, (answer.status, text)
            assert time.monotonic() < deadline, "the server stays busy"
            time.sleep(0.1)
