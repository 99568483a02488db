"""What a policy says of reviews and cannot work, or hardly means, is told with its place and what to do."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

import pytest
from ledger_world import NOTHING_IS_RISKY, POLICY

from domain.policy import Policy
from domain.review_checks import Concern, Reviewers, concerns
from domain.review_rules import (
    ManyCustomersRule,
    OnCall,
    PhrasesRule,
    PlainRule,
    ReviewPolicy,
    Risk,
    RiskRules,
    Swap,
    UnusualVolumeRule,
)

TODAY = date(2026, 3, 4)
SOUND = replace(NOTHING_IS_RISKY, rules=replace(NOTHING_IS_RISKY.rules, uncertain_effect=PlainRule(Risk.HIGH)))
THREE: Reviewers = {"Ewa Lis": ["lead", "on_call"], "Jan Nowak": ["lead", "on_call"], "Iva Malá": ["lead", "on_call"]}
Change = Callable[[ReviewPolicy], ReviewPolicy]


def a_class(risk: Risk, **changes: Any) -> Change:
    def change(reviews: ReviewPolicy) -> ReviewPolicy:
        rules: RiskRules = replace(reviews.classes[risk], **changes)
        return replace(reviews, classes={**reviews.classes, risk: rules})

    return change


def a_rule(**rules: Any) -> Change:
    return lambda reviews: replace(reviews, rules=replace(reviews.rules, **rules))


def on_call(**changes: Any) -> Change:
    def change(reviews: ReviewPolicy) -> ReviewPolicy:
        duty: OnCall = replace(reviews.on_call, **changes)
        return replace(reviews, on_call=duty)

    return change


def found(change: Change | None = None, **known: Any) -> list[Concern]:
    reviews = SOUND if change is None else change(SOUND)
    policy: Policy = replace(POLICY, reviews=reviews)
    return concerns(policy, today=TODAY, **{"reviewers": THREE, **known})


def test_a_sound_policy_is_of_no_concern() -> None:
    assert found() == []
    assert found(reviewers=None) == []


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        (a_class(Risk.HIGH, reviewers=3), "classes.high.reviewers", "3 people must say yes"),
        (a_class(Risk.LOW, gather_minutes=500), "classes.low.deadline_minutes", "it gathers for 500 minutes"),
        (a_class(Risk.LOW, deadline_minutes=29), "classes.low.deadline_minutes", "30 minutes to go out"),
        (a_rule(many_customers=ManyCustomersRule(Risk.HIGH, 1, 60)), "rules.many_customers.more_than", "everything"),
        (a_rule(many_customers=ManyCustomersRule(Risk.HIGH, 9, 60)), "rules.many_customers.more_than", "lets 10 go"),
        (a_rule(unusual_volume=UnusualVolumeRule(Risk.LOW, 5, 1, 4)), "rules.unusual_volume.at_least", "everything"),
    ],
)
def test_what_cannot_work_is_fatal(change: Change, path: str, says: str) -> None:
    [concern] = found(change, reviewers=None)
    assert concern.is_fatal
    assert ".".join(map(str, concern.path)) == f"reviews.{path}"
    assert says in concern.what
    assert concern.fix


def test_people_need_time_to_be_reminded() -> None:
    shorter = replace(SOUND, canary=replace(SOUND.canary, minutes=0))
    [concern] = found(lambda _: a_class(Risk.LOW, deadline_minutes=14)(shorter))
    assert (concern.is_fatal, "nobody can be reminded" in concern.what) == (True, True)
    assert found(lambda _: a_class(Risk.LOW, deadline_minutes=15)(shorter)) == []


wall = datetime.fromisoformat
SWAP = Swap(wall("2026-03-05T09:00"), wall("2026-03-06T09:00"), "Ewa Lis")
PAST = replace(SWAP, starts=wall("2026-02-01T09:00"), ends=wall("2026-02-02T09:00"))
PHRASES = {language: ("sorry",) for language in ("pl", "cs", "en")}


@pytest.mark.parametrize(
    ("change", "path", "says"),
    [
        (a_class(Risk.LOW, deadline_minutes=20_000), "classes.low.deadline_minutes", "more than a week"),
        (a_class(Risk.HIGH, gather_minutes=5), "classes.high.gather_minutes", "alerts go at once"),
        (a_rule(uncertain_effect=None), "rules", "every rule is off"),
        (
            a_rule(money_or_apology=PhrasesRule(Risk.LOW, {"pl": ("a",), "en": ("a",)})),
            "rules.money_or_apology.phrases",
            "no phrases in cs",
        ),
        (
            a_rule(money_or_apology=PhrasesRule(Risk.LOW, {**PHRASES, "de": ("a",)})),
            "rules.money_or_apology.phrases.de",
            "we do not write in de",
        ),
        (on_call(people=("Ewa Lis", "Jan Nowak", "Ewa Lis")), "on_call.people", "Ewa Lis has 2 turns"),
        (on_call(since=date(2026, 3, 9)), "on_call.since", "begins on 2026-03-09"),
        (on_call(swaps=(replace(SWAP, who="Ewa Lys"),)), "on_call.swaps.0.who", 'did you mean "Ewa Lis"'),
        (on_call(swaps=(PAST,)), "on_call.swaps.0", "it is over"),
        (on_call(swaps=(SWAP, replace(SWAP, starts=wall("2026-03-05T12:00")))), "on_call.swaps.1", "it overlaps"),
    ],
)  # fmt: skip
def test_what_is_hardly_meant_is_told(change: Change, path: str, says: str) -> None:
    [concern] = found(change)
    assert not concern.is_fatal
    assert ".".join(map(str, concern.path)) == f"reviews.{path}"
    assert says in concern.what


@pytest.mark.parametrize(
    ("reviewers", "says", "is_fatal"),
    [
        ({}, "nobody is a reviewer yet", False),
        ({"Ewa Lis": ["lead", "on_call"], "Jan Nowak": ["on_call"]}, "2 must say yes to what is of high risk, and only "
         "Ewa Lis may", True),
        ({"Ewa Lis": ["lead", "on_call"], "Jan Nowak": ["lead", "on_call"]}, "nobody of Ewa Lis, Jan Nowak may be away",
         False),
        ({**THREE, "Jan Nowak": ["on_call"], "Ewa Lis": ["on_call"], "Iva Malá": ["leed"]}, 'did you mean "leed"',
         False),
    ],
)  # fmt: skip
def test_who_may_decide_is_compared(reviewers: Reviewers, says: str, is_fatal: bool) -> None:
    its = found(reviewers=reviewers)
    assert any(says in concern.what and concern.is_fatal is is_fatal for concern in its)
    assert all(concern.fix for concern in its)


def test_people_on_call_who_can_decide_nothing_are_named() -> None:
    without: Mapping[str, Any] = {name: roles for name, roles in THREE.items() if name != "Jan Nowak"}
    its = [concern.what for concern in found(reviewers={**without, "Jan Novak": ["lead", "on_call"]})]
    assert its == ['Jan Nowak is no reviewer (did you mean "Jan Novak"?): told of everything, and can decide nothing']


def test_phrases_of_every_day_hold_everything_up() -> None:
    change = a_rule(money_or_apology=PhrasesRule(Risk.LOW, PHRASES))
    [one] = found(change, said={"welcome (en)": ["sorry"], "thanks (en)": []})
    assert (one.is_fatal, one.what) == (False, "welcome (en) says sorry: each time it is sent it waits for a review")
    [every] = found(change, said={"welcome (en)": ["sorry"], "thanks (en)": ["sorry"]})
    assert (every.is_fatal, "everything would wait" in every.what) == (True, True)
    assert found(change, said={"welcome (en)": []}) == []
