"""Risk: what each rule applies to, what none may delay, and which class follows."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_world import NOTHING_IS_RISKY

from domain.actions import Basis, Kind
from domain.customers import Tier
from domain.entitlements import EntitlementKind
from domain.gates import GateVerdict
from domain.review_rules import (
    HardshipRule,
    KindRule,
    ManyCustomersRule,
    PhrasesRule,
    PlainRule,
    ReviewPolicy,
    Risk,
    RiskPolicy,
    Rule,
    UnusualVolumeRule,
)
from domain.risk import (
    RECOVERY_SURVEYS,
    Ask,
    Outward,
    Volumes,
    ask,
    assess,
    call_purpose,
    is_reviewable,
    let_go,
    room,
    rules_for,
    step_purpose,
    stricter,
)

CALLS = frozenset({Kind.CALL})
ALL_ON = RiskPolicy(
    changed_words=PlainRule(Risk.MEDIUM),
    changed_journey=PlainRule(Risk.HIGH),
    many_customers=ManyCustomersRule(Risk.HIGH, 100, 60),
    vip=KindRule(Risk.LOW, CALLS),
    money_or_apology=PhrasesRule(Risk.HIGH, {"en": ("refund*",)}),
    hardship=HardshipRule(Risk.MEDIUM, frozenset({Kind.CALL, Kind.MESSAGE}), 90),
    uncertain_effect=PlainRule(Risk.HIGH),
    gate_warnings=KindRule(Risk.LOW, CALLS),
    unusual_volume=UnusualVolumeRule(Risk.MEDIUM, 5, 50, 4),
)
RULES = replace(NOTHING_IS_RISKY, rules=ALL_ON)
RISKY: dict[str, Any] = {
    "tier": Tier.VIP,
    "in_hardship": True,
    "says_money_or_apology": True,
    "gate": GateVerdict.WARNINGS,
    "may_be_out": True,
    "is_many": True,
    "is_unusual": True,
}


def a_call(**facts: Any) -> Outward:
    return Outward(Kind.CALL, Basis.PROACTIVE, **facts)


def a_message(**facts: Any) -> Outward:
    return Outward(Kind.MESSAGE, Basis.SERVICE, **facts)


@pytest.mark.parametrize(
    ("one", "applies"),
    [
        (a_call(), ()),
        (a_call(tier=Tier.CORE, gate=GateVerdict.PASS), ()),
        (a_call(tier=Tier.VIP), (Rule.VIP,)),
        (a_message(tier=Tier.VIP), ()),  # the rule names calls alone
        (a_call(in_hardship=True), (Rule.HARDSHIP,)),
        (a_message(in_hardship=True), (Rule.HARDSHIP,)),
        (a_call(gate=GateVerdict.WARNINGS), (Rule.GATE_WARNINGS,)),
        (a_message(gate=GateVerdict.WARNINGS), ()),
        (a_message(says_money_or_apology=True), (Rule.MONEY_OR_APOLOGY,)),
        (a_message(may_be_out=True), (Rule.UNCERTAIN_EFFECT,)),
        (a_message(is_many=True), (Rule.MANY_CUSTOMERS,)),
        (a_message(is_unusual=True), (Rule.UNUSUAL_VOLUME,)),
        (a_call(tier=Tier.VIP, is_many=True), (Rule.MANY_CUSTOMERS, Rule.VIP)),
    ],
)
def test_each_rule_applies_to_what_it_names(one: Outward, applies: tuple[Rule, ...]) -> None:
    assert rules_for(one, RULES) == applies


@pytest.mark.parametrize("rule", [rule for rule in Rule if rule not in {Rule.CHANGED_WORDS, Rule.CHANGED_JOURNEY}])
def test_a_rule_that_is_null_never_applies(rule: Rule) -> None:
    off = replace(RULES, rules=replace(ALL_ON, **{rule.value: None}))
    assert rule in rules_for(a_call(**RISKY), RULES)
    assert rule not in rules_for(a_call(**RISKY), off)


@given(kind=st.sampled_from(Kind), basis=st.sampled_from(Basis))
def test_nothing_exempt_is_ever_asked_however_risky_it_looks(kind: Kind, basis: Basis) -> None:
    exempt = basis in {Basis.REPLY, Basis.INTERNAL} or kind in {
        Kind.ACKNOWLEDGEMENT,
        Kind.PAGE,
        Kind.TICKET,
        Kind.TICKET_NOTE,
        Kind.ERASURE,
    }
    assert is_reviewable(kind, basis) is not exempt
    assert (assess("x", Outward(kind, basis, **RISKY), RULES) is None) is exempt


@given(rules=st.sets(st.sampled_from(Rule)), on=st.sets(st.sampled_from(Rule)))
def test_the_strictest_class_of_the_rules_that_are_on_wins(rules: set[Rule], on: set[Rule]) -> None:
    policy: ReviewPolicy = replace(RULES, rules=replace(ALL_ON, **{rule.value: None for rule in set(Rule) - on}))
    found = ask("x", rules, policy)
    both = rules & on
    if not both:
        assert found is None
        return
    assert found is not None
    assert set(found.rules) == both
    risks = [getattr(ALL_ON, rule.value).risk for rule in both]
    assert found.risk is max(risks, key=list(Risk).index)
    assert found.reviewers == policy.classes[found.risk].reviewers


def test_two_asks_become_one_that_is_as_strict_as_both() -> None:
    low = Ask("a", (Rule.VIP,), Risk.LOW, 1, 15)
    high = Ask("b", (Rule.MANY_CUSTOMERS,), Risk.HIGH, 2, 0)
    both = (Rule.MANY_CUSTOMERS, Rule.VIP)
    assert stricter(low, high) == Ask("a", both, Risk.HIGH, 2, 0)
    assert stricter(high, low) == Ask("b", both, Risk.HIGH, 2, 0)
    assert stricter(None, low) is low
    assert stricter(low, None) is low
    assert stricter(None, None) is None


@pytest.mark.parametrize(("rules", "risk"), [(ALL_ON, Risk.HIGH), (replace(ALL_ON, uncertain_effect=None), Risk.HIGH)])
def test_what_a_person_lets_go_always_waits(rules: RiskPolicy, risk: Risk) -> None:
    assert let_go("x", replace(RULES, rules=rules)) == Ask("x", (Rule.UNCERTAIN_EFFECT,), risk, 2, 0)


def test_what_a_person_lets_go_waits_in_the_class_of_its_rule() -> None:
    milder = replace(RULES, rules=replace(ALL_ON, uncertain_effect=PlainRule(Risk.LOW)))
    assert let_go("x", milder).risk is Risk.LOW


@pytest.mark.parametrize(
    ("before", "many", "unusual"),
    [
        (Volumes(), 100, None),
        (Volumes(lately=40), 60, None),
        (Volumes(lately=140), 0, None),
        (Volumes(usual=0), 100, 49),  # at least 50 are unusual
        (Volumes(usual=20), 100, 100),  # more than five times as many
        (Volumes(this_hour=30, usual=20.3), 100, 71),
        (Volumes(this_hour=300, usual=20), 100, 0),
    ],
)
def test_how_many_more_may_be_planned(before: Volumes, many: int, unusual: int | None) -> None:
    assert dict(room(before, RULES)) == {
        Rule.MANY_CUSTOMERS: many,
        **({} if unusual is None else {Rule.UNUSUAL_VOLUME: unusual}),
    }
    assert room(before, NOTHING_IS_RISKY) == {}


def test_purposes_are_ids_alone() -> None:
    assert step_purpose("onboarding", "welcome") == "journey/onboarding/welcome"
    assert call_purpose(EntitlementKind.SUPPLY) == "expiry/supply/call"
    assert RECOVERY_SURVEYS == "survey/recovery"
