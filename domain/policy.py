"""The policy: every number, word and name that support ops may change without a developer.

The shipped one is deployments/policy.yaml; `data_contracts.policy.load_policy` reads it.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from domain.actions import Basis
from domain.breaker import BreakerRules
from domain.channels import Channel, ChannelRules, may_carry
from domain.contact import FrequencyCap
from domain.customers import Tier
from domain.depletion import DepletionPolicy
from domain.distress import DistressRules
from domain.ending_rules import ExpiryPolicy
from domain.gates import GatePolicy
from domain.hours import QuietHours, zone
from domain.journey_rules import JourneyPolicy
from domain.review_rules import ReviewPolicy
from domain.staffing import Staffing
from domain.surveys import SCALES, SurveyKind, Thresholds
from domain.triage import TriageRules
from domain.value import ValuePolicy


class Priority(StrEnum):
    """A ticket's priority, the lowest first."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


def higher(one: Priority, other: Priority) -> Priority:
    """The higher of two priorities."""
    return max(one, other, key=list(Priority).index)


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


class NightCase(StrEnum):
    """Whose case may wake somebody on call at night, on weekends and holidays."""

    DISTRESS = "distress"  # words of distress in any of its answers
    VIP = "vip"  # a customer of the highest tier


@dataclass(frozen=True, slots=True)
class PageRules:
    """When somebody on call is paged about a case. Working time and the rest are counted apart."""

    nobody_took_it_minutes: int  # staffed ones since it opened
    at_night_minutes: int  # of night, weekend and holidays since it opened
    at_night: frozenset[NightCase]  # whose cases page then too
    times: int  # in working time and at night; each after as long again
    promise_warning_minutes: int  # staffed ones before a promised time that nobody has kept yet

    def __post_init__(self) -> None:
        _require_at_least(
            1,
            nobody_took_it_minutes=self.nobody_took_it_minutes,
            at_night_minutes=self.at_night_minutes,
            times=self.times,
            promise_warning_minutes=self.promise_warning_minutes,
        )


LINK_REFERENCE = "{reference}"
"""Stands in the link of the recovery survey where the case's reference goes."""


@dataclass(frozen=True, slots=True)
class RecoverySurveyRules:
    """How we ask whether a solved case is really over."""

    after_hours: int  # since it was solved
    basis: Basis  # service; or proactive: then consent to `feedback` is needed, and the frequency cap counts it
    link: str  # where it is answered
    reopens_within_days: int  # a bad answer within so many days after it was sent reopens the case

    def __post_init__(self) -> None:
        _require_at_least(1, after_hours=self.after_hours, reopens_within_days=self.reopens_within_days)
        if self.basis not in {Basis.SERVICE, Basis.PROACTIVE}:
            raise ValueError(f"recovery_survey basis is {self.basis}: write service or proactive")
        if not self.link.startswith("https://") or LINK_REFERENCE not in self.link:
            raise ValueError(f"recovery_survey link must begin with https:// and contain {LINK_REFERENCE}")


@dataclass(frozen=True, slots=True)
class CasePolicy:
    """How a case is followed to its end."""

    read_desk_seconds: int  # an open case's ticket is read at most this often
    pages: PageRules
    bad_peak_at_most: Mapping[SurveyKind, int]
    """Such a score, like words of distress, makes a case that only a person's last word ends."""
    recovery_survey: RecoverySurveyRules

    def __post_init__(self) -> None:
        _require_at_least(5, read_desk_seconds=self.read_desk_seconds)
        _require_each("bad_peak_at_most", SurveyKind, self.bad_peak_at_most)
        for kind, score in self.bad_peak_at_most.items():
            _check_on_scale(kind, "bad_peak_at_most", score)


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
    cases: CasePolicy
    staffing: Staffing
    contact: ContactPolicy
    distress: DistressRules
    triage: TriageRules
    breaker: BreakerRules
    retry: RetryRules
    gates: GatePolicy
    value: ValuePolicy
    channels: Mapping[Channel, ChannelRules]
    depletion: DepletionPolicy
    expiry: ExpiryPolicy
    journeys: JourneyPolicy
    reviews: ReviewPolicy

    def __post_init__(self) -> None:
        zone(self.default_time_zone)
        _require_each("human", self.languages, self.human)
        _require_each("channels", Channel, self.channels)
        if self.default_language not in self.languages:
            raise ValueError(f'default_language "{self.default_language}" is not one of languages')
        _require_at_least(
            1, open_after_failures=self.breaker.open_after_failures, probe_seconds=self.breaker.probe_seconds
        )
        _require_at_least(self.breaker.probe_seconds, probe_longest_seconds=self.breaker.probe_longest_seconds)
        shortest = min(self.survey.answer_minutes.values())
        if self.cases.pages.promise_warning_minutes >= shortest:
            raise ValueError(
                f"promise_warning_minutes is {self.cases.pages.promise_warning_minutes}, but answers are promised "
                f"within {shortest} minutes: the warning must leave time to act, and not come with the answer itself"
            )
        _check_reach(self.expiry, self.channels)


def _check_reach(expiry: ExpiryPolicy, channels: Mapping[Channel, ChannelRules]) -> None:
    """Every ending can be told to somebody: a colleague has it where no call may be made."""
    person = channels[Channel.PERSON]
    for kind, rules in expiry.kinds.items():
        if not may_carry(person, rules.confidentiality):
            raise ValueError(
                f"the ending of a {kind} could reach nobody: it is {rules.confidentiality}, and channels.person "
                f"carries {person.carries} at most. Let a person carry {rules.confidentiality}, or lower the kind's "
                "confidentiality"
            )
    if expiry.high_value_at_least < person.cost_minor:
        raise ValueError(
            f"high_value_at_least is {expiry.high_value_at_least}, but one contact by a person costs "
            f"{person.cost_minor} (channels.person): an ending of high value must be worth a person"
        )


def _require_each(name: str, wanted: Iterable[str], given: Collection[str]) -> None:
    missing = [word for word in wanted if word not in given]
    if missing:
        raise ValueError(f"{name} says nothing for {', '.join(missing)}")


def _require_at_least(least: float, **values: float) -> None:
    for name, value in values.items():
        if value < least:
            raise ValueError(f"{name} is {value:g} and must be {least:g} or more")


def _check_scale(kind: SurveyKind, thresholds: Thresholds) -> None:
    for name in ("critical_at_most", "promoter_at_least"):
        _check_on_scale(kind, name, getattr(thresholds, name))


def _check_on_scale(kind: SurveyKind, name: str, bound: int) -> None:
    scale = SCALES[kind]
    if bound not in scale:
        raise ValueError(f"{kind} {name} {bound} is not on its scale ({scale[0]} to {scale[-1]})")
