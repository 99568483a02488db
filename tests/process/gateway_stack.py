"""Gateways, a sandbox and a sender as processes and threads that a test may kill, stop and question."""

import base64
import hashlib
import hmac
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Row, select

from services.preparing import prepare
from services.settings import ROOT
from store.database import Database
from store.tables import metadata

LEASE, SWEEP, TIMEOUT = 3.0, 0.3, 1.4
RATE, CONNECTIONS = 30, 16  # answers a second, and how many of them the sender has under way
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@dataclass(frozen=True, slots=True)
class Shape:
    """How an installation is set up: seconds, and what the vendors promise (capability → write class; "": its own)."""

    lease: float = LEASE
    sweep: float = SWEEP
    timeout: float = TIMEOUT
    classes: Mapping[str, str] = field(default_factory=lambda: {"ticketing": "", "mail": ""})
    rate_per_second: str = "60"  # of each vendor; "": no limit
    search_lag: float = 0.0
    policy: Path | None = None

    @property
    def roster(self) -> str:
        """The file of integrations."""
        vendors = "\n".join(
            f"{capability}:\n  vendor: sandbox\n"
            "  url: ${HANDRAIL_SANDBOX_URL}\n  token: ${HANDRAIL_SANDBOX_TOKEN}\n"
            f"  rate_per_second: {self.rate_per_second}\n  connections: 128\n  timeout_seconds: {self.timeout}\n"
            f"  search_lag_seconds: {self.search_lag}" + (f"\n  write_class: {write_class}" if write_class else "")
            for capability, write_class in self.classes.items()
        )
        return (
            vendors
            + "\nsurvey_intake:\n  standard:\n    vendor: standard\n    secrets: ['${HANDRAIL_WEBHOOK_SECRET}']\n"
        )


class Program:
    """One process of the installation, with a log of its own. Without an address to ask, it is ready when it runs."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path, ready: str = "") -> None:
        self._command, self._environment, self._log, self._ready = command, environment, log, ready
        self._process: Any = None

    def _launch(self) -> Any:
        """A `subprocess.Popen`, or what behaves like one."""
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [sys.executable, *self._command], env=self._environment, cwd=ROOT, stdout=log, stderr=log
            )

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self._process = self._launch()
        deadline = time.monotonic() + 120
        while self._ready:
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

    @property
    def is_running(self) -> bool:
        """False once it has ended, whoever ended it."""
        return self._process is not None and self._process.poll() is None

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
    shape: Shape
    environment: Mapping[str, str]

    @classmethod
    def start(
        cls,
        directory: Path,
        database: Database,
        programs: list[Program],
        gateways: int,
        shape: Shape,
        gateway: Callable[[list[str], Mapping[str, str], Path, str], Program] = Program,
    ) -> "Stack":
        """Prepare the database and start everything; whoever gave `programs` ends those it finds in it.

        `gateway` makes the gateways' programs.
        """
        prepare(database, now=datetime.now(UTC))
        roster = directory / "integrations.yaml"
        roster.write_text(shape.roster)
        sandbox_port, *ports = free_ports(1 + gateways)
        sandbox_url, record = f"http://127.0.0.1:{sandbox_port}", directory / "record.jsonl"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("HANDRAIL_", "PREFECT_"))},
            "HANDRAIL_DATA": str(directory),
            "HANDRAIL_DATABASE_URL": database.url.render_as_string(hide_password=False),
            "HANDRAIL_INTEGRATIONS": str(roster),
            "HANDRAIL_LEASE_SECONDS": str(shape.lease),
            "HANDRAIL_SWEEP_SECONDS": str(shape.sweep),
            "HANDRAIL_SANDBOX_URL": sandbox_url,
            "HANDRAIL_SANDBOX_TOKEN": "sandbox-token",
            "HANDRAIL_WEBHOOK_SECRET": SECRET,
            **({} if shape.policy is None else {"HANDRAIL_POLICY": str(shape.policy)}),
        }
        command = ["-m", "handrail.sandbox", "--port", str(sandbox_port), "--record", str(record)]
        command += ["--search-lag", str(shape.search_lag / 2)]
        sandbox = Program(command, environment, directory / "sandbox.log", f"{sandbox_url}/tickets")
        doors = [
            gateway(
                ["-m", "gateway"],
                {**environment, "HANDRAIL_GATEWAY_PORT": str(port)},
                directory / f"gateway-{port}.log",
                f"http://127.0.0.1:{port}/readyz",
            )
            for port in ports
        ]
        programs += [sandbox, *doors]
        for program in (sandbox, *doors):
            program.start()
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        return cls(sandbox, sandbox_url, record, doors, urls, database, shape, environment)

    def slow(self, seconds: float) -> None:
        """Every write takes so long from now on, so that a random moment often lies within one."""
        for capability in self.shape.classes:
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
    rate: float = RATE
    heard: dict[str, tuple[int, datetime]] = field(default_factory=dict)  # webhook id → (its number, when it heard 2xx)
    answers: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    complaints: list[str] = field(default_factory=list)
    attempts: int = 0
    _bodies: dict[str, bytes] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Deliver at the rate until told to stop; what was begun is heard in the end, or complained of."""
        free = threading.Semaphore(CONNECTIONS)
        begun = 0
        with self._client() as client, ThreadPoolExecutor(CONNECTIONS) as pool:
            while not self._stop.wait(1 / self.rate):
                free.acquire()  # who is not heard waits, and so do those behind
                delivery = pool.submit(self._deliver, client, begun)
                delivery.add_done_callback(lambda _: free.release())
                begun += 1

    def stop(self) -> None:
        """No new answers."""
        self._stop.set()

    def may_have_asked_for(self, key: str) -> bool:
        """True for what an answer may call for that was delivered, whether or not its 2xx was heard."""
        begun = {int(webhook_id.removeprefix("msg_")) for webhook_id in list(self._bodies)}
        numbers = {int(part[2:]) for part in key.split("/") if part[:2] in {"r-", "C-"} and part[2:].isdecimal()}
        return bool(numbers) and numbers <= begun

    def repeat_everything(self) -> None:
        """Deliver all that was heard once more, as it was."""
        with self._client() as client, ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(lambda number: self._deliver(client, number), [number for number, _ in self.heard.values()]))

    @staticmethod
    def _client() -> httpx.Client:
        return httpx.Client(timeout=2, limits=httpx.Limits(max_keepalive_connections=0))

    def _deliver(self, client: httpx.Client, number: int) -> None:
        webhook_id = f"msg_{number}"
        body = self._bodies.setdefault(webhook_id, self._body(number))
        chance = random.Random(self.seed * 100_000 + number)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            self.attempts += 1
            try:
                url = chance.choice(self.urls) + "/webhooks/standard"
                response = client.post(url, content=body, headers=signed(webhook_id, body))
            except httpx.TransportError:
                time.sleep(chance.uniform(0.1, 0.4))
                continue
            if response.status_code == 202:
                self.heard.setdefault(webhook_id, (number, datetime.now(UTC)))
                self.answers[webhook_id].append(response.json())
                if chance.random() < 0.9:
                    return  # one in ten is sent again although it was heard
            elif response.status_code != 503:
                self.complaints.append(f"{webhook_id}: {response.status_code} {response.text}")
                return
            else:
                time.sleep(0.05)
        self.complaints.append(f"{webhook_id} was never accepted")

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


def signed(webhook_id: str, body: bytes) -> dict[str, str]:
    """The headers of a delivery signed just now."""
    stamp = str(int(time.time()))
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signature = base64.b64encode(
        hmac.digest(key, b".".join((webhook_id.encode(), stamp.encode(), body)), hashlib.sha256)
    )
    return {"webhook-id": webhook_id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{signature.decode()}"}


@dataclass
class Answered:
    """What came of the answers a sender was thanked for, by the vendor's record and what the ledger admits."""

    lost: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)
    due: set[str] = field(default_factory=set)
    resent: int = 0
    left_to_people: int = 0
    delays: dict[str, tuple[datetime, datetime]] = field(default_factory=dict)  # key → (2xx heard, first in the record)

    @property
    def longest_seconds(self) -> float:
        """The longest from a 2xx to the effect it promised."""
        return max(((made - heard).total_seconds() for heard, made in self.delays.values()), default=0.0)


def check_answers(made: Mapping[str, Sequence[datetime]], sender: Sender, rows: Mapping[str, Row[Any]]) -> Answered:
    """Hold the sender's log against the sandbox's record; of `rows` only resends and those left to people count."""
    told = Answered()
    heard_of: dict[str, list[tuple[int, datetime]]] = defaultdict(list)
    for number, heard_at in sender.heard.values():
        customer = f"C-{number - 1}" if number % 5 == 4 else f"C-{number}"
        heard_of[customer].append((number, heard_at))
        _check_key(told, made, rows, f"survey/standard/r-{number}/acknowledgement", heard_at)
    for customer, heard in heard_of.items():
        ticket = f"case/{customer}/1/ticket"
        _check_key(told, made, rows, ticket, min(at for _, at in heard))
        notes = [key for number, _ in heard if (key := f"{ticket}/standard/r-{number}") in rows]
        if len(notes) != len(heard) - 1:
            told.unexplained.append(f"{ticket}: notes {notes} of {len(heard)} answers")
        for note in notes:
            _check_key(told, made, rows, note, max(at for _, at in heard))
    for webhook_id, answers in sender.answers.items():
        if len({one["event_id"] for one in answers}) != 1 or {one["status"] for one in answers} != {"accepted"}:
            told.unexplained.append(f"{webhook_id} was answered otherwise the next time: {answers}")
    return told


def _check_key(
    told: Answered, made: Mapping[str, Sequence[datetime]], rows: Mapping[str, Row[Any]], key: str, heard_at: datetime
) -> None:
    told.due.add(key)
    times, row = made.get(key, ()), rows.get(key)
    allowed = 1 + min(1, row.resends if row is not None else 0)
    if row is not None and row.state == "needs_human":
        told.left_to_people += 1
    elif not times:
        told.lost.append(key)
    if len(times) > allowed:
        told.unexplained.append(f"{key}: {len(times)} times, {allowed} allowed")
    told.resent += len(times) > 1
    if times:
        told.delays[key] = (heard_at, times[0])


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(one.getsockname()[1]) for one in sockets]
