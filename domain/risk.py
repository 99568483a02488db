"""Is it risky? The policy's rules about one action or many of one purpose; each answer names the rules that apply."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from math import floor

from domain.actions import Basis, Kind, key
from domain.customers import Tier
from domain.entitlements import EntitlementKind
from domain.gates import GateVerdict
from domain.review_rules import HardshipRule, KindRule, ReviewPolicy, Risk, Rule

_EXEMPT = frozenset({Kind.ACKNOWLEDGEMENT, Kind.PAGE, Kind.TICKET, Kind.TICKET_NOTE, Kind.ERASURE})


@dataclass(frozen=True, slots=True)
class Outward:
    """What the rules look at in one action."""

    kind: Kind
    basis: Basis
    tier: Tier | None = None
    in_hardship: bool = False  # its customer told of distress within the policy's days
    says_money_or_apology: bool = False  # its words do (`PhrasesRule`)
    gate: GateVerdict | None = None  # of the data it rests on
    may_be_out: bool = False  # an earlier try's answer was lost
    is_many: bool = False  # one of more than the cap (`room`)
    is_unusual: bool = False  # one of an unusual volume (`room`)


@dataclass(frozen=True, slots=True)
class Ask:
    """That something waits for a review: by which rules, of which class. Those with equal asks share one review."""

    what: str  # what is asked about, in ids: `journey/onboarding/welcome`, `expiry/subscription/call`
    rules: tuple[Rule, ...]
    risk: Risk
    reviewers: int
    gather_minutes: int


def is_reviewable(kind: Kind, basis: Basis) -> bool:
    """False for what no rule may delay: replies to customers who wait for one, and what customers do not notice."""
    return basis.is_outward and basis is not Basis.REPLY and kind not in _EXEMPT


def rules_for(one: Outward, policy: ReviewPolicy) -> tuple[Rule, ...]:
    """The rules that apply to one action, in the policy's order; none for what no rule may delay."""
    if not is_reviewable(one.kind, one.basis):
        return ()
    rules = policy.rules
    says: Mapping[Rule, bool] = {
        Rule.MANY_CUSTOMERS: one.is_many,
        Rule.VIP: one.tier is Tier.VIP and _covers(rules.vip, one.kind),
        Rule.MONEY_OR_APOLOGY: one.says_money_or_apology,
        Rule.HARDSHIP: one.in_hardship and _covers(rules.hardship, one.kind),
        Rule.UNCERTAIN_EFFECT: one.may_be_out,
        Rule.GATE_WARNINGS: one.gate is GateVerdict.WARNINGS and _covers(rules.gate_warnings, one.kind),
        Rule.UNUSUAL_VOLUME: one.is_unusual,
    }
    return tuple(rule for rule in rules if says.get(rule, False))


def ask(what: str, rules: Collection[Rule], policy: ReviewPolicy) -> Ask | None:
    """What waits because of these rules, in the highest of their classes; None for no rule that is on."""
    on = tuple(rule for rule in policy.rules if rule in rules)
    if not on:
        return None
    risk = max((risk for rule in on if (risk := policy.rules.risk_of(rule)) is not None), key=list(Risk).index)
    how = policy.classes[risk]
    return Ask(what, on, risk, how.reviewers, how.gather_minutes)


def assess(what: str, one: Outward, policy: ReviewPolicy) -> Ask | None:
    """Whether one action waits for a review; None: it may go."""
    found = rules_for(one, policy)
    return ask(what, found, policy) if found else None


def stricter(one: Ask | None, other: Ask | None) -> Ask | None:
    """Both of them as one, in the higher class; about what the first asks."""
    if one is None or other is None:
        return one or other
    order = list(Risk)
    higher = max(one, other, key=lambda ask: order.index(ask.risk))
    rules = tuple(rule for rule in Rule if rule in one.rules or rule in other.rules)
    return replace(higher, what=one.what, rules=rules, reviewers=max(one.reviewers, other.reviewers))


def let_go(what: str, policy: ReviewPolicy) -> Ask:
    """What a person lets go that may be out already: it always waits, in the highest class where the rule is off."""
    rule = Rule.UNCERTAIN_EFFECT
    risk = policy.rules.risk_of(rule) or list(Risk)[-1]
    how = policy.classes[risk]
    return Ask(what, (rule,), risk, how.reviewers, how.gather_minutes)


@dataclass(frozen=True, slots=True)
class Volumes:
    """How many of one purpose were planned before."""

    lately: int = 0  # within the minutes of the rule `many_customers`
    this_hour: int = 0
    usual: float | None = None  # on the average in this hour of this weekday; None: nobody knows yet what is usual


def room(before: Volumes, policy: ReviewPolicy) -> Mapping[Rule, int]:
    """How many more may be planned now until a rule about many applies to all of them; of the rules that are on."""
    found: dict[Rule, int] = {}
    many, unusual = policy.rules.many_customers, policy.rules.unusual_volume
    if many is not None:
        found[Rule.MANY_CUSTOMERS] = max(many.more_than - before.lately, 0)
    if unusual is not None and before.usual is not None:
        most = max(unusual.at_least - 1, floor(unusual.times * before.usual))
        found[Rule.UNUSUAL_VOLUME] = max(most - before.this_hour, 0)
    return found


def step_purpose(journey: str, step: str) -> str:
    """What a step of a journey is for, as `Ask.what`."""
    return key("journey", journey, step)


def call_purpose(kind: EntitlementKind) -> str:
    """What calls about endings of a kind are for, as `Ask.what`."""
    return key("expiry", kind, "call")


RECOVERY_SURVEYS = key("survey", "recovery")
"""What recovery surveys are for, as `Ask.what`."""


def _covers(rule: KindRule | HardshipRule | None, kind: Kind) -> bool:
    return rule is not None and kind in rule.kinds
