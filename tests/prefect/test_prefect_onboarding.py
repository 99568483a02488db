"""The flow `onboarding-drip` against a Prefect server: what its run, its tasks and its artifacts say."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from journeys_world import JourneysWorld
from prefect.client.schemas.objects import State
from prefect_stage import Server, eventually

from domain.actions import State as Stands
from flows.onboarding_drip import onboarding_drip
from services.journeys import Journeys
from services.publishing import publish_journeys, publish_templates
from store.database import Database
from templates.journey_files import load_journeys
from templates.library import load

pytestmark = pytest.mark.prefect


@pytest.fixture
def world(applied: Server, database: Database) -> Iterator[JourneysWorld]:
    """An installation with two customers who were activated just now, in the journey that ships.

    They live where it is three in the night, whenever a test runs: what is planned waits for their morning.
    """
    made = JourneysWorld(database)
    made.now = datetime.now(UTC)
    publish_templates(database, load(), now=made.now)
    publish_journeys(database, load_journeys(), now=made.now)
    with database.read() as connection:
        content_hash, journey = Journeys().live(connection)["onboarding"]
    made.journeys.versions[content_hash] = journey
    for ref in ("C-1", "C-2"):
        made.enrol(ref, content_hash, customer_id=made.customer(ref, time_zone=where_it_is(3, made.now)))
    return made


def where_it_is(hour: int, now: datetime) -> str:
    """A zone whose clocks show this hour now (`Etc/GMT+3` is three hours behind Greenwich)."""
    ahead = (hour - now.astimezone(UTC).hour + 11) % 24 - 11
    return f"Etc/GMT{-ahead:+d}" if ahead else "Etc/GMT"


def shown_by(server: Server, state: State[Any]) -> dict[str, Any]:
    """The artifacts of the run: key → data."""
    run = str(state.state_details.flow_run_id)
    found = server.post("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run]}}})
    return {each["key"]: each["data"] for each in found}


async def test_what_is_due_is_planned_once_and_the_run_says_so(applied: Server, world: JourneysWorld) -> None:
    state = await onboarding_drip(drop_off=True, return_state=True)
    again = await onboarding_drip(return_state=True)

    assert state.name == "Completed"
    assert str(state.message).startswith("2 steps planned")
    assert str(again.message) == "no steps planned"
    shown = shown_by(applied, state)
    assert json.loads(shown["journey-steps-planned"]) == [
        {"journey": "onboarding", "step": "welcome", "channel": "mail", "customers": 2}
    ]
    assert json.loads(shown["drop-off-onboarding"])[0]["came"] == 2
    assert "█" in shown["drop-off-onboarding-chart"]
    assert "welcome by mail: 2" in shown["onboarding-drip"]
    assert set(shown_by(applied, again)) == {"onboarding-drip"}
    runs = {"flow_runs": {"id": {"any_": [str(state.state_details.flow_run_id)]}}}

    def names() -> set[str]:
        return {each["name"] for each in applied.post("/task_runs/filter", runs)}

    eventually(lambda: {str(state.message), "onboarding: 2 entered"} <= names(), 20, "the tasks' names")


async def test_a_dry_run_writes_nothing(applied: Server, world: JourneysWorld) -> None:
    state = await onboarding_drip(dry_run=True, return_state=True)
    assert str(state.message).startswith("2 steps to be planned")
    assert world.planned_keys() == []


async def test_a_journey_whose_step_is_uncertain_needs_people(applied: Server, world: JourneysWorld) -> None:
    await onboarding_drip(return_state=True)
    world.finish("welcome", Stands.UNCERTAIN)
    state = await onboarding_drip(return_state=True)
    assert state.name == "NeedsPeople"
    assert str(state.message).startswith("1 journey waits for a person")


async def test_where_nobody_is_in_a_journey_nothing_is_wrong(applied: Server, database: Database) -> None:
    state = await onboarding_drip(drop_off=True, return_state=True)
    assert (state.name, str(state.message)) == ("Completed", "no steps planned")
