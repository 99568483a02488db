"""The ledger's world on each kind of database; PostgreSQL's is emptied between tests, not made anew."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from ledger_world import World, empty, hasten
from sqlalchemy.engine import make_url

from store.database import Database, sqlite_url


@pytest.fixture(scope="session")
def standing_postgres(postgres_server: str, postgres_template: str) -> Iterator[Database]:
    """One migrated PostgreSQL database for all tests of the store."""
    name = f"store_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {postgres_template}")
    address = make_url(postgres_server).set(database=name).render_as_string(hide_password=False)
    database = Database(address)
    yield database
    database.close()
    with psycopg.connect(postgres_server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A migrated, empty database of each kind."""
    if request.param == "postgresql":
        standing: Database = request.getfixturevalue("standing_postgres")
        empty(standing)
        yield standing
        return
    path = tmp_path / "handrail.db"
    path.write_bytes(request.getfixturevalue("sqlite_template").read_bytes())
    opened = hasten(Database(sqlite_url(path)))
    yield opened
    opened.close()


@pytest.fixture
def world(database: Database) -> World:
    """An empty database with every integration registered, at noon."""
    return World(database)


@pytest.fixture
def standing_world(standing_postgres: Database) -> World:
    """The same on PostgreSQL alone, for what SQLite's one writer cannot show."""
    empty(standing_postgres)
    return World(standing_postgres)
