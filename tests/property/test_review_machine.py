"""A review's whole life as a Hypothesis state machine, on both databases."""

from pathlib import Path

import pytest
from ledger_runs import Place, on_sqlite
from review_runs import USUAL, run_reviews


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_any_history_of_a_review_keeps_the_promises_on_sqlite(sqlite_template: Path, tmp_path: Path) -> None:
    ran = run_reviews(on_sqlite(sqlite_template, tmp_path), examples=50, steps=40)
    assert ran.histories >= 50
    assert len(USUAL & ran.did.keys()) > 2 / 3 * len(USUAL), f"never happened: {sorted(USUAL - ran.did.keys())}"
    for risk in ("low", "medium", "high"):
        assert ran.did[f"went out: {risk}"], f"nothing of class {risk} ever went out"


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(600)
def test_any_history_of_a_review_keeps_the_promises_on_postgresql(standing: Place) -> None:
    assert run_reviews(standing, examples=5, steps=30).histories >= 5


def test_the_same_seed_is_the_same_histories(sqlite_template: Path, tmp_path: Path) -> None:
    """Else a kept seed would show nothing."""
    ran = [run_reviews(on_sqlite(sqlite_template, tmp_path), examples=2, steps=8, seed=7).did for _ in range(2)]
    assert ran[0] == ran[1]
