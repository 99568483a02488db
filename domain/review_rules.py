"""What is risky, who decides about it and by when: the policy's section `reviews`."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from itertools import pairwise

from domain.actions import Kind
from domain.hours import zone
from domain.phrases import Phrases, phrases_of
from domain.staffing import Weekday


class Risk(StrEnum):
    """How much harm a mistake would do, the least first."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Rule(StrEnum):
    """Why something waits for a review, as `policy.yaml` names it."""

    CHANGED_WORDS = "changed_words"  # a wording that was changed is to be sent for the first time
    CHANGED_JOURNEY = "changed_journey"  # a journey that was changed is to be entered for the first time
    MANY_CUSTOMERS = "many_customers"  # more customers at once than the cap
    VIP = "vip"  # a customer of the highest tier
    MONEY_OR_APOLOGY = "money_or_apology"  # it gives money or apologises
    HARDSHIP = "hardship"  # a customer who told of hardship lately
    UNCERTAIN_EFFECT = "uncertain_effect"  # it may have happened already
    GATE_WARNINGS = "gate_warnings"  # its data passed the gate with warnings
    UNUSUAL_VOLUME = "unusual_volume"  # more than usual at this hour of this weekday


class Way(StrEnum):
    """Where a reviewer decides."""

    PREFECT = "prefect"  # the form of the paused run in Prefect's UI
    LINK = "link"  # the signed link of an alert
    PAGE = "page"  # the review page, signed in with a one-time code
    COMMAND = "command"  # `handrail reviews`, with a one-time code


@dataclass(frozen=True, slots=True)
class RiskRules:
    """How reviews of one risk class are decided."""

    reviewers: int  # distinct people who must say yes; the initiator is never one of them
    ways: frozenset[Way]  # where they may
    roles: frozenset[str]  # who may: whoever has one of these roles
    deadline_minutes: int  # then nobody decided: nothing is done, and somebody is told
    in_staffed_hours: bool  # the deadline counts staffed minutes; else round the clock
    gather_minutes: int  # what comes within so long after the first waits in the same review
    alone: bool  # its alerts are sent by themselves, at once; else they share one

    def __post_init__(self) -> None:
        if self.reviewers < 1:
            raise ValueError(f"reviewers is {self.reviewers} and must be 1 or more: absence is never yes")
        if self.deadline_minutes < 1 or self.gather_minutes < 0:
            raise ValueError("deadline_minutes must be 1 or more, gather_minutes 0 or more")
        if not self.ways or not self.roles:
            raise ValueError("ways and roles must each name at least one: else nobody could ever decide")
        if Way.PAGE not in self.ways:
            raise ValueError("ways must contain page: it alone shows what is asked in full")


@dataclass(frozen=True, slots=True)
class PlainRule:
    """What it applies to is of this risk class."""

    risk: Risk


@dataclass(frozen=True, slots=True)
class KindRule:
    """As `PlainRule`, for these kinds of action alone."""

    risk: Risk
    kinds: frozenset[Kind]

    def __post_init__(self) -> None:
        _require_outward(self.kinds)


@dataclass(frozen=True, slots=True)
class ManyCustomersRule:
    """More customers than `more_than`, planned for one purpose within `within_minutes`."""

    risk: Risk
    more_than: int
    within_minutes: int

    def __post_init__(self) -> None:
        if self.more_than < 1 or self.within_minutes < 1:
            raise ValueError("more_than and within_minutes must be 1 or more")


@dataclass(frozen=True, slots=True)
class HardshipRule:
    """Customers who told of distress within the last `days`."""

    risk: Risk
    kinds: frozenset[Kind]
    days: int

    def __post_init__(self) -> None:
        _require_outward(self.kinds)
        if self.days < 1:
            raise ValueError(f"days is {self.days} and must be 1 or more")


@dataclass(frozen=True, slots=True)
class PhrasesRule:
    """Words of ours that say one of these phrases (`domain.phrases`), by language."""

    risk: Risk
    phrases: Mapping[str, tuple[str, ...]]
    found: Phrases = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "found", Phrases(tuple(phrases_of("money_or_apology", self.phrases))))


@dataclass(frozen=True, slots=True)
class UnusualVolumeRule:
    """More than `times` as many as usual in this hour of this weekday over `weeks` weeks, and at least `at_least`."""

    risk: Risk
    times: float
    at_least: int
    weeks: int

    def __post_init__(self) -> None:
        if self.times <= 1 or self.at_least < 1 or not 1 <= self.weeks <= 52:
            raise ValueError("times must be more than 1, at_least 1 or more, weeks 1 to 52")


@dataclass(frozen=True, slots=True)
class RiskPolicy:
    """The rules; one that is null does not apply."""

    changed_words: PlainRule | None
    changed_journey: PlainRule | None
    many_customers: ManyCustomersRule | None
    vip: KindRule | None
    money_or_apology: PhrasesRule | None
    hardship: HardshipRule | None
    uncertain_effect: PlainRule | None
    gate_warnings: KindRule | None
    unusual_volume: UnusualVolumeRule | None

    def risk_of(self, rule: Rule) -> Risk | None:
        """The class of what a rule applies to; None: the rule is off."""
        found = getattr(self, rule.value)
        return None if found is None else found.risk

    def __iter__(self) -> Iterator[Rule]:
        """The rules that are on."""
        return (rule for rule in Rule if self.risk_of(rule) is not None)


NOTHING_IS_RISKY = RiskPolicy(**dict.fromkeys(Rule))
"""No rule is on."""


@dataclass(frozen=True, slots=True)
class CanaryRules:
    """How what was approved in bulk goes out: a few, more, then the rest; it stops by itself when it goes badly."""

    steps: tuple[int, ...]  # how many go first, and how many then; the rest follows
    minutes: int  # after each of them, before the next is let go
    bounces_at_most: float  # shares of what went out so far
    complaints_at_most: float
    failures_at_most: float
    uncertain_at_most: float

    def __post_init__(self) -> None:
        if not self.steps or min(self.steps) < 1 or any(later <= earlier for earlier, later in pairwise(self.steps)):
            raise ValueError("steps must name at least one number, each larger than the one before")
        if self.minutes < 0:
            raise ValueError("minutes must be 0 or more")
        shares = (self.bounces_at_most, self.complaints_at_most, self.failures_at_most, self.uncertain_at_most)
        if not all(0 <= share < 1 for share in shares):
            raise ValueError("shares (…_at_most) are 0 or more and less than 1")


@dataclass(frozen=True, slots=True)
class Swap:
    """Somebody else is on call for a while. Times are wall clock times of the roster's zone."""

    starts: datetime
    ends: datetime
    who: str

    def __post_init__(self) -> None:
        if self.starts.tzinfo is not None or self.ends.tzinfo is not None or self.starts >= self.ends:
            raise ValueError("a swap starts before it ends, both as 2026-12-24T09:00 without a zone")


@dataclass(frozen=True, slots=True)
class OnCall:
    """Who is on call: people take weekly turns, in this order, beginning with the first on `since`."""

    time_zone: str
    people: tuple[str, ...]  # reviewers, as `handrail reviewers` names them
    since: date  # the day on which the first of them begins a turn
    turns_on: Weekday
    turns_at: time
    swaps: tuple[Swap, ...] = ()

    def __post_init__(self) -> None:
        zone(self.time_zone)
        if not self.people:
            raise ValueError("people must name at least one: somebody must be told")
        if list(Weekday)[self.since.weekday()] is not self.turns_on:
            raise ValueError(f"since is {self.since}, which is no {self.turns_on}: name the day of the first turn")


@dataclass(frozen=True, slots=True)
class ReviewPolicy:
    """Everything about reviews."""

    classes: Mapping[Risk, RiskRules]
    rules: RiskPolicy
    canary: CanaryRules
    on_call: OnCall

    def __post_init__(self) -> None:
        missing = [risk for risk in Risk if risk not in self.classes]
        if missing:
            raise ValueError(f"classes says nothing for {', '.join(missing)}")
        for lower, higher in pairwise(Risk):
            if self.classes[lower].reviewers > self.classes[higher].reviewers:
                raise ValueError(f"{lower} needs more reviewers than {higher}: the riskier needs at least as many")


_OUTWARD = frozenset({Kind.MESSAGE, Kind.CALL})


def _require_outward(kinds: frozenset[Kind]) -> None:
    wrong = sorted(kinds - _OUTWARD)
    if wrong or not kinds:
        named = f"not {', '.join(wrong)}" if wrong else "at least one of them"
        raise ValueError(
            f"kinds may name {', '.join(sorted(_OUTWARD))}, {named}: what customers do not notice is not reviewed, and "
            "no rule delays an acknowledgement"
        )
