"""The ledger as a Hypothesis state machine, on both databases."""

from pathlib import Path

import pytest
from ledger_runs import Place, on_sqlite, run_histories
from ledger_tally import KINDS, Tally


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_any_history_keeps_the_promises_on_sqlite(sqlite_template: Path, tmp_path: Path) -> None:
    ran = run_histories(on_sqlite(sqlite_template, tmp_path), examples=20, steps=40)
    assert ran.histories >= 20
    assert len(ran.tally) > len(KINDS) / 2, f"most of it never happened: {ran.tally.never()}"


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.timeout(400)
def test_any_history_keeps_the_promises_on_postgresql(standing: Place) -> None:
    assert run_histories(standing, examples=8, steps=30).histories >= 8


def test_a_kind_of_step_that_nobody_listed_is_refused() -> None:
    with pytest.raises(KeyError):
        Tally().did("something else")
