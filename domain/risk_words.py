"""Why each rule applies to an action, or does not: its facts beside the policy's thresholds, in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

from domain.customers import Tier
from domain.gates import GateVerdict
from domain.review_rules import HardshipRule, KindRule, ReviewPolicy, Rule
from domain.risk import Outward, Volumes, is_reviewable, rules_for
from domain.words import how_many


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule says of one action."""

    rule: Rule
    is_on: bool
    applies: bool
    why: str


@dataclass(frozen=True, slots=True)
class Known:
    """What stands behind an `Outward`; None: it cannot be known for this subject."""

    what: str | None = None
    """What it is for, as `Ask.what`."""
    volumes: Volumes | None = None
    said: Sequence[str] | None = None
    """The phrases of money or apology that its words say."""


def findings(one: Outward, known: Known, policy: ReviewPolicy) -> list[Finding]:
    """Every rule, in the policy's order; the same ones apply as when it is planned (`rules_for`)."""
    applying = rules_for(one, policy)
    on = set(policy.rules)
    if not is_reviewable(one.kind, one.basis):
        why = "no rule delays it: it is a reply, or nothing that customers notice"
        return [Finding(rule, rule in on, False, why) for rule in Rule]
    return [
        Finding(rule, rule in on, rule in applying, _why(rule, one, known, policy) if rule in on else "it is off")
        for rule in Rule
    ]


def _why(rule: Rule, one: Outward, known: Known, policy: ReviewPolicy) -> str:
    match rule:
        case Rule.CHANGED_WORDS:
            return "it asks about words when they are published; messages go out in the last approved ones meanwhile"
        case Rule.CHANGED_JOURNEY:
            return "it asks about a version when it is published; customers enter the last approved one meanwhile"
        case Rule.MANY_CUSTOMERS:
            return _many(known, policy)
        case Rule.VIP:
            return _kind(_tier(one), policy.rules.vip, one)
        case Rule.MONEY_OR_APOLOGY:
            return _money(known)
        case Rule.HARDSHIP:
            return _kind(_hardship(one, policy.rules.hardship), policy.rules.hardship, one)
        case Rule.UNCERTAIN_EFFECT:
            return "the answer to an earlier try was lost" if one.may_be_out else "no answer to an earlier try was lost"
        case Rule.GATE_WARNINGS:
            return _kind(_gate(one), policy.rules.gate_warnings, one)
        case Rule.UNUSUAL_VOLUME:
            return _unusual(known, policy)


def _kind(fact: str, rule: KindRule | HardshipRule | None, one: Outward) -> str:
    if rule is None or one.kind in rule.kinds:
        return fact
    return f"{fact}; the rule is about {' and '.join(sorted(rule.kinds))}, and this is a {one.kind}"


def _tier(one: Outward) -> str:
    if one.tier is None:
        return "of whom it is about nothing is known"
    return f"the customer's tier is {one.tier}" + ("" if one.tier is Tier.VIP else "; the rule is about vip")


def _hardship(one: Outward, rule: HardshipRule | None) -> str:
    days = "" if rule is None else f" within {rule.days} days"
    return f"the customer told of distress{days}" if one.in_hardship else f"the customer told of no distress{days}"


def _gate(one: Outward) -> str:
    if one.gate is None:
        return "it rests on no batch that came through a gate"
    told = "passed its gate with warnings" if one.gate is GateVerdict.WARNINGS else "passed its gate without warnings"
    return f"the data it rests on {told}"


def _money(known: Known) -> str:
    if known.said is None:
        return "its words are not known yet"
    return f"its words say {', '.join(known.said)}" if known.said else "its words say none of the phrases"


def _planned(count: int, what: str) -> str:
    return f"{how_many(count, 'was', 'were')} planned for {what}"


def _many(known: Known, policy: ReviewPolicy) -> str:
    rule = policy.rules.many_customers
    if rule is None or known.volumes is None:
        return "nothing of it is counted"
    lately = _planned(known.volumes.lately, f"{known.what} within {how_many(rule.within_minutes, 'minute')}")
    return f"{lately}; it begins above {rule.more_than}"


def _unusual(known: Known, policy: ReviewPolicy) -> str:
    rule = policy.rules.unusual_volume
    if rule is None or known.volumes is None:
        return "nothing of it is counted"
    usual = known.volumes.usual
    if usual is None:
        return f"nobody knows yet what is usual of {known.what}: it takes {how_many(rule.weeks, 'week')}"
    begins = max(rule.at_least, floor(rule.times * usual) + 1)
    counted = _planned(known.volumes.this_hour, f"{known.what} in this hour")
    return f"{counted}, {usual:g} are usual; it begins at {begins}"
