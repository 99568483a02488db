"""Journeys, events and the clock as a Hypothesis state machine, on both databases."""

from pathlib import Path

import pytest
from journey_runs import USUAL, run_journeys
from ledger_runs import Place, on_sqlite


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_any_history_of_a_journey_keeps_the_promises_on_sqlite(sqlite_template: Path, tmp_path: Path) -> None:
    ran = run_journeys(on_sqlite(sqlite_template, tmp_path), examples=20, steps=40)
    assert ran.histories >= 20
    assert len(USUAL & ran.did.keys()) > len(USUAL) / 2, f"most of it never happened: {sorted(USUAL - ran.did.keys())}"


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(600)
def test_any_history_of_a_journey_keeps_the_promises_on_postgresql(standing: Place) -> None:
    assert run_journeys(standing, examples=5, steps=30).histories >= 5


def test_the_same_seed_is_the_same_histories(sqlite_template: Path, tmp_path: Path) -> None:
    """Else a kept seed would show nothing."""
    ran = [run_journeys(on_sqlite(sqlite_template, tmp_path), examples=2, steps=8, seed=7).did for _ in range(2)]
    assert ran[0] == ran[1]
