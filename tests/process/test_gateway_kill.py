"""P5, P6, P16 with real processes: the gateway is killed and stopped at random moments while answers arrive.

The judge is the sandbox's own record. Of our tables it reads only what they admit: resends and rows left to people.
"""

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
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from ledger_world import check_audit
from sqlalchemy import Row, select

from services.preparing import prepare
from services.settings import ROOT
from store.database import Database
from store.tables import metadata

pytestmark = [pytest.mark.process, pytest.mark.timeout(180)]

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


@pytest.fixture
def stack(database_url: str, tmp_path: Path) -> Iterator[Callable[[int], Stack]]:
    """`stack(2)`: a sandbox and two gateways, running; ended whatever happens."""
    programs: list[Program] = []
    database = Database(database_url)

    def make(gateways: int) -> Stack:
        prepare(database, now=datetime.now(UTC))
        roster = tmp_path / "integrations.yaml"
        roster.write_text(ROSTER)
        sandbox_port, *ports = _free_ports(1 + gateways)
        sandbox_url, record = f"http://127.0.0.1:{sandbox_port}", tmp_path / "record.jsonl"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("HANDRAIL_", "PREFECT_"))},
            "HANDRAIL_DATA": str(tmp_path),
            "HANDRAIL_DATABASE_URL": database_url,
            "HANDRAIL_INTEGRATIONS": str(roster),
            "HANDRAIL_LEASE_SECONDS": str(LEASE),
            "HANDRAIL_SWEEP_SECONDS": str(SWEEP),
            "HANDRAIL_SANDBOX_URL": sandbox_url,
            "HANDRAIL_SANDBOX_TOKEN": "sandbox-token",
            "HANDRAIL_WEBHOOK_SECRET": SECRET,
        }
        command = ["handrail.sandbox", "--port", str(sandbox_port), "--record", str(record)]
        programs.append(Program(command, environment, tmp_path / "sandbox.log", f"{sandbox_url}/tickets"))
        for port in ports:
            own = {**environment, "HANDRAIL_GATEWAY_PORT": str(port)}
            ready = f"http://127.0.0.1:{port}/readyz"
            programs.append(Program(["gateway"], own, tmp_path / f"gateway-{port}.log", ready))
        for program in programs:
            program.start()
        urls = [f"http://127.0.0.1:{port}" for port in ports]
        return Stack(programs[0], sandbox_url, record, programs[1:], urls, database)

    yield make
    for program in programs:
        program.clean_up()
    database.close()


def _free_ports(count: int) -> list[int]:
    with closing(_Sockets(count)) as sockets:
        return sockets.ports


class _Sockets:
    def __init__(self, count: int) -> None:
        self._sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
        self.ports = [one.getsockname()[1] for one in self._sockets]

    def close(self) -> None:
        for one in self._sockets:
            one.close()


def _seed() -> int:
    return int(os.environ.get("HANDRAIL_TEST_SEED") or random.randrange(1_000_000))


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Callable[..., None]:
    """Shows a run's numbers, also when it passes: without them zero failures say nothing."""

    def show(**numbers: object) -> None:
        with capsys.disabled():
            sys.stdout.write("\n" + json.dumps(numbers) + "\n")

    return show


def test_killed_again_and_again_loses_nothing_and_doubles_nothing_it_does_not_count(
    stack: Callable[[int], Stack], say: Callable[..., None], request: pytest.FixtureRequest
) -> None:
    seed = _seed()
    chance = random.Random(seed)
    running = stack(1)
    running.slow(0.02)
    (gateway,) = running.gateways
    sender = Sender(running.urls, seed)
    sending = threading.Thread(target=sender.run)
    sending.start()
    kills, down = 8 if "sqlite" in request.node.name else 5, 0.0
    for _ in range(kills):
        _wait_for_more(sender, chance.randrange(1, 60))
        gateway.kill()
        killed = time.monotonic()
        gateway.start()
        down = max(down, time.monotonic() - killed)
    _wait_for_more(sender, 20)
    sender.stop()
    sending.join(70)
    assert not sending.is_alive()
    running.quiet(60)
    gateway.end()
    told = judge(running, sender)
    say(
        test=request.node.name,
        seed=seed,
        answers=len(sender.heard),
        deliveries=sender.attempts,
        kills=kills,
        longest_down_seconds=round(down, 2),
        longest_sending_seconds=round(running.longest_sending(), 2),
        **told,
    )
    assert running.longest_sending() < LEASE + SWEEP + down + 3, "a row stayed `sending`"
    check_audit(running.database)


def test_stopped_past_the_lease_and_woken_doubles_nothing_it_does_not_count(
    stack: Callable[[int], Stack], say: Callable[..., None], request: pytest.FixtureRequest
) -> None:
    """Another gateway takes over what the sleeper held; what the sleeper says when it wakes is refused (P15)."""
    seed = _seed()
    chance = random.Random(seed)
    running = stack(2)
    running.slow(0.02)
    sender = Sender(running.urls, seed)
    sending = threading.Thread(target=sender.run)
    sending.start()
    stops = 3
    for _ in range(stops):
        _wait_for_more(sender, chance.randrange(1, 40))
        sleeper = chance.choice(running.gateways)
        sleeper.signal(signal.SIGSTOP)
        time.sleep(LEASE + chance.uniform(0.5, 1.2))  # it must be longer than the lease: that is the case
        sleeper.signal(signal.SIGCONT)
    _wait_for_more(sender, 20)
    sender.stop()
    sending.join(70)
    assert not sending.is_alive()
    running.quiet(60)
    for gateway in running.gateways:
        gateway.end()
    told = judge(running, sender)
    refused = sum(gateway.said.count("its lease ran out and was refused") for gateway in running.gateways)
    say(
        test=request.node.name,
        seed=seed,
        answers=len(sender.heard),
        deliveries=sender.attempts,
        stops=stops,
        stale_results_refused=refused,
        longest_sending_seconds=round(running.longest_sending(), 2),
        **told,
    )
    check_audit(running.database)


def _wait_for_more(sender: Sender, answers: int) -> None:
    wanted, deadline = len(sender.heard) + answers, time.monotonic() + 30
    while len(sender.heard) < wanted:
        assert time.monotonic() < deadline, "no more answers are accepted"
        time.sleep(0.005)


def judge(running: Stack, sender: Sender) -> dict[str, object]:
    """Hold the sender's log against the sandbox's record; numbers to show."""
    received, rows = running.received(), {row.key: row for row in running.actions()}
    lost, unexplained, resent, left_to_people, longest = [], [], 0, [], 0.0
    heard_of: dict[str, list[datetime]] = defaultdict(list)
    for number, heard_at in sender.heard.values():
        acknowledgement = f"survey/standard/r-{number}/acknowledgement"
        customer = f"C-{number - 1}" if number % 5 == 4 else f"C-{number}"
        heard_of[customer].append(heard_at)
        if acknowledgement not in rows:
            lost.append(acknowledgement)
            continue
        count = len(received[acknowledgement])
        allowed = 1 + rows[acknowledgement].resends
        if rows[acknowledgement].state == "needs_human":
            left_to_people.append(acknowledgement)
        elif count == 0:
            lost.append(acknowledgement)
        if count > min(allowed, 2):
            unexplained.append((acknowledgement, count, allowed))
        resent += count > 1
        for at in received[acknowledgement][:1]:
            longest = max(longest, (at - heard_at).total_seconds())
    for customer, times in heard_of.items():
        ticket = f"case/{customer}/1/ticket"
        notes = [key for key in received if key.startswith(f"{ticket}/")]
        if len(received[ticket]) != 1:
            lost.append(ticket)
        if len(notes) != len(times) - 1 or any(len(received[note]) != 1 for note in notes):
            unexplained.append((ticket, notes, len(times)))
        for at in received[ticket][:1]:
            longest = max(longest, (at - min(times)).total_seconds())
    assert not lost, f"answered 2xx and lost: {lost}"
    assert not unexplained, f"more or fewer than the ledger admits: {unexplained}"
    for webhook_id, answers_heard in sender.answers.items():
        assert len({one["event_id"] for one in answers_heard}) == 1, webhook_id
        assert {one["status"] for one in answers_heard} == {"accepted"}
    responses = [row for row in rows.values() if row.kind == "acknowledgement"]
    assert len(responses) == len(sender.heard), "an answer that nobody was told of, or one that is missing"
    return {
        "acknowledged_twice_and_counted": resent,
        "left_to_people": len(left_to_people),
        "longest_recovery_seconds": round(longest, 2),
    }
