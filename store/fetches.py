"""Answers that a survey tool told of in ids, and up to when each tool has been asked: nothing told of is forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, Table, func, select, text, update

from store.once import insert_once
from store.tables import metadata

survey_fetches: Table = metadata.tables["survey_fetches"]
survey_polls: Table = metadata.tables["survey_polls"]

_ANNOUNCE = insert_once(survey_fetches, "source", "response_id").returning(survey_fetches.c.id)

HOLD = timedelta(seconds=60)
"""How long whoever took a fetch may be silent; longer than any vendor's timeout. Then another takes it."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """One answer to be fetched, as its taker holds it."""

    id: int
    source: str
    response: str
    body: bytes
    """What its vendor sent."""
    inbox_id: int
    turn: int
    attempts: int
    """Counting this one."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """The answers of one source that were told of and are not here yet."""

    source: str
    count: int
    since: datetime
    """When the oldest of them was told of."""
    problem: str | None
    """Why one of those that were tried could not be fetched."""


def announce(connection: Connection, source: str, response: str, body: bytes, *, inbox_id: int, now: datetime) -> None:
    """An answer is to be fetched; one that was fetched before has changed, and is fetched again."""
    row = {
        "source": source,
        "response_id": response,
        "body": body,
        "inbox_id": inbox_id,
        "announced_at": now,
        "state": "waiting",
        "due_at": now,
        "turn": 0,
        "attempts": 0,
        "problem": None,
    }
    if connection.execute(_ANNOUNCE, [row]).first() is None:
        connection.execute(
            update(survey_fetches)
            .where(survey_fetches.c.source == source, survey_fetches.c.response_id == response)
            .values({**row, "turn": survey_fetches.c.turn + 1})
        )


def is_due(connection: Connection, sources: Sequence[str], *, now: datetime) -> bool:
    """True when `take` would find something; costs a read."""
    return connection.execute(_due(sources, now).limit(1)).first() is not None


def take(connection: Connection, sources: Sequence[str], *, limit: int, now: datetime) -> list[Fetch]:
    """Up to `limit` fetches of these sources that are due, for the caller alone until `HOLD` is over."""
    rows = connection.execute(_due(sources, now).limit(limit)).all()
    taken = []
    for row in rows:
        mine = connection.execute(
            update(survey_fetches)
            .where(survey_fetches.c.id == row.id, survey_fetches.c.turn == row.turn)
            .values(turn=row.turn + 1, attempts=row.attempts + 1, due_at=now + HOLD)
        )
        if mine.rowcount == 1:
            taken.append(
                Fetch(row.id, row.source, row.response_id, row.body, row.inbox_id, row.turn + 1, row.attempts + 1)
            )
    return taken


def finish(connection: Connection, fetch: Fetch, state: str, *, problem: str | None = None) -> None:
    """It is `done` or `quarantined`, unless its vendor has told of it again meanwhile."""
    _mine(connection, fetch, state=state, problem=problem)


def put_off(connection: Connection, fetch: Fetch, until: datetime, problem: str) -> None:
    """It could not be fetched; it is tried again."""
    _mine(connection, fetch, due_at=until, problem=problem)


def waiting(connection: Connection) -> list[Waiting]:
    """Per source what waits to be fetched; a source without anything is left out."""
    fetch = survey_fetches.c
    rows = connection.execute(
        select(fetch.source, func.count(), func.min(fetch.announced_at), func.min(fetch.problem))
        .where(text("state = 'waiting'"))
        .group_by(fetch.source)
        .order_by(fetch.source)
    )
    return [Waiting(*row) for row in rows]


def asked_up_to(connection: Connection, source: str) -> datetime | None:
    """Up to when a source has been asked; None: never."""
    return connection.execute(
        select(survey_polls.c.asked_up_to).where(survey_polls.c.source == source)
    ).scalar_one_or_none()


def note_asked(connection: Connection, source: str, up_to: datetime) -> None:
    """Everything given up to then has been asked for. Never goes back: two may have asked at the same time."""
    row = {"source": source, "asked_up_to": up_to}
    if connection.execute(insert_once(survey_polls, "source").returning(survey_polls.c.source), [row]).first() is None:
        connection.execute(
            update(survey_polls)
            .where(survey_polls.c.source == source, survey_polls.c.asked_up_to < up_to)
            .values(asked_up_to=up_to)
        )


def _due(sources: Sequence[str], now: datetime) -> Select[Any]:
    return (
        select(survey_fetches)
        .where(
            text("state = 'waiting'"), survey_fetches.c.due_at <= now, survey_fetches.c.source.in_(sources)
        )  # as a literal: a bound state would not use the partial index
        .order_by(survey_fetches.c.due_at, survey_fetches.c.id)
    )


def _mine(connection: Connection, fetch: Fetch, **values: object) -> None:
    connection.execute(
        update(survey_fetches)
        .where(survey_fetches.c.id == fetch.id, survey_fetches.c.turn == fetch.turn)
        .values(**values)
    )
