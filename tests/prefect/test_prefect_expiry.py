"""The flow `expiry-detection` against a Prefect server: what its run, its tasks and its artifacts say."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from endings_world import EndingsWorld
from prefect.client.schemas.objects import State
from prefect_stage import Server, eventually

from flows.expiry_detection import expiry_detection
from store.database import Database

pytestmark = pytest.mark.prefect


@pytest.fixture
def world(applied: Server, database: Database) -> Iterator[EndingsWorld]:
    """An installation with an ending that is near, by today's calendar."""
    made = EndingsWorld(database)
    made.now = datetime.now(UTC)
    made.pass_gate()
    made.entitlement("E-near", ends_on=made.now.date() + timedelta(days=10), at_risk_minor=70_000)
    made.entitlement("E-renews", ends_on=made.now.date() + timedelta(days=10), auto_renews=True)
    return made


def shown_by(server: Server, state: State[Any]) -> dict[str, Any]:
    """The artifacts of the run: key → data."""
    run = str(state.state_details.flow_run_id)
    found = server.post("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run]}}})
    return {each["key"]: each["data"] for each in found}


async def test_an_ending_becomes_a_task_and_the_run_says_so(applied: Server, world: EndingsWorld) -> None:
    state = await expiry_detection(return_state=True)
    again = await expiry_detection(return_state=True)

    assert (state.name, str(state.message)) == ("Completed", "1 tasks planned")
    assert str(again.message) == "nothing planned"
    shown = shown_by(applied, state)
    found = json.loads(shown["endings-found"])[0]
    assert found["within_days"] == {"30": 0, "14": 1, "3": 0}
    assert found["left_out"] == {"renews by itself": 1}
    assert json.loads(shown["endings-planned"]) == [{"what": "tasks", "count": 1, "why": ""}]
    assert "█" in shown["endings-per-day"]
    assert "700.00 EUR" in shown["expiry-detection"]
    runs = {"flow_runs": {"id": {"any_": [str(state.state_details.flow_run_id)]}}}

    def names() -> set[str]:
        return {each["name"] for each in applied.post("/task_runs/filter", runs)}

    wanted = {
        "gates: the data may be acted on",
        "about to end: 1 of kind subscription, 0 of kind policy, 0 of kind supply",
        "needed no more: 0 taken back, 0 to be closed",
        "1 tasks planned",
    }
    eventually(lambda: wanted <= names(), 20, "the tasks' names")


async def test_a_dry_run_writes_nothing(applied: Server, world: EndingsWorld) -> None:
    state = await expiry_detection(dry_run=True, return_state=True)
    assert str(state.message) == "1 tasks to be planned"
    assert world.planned_keys() == set()


async def test_a_feed_that_went_stale_fails_the_run(applied: Server, world: EndingsWorld) -> None:
    later = datetime.now(UTC) + timedelta(days=4)
    state = await expiry_detection(at=later, return_state=True)
    assert state.is_failed()
    assert "entitlements of crm: nothing was accepted since" in str(state.message)
    assert world.planned_keys() == set()


async def test_where_nothing_ends_nothing_is_wrong(applied: Server, database: Database) -> None:
    state = await expiry_detection(return_state=True)
    assert (state.name, str(state.message)) == ("Completed", "nothing planned")
