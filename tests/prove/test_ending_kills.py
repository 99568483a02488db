"""A quick cut of the endings under fire: ten deaths on each database."""

import os
import random

import pytest
from ending_kills import campaign

pytestmark = [pytest.mark.process, pytest.mark.timeout(300)]


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_whoever_dies_where_each_ending_comes_to_one_task_or_call_or_stays_visible(database: str) -> None:
    seed = int(os.environ.get("HANDRAIL_TEST_SEED") or random.randrange(1_000_000))
    finding = campaign(seed, database, kills=10)
    assert finding.holds, finding.as_line()
    assert finding.deaths >= 10
    assert finding.effects_due > 50
