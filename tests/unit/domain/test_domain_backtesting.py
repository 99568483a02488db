"""Backtests: what is judged, by what, and how those are counted who never came back."""

from datetime import date, timedelta

import pytest

from domain.backtesting import Supply, backtest
from domain.depletion import Bought, DepletionPolicy, NoEstimate

POLICY = DepletionPolicy(purchases_at_least=3, share_inside=0.8, quiet_after_days=60)
START = date(2025, 1, 1)
SPLIT = START + timedelta(days=100)


def bought(*days: int) -> list[Bought]:
    """Purchases so many days after the start."""
    return [Bought(START + timedelta(days=day), 1) for day in days]


def regular(number: int, *, step: int = 30, start: int = 0) -> dict[Supply, list[Bought]]:
    """Customers who buy every so many days, well past the split."""
    return {(f"c{one}", "coffee"): bought(*range(start, 400, step)) for one in range(number)}


def test_perfectly_regular_customers_are_met_to_the_day_and_so_by_both_guesses() -> None:
    result = backtest(regular(10), POLICY, split=SPLIT)
    assert (result.customers, result.estimated, result.coverage) == (10, 10, 1)
    assert (result.bought_again, result.censored) == (10, 0)
    for score in (result.estimate, result.last_interval, result.mean_interval):
        assert (score.median_absolute_error_days, score.share_inside, score.judged) == (0, 1, 10)
    assert not result.is_better_than_guessing


def test_nothing_after_the_split_is_learnt_from() -> None:
    histories = regular(10)
    moved = {supply: [*history[:4], *bought(*range(101, 400, 7))] for supply, history in histories.items()}
    before, after = (backtest(one, POLICY, split=SPLIT) for one in (histories, moved))
    assert after.estimate.median_absolute_error_days == 120 - 101
    assert before.estimate.median_absolute_error_days == 0


def test_who_does_not_come_back_is_censored_and_outside_but_spoils_no_error() -> None:
    histories = regular(10)
    histories |= {(f"gone{one}", "coffee"): bought(0, 30, 60, 90) for one in range(10)}
    result = backtest(histories, POLICY, split=SPLIT)
    assert (result.estimated, result.bought_again, result.censored) == (20, 10, 10)
    assert result.estimate.median_absolute_error_days == 0
    assert result.estimate.share_inside == 1
    assert result.estimate.share_inside_of_all == 0.5


def test_an_interval_that_the_data_does_not_reach_to_the_end_of_judges_nothing() -> None:
    histories = {supply: [*bought(0, 30, 60, 90), *bought(119)] for supply in regular(10)}
    result = backtest(histories, POLICY, split=SPLIT)
    assert result.until == START + timedelta(days=119)
    assert (result.estimate.judged, result.estimate.share_inside) == (0, None)
    assert result.estimate.median_absolute_error_days == 1


def test_a_guess_that_has_passed_by_the_split_is_moved_to_the_day_after() -> None:
    histories = {supply: bought(0, 30, 60) for supply in regular(10)}
    histories["late", "coffee"] = bought(0, 20, 40, 105)
    result = backtest(histories, POLICY, split=START + timedelta(days=65))
    assert (result.estimated, result.bought_again) == (11, 1)
    assert result.last_interval.median_absolute_error_days == 105 - 66
    assert result.mean_interval.median_absolute_error_days == 105 - 66


def test_a_customers_products_are_estimated_apart_and_reasons_are_counted() -> None:
    histories: dict[Supply, list[Bought]] = {**regular(10)}
    histories["c0", "tea"] = bought(5)
    histories["stopped", "coffee"] = bought(0, 5, 10)
    histories["new", "coffee"] = bought(150)
    result = backtest(histories, POLICY, split=SPLIT)
    assert (result.customers, result.supplies, result.customers_estimated) == (11, 12, 10)
    assert result.no_estimate == {NoEstimate.TOO_FEW_PURCHASES: 1, NoEstimate.STOPPED: 1}


def test_where_nobody_comes_back_there_is_nobody_to_judge_by() -> None:
    histories = {supply: bought(0, 30, 60, 90) for supply in regular(10)}
    histories["other", "tea"] = bought(300)
    result = backtest(histories, POLICY, split=SPLIT)
    assert result.censored == 10
    assert result.estimate.median_absolute_error_days is None
    assert not result.is_better_than_guessing
    assert result.coverage == pytest.approx(1)
