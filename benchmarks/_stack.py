"""The processes a benchmark needs, started in a directory of their own and stopped whatever happens."""

import http.client
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

from handrail.supervisor import dies_with

HERE = Path(__file__).resolve().parent
_START_SECONDS = 400
_STOP_SECONDS = 40


@dataclass(frozen=True, slots=True)
class Stack:
    """Where a running stack listens, and its secrets."""

    gateway: str
    sandbox: str
    webhook_secret: str
    sandbox_token: str


@contextmanager
def running_stack(*, with_prefect: bool, database: str, base: int | None, gateways: int = 1) -> Iterator[Stack]:
    """`handrail up` in a temporary directory, with nothing of this shell's own Handrail settings."""
    with tempfile.TemporaryDirectory(prefix="handrail-bench-") as data:
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith(("HANDRAIL_", "PREFECT_"))
        }
        environment["HANDRAIL_GATEWAY_PROCESSES"] = str(gateways)
        if database:
            environment["HANDRAIL_DATABASE_URL"] = database
        command = [sys.executable, "-m", "handrail.cli", "up", "--data", data, "--json"]
        command += ["--ports", str(base or _three_free_ports())]
        command += [] if with_prefect else ["--no-prefect"]
        with _running(command, environment, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            standing = json.loads(process.stdout.readline() or _no_answer(process))
            variables = dotenv_values(Path(data) / "stack.env")
            yield Stack(
                gateway=standing["gateway"],
                sandbox=standing["sandbox"],
                webhook_secret=standing["webhook_secret"],
                sandbox_token=str(variables["HANDRAIL_SANDBOX_TOKEN"]),
            )


@contextmanager
def running_floor(stack: Stack, *, commit: str = "") -> Iterator[str]:
    """The bare handler beside a stack, sending to the same sandbox; its address. `commit`: see `_floor.py`."""
    port = free_port()
    command = [sys.executable, str(HERE / "_floor.py"), "--port", str(port), "--sandbox", stack.sandbox]
    command += ["--commit", commit] if commit else []
    with _running(command, {**os.environ, "HANDRAIL_SANDBOX_TOKEN": stack.sandbox_token}) as process:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + _START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                _no_answer(process)
            time.sleep(0.05)
        yield address


@contextmanager
def running_sink() -> Iterator[str]:
    """A vendor that takes everything at once; its address."""
    with _running([sys.executable, str(HERE / "_sink.py")], os.environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{process.stdout.readline().decode().strip()}"


def send(orders: Mapping[str, object]) -> list[dict[str, object]]:
    """Run the sender to its end; what became of each answer."""
    done = subprocess.run(
        [sys.executable, str(HERE / "_load.py")], input=json.dumps(orders).encode(), stdout=subprocess.PIPE, check=True
    )
    deliveries: list[dict[str, object]] = json.loads(done.stdout)
    return deliveries


def get(address: str) -> tuple[Mapping[str, str], bytes]:
    """GET from this machine, past any proxy; headers and body."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    try:
        connection.request("GET", f"{parts.path}?{parts.query}")
        answer = connection.getresponse()
        return dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def free_port() -> int:
    """A port nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _three_free_ports() -> int:
    """Below those that the system gives to whoever connects somewhere: between the look and the start one may go."""
    while True:
        base = random.randrange(10_000, 30_000, 3)
        if not any(_listens(base + offset) for offset in range(3)):
            return base


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _running(
    command: list[str], environment: Mapping[str, str], *, stdout: int | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, env=dict(environment), stdout=stdout, preexec_fn=dies_with(os.getpid()))
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _no_answer(process: subprocess.Popen[bytes]) -> str:
    raise SystemExit(f"{' '.join(map(str, process.args))} did not come up; see its words above")
