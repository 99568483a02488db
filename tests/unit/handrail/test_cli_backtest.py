"""`handrail backtest depletion`: on the real purchases we ship, and on files that will not do."""

from pathlib import Path

import pytest
from command_line import CommandLine

from services.settings import ROOT

REAL = ROOT / "examples" / "purchases-1997.csv"


@pytest.fixture
def handrail(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> CommandLine:
    """The command; it needs no installation."""
    monkeypatch.setenv("HANDRAIL_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COLUMNS", "200")
    return CommandLine(monkeypatch, capsys)


@pytest.mark.parametrize(
    ("split", "coverage", "error"),
    [("1997-06-30", 0.14, 33), ("1997-09-30", 0.17, 28), ("1997-12-31", 0.19, 27)],
)
def test_on_real_purchases_the_estimate_beats_both_guesses(
    handrail: CommandLine, split: str, coverage: float, error: float
) -> None:
    told = handrail("backtest", "depletion", str(REAL), "--split", split, "--json").document
    assert (told["purchases"], told["broken"], told["customers"]["all"]) == (6919, 0, 2357)
    assert told["supplies"]["coverage"] >= coverage
    assert told["bought_again"] + told["censored"] == told["supplies"]["estimated"]
    own = told["estimate"]["median_absolute_error_days"]
    assert own <= error
    for guess in ("last_interval", "mean_interval"):
        assert own <= 0.85 * told[guess]["median_absolute_error_days"]
        assert told["estimate"]["share_inside"] > told[guess]["share_inside"]
    assert told["better_than_both_guesses"] is True


def test_most_intervals_hold_what_they_should_once_half_a_year_is_known(handrail: CommandLine) -> None:
    told = handrail("backtest", "depletion", str(REAL), "--split", "1997-09-30", "--json").document
    assert 0.78 <= told["estimate"]["share_inside"] <= 0.9
    assert told["estimate"]["share_inside_of_all"] < told["estimate"]["share_inside"]


def test_people_get_a_table_and_a_verdict(handrail: CommandLine) -> None:
    said = handrail("backtest", "depletion", str(REAL), "--split", "1997-09-30")
    assert said.status == 0
    assert "last interval repeated" in said.out
    assert "1850 have none: too few purchases of it on different days" in said.out
    assert "Our estimate is better than both guesses." in said.out


@pytest.mark.parametrize("split", ["1996-12-31", "1998-06-30", "2026-01-01"])
def test_a_split_with_nothing_on_one_side_is_refused(handrail: CommandLine, split: str) -> None:
    said = handrail("backtest", "depletion", str(REAL), "--split", split, "--json")
    assert said.status == 1
    assert "from 1997-01-01 to 1998-06-30" in said.document["error"]


def test_a_date_that_is_none_is_wrong_use(handrail: CommandLine) -> None:
    said = handrail("backtest", "depletion", str(REAL), "--split", "30.9.1997")
    assert said.status == 2
    assert "write it as 2026-09-30" in said.err


def test_broken_rows_and_what_does_not_run_out_are_left_out_and_counted(handrail: CommandLine, tmp_path: Path) -> None:
    rows = [f"c{one},coffee,2025-{month:02}-01,1,yes" for one in range(20) for month in range(1, 13)]
    rows += ["c1,coffee,soon,1,yes", "c1,,2025-01-01,1,yes", "c1,coffee,2025-01-01,-1,yes", "c1,mug,2025-01-01,1,no"]
    rows += ['c1,"coffee",soon,1,yes', 'c99,"coffee, ground",2025-01-01,1,yes', "c1,coffee,2025-01-01"]
    file = tmp_path / "bought.csv"
    header = "ref,amount,currency,customer_ref,product,bought_on,quantity,is_supply"
    lines = [header, *(f"p{number},9.90,EUR,{row}" for number, row in enumerate(rows))]
    file.write_text("\n".join(lines), encoding="utf-8")
    told = handrail("backtest", "depletion", str(file), "--split", "2025-06-30", "--json").document
    assert (told["purchases"], told["no_supply"], told["broken"]) == (241, 1, 5)
    assert told["customers"]["all"] == 21
    assert told["estimate"]["median_absolute_error_days"] <= 1


def test_a_file_of_something_else_says_what_is_missing(handrail: CommandLine) -> None:
    said = handrail("backtest", "depletion", str(ROOT / "examples" / "customers.csv"), "--split", "2026-01-01")
    assert said.status == 1
    assert "bought_on: this column is missing: add it" in said.err
