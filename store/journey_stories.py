"""Where customers stand in their journeys and what became of each step: for colleagues, and for planning anew."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from domain.actions import State
from domain.journey_tasks import StepStory
from domain.journeys import Behaviour, Standing
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
    journey: str
    journey_hash: str
    standing: Standing
    number: int  # the how manyth time
    why: str | None  # it ended, or is set aside
    entered_at: datetime
    previous_at: datetime
    step: str | None  # the one they are at
    due_at: datetime | None  # when it is due; None: it is planned, or nothing comes any more
    steps: tuple[StepStory, ...]  # every step that has an action, the oldest first
    behaviour: Behaviour


def of_customers(connection: Connection, customer_ids: Collection[int]) -> list[JourneyStory]:
    """Every journey these customers are in or were in, the oldest first."""
    wanted = select(enrolments.c.id).where(among(enrolments.c.customer_id, "ids"))
    ids = connection.execute(wanted, {"ids": sorted(set(customer_ids))}).scalars().all()
    return [story for _, story in sorted(stories(connection, ids).items())]


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
            row.journey,
            row.journey_hash,
            Standing(row.state),
            row.number,
            row.reason,
            row.entered_at,
            row.previous_at,
            row.step,
            row.due_at if row.action_id is None else None,
            tuple(steps[row.id]),
            behaviour[row.customer_id],
        )
        for row in rows
    }
