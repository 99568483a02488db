"""Simulation and reality: the same input, on a clock that leaps, and by the real services minute by minute."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from simulation_stage import BEGAN, Outcome, happened, journey, simulated, simulation, some_input, templates

from domain.actions import Kind
from domain.channels import Channel
from domain.policy import Policy
from domain.review_rules import NOTHING_IS_RISKY, KindRule, ManyCustomersRule, Risk
from services.publishing import publish_journeys, publish_templates
from services.simulated import Fate
from store.database import Database, sqlite_url

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

A_MINUTE = timedelta(minutes=1)


@pytest.fixture
def template(sqlite_template: Path, tmp_path: Path) -> Path:
    """A database that knows the journey and its words, and nobody."""
    path = tmp_path / "template.db"
    path.write_bytes(sqlite_template.read_bytes())
    database = Database(sqlite_url(path))
    publish_templates(database, templates(), now=BEGAN)
    publish_journeys(database, [journey()], now=BEGAN)
    database.close()
    return path


@pytest.mark.parametrize("seed", range(2))
async def test_what_simulation_says_is_what_happens(seed: int, template: Path, tmp_path: Path, policy: Policy) -> None:
    # Virtual time has no reviewers: the two are alike where nothing waits for one.
    policy = replace(policy, reviews=replace(policy.reviews, rules=NOTHING_IS_RISKY))
    given = some_input(seed, 40, tmp_path, policy)
    until = BEGAN + timedelta(days=4)
    real = await happened(given, policy, until, template, tmp_path)
    told = await asyncio.to_thread(simulated, given, policy, until, template, tmp_path)
    assert told.actions.keys() == real.actions.keys()
    differing = {key: (told.actions[key], found) for key, found in real.actions.items()
                 if not _is_same(told.actions[key], found)}  # fmt: skip
    assert differing == {}
    entered = {ref: (told.enrolments[ref], found) for ref, found in real.enrolments.items()
               if not _is_same(told.enrolments[ref], found)}  # fmt: skip
    assert entered == {}
    by_vendors = {capability: sorted(keys) for capability, keys in real.vendors.items()}
    assert by_vendors == {
        capability: sorted(
            key for key, it in told.actions.items() if it["state"] == "done" and it["channel"] == capability
        )
        for capability in real.vendors
    }
    _has_seen_enough(real)


def test_it_tells_what_would_have_waited_for_a_review_and_lets_nothing_wait(
    template: Path, tmp_path: Path, policy: Policy
) -> None:
    vip = KindRule(Risk.LOW, frozenset({Kind.CALL, Kind.MESSAGE}))
    rules = replace(NOTHING_IS_RISKY, vip=vip, many_customers=ManyCustomersRule(Risk.HIGH, 1, 60))
    risky = replace(policy, reviews=replace(policy.reviews, rules=rules))
    given = some_input(0, 40, tmp_path, policy)
    told = simulation(given, risky, BEGAN + timedelta(days=2), template, tmp_path)
    vips = {entrant.ref for entrant in given.entrants if entrant.row["tier"] == "vip"}
    touches = [touch for travel in told.travels if travel.ref in vips for touch in travel.touches]
    sent = [touch for touch in touches if touch.fate is Fate.SENT and touch.channel is not Channel.PERSON]
    assert sent
    assert [(one.what, one.count) for one in told.for_review] == [("vip", len(sent))]


def _is_same(told: dict[str, Any], real: dict[str, Any]) -> bool:
    """Everything alike, times to the minute."""
    for name, one in told.items():
        other = real[name]
        if name.endswith("_at") and one is not None and other is not None:
            if abs(one - other) >= A_MINUTE:
                return False
        elif one != other:
            return False
    return True


def _has_seen_enough(real: Outcome) -> None:
    """That the journey's every turn was taken, or the comparison would say little."""
    states = [it["state"] for it in real.actions.values()]
    assert {"done", "skipped", "cancelled"} <= set(states)
    steps = {key.rpartition("/")[2] for key in real.actions}
    assert steps >= {"welcome", "guide", "mistakes", "need-a-hand", "call", "check-in"}
    assert {it["state"] for it in real.enrolments.values()} >= {"finished", "goal", "left"}
