"""Published journeys: by content hash for ever; of each name the newest approved one is what customers enter."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Table, bindparam, func, select, update

from domain.journeys import Standing
from store import by_hash
from store.enrolments import WAITS_UNTIL
from store.ledger.rows import customers
from store.tables import metadata
from store.types import Instant

journeys: Table = metadata.tables["journeys"]
enrolments: Table = metadata.tables["enrolments"]

_APPROVED = (
    select(journeys.c.name, journeys.c.hash)
    .where(journeys.c.approved_at.is_not(None))
    .order_by(journeys.c.approved_at, journeys.c.published_at, journeys.c.version)
)

_MOVE = update(enrolments).where(
    enrolments.c.id == bindparam("which"),
    enrolments.c.state == Standing.ACTIVE,
    enrolments.c.journey_hash == bindparam("was_hash"),
    enrolments.c.step == bindparam("was_step"),
)
_TOLD = {
    "journey_hash": bindparam("to"),
    "updated_at": bindparam("now", type_=Instant),
    "updated_by": bindparam("by"),
}
_MOVE_IN_THE_AIR = _MOVE.where(enrolments.c.action_id.is_not(None)).values(_TOLD)
_MOVE_WAITING = _MOVE.where(enrolments.c.action_id.is_(None)).values(
    {**_TOLD, "due_at": bindparam("is_due_at", type_=Instant)}
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
    return by_hash.add(
        connection,
        journeys,
        content_hash=content_hash,
        content=content,
        approved_by=approved_by,
        now=now,
        name=name,
        version=version,
    )


def names(connection: Connection) -> set[str]:
    """The journeys of which any version was ever published."""
    return by_hash.names(connection, journeys)


def approve(connection: Connection, content_hash: str, *, by: str, now: datetime) -> None:
    """Make a published version the live one of its name; customers enter it from now on."""
    by_hash.approve(connection, journeys, content_hash, by=by, now=now)


def live(connection: Connection) -> dict[str, str]:
    """The hash of the live version of each journey: the last one approved."""
    return {name: content_hash for name, content_hash in connection.execute(_APPROVED)}


def content(connection: Connection, content_hash: str) -> dict[str, Any] | None:
    """The version with this hash."""
    return by_hash.content(connection, journeys, content_hash)


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


class Moving(NamedTuple):
    """One enrolment that is to go on in another version, as it was read."""

    id: int
    customer_id: int
    was_hash: str
    step: str
    due_at: datetime | None  # when its step is due by that version; None: it is in the air


def movable(
    connection: Connection, name: str, *, to: str, steps: Collection[str], after: int, limit: int
) -> list[Row[Any]]:
    """Those under way in other versions who stand at one of these steps, by id, from behind `after` on."""
    columns = ("id", "customer_id", "journey_hash", "step", "entered_at", "previous_at")
    due_at = WAITS_UNTIL.label("due_at")
    return list(
        connection.execute(
            select(*(enrolments.c[column] for column in columns), due_at, customers.c.ref, customers.c.time_zone)
            .join_from(enrolments, customers, customers.c.id == enrolments.c.customer_id)
            .where(
                enrolments.c.journey == name,
                enrolments.c.state == Standing.ACTIVE,
                enrolments.c.journey_hash != to,
                enrolments.c.step.in_(sorted(steps)),
                enrolments.c.id > after,
            )
            .order_by(enrolments.c.id)
            .limit(limit)
        )
    )


def move(connection: Connection, rows: Sequence[Moving], *, to: str, by: str, now: datetime) -> list[Moving]:
    """Let these go on in the version `to`; those that do. Who went on or left since they were read stays."""
    whose = select(customers.c.id).where(customers.c.id.in_(sorted({row.customer_id for row in rows})))
    connection.execute(whose.order_by(customers.c.id).with_for_update())
    told = {"to": to, "by": by, "now": now}
    return [
        row
        for row in rows
        if connection.execute(
            _MOVE_IN_THE_AIR if row.due_at is None else _MOVE_WAITING,
            {**told, "which": row.id, "was_hash": row.was_hash, "was_step": row.step, "is_due_at": row.due_at},
        ).rowcount
    ]
