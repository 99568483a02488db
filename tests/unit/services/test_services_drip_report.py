"""What a run of the onboarding drip says: counts by step, channel and reason, and how far customers come."""

from datetime import timedelta

import pytest
from journeys_world import DAYS, JourneysWorld
from ledger_world import NOON

from domain.actions import Capability, State
from domain.journeys import EventName
from services.drip_report import DripStory, count_drop_off
from services.journeys import Journeys
from services.publishing import publish_journeys, publish_templates
from store import drip
from store.database import Database
from templates.journey_files import load_journeys
from templates.library import load


@pytest.fixture
def world(database: Database) -> JourneysWorld:
    """A world with the journey and the words that ship."""
    made = JourneysWorld(database)
    publish_templates(database, load(), now=NOON)
    publish_journeys(database, load_journeys(), now=NOON)
    with database.read() as connection:
        for content_hash, journey in Journeys().live(connection).values():
            made.journeys.versions[content_hash] = journey
    return made


def enrol(world: JourneysWorld, ref: str, **values: object) -> int:
    [content_hash] = world.journeys.versions
    customer_id = world.customer(ref)
    world.consent(customer_id)
    world.enrol(ref, content_hash, customer_id=customer_id, **values)
    return customer_id


def test_a_run_tells_what_was_planned_skipped_and_held(world: JourneysWorld) -> None:
    enrol(world, "C-1")
    enrol(world, "C-2")
    seen = enrol(world, "C-3", step="video-guide")
    world.did(seen, EventName.FEATURE_USED, "video-guide")
    enrol(world, "C-4", step="knowledge-base", due_at=NOON - timedelta(hours=3))
    story = DripStory(world.drip())
    assert story.planned() == [
        {"journey": "onboarding", "step": "knowledge-base", "channel": "mail", "customers": 1},
        {"journey": "onboarding", "step": "welcome", "channel": "mail", "customers": 2},
    ]
    with world.database.read() as connection:
        channels = (Capability.MAIL, Capability.SMS)
        assert drip.sendable(connection, channels, now=NOON) == [Capability.MAIL]
        assert drip.sendable(connection, channels, now=NOON - timedelta(minutes=1)) == []
    [skipped] = story.skipped()
    assert (skipped["step"], skipped["customers"]) == ("video-guide", 1)
    assert skipped["why"] == "not needed any more: has done feature.used (video-guide)"
    [later] = story.deferred()
    assert later == {"from": "2026-03-04T11:00:00.000Z", "steps": 1}
    assert story.words() == "3 steps planned, 1 skipped, 1 later than due"
    assert "- welcome by mail: 2" in story.summary()
    told = story.as_json()
    assert (told["due"], told["journeys_waiting"]) == (4, [])
    assert "C-1" not in f"{told}{story.summary()}"


def test_journeys_that_wait_for_a_person_are_counted(world: JourneysWorld) -> None:
    enrol(world, "C-1")
    world.drip()
    world.finish("welcome", State.UNCERTAIN)
    story = DripStory(world.drip())
    assert story.waiting() == [{"journeys": 1, "why": "their step is uncertain"}]
    assert "**1 journeys wait: their step is uncertain**" in story.summary()
    assert story.words() == "no steps planned"


def test_how_far_customers_come_is_counted_by_step(world: JourneysWorld) -> None:
    for ref in ("C-1", "C-2", "C-3", "C-4"):
        enrol(world, ref)
    enrol(world, "C-old", entered_at=NOON - 61 * DAYS, due_at=NOON)
    world.drip()
    for ref, state in (("C-1", State.DONE), ("C-2", State.DONE), ("C-3", State.CANCELLED)):
        world.finish("welcome", state, ref)
    world.drip()
    world.now = NOON + 2 * DAYS
    world.drip()
    [told] = count_drop_off(world.database, now=NOON + 2 * DAYS)
    assert (told.journey, told.entered, told.standings) == ("onboarding", 4, {"active": 4})
    first, second = told.rows()
    assert (first["step"], first["came"], first["sent"]) == ("welcome", 4, "2 mail")
    assert (first["on_its_way"], first["taken_back"]) == (1, 1)
    assert (second["step"], second["came"], second["on_its_way"]) == ("video-guide", 3, 3)
    chart = told.chart().splitlines()
    assert chart[0] == "**onboarding: who entered in the last 60 days** (4 active, 0 finished, 0 goal, 0 left)"
    assert [line.split("█")[0].split()[0] for line in chart[2:5]] == ["entered", "welcome", "video-guide"]
    assert chart[4].count("█") == 30


def test_where_nobody_entered_there_is_nothing_to_tell(database: Database) -> None:
    assert count_drop_off(database, now=NOON) == []
