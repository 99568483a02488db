"""Published templates: by content hash for ever; the newest approved one is what new plans use."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, select

from store import by_hash
from store.tables import metadata

templates: Table = metadata.tables["templates"]

_APPROVED = (
    select(templates.c.name, templates.c.language, templates.c.hash)
    .where(templates.c.approved_at.is_not(None))
    .order_by(templates.c.approved_at, templates.c.published_at)
)


def publish(
    connection: Connection,
    *,
    content_hash: str,
    name: str,
    language: str,
    content: dict[str, Any],
    approved_by: str | None,
    now: datetime,
) -> bool:
    """Add a wording; True when it is new. Without `approved_by` it waits and the last approved one stays in use."""
    return by_hash.add(
        connection,
        templates,
        content_hash=content_hash,
        content=content,
        approved_by=approved_by,
        now=now,
        name=name,
        language=language,
    )


def names(connection: Connection) -> set[str]:
    """The messages of which any wording was ever published."""
    return by_hash.names(connection, templates)


def approve(connection: Connection, content_hash: str, *, by: str, now: datetime, reason: str | None = None) -> None:
    """Put a published wording in use; new plans use it from now on. `reason` where no review says why."""
    by_hash.approve(connection, templates, content_hash, by=by, now=now, approved_reason=reason)


def approved(connection: Connection) -> dict[tuple[str, str], str]:
    """The wording in use of each (name, language): the last one approved."""
    return {(name, language): content_hash for name, language, content_hash in connection.execute(_APPROVED)}


def content(connection: Connection, content_hash: str) -> dict[str, Any] | None:
    """The wording with this hash."""
    return by_hash.content(connection, templates, content_hash)


def published(connection: Connection) -> list[Row[Any]]:
    """Every version ever published: name, language, hash, when, and who approved it when; the oldest first."""
    told = ("name", "language", "hash", "published_at", "approved_at", "approved_by")
    wanted = select(*(templates.c[name] for name in told))
    return list(connection.execute(wanted.order_by(templates.c.published_at, templates.c.approved_at)))


def contents(connection: Connection, hashes: Collection[str]) -> dict[str, dict[str, Any]]:
    """Wordings by their hashes; without those that were never published."""
    wanted = select(templates.c.hash, templates.c.content).where(templates.c.hash.in_(hashes))
    return {content_hash: dict(found) for content_hash, found in connection.execute(wanted)}
