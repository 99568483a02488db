"""Where a customer stands in their journeys, what comes next and why, in words a support person understands."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from domain.customers import Customer
from domain.instants import iso
from domain.journey_steps import Send, Traveller, decide, following, ways_of
from domain.journeys import Journey, Standing, Step, journey_key
from domain.policy import Policy
from services.journeys import Journeys
from services.steps_anew import traveller_of
from store import journey_stories
from store.journey_stories import JourneyStory

_OVER = {
    Standing.FINISHED: "it is over: every step is done or was left out",
    Standing.GOAL: "it is over: they reached its goal",
    Standing.LEFT: "they left it",
}


def as_told(story: JourneyStory, people: Mapping[int, Row[Any]]) -> dict[str, Any]:
    """One journey of a customer; `people` are the customers' rows by our ids."""
    return {
        "customer": people[story.customer_id].ref,
        "journey": story.journey,
        "state": story.standing.value,
        "since": iso(story.entered_at),
        "step": story.step,
        "due_at": iso(story.due_at),
        "in_words": _in_words(story),
        "steps": [
            {"step": one.step, "state": one.state.value, "at": iso(one.at), "by": one.by, "why": one.reason}
            for one in story.steps
        ],
    }


def _in_words(story: JourneyStory) -> str:
    why = f" ({story.why})" if story.why else ""
    if story.standing is not Standing.ACTIVE:
        return f"{_OVER[story.standing]}{why}"
    if story.due_at is not None:
        return f"they wait for {story.step}, due {_at(story.due_at)}{why}"
    its = [one for one in story.steps if one.step == story.step]
    if not its:
        return f"they are at {story.step}"
    because = f": {its[-1].reason}" if its[-1].reason else ""
    return f"they are at {story.step} ({its[-1].by}): {its[-1].state.words}{because}"


def journeys_explained(
    connection: Connection, customer_id: int, customer: Customer, row: Row[Any], policy: Policy, now: datetime
) -> list[dict[str, Any]]:
    """Each journey of a customer, and what would be done about the step they are at, were it due as things stand."""
    journeys = Journeys()
    return [
        {**as_told(story, {customer_id: row}), **_next(connection, customer_id, customer, story, journeys, policy, now)}
        for story in journey_stories.of_customers(connection, [customer_id])
    ]


def _next(
    connection: Connection,
    customer_id: int,
    customer: Customer,
    story: JourneyStory,
    journeys: Journeys,
    policy: Policy,
    now: datetime,
) -> dict[str, Any]:
    if story.step is None or story.standing is not Standing.ACTIVE:
        return {"next": None, "channels": []}
    try:
        journey = journeys.of(connection, story.journey_hash)
        step = journey.step(story.step)
    except (LookupError, ValueError) as problem:  # that is what there is to say
        return {"next": f"nothing: {problem}", "channels": []}
    traveller = traveller_of(
        connection, customer_id, customer, journey, entered_at=story.entered_at, previous_at=story.previous_at
    )
    if step.branch:
        onward = following(journey, step, traveller, now=now)
        return {"next": f"ways part: as things stand on to {onward.id if onward else 'the end'}", "channels": []}
    key = journey_key(story.journey, customer.ref, story.number, step.id)
    return {
        "next": _decided(journey, step, traveller, story.due_at or now, policy, now, key),
        "channels": [
            {"channel": channel.value, "is_in": against is None, "why": against or "nothing speaks against it"}
            for channel, against in ways_of(journey, step, traveller, policy)
        ],
    }


def _decided(
    journey: Journey, step: Step, traveller: Traveller, due_at: datetime, policy: Policy, now: datetime, key: str
) -> str:
    due_at = max(due_at, now)
    decided = decide(journey, step, traveller, policy, due_at=due_at, now=now, key=key)
    if not isinstance(decided, Send):
        return f"{step.id} would be left out: {decided.reason}"
    if decided.reason is None:
        return f"{step.id} by {decided.channel}, {_at(decided.due_at)}"
    return f"{step.id} by {decided.channel}, {_at(decided.due_at)}: {decided.reason}, then spread"


def _at(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
