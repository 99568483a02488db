"""Published journeys: by content hash for ever; of each name the newest approved one is what customers enter."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from domain.journeys import Standing
from store.tables import metadata

journeys: Table = metadata.tables["journeys"]
enrolments: Table = metadata.tables["enrolments"]

_APPROVED = (
    select(journeys.c.name, journeys.c.hash)
    .where(journeys.c.approved_at.is_not(None))
    .order_by(journeys.c.approved_at, journeys.c.published_at)
)


def publish(
    connection: Connection,
    *,
    content_hash: str,
    name: str,
    version: int,
    content: Mapping[str, Any],
    approved_by: str | None,
    now: datetime,
) -> bool:
    """Add a version; True when it is new. Without `approved_by` it waits, and the last approved one stays live."""
    dialect = sqlite if connection.dialect.name == "sqlite" else postgresql
    added = connection.execute(
        dialect.insert(journeys)
        .values(
            hash=content_hash,
            name=name,
            version=version,
            content=dict(content),
            published_at=now,
            approved_at=now if approved_by else None,
            approved_by=approved_by,
        )
        .on_conflict_do_nothing(index_elements=["hash"])
        .returning(journeys.c.hash)
    )
    return added.first() is not None


def names(connection: Connection) -> set[str]:
    """The journeys of which any version was ever published."""
    return set(connection.execute(select(journeys.c.name).distinct()).scalars())


def approve(connection: Connection, content_hash: str, *, by: str, now: datetime) -> None:
    """Make a published version the live one of its name; customers enter it from now on."""
    connection.execute(update(journeys).where(journeys.c.hash == content_hash).values(approved_at=now, approved_by=by))


def live(connection: Connection) -> dict[str, str]:
    """The hash of the live version of each journey: the last one approved."""
    return {name: content_hash for name, content_hash in connection.execute(_APPROVED)}


def content(connection: Connection, content_hash: str) -> dict[str, Any] | None:
    """The version with this hash."""
    found = connection.execute(select(journeys.c.content).where(journeys.c.hash == content_hash)).scalar()
    return None if found is None else dict(found)


def published(connection: Connection, name: str | None = None) -> list[Row[Any]]:
    """Every version of one journey, or of all: the newest last, without its content."""
    columns = (column for column in journeys.c if column is not journeys.c.content)
    wanted = select(*columns).order_by(journeys.c.name, journeys.c.published_at, journeys.c.version)
    return list(connection.execute(wanted if name is None else wanted.where(journeys.c.name == name)))


def standings(connection: Connection, name: str | None = None) -> list[Row[Any]]:
    """How many customers stand where: (journey, journey_hash, state, customers)."""
    columns = (enrolments.c.journey, enrolments.c.journey_hash, enrolments.c.state)
    wanted = select(*columns, func.count().label("customers")).group_by(*columns)
    return list(connection.execute(wanted if name is None else wanted.where(enrolments.c.journey == name)))


def under_way(connection: Connection, name: str) -> list[Row[Any]]:
    """Those under way in a journey: (journey_hash, step, customers)."""
    columns = (enrolments.c.journey_hash, enrolments.c.step)
    return list(
        connection.execute(
            select(*columns, func.count().label("customers"))
            .where(enrolments.c.journey == name, enrolments.c.state == Standing.ACTIVE)
            .group_by(*columns)
            .order_by(*columns)
        )
    )
