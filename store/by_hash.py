"""What is published by content hash and stays readable for ever: words and journeys. The newest approved is used."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, select, update

from store.once import insert_once


def add(
    connection: Connection,
    table: Table,
    *,
    content_hash: str,
    content: Mapping[str, Any],
    approved_by: str | None,
    now: datetime,
    **named: str | int,
) -> bool:
    """Publish a content under its names; True when it is new. Without `approved_by` it waits to be approved."""
    row = {
        "hash": content_hash,
        **named,
        "content": dict(content),
        "published_at": now,
        "approved_at": now if approved_by else None,
        "approved_by": approved_by,
    }
    return connection.execute(insert_once(table, "hash").returning(table.c.hash), [row]).first() is not None


def names(connection: Connection, table: Table) -> set[str]:
    """Those of which anything was ever published."""
    return set(connection.execute(select(table.c.name).distinct()).scalars())


def approve(
    connection: Connection, table: Table, content_hash: str, *, by: str, now: datetime, **told: str | None
) -> None:
    """Use what was published from now on; `told` goes into further columns."""
    approved = {"approved_at": now, "approved_by": by, **told}
    connection.execute(update(table).where(table.c.hash == content_hash).values(approved))


def content(connection: Connection, table: Table, content_hash: str) -> dict[str, Any] | None:
    """What has this hash; None: nothing."""
    found = connection.execute(select(table.c.content).where(table.c.hash == content_hash)).scalar()
    return None if found is None else dict(found)
