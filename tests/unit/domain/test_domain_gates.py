"""Gates: names of feeds, bounds from policy and history, verdicts."""

from dataclasses import replace

import pytest

from domain.currencies import decimals_of, written
from domain.gates import ANYTHING, DataSet, GateRules, GateVerdict, Measures, bounds, feed_of, verdict_of

RULES = GateRules(
    compared_with=5,
    volume_at_least=0.7,
    volume_at_most=1.5,
    broken_at_most=0.05,
    shares_fall_at_most=0.2,
    newest_within_days=14,
    stale_after_hours=48,
)
HISTORY = [Measures(rows, {"value": share}) for rows, share in ((100, 0.9), (20, 0.5), (30, 1.0))]


@pytest.mark.parametrize(
    ("name", "feed"),
    [
        ("entitlements.csv", "entitlements"),
        ("entitlements-2026-11-28.csv", "entitlements"),
        ("entitlements_20261128T0300Z.parquet", "entitlements"),
        ("20261128entitlements.csv", "entitlements"),
        ("2026-11-28 eu entitlements.jsonl", "eu entitlements"),
        ("shop2-entitlements.csv", "shop2-entitlements"),
        ("2026.csv", "customers"),
        (".csv", "customers"),
    ],
)
def test_a_feed_is_a_file_without_its_dates(name: str, feed: str) -> None:
    assert feed_of(name, DataSet.CUSTOMERS) == feed


def number(name: str, history: list[Measures], rows: int = 100, rules: GateRules = RULES) -> float:
    return bounds([name], rules, history, rows=rows)[name].number


def test_volume_is_compared_with_the_median() -> None:
    assert (number("volume_at_least", HISTORY), number("volume_at_most", HISTORY)) == (21, 45)
    assert (number("volume_at_least", []), number("volume_at_most", [])) == (1, ANYTHING)
    assert number("volume_at_least", [Measures(20, {})]) == 14  # 0.7 * 20 is a little more than 14 in floats
    assert number("volume_at_least", [Measures(0, {})]) == 1  # an empty batch is never as usual


def test_a_share_may_fall_a_little_below_the_usual() -> None:
    assert number("value_share_at_least", HISTORY) == pytest.approx(0.7)
    assert number("value_share_at_least", [Measures(10, {"value": 0.1})]) == 0
    assert number("email_share_at_least", HISTORY) == 0  # earlier batches did not measure it


def test_one_broken_row_never_stops_a_small_batch() -> None:
    assert number("fits_at_least", [], rows=100) == 0.95
    assert number("fits_at_least", [], rows=10) == 0.9
    assert number("fits_at_least", [], rows=1) == number("fits_at_least", [], rows=0) == 0
    assert all((rows - 1) / rows >= number("fits_at_least", [], rows=rows) for rows in range(1, 1000))


def test_age_counts_where_policy_says_so() -> None:
    assert number("newest_within_days", []) == 14
    assert number("newest_within_days", [], rules=replace(RULES, newest_within_days=None)) == ANYTHING


@pytest.mark.parametrize(
    ("critical", "warnings", "verdict"),
    [(0, 0, GateVerdict.PASS), (0, 2, GateVerdict.WARNINGS), (1, 0, GateVerdict.HALT), (1, 3, GateVerdict.HALT)],
)
def test_the_gravest_failure_decides(critical: int, warnings: int, verdict: GateVerdict) -> None:
    assert verdict_of(critical=critical, warnings=warnings) is verdict


def test_amounts_are_written_with_the_decimals_of_their_currency() -> None:
    assert [decimals_of(code) for code in ("EUR", "JPY", "KWD", "CLF")] == [2, 0, 3, 4]
    assert [written(*amount) for amount in ((12_990, "EUR"), (1500, "JPY"), (-5, "KWD"))] == [
        "129.90 EUR",
        "1500 JPY",
        "-0.005 KWD",
    ]
