"""How far customers came in a journey: the latest of those who entered, found by index, so that the work is bounded."""

from datetime import datetime
from typing import NamedTuple
from urllib.parse import unquote

from sqlalchemy import Connection, bindparam, func, select

from domain.actions import State
from store.ledger.rows import actions, enrolments
from store.types import Instant

_LATEST = (
    select(enrolments.c.id, enrolments.c.state)
    .where(enrolments.c.journey == bindparam("of_journey"))
    .where(enrolments.c.entered_at >= bindparam("since", type_=Instant))
    .order_by(enrolments.c.entered_at.desc())
    .limit(bindparam("most"))
    .cte("latest")
)
_STANDINGS = select(_LATEST.c.state, func.count()).group_by(_LATEST.c.state)
_ALIKE = (actions.c.payload_hash, actions.c.capability, actions.c.state)
_STEPS = (
    select(*_ALIKE, func.count(), func.min(actions.c.key))
    .join_from(_LATEST, actions, actions.c.enrolment_id == _LATEST.c.id)
    .group_by(*_ALIKE)
)


class StepCount(NamedTuple):
    """How many actions of one step, over one channel's capability, stand in one state."""

    step: str
    capability: str
    state: State
    customers: int


def standings(connection: Connection, journey: str, *, since: datetime, most: int) -> dict[str, int]:
    """Where those stand who entered since then, the latest `most` of them: how many, by `domain.journeys.Standing`."""
    asked = {"of_journey": journey, "since": since, "most": most}
    return dict(connection.execute(_STANDINGS, asked).tuples().all())


def steps(connection: Connection, journey: str, *, since: datetime, most: int) -> list[StepCount]:
    """What became of the steps of the same customers.

    A step's actions have one payload for all who took it alike; which step it was says the key of any of them, also
    when the payload was blanked by an erasure.
    """
    rows = connection.execute(_STEPS, {"of_journey": journey, "since": since, "most": most})
    return [
        StepCount(unquote(key.rpartition("/")[2]), capability, State(state), count)
        for _, capability, state, count, key in rows
    ]
