"""Gateways, a sandbox and a sender as processes and threads that a test may kill, stop and question."""

import base64
import hashlib
import hmac
import json
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Row, select

from services.settings import ROOT
from store.database import Database
from store.tables import metadata

LEASE, SWEEP, TIMEOUT = 3.0, 0.3, 1.4
RATE, CONNECTIONS = 30, 16  # answers a second, and how many of them the sender has under way
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ROSTER = (
    "\n".join(
        f"{capability}:\n  vendor: sandbox\n  url: ${{HANDRAIL_SANDBOX_URL}}\n  token: ${{HANDRAIL_SANDBOX_TOKEN}}\n"
        f"  rate_per_second: 60\n  connections: 128\n  timeout_seconds: {TIMEOUT}"
        for capability in ("ticketing", "mail")
    )
    + "\nsurvey_intake:\n  standard:\n    vendor: standard\n    secrets: ['${HANDRAIL_WEBHOOK_SECRET}']\n"
)


class Program:
    """One process of the installation, with a log of its own."""

    def __init__(self, command: list[str], environment: dict[str, str], log: Path, ready: str) -> None:
        self._command, self._environment, self._log, self._ready = command, environment, log, ready
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *self._command], env=self._environment, cwd=ROOT, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while True:
            assert self._process.poll() is None, f"it ended:\n{self._log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, f"not ready:\n{self._log.read_text()[-2000:]}"
            try:
                if httpx.get(self._ready, timeout=1).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.02)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """kill -9."""
        self.signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(10)

    def end(self) -> None:
        """SIGTERM; it must end in order."""
        assert self._process is not None
        self._process.terminate()
        assert self._process.wait(20) in {0, -signal.SIGTERM}
        assert "Application shutdown complete" in self.said

    def clean_up(self) -> None:
        """Whatever state it is in."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait(10)

    @property
    def said(self) -> str:
        """Its log."""
        return self._log.read_text(errors="replace")


@dataclass
class Stack:
    """A sandbox and some gateways on one database."""

    sandbox: Program
    sandbox_url: str
    record: Path
    gateways: list[Program]
    urls: list[str]
    database: Database

    def slow(self, seconds: float) -> None:
        """Every write takes so long from now on, so that a random moment often lies within one."""
        for capability in ("ticketing", "mail"):
            fault = {"capability": capability, "mode": "slow", "count": 1_000_000, "seconds": seconds}
            httpx.post(f"{self.sandbox_url}/faults", json=fault).raise_for_status()

    def received(self) -> dict[str, list[datetime]]:
        """Key → when each effect was applied, by the sandbox's own record."""
        found: dict[str, list[datetime]] = defaultdict(list)
        for line in self.record.read_text().splitlines():
            effect = json.loads(line)
            if effect["effect"] == "created":
                found[effect["key"]].append(datetime.fromisoformat(effect["at"]))
        return found

    def actions(self) -> list[Row[Any]]:
        """The ledger as it stands."""
        with self.database.read() as connection:
            return list(connection.execute(select(metadata.tables["actions"])))

    def quiet(self, seconds: float) -> float:
        """Wait until nothing is left to do but by people; how long that took."""
        began = time.monotonic()
        while any(row.state not in {"done", "needs_human"} for row in self.actions()):
            left = Counter(row.state for row in self.actions())
            assert time.monotonic() - began < seconds, f"not quiet: {left}\n{self.gateways[0].said[-3000:]}"
            time.sleep(0.05)
        return time.monotonic() - began

    def longest_sending(self) -> float:
        """The longest that any row stayed `sending`, in seconds, by the audit log."""
        audit = metadata.tables["audit"].c
        since: dict[int, datetime] = {}
        longest = 0.0
        with self.database.read() as connection:
            for move in connection.execute(select(audit.action_id, audit.after, audit.at).order_by(audit.id)):
                if move.action_id in since:
                    longest = max(longest, (move.at - since.pop(move.action_id)).total_seconds())
                if move.after == "sending":
                    since[move.action_id] = move.at
        assert not since, "rows are still sending"
        return longest


@dataclass
class Sender:
    """A survey tool: signs, delivers, and delivers again until it hears a 2xx. Its log is what it was told."""

    urls: list[str]
    seed: int
    heard: dict[str, tuple[int, datetime]] = field(default_factory=dict)  # webhook id → (its number, when it heard 2xx)
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    attempts: int = 0
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Deliver at the rate until told to stop; every delivery that was begun is heard in the end."""
        free = threading.Semaphore(CONNECTIONS)
        with (
            httpx.Client(timeout=2, limits=httpx.Limits(max_keepalive_connections=0)) as client,
            ThreadPoolExecutor(CONNECTIONS) as pool,
        ):
            begun: list[Future[None]] = []
            while not self._stop.wait(1 / RATE):
                free.acquire()  # who is not heard waits, and so do those behind
                begun.append(pool.submit(self._deliver, client, len(begun)))
                begun[-1].add_done_callback(lambda _: free.release())
        for delivery in begun:
            delivery.result()

    def stop(self) -> None:
        """No new answers."""
        self._stop.set()

    def _deliver(self, client: httpx.Client, number: int) -> None:
        webhook_id, body = f"msg_{number}", self._body(number)
        chance = random.Random(self.seed * 100_000 + number)
        deadline = time.monotonic() + 60
        while True:
            assert time.monotonic() < deadline, f"{webhook_id} was never accepted"
            self.attempts += 1
            try:
                url = chance.choice(self.urls) + "/webhooks/standard"
                response = client.post(url, content=body, headers=_signed(webhook_id, body))
            except httpx.TransportError:
                time.sleep(chance.uniform(0.1, 0.4))
                continue
            if response.status_code == 202:
                self.heard.setdefault(webhook_id, (number, datetime.now(UTC)))
                self.answers[webhook_id].append(response.json())
                if chance.random() < 0.9:
                    return  # one in ten is sent again although it was heard
            else:
                assert response.status_code == 503, response.text
                time.sleep(0.05)

    @staticmethod
    def _body(number: int) -> bytes:
        """Every fifth answer is another one of the customer before."""
        customer = number - 1 if number % 5 == 4 else number
        return json.dumps(
            {
                "type": "survey.responded",
                "timestamp": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                "data": {
                    "response_id": f"r-{number}",
                    "kind": "nps",
                    "score": 1,
                    "comment": "Czekam trzeci tydzień.",
                    "answered_at": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
                    "customer": {"ref": f"C-{customer}", "email": f"c{customer}@example.com", "language": "pl"},
                },
            }
        ).encode()


def _signed(webhook_id: str, body: bytes) -> dict[str, str]:
    stamp = str(int(time.time()))
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signature = base64.b64encode(
        hmac.digest(key, b".".join((webhook_id.encode(), stamp.encode(), body)), hashlib.sha256)
    )
    return {"webhook-id": webhook_id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{signature.decode()}"}


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(one.getsockname()[1]) for one in sockets]
