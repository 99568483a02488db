"""The policy: every number, word and name that support ops may change without a developer.

The shipped one is deployments/policy.yaml; `data_contracts.policy.load_policy` reads it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.breaker import BreakerRules
from domain.contact import FrequencyCap
from domain.customers import Tier
from domain.distress import DistressRules
from domain.hours import QuietHours, zone
from domain.staffing import Staffing
from domain.surveys import SCALES, SurveyKind, Thresholds
from domain.triage import TriageRules


class Priority(StrEnum):
    """A ticket's priority, the lowest first."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class HumanContact:
    """How to reach a person, in one language. Stands in every message."""

    phone: str
    mail: str
    hours: str  # as a customer reads them: "Mon–Fri 8:00–18:00"

    def __post_init__(self) -> None:
        if not all(text.strip() for text in (self.phone, self.mail, self.hours)):
            raise ValueError("phone, mail and hours must all be filled in: every message offers a person")


@dataclass(frozen=True, slots=True)
class Teams:
    """Who gets the ticket, by the ticket desk's own names."""

    critical_answer: str
    distress: str  # words of distress in an answer whose score is not critical


@dataclass(frozen=True, slots=True)
class SurveyPolicy:
    """What survey answers lead to."""

    thresholds: Mapping[SurveyKind, Thresholds]
    priority: Priority  # of a case's ticket
    answer_minutes: Mapping[Tier, int]
    """Staffed minutes from receipt until a person has answered; told to the customer."""
    acknowledge_within_hours: int
    """Hours from receipt after which an acknowledgement that could not leave is pointless."""
    acknowledge_answers_up_to_hours: int
    """Hours since the answer was given beyond which it is only ticketed (late imports)."""

    def __post_init__(self) -> None:
        _require_each("thresholds", SurveyKind, self.thresholds)
        _require_each("answer_minutes", Tier, self.answer_minutes)
        for kind, thresholds in self.thresholds.items():
            _check_scale(kind, thresholds)
        _require_at_least(1, answer_minutes=min(self.answer_minutes.values()))
        _require_at_least(
            1,
            acknowledge_within_hours=self.acknowledge_within_hours,
            acknowledge_answers_up_to_hours=self.acknowledge_answers_up_to_hours,
        )


@dataclass(frozen=True, slots=True)
class ContactPolicy:
    """When customers are left alone."""

    quiet: QuietHours  # on each customer's own clock
    cap: FrequencyCap


@dataclass(frozen=True, slots=True)
class RetryRules:
    """How the ledger retries what surely was not sent. Seconds within one attempt belong to the integration."""

    first_seconds: float  # wait after the first failure; it doubles
    longest_seconds: float
    max_attempts: int  # then a person looks

    def __post_init__(self) -> None:
        _require_at_least(1, first_seconds=self.first_seconds, max_attempts=self.max_attempts)
        _require_at_least(self.first_seconds, longest_seconds=self.longest_seconds)


@dataclass(frozen=True, slots=True)
class Policy:
    """The whole policy. A value of this type is consistent in itself."""

    company: str  # as customers know us
    languages: tuple[str, ...]  # we write in these: primary tags
    default_language: str  # for customers whose language we do not know or write
    default_time_zone: str  # for customers whose time zone we do not know
    human: Mapping[str, HumanContact]  # by language
    teams: Teams
    survey: SurveyPolicy
    staffing: Staffing
    contact: ContactPolicy
    distress: DistressRules
    triage: TriageRules
    breaker: BreakerRules
    retry: RetryRules

    def __post_init__(self) -> None:
        zone(self.default_time_zone)
        _require_each("human", self.languages, self.human)
        if self.default_language not in self.languages:
            raise ValueError(f'default_language "{self.default_language}" is not one of languages')
        _require_at_least(
            1, open_after_failures=self.breaker.open_after_failures, probe_seconds=self.breaker.probe_seconds
        )
        _require_at_least(self.breaker.probe_seconds, probe_longest_seconds=self.breaker.probe_longest_seconds)


def _require_each(name: str, wanted: Iterable[str], given: Collection[str]) -> None:
    missing = [word for word in wanted if word not in given]
    if missing:
        raise ValueError(f"{name} says nothing for {', '.join(missing)}")


def _require_at_least(least: float, **values: float) -> None:
    for name, value in values.items():
        if value < least:
            raise ValueError(f"{name} is {value:g} and must be {least:g} or more")


def _check_scale(kind: SurveyKind, thresholds: Thresholds) -> None:
    scale = SCALES[kind]
    for name in ("critical_at_most", "promoter_at_least"):
        bound: int = getattr(thresholds, name)
        if bound not in scale:
            raise ValueError(f"{kind} {name} {bound} is not on its scale ({scale[0]} to {scale[-1]})")
