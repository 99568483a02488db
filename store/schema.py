"""Which schema a database has, and which one this code needs: asked often, so without Alembic's 0.2 s of imports."""

from functools import cache
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import OperationalError, ProgrammingError

from store.database import Database

MIGRATIONS = Path(__file__).parent / "migrations"


@cache
def newest() -> str:
    """The revision this code needs: migrations are numbered files, `0001_the_first_schema.py`."""
    return max(path.name.split("_", 1)[0] for path in (MIGRATIONS / "versions").glob("[0-9]*_*.py"))


def current(database: Database) -> str | None:
    """The database's revision; None: it is empty. Raises DBAPIError when it cannot be reached."""
    with database.read() as connection:
        connection.execute(text("SELECT 1"))
    try:
        with database.read() as connection:
            return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except (OperationalError, ProgrammingError):  # no such table
        return None
