"""The ledger's world on each kind of database; PostgreSQL's is emptied between tests, not made anew."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from ledger_world import World, empty, hasten

from store.database import Database, sqlite_url


@pytest.fixture(scope="session")
def standing_postgres(standing_postgres_url: str) -> Iterator[Database]:
    """One migrated PostgreSQL database, its connections kept."""
    database = Database(standing_postgres_url)
    yield database
    database.close()


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
