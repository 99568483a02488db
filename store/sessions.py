"""Sessions of operators and reviewers: by the hash of a token that only the browser has."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, delete, insert, select

from store.tables import metadata

_sessions: Table = metadata.tables["operator_sessions"]

PASSWORD, CODE = "password", "code"
"""How a session began: who signed in with a one-time code may decide reviews."""


def begin(
    connection: Connection,
    token_hash: str,
    operator: str,
    *,
    credential: str,
    way: str,
    now: datetime,
    until: datetime,
) -> None:
    """Begin one, and forget those that are over."""
    connection.execute(delete(_sessions).where(_sessions.c.expires_at <= now))
    session = {"token_hash": token_hash, "operator": operator, "credential": credential, "way": way}
    connection.execute(insert(_sessions).values(**session, began_at=now, expires_at=until))


def find(connection: Connection, token_hash: str, *, way: str, now: datetime) -> Row[Any] | None:
    """The session that began in this way and is not over yet."""
    is_it = (_sessions.c.token_hash == token_hash, _sessions.c.way == way)
    wanted = select(_sessions).where(*is_it, _sessions.c.expires_at > now)
    return connection.execute(wanted).first()


def end(connection: Connection, token_hash: str) -> None:
    """It is over."""
    connection.execute(delete(_sessions).where(_sessions.c.token_hash == token_hash))
