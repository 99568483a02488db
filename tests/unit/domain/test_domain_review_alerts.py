"""When somebody is told of a review: each percentage once and in order, whenever anybody looks; whom; by which key."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_world import NOON, POLICY

from domain.policy import Policy
from domain.review_alerts import Due, Occasion, Watched, due_alerts, is_needed, may_decide, plan_alerts
from domain.review_rules import Risk
from domain.reviews import Stand, deadline_of
from domain.staffing import answer_by, is_open, part_way

EWA, JAN = "Ewa Lis", "Jan Nowak"


def a_review(review_id: int = 1, risk: Risk = Risk.LOW, **facts: Any) -> Watched:
    """One that was sealed at noon."""
    sealed_at = facts.pop("sealed_at", NOON)
    made = Watched(
        id=review_id,
        stand=Stand.OPEN,
        risk=risk,
        initiator="run-1",
        revision=1,
        sealed_at=sealed_at,
        deadline=deadline_of(POLICY.reviews.classes[risk], POLICY.staffing, sealed_at),
        said_yes=(),
        last_yes=0,
        halted_at=None,
        told=-1,
        told_vote=0,
        told_halt=None,
    )
    return replace(made, **facts)


def due(
    *reviews: Watched, now: datetime = NOON, shared_at: datetime | None = None, policy: Policy = POLICY
) -> list[Due]:
    return due_alerts(reviews, policy, shared_at=shared_at, now=now)


def keys(*told: Due, now: datetime = NOON) -> list[str]:
    return [planned.key for planned in plan_alerts(told, POLICY, can_page=True, now=now)]


SPANS = st.lists(st.timedeltas(timedelta(seconds=1), timedelta(hours=9)), max_size=40)
SEALED = st.datetimes(
    datetime.fromisoformat("2026-03-20"), datetime.fromisoformat("2026-04-05"), timezones=st.just(UTC)
)


@given(st.sampled_from(list(Risk)), SEALED, SPANS)
def test_whenever_anybody_looks_each_percentage_is_told_once_in_order_and_not_before_its_time(
    risk: Risk, sealed_at: datetime, spans: list[timedelta]
) -> None:
    """LOW and HIGH are counted round the clock, MEDIUM in staffed minutes; over the change to summer time."""
    review, now = a_review(1, risk, sealed_at=sealed_at), sealed_at
    rules = POLICY.reviews.classes[risk]
    shared_at: datetime | None = None
    told: list[tuple[int, datetime]] = []
    for span in spans:
        now += span
        if now >= review.deadline:
            review = replace(review, stand=Stand.EXPIRED)
        for one in due(review, now=now, shared_at=shared_at):
            assert one.occasion.percent is not None
            told.append((one.occasion.percent, now))
            review = replace(review, told=one.occasion.percent)
            shared_at = now
            assert rules.alone or not rules.in_staffed_hours or is_open(POLICY.staffing, now)
    percents = [percent for percent, _ in told]
    assert percents == sorted(set(percents))
    for percent, at in told:
        counted = (at - sealed_at) / (review.deadline - sealed_at) * 100
        if not rules.in_staffed_hours:
            assert counted >= percent or percent == 0
        else:
            assert at >= part_way(POLICY.staffing, sealed_at, review.deadline, percent)


@given(st.sampled_from(list(Risk)), SEALED)
def test_who_looks_every_minute_tells_all_four(risk: Risk, sealed_at: datetime) -> None:
    review, now, told = a_review(1, risk, sealed_at=sealed_at), sealed_at, []
    shared_at: datetime | None = None
    while now <= review.deadline + timedelta(days=1):
        if now >= review.deadline:
            review = replace(review, stand=Stand.EXPIRED)
        for one in due(review, now=now, shared_at=shared_at):
            told.append(one.occasion)
            review, shared_at = replace(review, told=one.occasion.percent or 0), now
        now += timedelta(minutes=5)
    assert told == [Occasion.OPENED, Occasion.HALF, Occasion.ESCALATED, Occasion.OVER]


@given(SEALED, st.integers(1, 3000), st.integers(0, 100))
def test_a_part_of_the_staffed_time_is_so_many_staffed_minutes(sealed_at: datetime, minutes: int, percent: int) -> None:
    end = answer_by(POLICY.staffing, sealed_at, 100 * minutes)
    reached = part_way(POLICY.staffing, sealed_at, end, percent)
    expected = answer_by(POLICY.staffing, sealed_at, percent * minutes)
    assert reached == expected


def test_where_nobody_is_at_work_in_between_all_of_the_time_counts() -> None:
    night = datetime(2026, 3, 4, 22, tzinfo=UTC)
    assert part_way(POLICY.staffing, night, night + timedelta(hours=2), 50) == night + timedelta(hours=1)


def test_a_class_that_shares_waits_for_its_quarter_and_one_alone_does_not() -> None:
    just_now = NOON - timedelta(minutes=14)
    assert due(a_review(), now=NOON, shared_at=just_now) == []
    assert len(due(a_review(), now=NOON, shared_at=NOON - timedelta(minutes=15))) == 1
    assert [one.is_shared for one in due(a_review(1, Risk.HIGH), now=NOON, shared_at=just_now)] == [False]


@pytest.mark.parametrize(
    ("facts", "people"),
    [
        ({}, (EWA,)),
        ({"initiator": EWA}, (JAN,)),
        ({"initiator": "ewa  LIS"}, (JAN,)),
        ({"said_yes": (EWA,)}, (JAN,)),
        ({"said_yes": (EWA, JAN)}, (EWA,)),  # nobody else is there: somebody must know
    ],
)
def test_who_is_told_is_somebody_who_may_decide(facts: dict[str, Any], people: tuple[str, ...]) -> None:
    (one,) = due(a_review(1, Risk.HIGH, **facts))
    assert one.people == people


def test_both_are_told_of_the_escalation_and_of_the_end() -> None:
    (escalated,) = due(a_review(1, Risk.HIGH), now=NOON + timedelta(minutes=192))
    (over,) = due(a_review(1, Risk.HIGH, stand=Stand.EXPIRED), now=NOON + timedelta(minutes=240))
    assert (escalated.people, over.people) == ((EWA, JAN), (EWA, JAN))


def test_a_key_is_made_of_the_review_the_occasion_and_the_person() -> None:
    assert keys(*due(a_review(7, Risk.HIGH), now=NOON + timedelta(minutes=120))) == [f"review/7/alert/50/{EWA}"]
    said = due(a_review(7, Risk.HIGH, told=0, said_yes=(EWA,), last_yes=3, revision=2))
    assert keys(*said) == [f"review/7/alert/next-yes/2.1/{JAN}"]
    halted = due(a_review(7, Risk.HIGH, stand=Stand.APPROVED, halted_at=NOON))
    assert keys(*halted) == [f"review/7/alert/halted/20260304T110000.000000/{EWA}"]


def test_the_key_of_a_shared_alert_says_of_which_reviews_it_tells_and_of_what() -> None:
    two = due(a_review(1), a_review(2))
    assert keys(*two) == keys(*due(a_review(1), a_review(2)))
    (key,) = keys(*two)
    assert key.startswith("review/alerts/")
    assert key != keys(*due(a_review(1), a_review(3)))[0]
    later = NOON + timedelta(hours=4)
    assert key != keys(*due(a_review(1, told=0), a_review(2, told=0), now=later))[0]


@pytest.mark.parametrize(
    ("risk", "minutes", "severity", "urgent"),
    [
        (Risk.LOW, 0, "warning", False),
        (Risk.LOW, 400, "error", False),
        (Risk.HIGH, 0, "error", True),
        (Risk.HIGH, 200, "critical", True),
    ],
)
def test_the_graver_the_louder(risk: Risk, minutes: int, severity: str, urgent: bool) -> None:
    now = NOON + timedelta(minutes=minutes)
    plans = plan_alerts(due(a_review(1, risk), now=now), POLICY, can_page=True, now=now)
    assert {(one.payload.params["severity"], one.urgent) for one in plans} == {(severity, urgent)}


@pytest.mark.parametrize(
    ("occasion", "stand", "halted", "needed"),
    [
        (Occasion.OPENED, Stand.OPEN, False, True),
        (Occasion.HALF, Stand.APPROVED, False, False),
        (Occasion.ESCALATED, Stand.EXPIRED, False, False),
        (Occasion.NEXT_YES, Stand.REJECTED, False, False),
        (Occasion.OVER, Stand.EXPIRED, False, True),
        (Occasion.HALTED, Stand.APPROVED, True, True),
        (Occasion.HALTED, Stand.APPROVED, False, False),
    ],
)
def test_what_was_decided_meanwhile_is_not_told(occasion: Occasion, stand: Stand, halted: bool, needed: bool) -> None:
    assert is_needed({"occasion": occasion.value}, stand, NOON if halted else None) is needed


def test_one_person_is_one_person_however_their_name_is_typed() -> None:
    assert not may_decide("ewa lis", "run-1", ("Ewa  Lis",))
    assert may_decide("Ewa Lisowska", EWA, (JAN,))
