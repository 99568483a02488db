"""What can be stopped, by itself or all at once: a job, a kind of action, an integration; and whom a stop holds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from domain.actions import Kind
from domain.words import did_you_mean, one_of


class Scope(StrEnum):
    """How much a stop holds."""

    ALL = "all"
    JOB = "job"
    KIND = "kind"
    INTEGRATION = "integration"


JOBS: Mapping[str, str] = {
    "survey": "survey-escalation",
    "message": "survey-escalation",
    "case": "survey-escalation",
    "expiry": "expiry-detection",
    "journey": "onboarding-drip",
    "review": "action-review",
}
"""The beginning of an action's key → the job it belongs to. What a customer asked for themselves (`customer/…`: a call,
being forgotten) belongs to none: no job's trouble is a reason to leave it undone."""

LOOK_AGAIN = timedelta(hours=1)
"""When what a part's stop holds is looked at again; a start does not wait for it."""


def job_of(key: str) -> str | None:
    """The job that an action belongs to, by its key."""
    return JOBS.get(key.partition("/")[0])


@dataclass(frozen=True, slots=True)
class Part:
    """What is stopped, or started: everything, or one part of it."""

    scope: Scope
    name: str = ""  # of the job, the kind, the integration; empty of everything

    @property
    def words(self) -> str:
        """As people say it: `everything`, `job expiry-detection`."""
        return "everything" if self.scope is Scope.ALL else f"{self.scope} {self.name}"

    def holds(self, key: str, kind: str, integration: str) -> bool:
        """True when it covers such an action."""
        match self.scope:
            case Scope.ALL:
                return True
            case Scope.JOB:
                return job_of(key) == self.name
            case Scope.KIND:
                return kind == self.name
            case Scope.INTEGRATION:
                return integration == self.name


EVERYTHING = Part(Scope.ALL)


@dataclass(frozen=True, slots=True)
class Stop:
    """One stop that stands: what, who, why, since when."""

    part: Part
    reason: str
    by: str
    at: datetime

    @property
    def told(self) -> str:
        """In words: `job expiry-detection (Ewa Lis: wrong dates)`."""
        return f"{self.part.words} ({self.by}: {self.reason})"

    @property
    def why_held(self) -> str:
        """What an action says that it holds; begins with `held_by` of its part."""
        return f"{held_by(self.part)}{self.by}: {self.reason})"

    def as_json(self) -> dict[str, Any]:
        """As `controls.stops` keeps it."""
        at = self.at.astimezone(UTC).isoformat()
        return {"scope": self.part.scope.value, "name": self.part.name, "reason": self.reason, "by": self.by, "at": at}


def held_by(part: Part) -> str:
    """What the reason of whatever waits for this part begins with."""
    return f"stopped: {part.words} ("


def read_stops(stored: Iterable[Mapping[str, Any]]) -> tuple[Stop, ...]:
    """The stops as `controls.stops` has them."""
    return tuple(
        Stop(Part(Scope(one["scope"]), one["name"]), one["reason"], one["by"], datetime.fromisoformat(one["at"]))
        for one in stored
    )


def holding(stops: Sequence[Stop], key: str, kind: str, integration: str) -> Stop | None:
    """The first stop that holds such an action; None: it may go."""
    return next((stop for stop in stops if stop.part.holds(key, kind, integration)), None)


def part_of(scope: Scope, name: str, integrations: Mapping[str, str]) -> Part:
    """What these words name. `integrations`: each one's name by our capability; both ways of naming it are understood.

    Raises ValueError, which says what there is and the nearest of it, for a name that is none.
    """
    said = name.strip()
    match scope:
        case Scope.ALL:
            if said:
                raise ValueError(f"everything has no name, and {said!r} was given: say which job, kind or integration")
            return EVERYTHING
        case Scope.JOB:
            known = {job: job for job in JOBS.values()}
        case Scope.KIND:
            known = {kind.value: kind.value for kind in Kind}
        case Scope.INTEGRATION:
            known = {**integrations, **{named: named for named in integrations.values()}}
    if said not in known:
        there = one_of(sorted(known)) if known else "none yet, until the gateway or a run has begun"
        raise ValueError(f"no {scope} is called {said!r}{did_you_mean(said, known)}: there is {there}")
    return Part(scope, known[said])
