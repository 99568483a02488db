"""A whole installation for tests: fakes outside, a clock that tests turn, answers signed as survey tools sign."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from chromium import chromium as chromium
from ledger_world import empty, let_pass
from pydantic import SecretStr
from sqlalchemy import Row, select
from sqlalchemy.engine import make_url

from data_contracts.policy import load_policy
from domain.actions import FINAL, Capability, State, WriteClass
from domain.customers import Customer
from domain.policy import Policy
from domain.review_rules import Risk, Way
from integrations.fakes import FakeVendor
from integrations.registry import Roster
from integrations.survey_intake.standard import StandardConfig, StandardIntake
from services.publishing import publish_templates
from services.settings import ROOT, Settings
from services.wiring import Handrail
from store import customers
from store.database import Database, sqlite_url
from store.tables import metadata
from templates.library import load

NOON = datetime(2026, 3, 4, 11, tzinfo=UTC)
"""A Wednesday, noon in Warsaw: nobody sleeps, somebody is at work."""

SECRETS = ["whsec_" + base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2)]
"""Both are good: the source's secret is being changed."""

BUSY = (State.PLANNED, State.CLAIMED, State.SENDING, State.UNCERTAIN)


class Clock:
    """Business time, standing still until a test turns it."""

    def __init__(self, now: datetime) -> None:
        self.now = now
        self.database: Database | None = None  # whose clock goes on with ours

    def __call__(self) -> datetime:
        return self.now

    def go(self, **delta: float) -> None:
        """Let time pass."""
        self.now += timedelta(**delta)
        if self.database is not None:
            let_pass(self.database, timedelta(**delta))


class Signer:
    """Signs as a survey tool does: over the raw bytes, by the clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(
        self, body: bytes, webhook_id: str = "msg_1", *, at: datetime | None = None, secret: str = SECRETS[0]
    ) -> dict[str, str]:
        """The three headers of Standard Webhooks."""
        stamp = str(int((at or self._clock()).timestamp()))
        signed = b".".join((webhook_id.encode(), stamp.encode(), body))
        key = base64.b64decode(secret.removeprefix("whsec_"))
        signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        return {"webhook-id": webhook_id, "webhook-timestamp": stamp, "webhook-signature": f"v1,{signature}"}


class Installation:
    """One database and the outside of it; any number of `Handrail`s may work on them, as processes would."""

    def __init__(self, url: str, policy: Policy, clock: Clock, directory: Path) -> None:
        self.url = url
        self.directory = directory
        self.policy = policy
        self.clock = clock
        self.database = clock.database = Database(url)
        self.vendors = {
            capability: FakeVendor(capability, WriteClass.D if capability in OUTWARD else WriteClass.B)
            for capability in (*OUTWARD, Capability.TICKETING, Capability.ALERT)
        }
        publish_templates(self.database, load(), now=clock())

    @property
    def ticketing(self) -> FakeVendor:
        """The ticket desk: one record a key."""
        return self.vendors[Capability.TICKETING]

    @property
    def alert(self) -> FakeVendor:
        """What calls a colleague on duty: one alert a key."""
        return self.vendors[Capability.ALERT]

    @property
    def mail(self) -> FakeVendor:
        """The mail provider: sends whatever it is told, as often as it is told."""
        return self.vendors[Capability.MAIL]

    @property
    def sms(self) -> FakeVendor:
        """The text message provider."""
        return self.vendors[Capability.SMS]

    def handrail(self, **settings: Any) -> Handrail:
        """A process's view of it. Leases are by the database's clock, business time by the test's."""
        intake = StandardIntake(StandardConfig(secrets=[SecretStr(secret) for secret in SECRETS]))
        return Handrail(
            Settings.model_validate(
                {"sweep_seconds": 0.1, "data": self.directory, "database_url": self.url, **settings}
            ),
            Database(self.url),
            self.policy,
            Roster([vendor.configured() for vendor in self.vendors.values()], {"standard": intake}),
            clock=self.clock,
        )

    def rows(self, table: str) -> list[Row[Any]]:
        """All rows of a table, oldest first."""
        with self.database.read() as connection:
            found = connection.execute(select(metadata.tables[table])).all()
        return sorted(found, key=lambda row: getattr(row, "id", 0))

    def action(self, key: str) -> Row[Any]:
        """An action as it stands."""
        return next(row for row in self.rows("actions") if row.key == key)

    def states(self) -> dict[str, str]:
        """Where every action stands."""
        return {row.key: str(row.state) for row in self.rows("actions")}

    def effects(self) -> list[tuple[str, str]]:
        """(operation, key) of everything the outside counted, a capability after the other."""
        return [effect[:2] for vendor in self.vendors.values() for effect in vendor.effects]

    def is_quiet(self) -> bool:
        """True when nothing is under way and nothing that could be is due."""
        rows = self.rows("actions")
        over = {None, *(row.id for row in rows if row.state in FINAL)}
        return not any(
            row.state in BUSY or (row.state == State.READY and row.due_at <= self.clock() and row.after_id in over)
            for row in rows
        )

    async def settled(self, seconds: float = 10.0) -> None:
        """Wait until it is quiet; fails when it is not in time."""
        await eventually_(self.is_quiet, seconds, lambda: f"not settled: {self.states()}")


OUTWARD = (Capability.MAIL, Capability.SMS, Capability.VOICE)


async def eventually_(claim: Callable[[], Any], seconds: float, otherwise: Callable[[], str]) -> None:
    """Poll until `claim()` holds."""
    deadline = time.monotonic() + seconds
    while not await asyncio.to_thread(claim):
        assert time.monotonic() < deadline, otherwise()
        await asyncio.sleep(0.02)


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """`await eventually(claim)`: fails when the claim does not come true within ten seconds."""

    async def wait(claim: Callable[[], Any], seconds: float = 10.0) -> None:
        await eventually_(claim, seconds, lambda: "it never came true")

    return wait


@pytest.fixture(scope="session")
def policy() -> Policy:
    """The policy that ships, with links in alerts that decide about the lowest class, as an installation may have."""
    path = ROOT / "deployments" / "policy.yaml"
    shipped = load_policy(path.read_text(encoding="utf-8"), str(path))
    classes = shipped.reviews.classes
    low = replace(classes[Risk.LOW], ways=classes[Risk.LOW].ways | {Way.LINK})
    return replace(shipped, reviews=replace(shipped.reviews, classes={**classes, Risk.LOW: low}))


@pytest.fixture
def clock() -> Clock:
    """Noon, until the test says otherwise."""
    return Clock(NOON)


@pytest.fixture
def signed(clock: Clock) -> Signer:
    """`signed(body, webhook_id)`: the headers of a genuine delivery."""
    return Signer(clock)


@pytest.fixture
def secrets() -> list[str]:
    """The two secrets that are good."""
    return SECRETS


@pytest.fixture(scope="session")
def standing_postgres_url(postgres_server: str, postgres_template: str) -> Iterator[str]:
    """One migrated PostgreSQL database; emptying it between tests is faster than making another."""
    name = f"unit_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    yield make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def installation(
    request: pytest.FixtureRequest, policy: Policy, clock: Clock, tmp_path: Path
) -> Iterator[Installation]:
    """An installation on each kind of database, its wordings published and approved."""
    if request.param == "sqlite":
        yield request.getfixturevalue("on_sqlite")
        return
    url = request.getfixturevalue("standing_postgres_url")
    with closing(Database(url)) as database:
        empty(database)
    made = Installation(url, policy, clock, tmp_path)
    yield made
    made.database.close()


@pytest.fixture
def on_sqlite(sqlite_template: Path, tmp_path: Path, policy: Policy, clock: Clock) -> Iterator[Installation]:
    """An installation on SQLite alone, for what the database has no part in."""
    path = tmp_path / "handrail.db"
    path.write_bytes(sqlite_template.read_bytes())
    made = Installation(sqlite_url(path), policy, clock, tmp_path)
    yield made
    made.database.close()


@pytest.fixture
def installation_at(policy: Policy, clock: Clock, tmp_path: Path) -> Iterator[Callable[[str], Installation]]:
    """`installation_at(url)`: one on a database of its own."""
    with ExitStack() as stack:

        def make(url: str) -> Installation:
            made = Installation(url, policy, clock, tmp_path)
            stack.callback(made.database.close)
            return made

        yield make


@pytest.fixture
def on_file(installation: Installation, clock: Clock) -> Callable[..., int]:
    """`on_file("C-1", email=…)`: a customer we know already."""

    def put(ref: str, **facts: Any) -> int:
        with installation.database.write() as connection:
            return customers.create(connection, Customer(ref, **facts), now=clock())

    return put


@pytest.fixture
def answer(clock: Clock) -> Callable[..., dict[str, Any]]:
    """`answer(score=9, customer={...})`: the body of one delivery; an unhappy Polish customer unless told otherwise."""

    def make(customer: Mapping[str, Any] | None = None, **data: Any) -> dict[str, Any]:
        who = {"ref": "C-1", "name": "Anna Nowak", "email": "anna@example.com", "language": "pl"}
        told = {
            "response_id": "r-1",
            "kind": "nps",
            "score": 2,
            "comment": "Czekam trzeci tydzień.",
            "answered_at": f"{clock():%Y-%m-%dT%H:%M:%SZ}",
            "customer": who if customer is None else dict(customer),
        }
        return {
            "type": "survey.responded",
            "timestamp": f"{clock():%Y-%m-%dT%H:%M:%SZ}",
            "data": {**told, **data},
        }

    return make


@pytest.fixture
def as_bytes() -> Callable[[Any], bytes]:
    """JSON as a sender writes it."""
    return lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
