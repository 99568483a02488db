"""Depletion: what is estimated from known processes, and when nothing is."""

import math
import random
from collections.abc import Iterator, Sequence
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.depletion import Bought, DepletionPolicy, Estimate, NoEstimate, Rhythm, Rhythms, Tally, next_need

POLICY = DepletionPolicy(purchases_at_least=3, share_inside=0.8, quiet_after_days=60)
START = date(2025, 1, 1)


def bought(*days: int, quantity: float = 1) -> list[Bought]:
    """Purchases so many days after the start."""
    return [Bought(START + timedelta(days=day), quantity) for day in days]


def process(
    dice: random.Random, *, mean: float, within: float, purchases: int, per_quantity: float = 0
) -> list[Bought]:
    """Purchases of one customer, log-normal intervals; the logarithm of the median is `mean`."""
    day, made = 0, []
    for _ in range(purchases):
        quantity = dice.choice([1.0, 2.0, 4.0]) if per_quantity else 1.0
        made.append(Bought(START + timedelta(days=day), quantity))
        day += max(1, round(math.exp(dice.gauss(mean + per_quantity * math.log(quantity), within))))
    return made


def rhythm_of(histories: Sequence[Sequence[Bought]]) -> Rhythm:
    """What is learnt from these."""
    rhythms = Rhythms(POLICY)
    for history in histories:
        rhythms.add("coffee", history)
    learnt = rhythms.of("coffee")
    assert learnt is not None
    return learnt


def estimate(history: Sequence[Bought], rhythm: Rhythm, *, as_of: date | None = None) -> Estimate:
    """An estimate, on the day of the last purchase unless said."""
    found = next_need(history, rhythm, POLICY, as_of=as_of or history[-1].on)
    assert isinstance(found, Estimate)
    return found


def test_a_known_process_is_learnt() -> None:
    dice = random.Random(1)
    people = [process(dice, mean=dice.gauss(math.log(60), 0.5), within=0.3, purchases=6) for _ in range(2000)]
    learnt = rhythm_of(people)
    assert learnt.mean == pytest.approx(math.log(60), abs=0.03)
    assert learnt.within == pytest.approx(0.3**2, rel=0.05)
    assert learnt.between == pytest.approx(0.5**2, rel=0.08)
    assert learnt.per_quantity == 0


def test_larger_quantities_that_last_longer_are_found_and_used() -> None:
    dice = random.Random(2)
    people = [
        process(dice, mean=dice.gauss(math.log(20), 0.3), within=0.2, purchases=6, per_quantity=1) for _ in range(500)
    ]
    learnt = rhythm_of(people)
    assert learnt.per_quantity == pytest.approx(1, abs=0.03)
    before = bought(0, 20, 40)
    one = estimate([*before, Bought(START + timedelta(days=60), 1)], learnt)
    four = estimate([*before, Bought(START + timedelta(days=60), 4)], learnt)
    since = START + timedelta(days=60)
    assert (four.likely_on - since) / (one.likely_on - since) == pytest.approx(4, rel=0.1)


def test_quantities_that_tell_nothing_are_left_alone() -> None:
    dice = random.Random(3)
    people = [
        [Bought(one.on, dice.choice([1.0, 2.0, 4.0])) for one in process(dice, mean=3.5, within=0.4, purchases=6)]
        for _ in range(300)
    ]
    assert rhythm_of(people).per_quantity == 0


@pytest.mark.parametrize("silent", [0, 20, 45])
def test_the_stated_share_of_next_purchases_lies_inside_whatever_the_silence(silent: int) -> None:
    dice = random.Random(4)
    people = [process(dice, mean=dice.gauss(math.log(45), 0.4), within=0.35, purchases=7) for _ in range(4000)]
    learnt = rhythm_of([history[:-1] for history in people])
    inside = judged = early = 0
    for history in people:
        *known, after = history
        as_of = known[-1].on + timedelta(days=silent)
        if after.on <= as_of:
            continue
        found = next_need(known, learnt, POLICY, as_of=as_of)
        if isinstance(found, NoEstimate):
            continue
        judged += 1
        inside += found.earliest_on <= after.on <= found.latest_on
        early += after.on < found.likely_on
    assert judged > 700
    assert inside / judged == pytest.approx(0.8, abs=0.045)
    assert early / judged == pytest.approx(0.5, abs=0.05)


def test_a_customer_with_many_purchases_stands_for_themselves_and_one_with_few_leans_on_everybody() -> None:
    everybody = Rhythm(mean=math.log(60), within=0.09, between=0.25, per_quantity=0)
    few = estimate(bought(0, 20, 40), everybody)
    many = estimate(bought(*range(0, 400, 20)), everybody)
    assert 20 < (few.likely_on - START).days - 40 < 35
    assert (many.likely_on - START).days - 380 == pytest.approx(20, abs=1)
    assert few.latest_on - few.earliest_on > many.latest_on - many.earliest_on


def test_a_product_few_buy_has_the_rhythm_of_all_and_one_many_buy_its_own() -> None:
    dice = random.Random(5)
    rhythms = Rhythms(POLICY)
    for _ in range(40):
        rhythms.add("coffee", process(dice, mean=math.log(30), within=0.1, purchases=5))
    for _ in range(5):
        rhythms.add("filters", process(dice, mean=math.log(120), within=0.1, purchases=5))
    coffee, filters = rhythms.of("coffee"), rhythms.of("filters")
    assert coffee is not None
    assert filters is not None
    assert math.exp(coffee.mean) == pytest.approx(30, rel=0.05)
    assert 30 < math.exp(filters.mean) < 60


@pytest.mark.parametrize(
    ("history", "rhythm", "as_of", "why"),
    [
        (bought(0, 30), Rhythm(3.4, 0.1, 0.1, 0), 40, NoEstimate.TOO_FEW_PURCHASES),
        (bought(0, 30, 60), None, 61, NoEstimate.TOO_FEW_PEERS),
        (bought(0, 30, 60), Rhythm(3.4, 0.1, 0.1, 0), 400, NoEstimate.STOPPED),
    ],
)
def test_too_little_is_known_and_the_reason_is_said(
    history: list[Bought], rhythm: Rhythm | None, as_of: int, why: NoEstimate
) -> None:
    assert next_need(history, rhythm, POLICY, as_of=START + timedelta(days=as_of)) is why


def test_one_customer_alone_has_a_rhythm_of_their_own_but_two_intervals_are_none() -> None:
    alone = rhythm_of([bought(*range(0, 330, 30))])
    assert math.isinf(alone.between)
    found = estimate(bought(*range(0, 330, 30)), alone)
    assert (found.likely_on - START).days == 330
    tally = Tally()
    tally.add(bought(0, 30, 60))
    assert tally.rhythm() is None


def test_perfect_regularity_leaves_a_day_or_so_since_days_are_rounded() -> None:
    found = estimate(bought(0, 30, 60), Rhythm(math.log(30), 0, 0, 0))
    assert found == Estimate(*(START + timedelta(days=day) for day in (89, 90, 91)))


def test_who_is_long_overdue_is_due_tomorrow() -> None:
    today = START + timedelta(days=60 + 80)
    found = next_need(bought(0, 30, 60), Rhythm(math.log(30), 0, 0, 0), POLICY, as_of=today)
    assert found == Estimate(*[today + timedelta(days=1)] * 3)


def histories() -> st.SearchStrategy[list[Bought]]:
    gaps = st.lists(st.integers(1, 4000), min_size=2, max_size=12)

    def days(steps: list[int]) -> Iterator[int]:
        at = 0
        yield at
        for step in steps:
            at += step
            yield at

    return gaps.map(lambda steps: bought(*days(steps)))


@given(
    history=histories(),
    mean=st.floats(0, 8),
    within=st.floats(0, 5),
    between=st.one_of(st.floats(0, 5), st.just(math.inf)),
    silent=st.integers(0, 5000),
)
def test_an_estimate_is_in_order_and_never_in_the_past(
    history: list[Bought], mean: float, within: float, between: float, silent: int
) -> None:
    as_of = history[-1].on + timedelta(days=silent)
    found = next_need(history, Rhythm(mean, within, between, 0), POLICY, as_of=as_of)
    if isinstance(found, Estimate):
        assert as_of < found.earliest_on <= found.likely_on <= found.latest_on
