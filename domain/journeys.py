"""Journeys: what a customer goes through, step by step, as its file says it (templates/journeys/NAME.yaml).

The dataclasses are the file's keys; `data_contracts.journeys` reads it. What is decided about a customer in a journey
is in `domain.journey_steps`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time
from enum import StrEnum

from domain.actions import Basis, key
from domain.channels import Channel, Confidentiality
from domain.customers import Purpose, Tier
from domain.hours import ContactWindow

END = "end"
"""Where `then` and `to` point to when the journey is over."""


class EventName(StrEnum):
    """What customers do, and what becomes of messages to them: journeys begin, branch, hurry and end by these."""

    ACTIVATED = "customer.activated"
    FEATURE_USED = "feature.used"  # `named`: which
    GOAL_REACHED = "goal.reached"  # `named`: which
    CHURNED = "customer.churned"
    REPLIED = "customer.replied"  # they wrote to us of their own accord
    DELIVERED = "message.delivered"  # `named`, here and below: the message, as journey/step
    OPENED = "message.opened"
    CLICKED = "message.clicked"
    BOUNCED = "message.bounced"
    COMPLAINED = "message.complained"


class Standing(StrEnum):
    """Where an enrolment stands."""

    ACTIVE = "active"
    FINISHED = "finished"  # every step is over
    GOAL = "goal"  # the customer reached what the journey is for
    LEFT = "left"  # an exit: churn, opt-out, tact lock, erasure, a reply


class Anchor(StrEnum):
    """What a step's wait is counted from."""

    ENTRY = "entry"  # when the customer entered
    PREVIOUS = "previous"  # when the step before was over: sent, skipped or decided
    ENDING = "ending"  # the end of the customer's next entitlement that ends; days may be below 0


@dataclass(frozen=True, slots=True)
class After:
    """How long a step waits. Days are the customer's calendar's; hours and minutes are the clock's."""

    of: Anchor = Anchor.PREVIOUS
    days: int = 0
    hours: int = 0
    minutes: int = 0
    at: time | None = None
    """On the customer's clock, on the day that the wait ends. Days alone wait for that day; else not before its end."""

    def __post_init__(self) -> None:
        if self.of is not Anchor.ENDING and min(self.days, self.hours, self.minutes) < 0:
            raise ValueError("a wait is below 0; only one counted from an ending may be")


@dataclass(frozen=True, slots=True)
class Seen:
    """An event that a customer did, or one of several alike."""

    event: EventName
    named: str | None = None  # None: whatever its name
    times: int = 1  # at least so often
    within_days: int | None = None  # the last time no longer ago than this

    def __post_init__(self) -> None:
        if self.times < 1 or (self.within_days is not None and self.within_days < 1):
            raise ValueError("times and within_days must be 1 or more; leave them out to mind neither")


@dataclass(frozen=True, slots=True)
class Condition:
    """What holds of a customer. Everything it says must hold; one that says nothing always does."""

    seen: Seen | None = None
    tier: frozenset[Tier] = frozenset()
    language: frozenset[str] = frozenset()
    all: "tuple[Condition, ...]" = ()
    any: "tuple[Condition, ...]" = ()
    none: "tuple[Condition, ...]" = ()


@dataclass(frozen=True, slots=True)
class Branch:
    """Where a customer goes on, of whom `when` holds."""

    to: str  # a step's id, or `end`
    when: Condition = field(default_factory=Condition)


@dataclass(frozen=True, slots=True)
class Step:
    """One touch of a journey, or a parting of ways. It has one of `message`, `ask` and `branch`."""

    id: str
    after: After = field(default_factory=After)
    message: str | None = None  # the wording, by its name in templates/messages
    ask: str | None = None  # what a colleague is asked to do, in English: a task by channel `person`
    branch: tuple[Branch, ...] = ()  # the first whose condition holds is taken, when the wait is over
    by: tuple[Channel, ...] = ()  # the best first; a customer's preferred one if it is among them; `ask` goes by person
    basis: Basis = Basis.PROACTIVE
    confidentiality: Confidentiality = Confidentiality.OPEN
    when: Condition = field(default_factory=Condition)  # does it not hold, the step is skipped
    skip_when: Condition | None = None  # the customer has done it already
    sooner_on: Seen | None = None  # ends the wait at once
    pointless_after_hours: int | None = None  # since it was due
    then: str | None = None  # the step that follows, or `end`; None: the next in the file

    def __post_init__(self) -> None:
        given = [name for name in ("message", "ask", "branch") if getattr(self, name)]
        if len(given) != 1:
            has = " and ".join(given) or "none of them"
            raise ValueError(f"step {self.id} has {has}: give it one of message, ask and branch")
        if self.ask and not self.by:
            object.__setattr__(self, "by", (Channel.PERSON,))


@dataclass(frozen=True, slots=True)
class Entry:
    """Who enters, and how often."""

    on: EventName
    named: str | None = None
    first_only: bool = True  # only the first such event of a customer's life
    again_after_days: int | None = None  # since they last left; None: never again
    when: Condition = field(default_factory=Condition)


@dataclass(frozen=True, slots=True)
class Journey:
    """One version of a journey."""

    name: str
    version: int
    about: str  # for whom and what, in English
    purpose: Purpose  # the consent its proactive steps rest on
    enters: Entry
    steps: tuple[Step, ...]
    goal: Seen | None = None
    at_goal: str | None = None  # the step that is done when the goal is reached, and then the journey is over
    exits: tuple[Seen, ...] = ()
    window: ContactWindow | None = None  # for customers who stated no hours
    links: Mapping[str, str] = field(default_factory=dict)  # what its messages point to, by name

    def step(self, step_id: str) -> Step:
        """Raises LookupError for a step that this version does not have."""
        found = next((step for step in self.steps if step.id == step_id), None)
        if found is None:
            raise LookupError(f"journey {self.name} version {self.version} has no step {step_id}")
        return found


@dataclass(frozen=True, slots=True)
class Happened:
    """How often a customer did something, and when."""

    first_at: datetime
    last_at: datetime
    times: int


Behaviour = Mapping[tuple[EventName, str], Happened]
"""What one customer did, by event and name; the name is empty where the event has none."""


def journey_key(journey: str, customer_ref: str, number: int, step: str) -> str:
    """The key of one step of a customer's `number`th time in a journey: `journey/onboarding/<ref>/1/welcome`."""
    return key("journey", journey, customer_ref, number, step)


def message_name(journey: str, step: str) -> str:
    """How events of a step's message are named in conditions: `onboarding/welcome`."""
    return f"{journey}/{step}"
