"""Bring a database to the newest schema."""

import logging

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from store.database import Database
from store.schema import MIGRATIONS, newest

logging.getLogger("alembic").setLevel(logging.WARNING)  # its version tells nobody anything


def upgrade(database: Database) -> str:
    """Run what is missing, in one transaction; the newest revision's name. Twice is once."""
    with database.write() as connection:
        if not database.is_sqlite:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(4815162342)")  # two starts at once: one migrates
        command.upgrade(_config(connection), "head")
    return newest()


def _config(connection: Connection) -> Config:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["connection"] = connection
    return config
