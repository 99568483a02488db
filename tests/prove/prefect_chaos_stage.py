"""One local stack under steady work, for campaigns against Prefect, and everything that somebody is owed."""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
from gateway_stack import SECRET
from local_stack import LocalStack, local_stack
from oracle import Effects
from prefect_chaos_api import Prefect
from prefect_chaos_work import Answers, a_message, a_task, due_of, where_it_is_noon
from sqlalchemy import Connection, select

from domain.customers import Customer
from store import customers
from store.database import Database, sqlite_url
from store.ledger.enqueue import About, enqueue
from store.tables import metadata
from store.wordings import approved

_TOGETHER = 10
"""Actions enqueued in one transaction: none holds SQLite's lock for long."""

_PRESSES, _PRESS_AGAIN = 5, 10.0
"""How often a refused Custom run is asked for, and the seconds between: those at work are done by then."""

LEASE, TIMEOUT = 6.0, 2.5
ROSTER = (
    "\n".join(
        f"{capability}:\n  vendor: sandbox\n  url: ${{HANDRAIL_SANDBOX_URL}}\n  token: ${{HANDRAIL_SANDBOX_TOKEN}}\n"
        f"  rate_per_second: 200\n  timeout_seconds: {TIMEOUT}"
        for capability in ("ticketing", "crm", "mail")
    )
    + "\nsurvey_intake:\n  standard:\n    vendor: standard\n    secrets: ['${HANDRAIL_WEBHOOK_SECRET}']\n"
)


@dataclass
class Stage:
    """The running stack, and everything that somebody is owed."""

    stack: LocalStack
    database: Database
    seed: int
    answers: Answers
    prefect: Prefect
    work: dict[str, float] = field(default_factory=dict)
    """Key → when it was enqueued (epoch seconds): tasks and messages, which only Prefect's runs send."""
    judged: set[str] = field(default_factory=set)
    """Keys that a campaign has answered for: one that runs inside another leaves it the rest."""

    @property
    def directory(self) -> Path:
        """The stack's data directory."""
        return self.stack.directory

    def effects(self) -> Effects:
        """The sandbox's record, now."""
        return Effects.of(self.directory / "sandbox.jsonl")

    def put(self, tasks: int = 0, messages: int = 0) -> list[str]:
        """Enqueue tasks and service messages that are due now; their keys."""
        first, now = len(self.work), datetime.now(UTC)
        numbers = range(first, first + tasks + messages)
        keys: list[str] = []
        for some in (numbers[n : n + _TOGETHER] for n in range(0, len(numbers), _TOGETHER)):
            with self.database.write() as connection:
                made = [self._put_one(connection, n, now, is_task=n < first + tasks) for n in some]
            self.work.update((key, time.time()) for key in made)  # due from the commit on
            keys += made
        return keys

    def _put_one(self, connection: Connection, number: int, now: datetime, *, is_task: bool) -> str:
        ref = f"chaos-{self.seed}-{number}"
        someone = Customer(ref, email=f"{ref}@example.com", language="en", time_zone=where_it_is_noon(now))
        customer_id = customers.create(connection, someone, now=now)
        wording = approved(connection)["acknowledgement", "en"]
        planned = a_task(ref, now) if is_task else a_message(ref, wording, now)
        enqueue(connection, [planned], About(customer_id), run="chaos", now=now)
        return planned.key

    def put_again(self) -> None:
        """Plan everything once more under the same keys, as a planner that ran twice."""
        now = datetime.now(UTC)
        for key in self.work:
            ref = key.split("/")[1]
            planned = a_task(ref, now) if key.endswith("/task") else a_message(ref, "", now)
            with self.database.write() as connection:
                enqueue(connection, [planned], About(), run="chaos again", now=now)

    def admitted(self) -> tuple[set[str], dict[str, int]]:
        """What Handrail admits: the keys left to people, and the counted resends."""
        actions = metadata.tables["actions"].c
        with self.database.read() as connection:
            rows = connection.execute(
                select(actions.key, actions.state, actions.resends).where(
                    actions.state.in_(("needs_human", "failed")) | (actions.resends > 0)
                )
            ).all()
        people = {row.key for row in rows if row.state in {"needs_human", "failed"}}
        return people, {row.key: row.resends for row in rows if row.resends}

    def is_held(self) -> bool:
        """True while a lease of somebody, dead or alive, is running."""
        actions = metadata.tables["actions"].c
        with self.database.read() as connection:
            held = select(actions.id).where(actions.lease_until > datetime.now(UTC)).limit(1)
            return connection.execute(held).first() is not None

    def hurry(self, **parameters: Any) -> str:
        """Do what the next minute's runs would: sweep once the lease of the dead is over, dispatch; that run's id."""
        until(lambda: not self.is_held(), 60, "leases went on")
        self.prefect.wait(self.prefect.custom_run("recovery-sweep"))
        run = self.prefect.custom_run("dispatch-actions", **parameters)
        self.prefect.wait(run)
        return run

    def run_to_end(self, job: str) -> str:
        """Custom run, pressed again while it is refused because two others are at the same work; how it ended."""
        for _ in range(_PRESSES):
            ended = self.prefect.wait(self.prefect.custom_run(job))
            if ended != "CANCELLED":
                break
            time.sleep(_PRESS_AGAIN)
        return ended

    def rest(self) -> None:
        """Until everything that anybody is owed has come to pass or is left to people."""
        due = {*self.work, *(key for one in self.answers.begun for key in due_of(one))}
        until(lambda: due <= {*self.effects().made, *self.admitted()[0]}, 150, "not everything came to pass")

    def start_over(self, stack: LocalStack) -> None:
        """The same data under a stack that was started anew."""
        self.stack, self.prefect = stack, Prefect(f"{stack.told['prefect']}/api")
        self.answers.go_to(stack.told["gateway"])
        self.database = Database(sqlite_url(stack.directory / "handrail.db"))

    def uncertain_since(self, begun: float) -> int:
        """How many lost answers were noted since then, by the audit."""
        audit = metadata.tables["audit"].c
        with self.database.read() as connection:
            since = datetime.fromtimestamp(begun, UTC)
            return len(connection.execute(select(audit.id).where(audit.after == "uncertain", audit.at >= since)).all())

    def slow(self, seconds: float, *capabilities: str) -> None:
        """Every write of these takes so long from now on."""
        for capability in capabilities:
            fault = {"capability": capability, "mode": "slow", "count": 1_000_000, "seconds": seconds}
            httpx.post(f"{self.stack.told['sandbox']}/faults", json=fault, trust_env=False).raise_for_status()

    def quick(self) -> None:
        """The vendor is as fast as ever."""
        httpx.delete(f"{self.stack.told['sandbox']}/faults", trust_env=False).raise_for_status()

    def flow_processes(self) -> list[int]:
        """The process ids of this stack's flow runs, now."""
        wanted = f"HANDRAIL_DATA={self.directory}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            try:
                line = (process / "cmdline").read_bytes()
                if b"handrail.flow_process" in line and wanted in (process / "environ").read_bytes().split(b"\0"):
                    found.append(int(process.name))
            except OSError:
                continue  # it ended meanwhile
        return found


@contextmanager
def stage(directory: Path, seed: int) -> Iterator[Stage]:
    """A stack with Prefect on SQLite in a new directory, answers arriving."""
    directory.mkdir(parents=True)
    (directory / "integrations.yaml").write_text(ROSTER, encoding="utf-8")
    with running(directory / "data") as stack:
        database = Database(sqlite_url(stack.directory / "handrail.db"))
        answers = Answers(stack.told["gateway"], seed)
        answers.start()
        try:
            yield Stage(stack, database, seed, answers, Prefect(f"{stack.told['prefect']}/api"))
        finally:
            answers.stop()
            database.close()


def running(data: Path) -> Any:
    """`handrail up` on this directory, again if it was up before; a context manager of the stack."""
    own = {
        "HANDRAIL_WEBHOOK_SECRET": SECRET,
        "HANDRAIL_LEASE_SECONDS": str(LEASE),
        "HANDRAIL_INTEGRATIONS": str(data.parent / "integrations.yaml"),
    }
    for name in [name for name in os.environ if name.startswith(("HANDRAIL_", "PREFECT_"))]:
        del os.environ[name]
    return local_stack(data.resolve(), with_prefect=True, environment=own)


def until(claim: Callable[[], bool], seconds: float, otherwise: str) -> None:
    """Poll, sparingly: each look reads the whole record, or asks a server that has enough to do."""
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, f"{otherwise} in {seconds:g} s"
        time.sleep(0.25)


def seed_of(given: int | None) -> int:
    """As told, or any."""
    return given if given is not None else random.randrange(1_000_000)
