"""Where runs take place: fresh databases from a template, and a sandbox for each of those that run side by side."""

import multiprocessing
import os
import shutil
import socket
import sys
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from multiprocessing.context import ForkProcess
from pathlib import Path

import httpx
import psycopg
from crash_points_scenario import FAULTS, NOON, settle_in
from embedded_postgres import embedded_server
from sqlalchemy.engine import make_url

from domain.actions import Capability
from handrail.sandbox.__main__ import main as sandbox
from services.preparing import prepare
from store.database import Database, sqlite_url

_PATIENCE = 60.0
_FORK = multiprocessing.get_context("fork")


@dataclass
class Databases:
    """Makes databases of one kind, each a copy of a prepared one."""

    kind: str
    directory: Path
    server: str = ""  # PostgreSQL's address
    template: str = "template_crash_points"

    def prepare(self) -> None:
        """Make the one that all others are copies of."""
        if self.kind == "postgresql":
            self._ask(f"CREATE DATABASE {self.template}")
        database = Database(self._address(self.template))
        prepare(database, now=NOON)
        with database.write() as connection:
            settle_in(connection, NOON)
        if database.is_sqlite:
            with database.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()

    @contextmanager
    def fresh(self) -> Iterator[str]:
        """The address of a copy, which is gone afterwards."""
        name = f"run_{uuid.uuid4().hex[:12]}"
        if self.kind == "postgresql":
            self._ask(f"CREATE DATABASE {name} TEMPLATE {self.template}")
        else:
            shutil.copyfile(self._file(self.template), self._file(name))
        yield self._address(name)
        if self.kind == "postgresql":
            self._ask(f"DROP DATABASE {name} WITH (FORCE)")
        else:
            for file in self.directory.glob(f"{name}.db*"):
                file.unlink()

    def _ask(self, statement: str) -> None:
        with psycopg.connect(self.server, autocommit=True) as connection:
            connection.execute(statement)

    def _file(self, name: str) -> Path:
        return self.directory / f"{name}.db"

    def _address(self, name: str) -> str:
        if self.kind == "postgresql":
            return make_url(self.server).set(database=name).render_as_string(hide_password=False)
        return sqlite_url(self._file(name))


@contextmanager
def prepared(kind: str, directory: Path) -> Iterator[Databases]:
    """A maker of databases; PostgreSQL is HANDRAIL_TEST_POSTGRES, or an embedded one that ends with this."""
    with ExitStack() as held:
        server = ""
        template = f"template_{uuid.uuid4().hex[:12]}"
        if kind == "postgresql":
            server = os.environ.get("HANDRAIL_TEST_POSTGRES", "") or held.enter_context(embedded_server()).get_uri()
        made = Databases(kind, directory, server, template)
        made.prepare()
        yield made


@dataclass
class Slot:
    """One of several places where a run may take place: its own directory and its own sandbox."""

    number: int
    directory: Path
    port: int
    process: ForkProcess
    mark: int = 0  # how long the record was when the run began
    queued: Counter[str] = field(default_factory=Counter)

    @property
    def url(self) -> str:
        """Where the sandbox listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def record(self) -> Path:
        """The sandbox's own record, of all runs."""
        return self.directory / "record.jsonl"

    def begin(self, faults: Mapping[Capability, Sequence[tuple[str, float]]] = FAULTS) -> None:
        """An empty sandbox that will misbehave as told."""
        self._post("/reset", {})
        self.queued = Counter()
        for capability, modes in faults.items():
            for mode, seconds in modes:
                self._post("/faults", {"capability": capability, "mode": mode, "count": 1, "seconds": seconds})
                self.queued[mode] += seconds > 0 or mode != "slow"
        self.mark = self.record.stat().st_size

    def misbehaved(self) -> Counter[str]:
        """By mode: how often the sandbox did, in this run."""
        left = self._client.get("/faults").raise_for_status().json()
        return self.queued - Counter(fault["mode"] for fault in left)

    def recorded(self) -> bytes:
        """The record of this run."""
        with self.record.open("rb") as file:
            file.seek(self.mark)
            return file.read()

    @cached_property
    def _client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=_PATIENCE, verify=False, trust_env=False)  # noqa: S501 - plain http

    def _post(self, path: str, body: Mapping[str, object]) -> None:
        self._client.post(path, json=body).raise_for_status()


@contextmanager
def slots(count: int, directory: Path) -> Iterator[list[Slot]]:
    """So many places, their sandboxes running; stopped whatever happens."""
    made: list[Slot] = []
    try:
        for number, port in enumerate(_free_ports(count)):
            place = directory / f"slot-{number}"
            place.mkdir()
            made.append(Slot(number, place, port, _FORK.Process(target=_serve, args=(port, place))))
            made[-1].process.start()
        for slot in made:
            _wait_for(slot)
        yield made
    finally:
        for slot in made:
            slot.process.terminate()
        for slot in made:
            slot.process.join(10)


def _serve(port: int, place: Path) -> None:
    """`python -m handrail.sandbox`, but for its two thirds of a second of imports."""
    log = os.open(place / "sandbox.log", os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.argv[1:] = ["--port", str(port), "--record", str(place / "record.jsonl")]
    sys.exit(sandbox())


def _wait_for(slot: Slot) -> None:
    deadline = time.monotonic() + _PATIENCE
    while True:
        assert slot.process.is_alive(), (slot.directory / "sandbox.log").read_text()
        assert time.monotonic() < deadline, "the sandbox does not start"
        try:
            httpx.get(f"{slot.url}/tickets", timeout=1, verify=False).raise_for_status()  # noqa: S501 - plain http
            return
        except httpx.TransportError:
            time.sleep(0.05)


def _free_ports(count: int) -> list[int]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(one.getsockname()[1]) for one in sockets]
