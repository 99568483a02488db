"""What a simulated journey came to: each customer's way through it, and the sums over all of them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from domain.actions import State
from domain.channels import Channel
from domain.hours import zone
from domain.instants import iso
from domain.journeys import Standing


class Fate(StrEnum):
    """What became of one step for one customer."""

    SENT = "sent"  # a message went out, or a colleague has the task
    SKIPPED = "skipped"
    CANCELLED = "cancelled"  # planned, and then the customer left the journey
    EXPIRED = "expired"
    WAITS = "waits"  # for its time, for a channel that nobody serves, or for a review
    NEEDS_HUMAN = "needs_human"  # a person has to look at it, and the customer's journey waits with it
    FAILED = "failed"  # its words could not be made, or it has nowhere to go


FATES: Mapping[State, Fate] = {
    State.PLANNED: Fate.WAITS,
    State.AWAITING_REVIEW: Fate.WAITS,
    State.READY: Fate.WAITS,
    State.CLAIMED: Fate.WAITS,
    State.SENDING: Fate.WAITS,
    State.DONE: Fate.SENT,
    State.SKIPPED: Fate.SKIPPED,
    State.CANCELLED: Fate.CANCELLED,
    State.EXPIRED: Fate.EXPIRED,
    State.NEEDS_HUMAN: Fate.NEEDS_HUMAN,
    State.UNCERTAIN: Fate.NEEDS_HUMAN,
    State.FAILED: Fate.FAILED,
}


@dataclass(frozen=True, slots=True)
class Held:
    """One time that a step was put off."""

    until: datetime
    reason: str

    @property
    def kind(self) -> str:
        """The reason without its hour, so that those alike can be counted: "quiet hours until 08:00" is quiet hours."""
        return self.reason.partition(" until ")[0]


@dataclass(frozen=True, slots=True)
class Touch:
    """One step of one customer. Branches are none: nothing comes of them but where the customer goes on."""

    step: str
    at: datetime  # when it was over; while it waits, when it is due
    fate: Fate
    channel: Channel | None = None  # None: it was skipped before one was chosen
    reason: str | None = None  # why it did not go out
    held: tuple[Held, ...] = ()

    @property
    def is_message(self) -> bool:
        """True when the customer got something; a colleague's task is none."""
        return self.fate is Fate.SENT and self.channel is not Channel.PERSON


@dataclass(frozen=True, slots=True)
class Travel:
    """One customer's way through the journey; `entered_at` None: they never entered, and `reason` says why."""

    ref: str
    language: str
    time_zone: str
    entered_at: datetime | None
    standing: Standing | None
    ended_at: datetime | None = None
    reason: str | None = None  # why they left, or never entered
    touches: tuple[Touch, ...] = ()

    @property
    def is_reached(self) -> bool:
        """True when at least one message went out to them: who opted out of everything is not reached."""
        return any(touch.is_message for touch in self.touches)


@dataclass(frozen=True, slots=True)
class Trouble:
    """What kept messages from going out that no customer can help: words that cannot be made, a channel unserved."""

    what: str
    count: int


@dataclass(frozen=True, slots=True)
class Simulated:
    """A whole simulation."""

    journey: str
    version: int
    content_hash: str
    began: datetime
    until: datetime
    steps: tuple[str, ...]  # those that are done to customers, in the file's order
    travels: tuple[Travel, ...]
    refused_customers: int = 0  # rows of the customers' file that could not be read
    refused_events: int = 0
    trouble: tuple[Trouble, ...] = ()
    for_review: tuple[Trouble, ...] = ()  # rules, and how many that were sent would have waited because of them


@dataclass
class StepTotals:
    """One step, over all customers."""

    step: str
    came: int = 0  # customers who came to it, whatever became of it
    sent: Counter[str] = field(default_factory=Counter)  # by channel
    others: Counter[str] = field(default_factory=Counter)  # every other fate
    skipped: Counter[str] = field(default_factory=Counter)  # by reason
    held: dict[str, list[datetime]] = field(default_factory=dict)  # until when, by kind of reason

    @property
    def went(self) -> int:
        """How many got it."""
        return self.sent.total()


@dataclass
class Totals:
    """The sums over all customers."""

    customers: int
    entered: int
    reached: int
    messages: int
    tasks: int
    standing: Counter[str]
    left: Counter[str]  # by reason
    stayed_out: Counter[str]  # by reason
    steps: list[StepTotals]
    days: dict[date, Counter[str]]  # what went out by channel, on customers' own calendar days


def totals(simulated: Simulated) -> Totals:
    """Add up. A customer counts as reached only if something went out to them."""
    steps = {step: StepTotals(step) for step in simulated.steps}
    days: dict[date, Counter[str]] = {}
    for travel in simulated.travels:
        place = zone(travel.time_zone)
        for touch in travel.touches:
            _add(steps.setdefault(touch.step, StepTotals(touch.step)), touch)
            if touch.fate is Fate.SENT and touch.channel is not None:
                days.setdefault(touch.at.astimezone(place).date(), Counter())[touch.channel.value] += 1
    entered = [travel for travel in simulated.travels if travel.entered_at is not None]
    sent = Counter(channel for counts in days.values() for channel in counts.elements())
    return Totals(
        customers=len(simulated.travels),
        entered=len(entered),
        reached=sum(travel.is_reached for travel in entered),
        messages=sent.total() - sent[Channel.PERSON.value],
        tasks=sent[Channel.PERSON.value],
        standing=Counter(travel.standing.value for travel in entered if travel.standing is not None),
        left=Counter(travel.reason or "no reason given" for travel in entered if travel.standing is Standing.LEFT),
        stayed_out=Counter(travel.reason or "no reason given" for travel in _outside(simulated.travels)),
        steps=list(steps.values()),
        days=dict(sorted(days.items())),
    )


def _outside(travels: Iterable[Travel]) -> Iterable[Travel]:
    return (travel for travel in travels if travel.entered_at is None)


def _add(total: StepTotals, touch: Touch) -> None:
    total.came += 1
    if touch.fate is Fate.SENT:
        total.sent[touch.channel.value if touch.channel else "unknown"] += 1
    else:
        total.others[touch.fate.value] += 1
    if touch.fate is Fate.SKIPPED:
        total.skipped[touch.reason or "no reason given"] += 1
    for held in touch.held:
        total.held.setdefault(held.kind, []).append(held.until)


def as_json(simulated: Simulated) -> dict[str, Any]:
    """Totals and a row for each customer, for machines; times in UTC, each customer's zone beside them."""
    summed = totals(simulated)
    return {
        "journey": simulated.journey,
        "version": simulated.version,
        "hash": simulated.content_hash,
        "from": iso(simulated.began),
        "until": iso(simulated.until),
        "refused": {"customers": simulated.refused_customers, "events": simulated.refused_events},
        "trouble": [{"what": one.what, "count": one.count} for one in simulated.trouble],
        "for_review": [{"rules": one.what, "count": one.count} for one in simulated.for_review],
        "totals": {
            "customers": summed.customers,
            "entered": summed.entered,
            "reached": summed.reached,
            "messages": summed.messages,
            "tasks": summed.tasks,
            "standing": _by_count(summed.standing),
            "left": _by_count(summed.left),
            "stayed_out": _by_count(summed.stayed_out),
            "steps": [_step_as_json(step) for step in summed.steps],
            "days": {day.isoformat(): _by_count(sent) for day, sent in summed.days.items()},
        },
        "customers": [_travel_as_json(travel) for travel in simulated.travels],
    }


def _by_count(counted: Counter[str]) -> dict[str, int]:
    return dict(sorted(counted.items(), key=lambda one: (-one[1], one[0])))


def _step_as_json(step: StepTotals) -> dict[str, Any]:
    return {
        "step": step.step,
        "came": step.came,
        "sent": _by_count(step.sent),
        **{fate.value: step.others[fate] for fate in Fate if fate is not Fate.SENT},
        "skipped_by_reason": _by_count(step.skipped),
        "held": {
            kind: {"count": len(until), "first_until": iso(min(until)), "last_until": iso(max(until))}
            for kind, until in sorted(step.held.items())
        },
    }


def _travel_as_json(travel: Travel) -> dict[str, Any]:
    return {
        "ref": travel.ref,
        "language": travel.language,
        "time_zone": travel.time_zone,
        "entered_at": iso(travel.entered_at),
        "standing": travel.standing,
        "ended_at": iso(travel.ended_at),
        "reason": travel.reason,
        "steps": [
            {
                "step": touch.step,
                "at": iso(touch.at),
                "local": f"{touch.at.astimezone(zone(travel.time_zone)):%Y-%m-%dT%H:%M}",
                "outcome": touch.fate,
                "channel": touch.channel,
                "reason": touch.reason,
                "held": [{"until": iso(held.until), "reason": held.reason} for held in touch.held],
            }
            for touch in travel.touches
        ],
    }


def merged(parts: Sequence[Simulated]) -> Simulated:
    """Parts of one simulation, of different customers, as the whole. Raises ValueError for none."""
    if not parts:
        raise ValueError("a simulation has at least one part")
    first = parts[0]
    return Simulated(
        journey=first.journey,
        version=first.version,
        content_hash=first.content_hash,
        began=first.began,
        until=first.until,
        steps=first.steps,
        travels=tuple(sorted((travel for part in parts for travel in part.travels), key=lambda one: one.ref)),
        refused_customers=sum(part.refused_customers for part in parts),
        refused_events=sum(part.refused_events for part in parts),
        trouble=_summed(part.trouble for part in parts),
        for_review=_summed(part.for_review for part in parts),
    )


def _summed(parts: Iterable[Sequence[Trouble]]) -> tuple[Trouble, ...]:
    summed: Counter[str] = Counter()
    for part in parts:
        for one in part:
            summed[one.what] += one.count
    return tuple(Trouble(what, count) for what, count in sorted(summed.items()))
