"""Who cannot be planned for is set aside, seen with what is wrong, and goes on once it is mended; the others go on."""

from collections.abc import Iterator

import pytest
from journeys_world import JourneysWorld, a_journey, a_step
from ledger_world import NOON, check_audit

from domain.journeys import Branch
from services.drip import AGAIN
from store.database import Database

FIRST = "journey/onboarding/C-1/1/first"
SECOND = "journey/onboarding/C-1/1/second"


@pytest.fixture
def world(database: Database) -> Iterator[JourneysWorld]:
    """A world whose journeys are planned."""
    made = JourneysWorld(database)
    yield made
    check_audit(database)


def test_a_row_that_makes_no_sense_is_set_aside_and_stops_nobody(world: JourneysWorld) -> None:
    """It is seen with what is wrong, looked at again an hour later, and goes on once it is mended."""
    world.publish(a_journey(a_step("first")))
    world.publish(a_journey(a_step("first", message="unheard-of"), version=2), "h2")
    lost = world.enrol("C-1", step="nowhere")
    wordless = world.enrol("C-2", "h2")
    who = world.customer("C-3")
    world.set_customer(who, tier="gold")
    odd, good = world.enrol("C-3", customer_id=who), world.enrol("C-4")
    report = world.drip()
    assert world.enrolled(good).action_id is not None
    reasons = {
        "journey onboarding version 1 has no step nowhere": 1,
        "no wording of unheard-of is approved yet": 1,
        "'gold' is not a valid Tier": 1,
    }
    assert (report.set_aside, report.aside, report.needs_people) == (reasons, reasons, 3)
    for row in (lost, wordless, odd):
        stands = world.enrolled(row)
        assert (stands.state, stands.due_at, stands.action_id) == ("active", NOON + AGAIN, None)
    world.set_customer(who, tier="vip")
    world.now += AGAIN
    report = world.drip()
    assert world.enrolled(odd).action_id is not None
    assert world.enrolled(odd).reason is None
    assert report.needs_people == 2


def test_a_journey_that_goes_in_a_circle_is_set_aside(world: JourneysWorld) -> None:
    """The check of journeys refuses it; should one come by, the planner does not go round for ever."""
    ways = a_step("first", branch=(Branch("second"),))
    world.publish(a_journey(ways, a_step("second", branch=(Branch("first"),))))
    made = world.enrol()
    assert list(world.drip().set_aside) == ["journey onboarding version 1 goes in a circle at step second"]
    assert world.enrolled(made).due_at == NOON + AGAIN


def test_an_enrolment_that_cannot_go_on_is_set_aside_where_it_stands(world: JourneysWorld) -> None:
    """Its version is not to be read; once it is, it goes on without doing its step again."""
    journey = a_journey(a_step("first"), a_step("second"))
    world.publish(journey)
    made = world.enrol()
    world.drip()
    world.finish("first")
    del world.journeys.versions["h1"]
    report = world.drip()
    assert report.aside == report.set_aside == {"no journey h1 was published": 1}
    assert (world.enrolled(made).step, world.enrolled(made).due_at) == ("first", NOON + AGAIN)
    world.journeys.versions["h1"] = journey
    world.now += AGAIN
    world.drip()
    world.drip()
    assert world.enrolled(made).step == "second"
    assert world.planned_keys() == [FIRST, SECOND]
    assert world.drip().aside == {}
