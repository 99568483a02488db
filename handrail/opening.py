"""The installation, opened for one command."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from handrail.failures import CommandFailed
from services.settings import load_settings
from store.database import Database


@contextmanager
def the_database() -> Iterator[Database]:
    """Open it. Raises CommandFailed for a SQLite file that is not there: opening would make an empty one."""
    settings, _ = load_settings()
    database = Database(settings.database)
    file = database.url.database
    if database.is_sqlite and file and not Path(file).exists():
        raise CommandFailed(
            f"there is no database at {file}: name the directory with HANDRAIL_DATA, "
            "or make one with `handrail db upgrade` or `handrail up`"
        )
    try:
        yield database
    finally:
        database.close()


@contextmanager
def the_database_if_there() -> Iterator[Database | None]:
    """The same, or None where there is none: for commands that only say more with it."""
    with ExitStack() as stack:
        try:
            database: Database | None = stack.enter_context(the_database())
        except CommandFailed:
            database = None
        yield database
