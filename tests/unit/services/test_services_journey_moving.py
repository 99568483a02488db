"""Customers who are moved to another version: to the same step, due by its wait, and nobody else."""

from datetime import timedelta

import pytest
from journeys_world import DAYS, JourneysWorld
from ledger_world import NOON

from data_contracts.journeys import JourneyFile, read_journey
from domain.journeys import EventName, Standing
from services.journey_moving import move_to_live
from services.publishing import publish_journeys
from store import journeys as store
from store.database import Database

OLD = """
name: onboarding
version: 1
about: new customers
purpose: onboarding
enters: {on: customer.activated}
steps:
  - {id: hello, message: welcome, basis: service, by: [mail]}
  - {id: guide, after: {of: entry, days: 2}, message: welcome, basis: service, by: [mail]}
  - {id: film, after: {of: entry, days: 2}, message: welcome, basis: service, by: [mail]}
"""
NEW = (
    OLD.replace("version: 1", "version: 2")
    .replace("guide, after: {of: entry, days: 2}", "guide, after: {of: entry, days: 5, at: 10:00}, "
             "sooner_on: {event: feature.used}")
    .replace("id: film", "id: tips")
)  # fmt: skip


def a_file(text: str) -> JourneyFile:
    return read_journey(text, "onboarding.yaml")


@pytest.fixture
def world(database: Database) -> JourneysWorld:
    """A world in which version 2 replaced version 1 just now."""
    made = JourneysWorld(database)
    old, new = a_file(OLD), a_file(NEW)
    publish_journeys(database, [old, new], now=NOON - DAYS)
    with database.write() as connection:
        store.approve(connection, new.hash, by="marta", now=NOON)
    made.journeys.versions |= {old.hash: old.journey, new.hash: new.journey}
    return made


def moved(world: JourneysWorld) -> dict[str, int]:
    return dict(move_to_live(world.database, world.policy, "onboarding", by="marta", now=NOON))


def test_who_waits_is_due_by_the_new_wait(world: JourneysWorld) -> None:
    """Five days after they entered at ten, on their own clock, instead of two."""
    old, new = a_file(OLD).hash, a_file(NEW).hash
    customer_id = world.customer("C-1", time_zone="America/New_York")
    waits = world.enrol("C-1", old, customer_id=customer_id, step="guide", due_at=NOON + 2 * DAYS)
    same = world.enrol("C-2", old, step="hello", due_at=NOON + timedelta(minutes=5))
    assert moved(world) == {"guide": 1, "hello": 1}
    stands = world.enrolled(waits)
    assert (stands.journey_hash, stands.step, stands.updated_by) == (new, "guide", "marta")
    assert stands.due_at == (NOON + 5 * DAYS).replace(
        hour=14, minute=0
    )  # ten in New York, where summer time has begun meanwhile
    assert world.enrolled(same).due_at == NOON + timedelta(minutes=5)
    assert moved(world) == {}


def test_whose_wait_an_event_ends_now_is_due_at_once(world: JourneysWorld) -> None:
    customer_id = world.customer("C-1")
    world.did(customer_id, EventName.FEATURE_USED, "setup")
    waits = world.enrol("C-1", a_file(OLD).hash, customer_id=customer_id, step="guide", due_at=NOON + 2 * DAYS)
    assert moved(world) == {"guide": 1}
    assert world.enrolled(waits).due_at == NOON


def test_whose_step_is_gone_finishes_the_version_they_began(world: JourneysWorld) -> None:
    old = a_file(OLD).hash
    stays = world.enrol("C-1", old, step="film", due_at=NOON + 2 * DAYS)
    left = world.enrol("C-2", old, step=None, due_at=None, state=Standing.LEFT)
    assert moved(world) == {}
    assert {world.enrolled(row).journey_hash for row in (stays, left)} == {old}


def test_a_step_in_the_air_goes_on_in_the_new_version(world: JourneysWorld) -> None:
    """Its action stays as it was planned; what follows is the new version's."""
    flies = world.enrol("C-1", a_file(OLD).hash)
    world.drip()
    before = world.step_row("hello")
    assert moved(world) == {"hello": 1}
    assert world.step_row("hello") == before
    world.finish("hello")
    world.drip()
    stands = world.enrolled(flies)
    assert (stands.step, stands.due_at) == ("guide", (NOON + 5 * DAYS).replace(hour=9, minute=0))


def test_who_went_on_since_they_were_read_stays(world: JourneysWorld) -> None:
    old, new = a_file(OLD).hash, a_file(NEW).hash
    waits = world.enrol("C-1", old, step="guide", due_at=NOON + 2 * DAYS)
    [row] = world.rows("enrolments")
    read = store.Moving(waits, row.customer_id, old, "guide", NOON + 5 * DAYS)
    with world.database.write() as connection:
        for changed in (read._replace(step="hello"), read._replace(was_hash=new), read._replace(due_at=None)):
            assert store.move(connection, [changed], to=new, by="marta", now=NOON) == []
    assert world.enrolled(waits).journey_hash == old
