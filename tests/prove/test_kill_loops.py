"""A quick cut of the kill loops: some ten deaths, a stop, a halt, and one crash of PostgreSQL."""

import os
import random

import pytest
from kill_loops import campaign, plans

pytestmark = [pytest.mark.process, pytest.mark.timeout(240)]


@pytest.mark.parametrize("database", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_killed_and_stopped_at_random_nothing_is_lost_and_nothing_doubled(database: str) -> None:
    seed = int(os.environ.get("HANDRAIL_TEST_SEED") or random.randrange(1_000_000))
    (plan,) = plans(seed, [database], quick=True, kills=None)
    finding = campaign(plan)
    assert finding.holds, finding.as_line()
    assert finding.deaths >= plan.deaths
    assert finding.effects_due > 100
