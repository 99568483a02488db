"""The inbox and the quarantine: what came in is stored before it is answered, and nothing is lost."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, insert, select, update

from store.once import insert_listed, insert_once, insert_rows
from store.tables import metadata

inbox: Table = metadata.tables["inbox"]
quarantine: Table = metadata.tables["quarantine"]

_ARRIVE = insert_once(inbox, "source", "webhook_id").returning(inbox.c.id, inbox.c.source, inbox.c.webhook_id)
_ARRIVE_LISTED = insert_listed(
    *(inbox, "source", "webhook_id"),
    columns=("source", "webhook_id", "body_hash", "received_at", "http_status", "status", "problems"),
    returning=("id", "source", "webhook_id"),
)
_KNOWN = select(inbox).where(inbox.c.source == bindparam("source"), inbox.c.webhook_id == bindparam("webhook_id"))


@dataclass(frozen=True, slots=True)
class Arrival:
    """What comes to the door: who sent it, under which id, and the SHA-256 of its bytes."""

    source: str
    webhook_id: str
    body_hash: str
    received_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """A delivery as the inbox knows it: what was answered the first time."""

    id: int
    is_new: bool
    http_status: int
    status: str
    problems: list[dict[str, Any]]
    body_hash: str

    @property
    def event_id(self) -> str:
        """What the sender is told."""
        return f"evt_{self.id}"


def receive(connection: Connection, arrivals: Sequence[Arrival]) -> list[Delivery]:
    """Put deliveries into the inbox, or find those with the same (source, webhook id); in order, no two alike."""
    made: dict[tuple[str, str], int] = {}
    rows = [
        {
            "source": it.source,
            "webhook_id": it.webhook_id,
            "body_hash": it.body_hash,
            "received_at": it.received_at,
            "http_status": 202,
            "status": "accepted",
            "problems": [],
        }
        for it in arrivals
    ]
    for row in insert_rows(connection, _ARRIVE, _ARRIVE_LISTED, rows):
        made[row.source, row.webhook_id] = row.id
    return [
        Delivery(made[it.source, it.webhook_id], True, 202, "accepted", [], it.body_hash)
        if (it.source, it.webhook_id) in made
        else _known(connection, it)
        for it in arrivals
    ]


def _known(connection: Connection, it: Arrival) -> Delivery:
    row = connection.execute(_KNOWN, {"source": it.source, "webhook_id": it.webhook_id}).one()
    return Delivery(row.id, False, row.http_status, row.status, row.problems, row.body_hash)


def refuse(
    connection: Connection,
    delivery: Delivery,
    source: str,
    origin: str,
    body: bytes,
    problems: Sequence[dict[str, Any]],
    *,
    http_status: int,
    now: datetime,
    layout: Mapping[str, Any] | None = None,
) -> Delivery:
    """Keep a delivery that broke its contract, byte for byte; how it is answered from now on."""
    keep(connection, source, origin, body, problems, inbox_id=delivery.id, now=now, layout=layout)
    answer = {"http_status": http_status, "status": "quarantined", "problems": list(problems)}
    connection.execute(update(inbox).where(inbox.c.id == delivery.id).values(answer))
    return Delivery(delivery.id, True, http_status, "quarantined", list(problems), delivery.body_hash)


def note(connection: Connection, delivery: Delivery, why: Sequence[dict[str, Any]]) -> Delivery:
    """Write down that a delivery calls for nothing; how it is answered from now on."""
    connection.execute(update(inbox).where(inbox.c.id == delivery.id).values(status="noted", problems=list(why)))
    return replace(delivery, status="noted", problems=list(why))


def take_in_part(connection: Connection, delivery: Delivery, problems: Sequence[dict[str, Any]]) -> Delivery:
    """Write down what is wrong with some of the events of a delivery; how it is answered from now on."""
    connection.execute(update(inbox).where(inbox.c.id == delivery.id).values(problems=list(problems)))
    return replace(delivery, problems=list(problems))


def refuse_once(
    connection: Connection,
    source: str,
    origin: str,
    body: bytes,
    problems: Sequence[dict[str, Any]],
    *,
    now: datetime,
    layout: Mapping[str, Any] | None = None,
) -> bool:
    """Keep what broke its contract and has no webhook id: once for its origin and content. True the first time."""
    body_hash = hashlib.sha256(body).hexdigest()
    (delivery,) = receive(connection, [Arrival(source, f"{origin}:{body_hash}", body_hash, now)])
    if delivery.is_new:
        refuse(connection, delivery, source, origin, body, problems, http_status=202, now=now, layout=layout)
    return delivery.is_new


def keep(
    connection: Connection,
    source: str,
    origin: str,
    body: bytes,
    problems: Sequence[dict[str, Any]],
    *,
    inbox_id: int | None,
    now: datetime,
    layout: Mapping[str, Any] | None = None,
) -> None:
    """Put something into quarantine, where it waits for a person. `layout` says how a row of an import is read."""
    connection.execute(
        insert(quarantine).values(
            inbox_id=inbox_id,
            source=source,
            origin=origin,
            body=body,
            problems=list(problems),
            received_at=now,
            state="waiting",
            layout=None if layout is None else dict(layout),
        )
    )


def is_kept(connection: Connection, delivery: Delivery, body: bytes) -> bool:
    """True when a person has these bytes already: a sender that retries adds nothing to their work."""
    same = select(quarantine.c.id).where(quarantine.c.inbox_id == delivery.id, quarantine.c.body == body).limit(1)
    return connection.execute(same).first() is not None


def quarantined(connection: Connection) -> int:
    """How many wait for a person."""
    return int(
        connection.execute(
            select(func.count()).select_from(quarantine).where(quarantine.c.state == "waiting")
        ).scalar_one()
    )
