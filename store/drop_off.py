"""How far customers came in their journeys. It reads everybody who entered lately: now and then, not each minute."""

from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import unquote

from sqlalchemy import Connection, Row, func, select

from domain.actions import State
from store.ledger.rows import actions, enrolments


class StepCount(NamedTuple):
    """How many actions of one step, over one channel's capability, stand in one state."""

    journey: str
    step: str
    capability: str
    state: State
    customers: int


def standings(connection: Connection, *, since: datetime) -> list[Row[Any]]:
    """Of those who entered since then, how many stand where: (journey, state, customers)."""
    return list(
        connection.execute(
            select(enrolments.c.journey, enrolments.c.state, func.count().label("customers"))
            .where(enrolments.c.entered_at >= since)
            .group_by(enrolments.c.journey, enrolments.c.state)
        )
    )


def steps(connection: Connection, *, since: datetime) -> list[StepCount]:
    """What became of the steps of those who entered since then.

    A step's actions have one payload for all who took it alike; which step it was says the key of any of them, also
    when the payload was blanked by an erasure.
    """
    columns = (enrolments.c.journey, actions.c.payload_hash, actions.c.capability, actions.c.state)
    rows = connection.execute(
        select(*columns, func.count(), func.min(actions.c.key))
        .join_from(enrolments, actions, actions.c.enrolment_id == enrolments.c.id)
        .where(enrolments.c.entered_at >= since)
        .group_by(*columns)
    )
    return [
        StepCount(journey, unquote(key.rpartition("/")[2]), capability, State(state), count)
        for journey, _, capability, state, count, key in rows
    ]
