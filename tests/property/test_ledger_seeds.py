"""Histories that failed once, run for ever."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from journey_runs import run_journeys
from ledger_runs import Seed, kept_seeds, on_postgresql, on_sqlite, run_histories
from review_runs import run_reviews

RUN: dict[str, Callable[..., Any]] = {"ledger": run_histories, "journeys": run_journeys, "reviews": run_reviews}


def _on(database: str) -> list[Seed]:
    return [seed for seed in kept_seeds() if seed.database == database]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kept", _on("sqlite"), ids=lambda kept: str(kept.seed))
def test_what_failed_once_on_sqlite_holds(sqlite_template: Path, tmp_path: Path, kept: Seed) -> None:
    place = on_sqlite(sqlite_template, tmp_path)
    assert RUN[kept.of](place, examples=kept.examples, steps=kept.steps, seed=kept.seed).histories >= kept.examples


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.postgres
@pytest.mark.parametrize("kept", _on("postgresql"), ids=lambda kept: str(kept.seed))
def test_what_failed_once_on_postgresql_holds(postgres_server: str, postgres_template: str, kept: Seed) -> None:
    with on_postgresql(postgres_server, postgres_template) as place:
        RUN[kept.of](place, examples=kept.examples, steps=kept.steps, seed=kept.seed)


def test_the_same_seed_is_the_same_histories(sqlite_template: Path, tmp_path: Path) -> None:
    """Else a kept seed would show nothing."""
    ran = [
        run_histories(on_sqlite(sqlite_template, tmp_path), examples=2, steps=8, seed=7).tally.in_order()
        for _ in range(2)
    ]
    assert ran[0] == ran[1]
