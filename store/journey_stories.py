"""Where customers stand in their journeys and what became of each step: for colleagues, and for planning anew."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from domain.actions import State
from domain.journey_tasks import StepStory
from domain.journeys import Behaviour
from store.enrolments import behaviour_of
from store.ledger.rows import actions, enrolments
from store.types import among

_ENROLLED = select(enrolments).where(among(enrolments.c.id, "ids"))
_STEPS = (
    select(
        actions.c.enrolment_id,
        actions.c.payload["params"]["step"].as_string().label("step"),
        *(actions.c.state, actions.c.updated_at, actions.c.capability, actions.c.reason),
    )
    .where(among(actions.c.enrolment_id, "ids"))
    .order_by(actions.c.id)
)


@dataclass(frozen=True, slots=True)
class JourneyStory:
    """One enrolment, as it went so far."""

    customer_id: int
    journey_hash: str
    entered_at: datetime
    previous_at: datetime
    steps: tuple[StepStory, ...]  # every step that has an action, the oldest first
    behaviour: Behaviour


def stories(connection: Connection, enrolment_ids: Collection[int]) -> dict[int, JourneyStory]:
    """These enrolments, by our ids."""
    asked = {"ids": sorted(set(enrolment_ids))}
    rows = connection.execute(_ENROLLED, asked).all()
    steps: dict[int, list[StepStory]] = defaultdict(list)
    for row in connection.execute(_STEPS, asked):
        story = StepStory(row.step, State(row.state), row.updated_at, row.capability, row.reason)
        steps[row.enrolment_id].append(story)
    behaviour = behaviour_of(connection, {row.customer_id for row in rows})
    return {
        row.id: JourneyStory(
            row.customer_id,
            row.journey_hash,
            row.entered_at,
            row.previous_at,
            tuple(steps[row.id]),
            behaviour[row.customer_id],
        )
        for row in rows
    }
