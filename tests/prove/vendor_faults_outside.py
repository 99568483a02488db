"""What the proof of vendor faults stands on: a sandbox process, a database, and an hour that can be moved on."""

import bisect
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
from embedded_postgres import embedded_server

from domain.actions import Capability
from services.settings import ROOT
from services.wiring import utc_now

TOKEN = "prove"
_NOON = datetime(2026, 3, 4, 11, tzinfo=UTC)  # a Wednesday, noon in Warsaw


class Clock:
    """Business time: as fast as real time, ahead of it by jumps that are remembered."""

    def __init__(self) -> None:
        self._since = [datetime.min.replace(tzinfo=UTC)]
        self._ahead = [_NOON + timedelta(days=365) - utc_now()]

    def __call__(self) -> datetime:
        return utc_now() + self._ahead[-1]

    def go_to(self, then: datetime) -> None:
        """It is `then` now; never goes back."""
        now = utc_now()
        self._since.append(now)
        self._ahead.append(max(then - now, self._ahead[-1]))

    def next_noon(self) -> None:
        """Noon of the next day: nobody sleeps."""
        self.go_to(self().replace(hour=11, minute=0, second=0, microsecond=0) + timedelta(days=1))

    def business(self, real: datetime) -> datetime:
        """What business time it was when the real time was `real`."""
        return real + self._ahead[bisect.bisect_right(self._since, real) - 1]


@dataclass
class Sandbox:
    """The vendor's process."""

    url: str
    record: Path
    _http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=10))

    def fault(self, capability: Capability, mode: str, count: int, seconds: float) -> None:
        """Queue a fault."""
        body = {"capability": capability, "mode": mode, "count": count, "seconds": seconds}
        self._http.post(f"{self.url}/faults", json=body).raise_for_status()

    def heal(self) -> None:
        """Nothing more goes wrong."""
        self._http.request("DELETE", f"{self.url}/faults").raise_for_status()

    def met(self) -> list[dict[str, Any]]:
        """Every fault that a request really met, oldest first."""
        log: list[dict[str, Any]] = self._http.get(f"{self.url}/faults/met/log").raise_for_status().json()
        return log

    def counts(self) -> dict[str, dict[str, int]]:
        """How often each mode was met, by capability."""
        counted: dict[str, dict[str, int]] = self._http.get(f"{self.url}/faults/met").raise_for_status().json()
        return counted


@contextmanager
def a_sandbox(directory: Path) -> Iterator[Sandbox]:
    """Start one; stop it in the end."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    record = directory / "record.jsonl"
    command = [sys.executable, "-m", "handrail.sandbox", "--port", str(port), "--record", str(record)]
    environment = {**os.environ, "HANDRAIL_SANDBOXTOKEN": TOKEN}
    process = subprocess.Popen(command, env=environment, cwd=ROOT, stderr=subprocess.DEVNULL)
    sandbox = Sandbox(f"http://127.0.0.1:{port}", record)
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                sandbox.met()
                break
            except httpx.TransportError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
        yield sandbox
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def a_database(kind: str) -> Iterator[str]:
    """The address of an empty database of its own."""
    if kind == "sqlite":
        with TemporaryDirectory(prefix="handrail-prove-", ignore_cleanup_errors=True) as directory:
            yield f"sqlite:///{directory}/handrail.db"
        return
    with embedded_server() as server:
        yield server.get_uri()
