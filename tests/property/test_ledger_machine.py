"""The ledger as a Hypothesis state machine, on both databases."""

import uuid
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from ledger_machine import LedgerMachine
from ledger_world import empty, hasten
from sqlalchemy.engine import make_url

from store.database import Database, sqlite_url

QUIETLY = {
    "deadline": None,
    "suppress_health_check": list(HealthCheck),
    "phases": [Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
}


@pytest.fixture
def on_sqlite(sqlite_template: Path, tmp_path: Path) -> Callable[[], Database]:
    """A new file each time."""
    numbers = count()

    def make() -> Database:
        path = tmp_path / f"{next(numbers)}.db"
        path.write_bytes(sqlite_template.read_bytes())
        return hasten(Database(sqlite_url(path)))

    return make


@pytest.mark.slow
def test_any_history_keeps_the_promises_on_sqlite(on_sqlite: Callable[[], Database]) -> None:
    class OnSqlite(LedgerMachine):
        fresh = staticmethod(on_sqlite)
        forget = staticmethod(Database.close)

    run_state_machine_as_test(OnSqlite, settings=settings(max_examples=30, stateful_step_count=40, **QUIETLY))


@pytest.fixture
def standing(postgres_server: str, postgres_template: str) -> Iterator[Database]:
    """One PostgreSQL database, emptied before each history."""
    name = f"machine_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    database = Database(make_url(postgres_server).set(database=name).render_as_string(hide_password=False))
    yield database
    database.close()
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.mark.slow
@pytest.mark.postgres
def test_any_history_keeps_the_promises_on_postgresql(standing: Database) -> None:
    def emptied() -> Database:
        empty(standing)
        return standing

    class OnPostgresql(LedgerMachine):
        fresh = staticmethod(emptied)
        forget = staticmethod(lambda database: None)

    run_state_machine_as_test(OnPostgresql, settings=settings(max_examples=8, stateful_step_count=30, **QUIETLY))
