"""What a colleague reads in the task that a step of a journey gives them: what to do, for whom, where they stand."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from domain.actions import State
from domain.customers import Customer
from domain.ending_tasks import how_to_reach, told, who_they_are, written_day
from domain.hours import zone
from domain.journey_steps import words_of
from domain.journeys import Behaviour, Condition, Journey, Step
from domain.policy import Policy
from domain.staffing import answer_by

_A_DAYS_WORK = 480
"""Staffed minutes until somebody should have done it."""
_LONGEST_TITLE = 120


@dataclass(frozen=True, slots=True)
class StepStory:
    """What became of one step before."""

    step: str
    state: State
    at: datetime  # since when
    by: str  # the capability it went over
    reason: str | None


@dataclass(frozen=True, slots=True)
class StepTask:
    """A task as the CRM gets it."""

    title: str
    body: str
    assignee: str
    due_at: datetime


def compose_step(
    journey: Journey,
    step: Step,
    customer: Customer,
    policy: Policy,
    *,
    entered_at: datetime,
    behaviour: Behaviour,
    before: Sequence[StepStory],
    now: datetime,
) -> StepTask:
    """The task of a step, in English; `before` are the steps that are over, the oldest first."""
    place = zone(customer.time_zone or policy.default_time_zone)
    ask = step.ask or f"tell them in your own words what the message {step.message} would have said"
    lines = (
        ("What to do", ask),
        ("Who", who_they_are(customer)),
        ("How to reach them", how_to_reach(customer, policy)),
        ("Where they are", f"in the journey {journey.name} ({journey.about}) since {_day(entered_at, place)}"),
        ("What they got", "; ".join(_got(one, place) for one in before) or "nothing yet"),
        ("What they did", "; ".join(_did(behaviour, place)) or "nothing that we were told of"),
        *((("Why they", words_of(step.when)),) if step.when != Condition() else ()),
        *((("Useful", ", ".join(f"{name}: {link}" for name, link in journey.links.items())),) if journey.links else ()),
    )
    return StepTask(
        title=_shortened(f"{journey.name}: {ask}"),
        body=told(lines),
        assignee=customer.dedicated_agent or policy.journeys.tasks_go_to[customer.tier],
        due_at=answer_by(policy.staffing, now, _A_DAYS_WORK),
    )


def _got(one: StepStory, place: ZoneInfo) -> str:
    if one.state is State.DONE:
        return f"{one.step} by {one.by} on {_day(one.at, place)}"
    because = f" ({one.reason})" if one.reason else ""
    return f"not {one.step}: {one.state.words}{because}"


def _did(behaviour: Behaviour, place: ZoneInfo) -> list[str]:
    latest = sorted(behaviour.items(), key=lambda item: item[1].last_at, reverse=True)
    return [
        f"{event}{f' ({name})' if name else ''}{f' {it.times} times, last' if it.times > 1 else ''}"
        f" on {_day(it.last_at, place)}"
        for (event, name), it in latest
    ]


def _day(at: datetime, place: ZoneInfo) -> str:
    return written_day(at.astimezone(place).date())


def _shortened(title: str) -> str:
    return title if len(title) <= _LONGEST_TITLE else f"{title[: _LONGEST_TITLE - 1].rstrip()}…"
