"""What is planned about an ending that needs it no more."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from endings_world import TODAY, EndingsWorld, task_key
from ledger_world import NOON, bound, check_audit

from domain.actions import State
from domain.entitlements import EntitlementKind
from store import customers as people
from store.database import Database

ENDS_ON = TODAY + timedelta(days=20)
TASK = task_key("E-1", ENDS_ON)
CLOSE = f"{TASK}/close"


@pytest.fixture
def world(database: Database) -> Iterator[EndingsWorld]:
    """A world with one ending whose task is planned."""
    made = EndingsWorld(database)
    made.entitlement("E-1", ends_on=ENDS_ON)
    made.plan()
    made.now = NOON + timedelta(minutes=5)
    yield made
    check_audit(database)


RENEWED = {"ends_on": ENDS_ON + timedelta(days=365), "renewed_from": ENDS_ON}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (RENEWED, "renewed"),
        ({"state": "cancelled"}, "cancelled"),
        ({"auto_renews": True}, "renews by itself"),
        ({"ends_on": ENDS_ON - timedelta(days=1)}, "its end has moved"),
    ],
)
def test_a_task_that_did_not_go_out_is_taken_back(world: EndingsWorld, change: dict[str, Any], reason: str) -> None:
    """Nobody hears of it."""
    world.alter("E-1", **change)
    assert world.close(dry_run=True).taken_back == {reason: 1}
    assert world.state(TASK) is State.READY
    assert world.close().taken_back == {reason: 1}
    assert (world.state(TASK), world.row(TASK).reason) == (State.CANCELLED, reason)
    assert world.close().taken_back.total() == 0
    assert CLOSE not in world.planned_keys()


@pytest.mark.parametrize("state", [State.SENDING, State.UNCERTAIN, State.DONE])
def test_a_task_that_may_have_gone_out_is_closed_once_it_is_over(world: EndingsWorld, state: State) -> None:
    """On the facts as they are now: if they change again, the closing is thought over."""
    world.force(TASK, state)
    world.alter("E-1", **RENEWED)
    assert world.close(dry_run=True).closed == {"renewed": 1}
    assert CLOSE not in world.planned_keys()
    assert world.close().closed == {"renewed": 1}
    row = world.row(CLOSE)
    assert (row.kind, row.capability, row.state, row.after_id) == ("task_close", "crm", "ready", world.row(TASK).id)
    assert row.payload["params"] == {"reason": "renewed"}
    assert bound(world, CLOSE) == {"entitlement": 2}
    assert world.close().closed.total() == 0


def test_an_unsent_task_that_an_earlier_try_may_have_made_is_closed_too(world: EndingsWorld) -> None:
    """It is not called cancelled: it may be at the CRM."""
    world.force(TASK, State.UNCERTAIN)
    world.change(TASK, state=State.READY, attempts=1)
    world.alter("E-1", **RENEWED)
    done = world.close()
    assert (done.taken_back.total(), done.closed) == (0, {"renewed": 1})


def test_notes_and_calls_that_did_not_go_out_are_taken_back_with_their_task(world: EndingsWorld) -> None:
    """Those that did are not called back: nothing can be."""
    world.entitlement("called", ends_on=ENDS_ON, customer_id=world.customer("C-core", tier="core"))
    world.plan()
    world.force(TASK, State.DONE)
    world.now = NOON + timedelta(days=7)
    world.pass_gate()
    assert world.plan().planned == {"task_note": 1}
    world.alter("E-1", **RENEWED)
    world.alter("called", state="cancelled")
    done = world.close()
    assert done.taken_back == {"renewed": 1, "cancelled": 1}
    assert done.closed == {"renewed": 1}
    assert world.state(task_key("E-1", ENDS_ON, 14)) is State.CANCELLED
    assert world.state(f"expiry/called/{ENDS_ON}/call/1") is State.CANCELLED


def test_the_tasks_of_an_erased_customer_are_closed(world: EndingsWorld) -> None:
    """The entitlement itself has not changed."""
    world.force(TASK, State.DONE)
    with world.database.write() as connection:
        people.erase(connection, world.row(TASK).customer_id, now=world.now)
    assert world.close().closed == {"the customer was erased": 1}
    assert world.close().closed.total() == 0


def test_what_is_still_needed_stays(world: EndingsWorld) -> None:
    """A change of the product, or of a supply's estimate, moves no ending."""
    supply = {"kind": EntitlementKind.SUPPLY, "occurrence": "after-2026-02-01", "ends_on": TODAY + timedelta(days=5)}
    world.entitlement("S-1", **supply)
    world.plan()
    world.alter("E-1", product="Larger box")
    world.alter("S-1", ends_on=TODAY + timedelta(days=6), occurrence="after-2026-02-01")
    done = world.close()
    assert (done.taken_back.total(), done.closed.total()) == (0, 0)
    world.alter("S-1", ends_on=TODAY + timedelta(days=40), occurrence="after-2026-03-04")
    assert world.close().taken_back == {"bought anew": 1}


def test_many_that_changed_at_one_instant_are_all_found(world: EndingsWorld) -> None:
    """As a whole file of them does: more than a page."""
    whose = world.customer("C-many")
    for number in range(450):
        world.entitlement(f"M-{number}", ends_on=ENDS_ON, customer_id=whose)
    assert world.plan().planned == {"task": 450}
    world.now += timedelta(hours=2)
    for number in range(450):
        world.alter(f"M-{number}", state="cancelled")
    assert world.close().taken_back == {"cancelled": 450}


@pytest.mark.parametrize("state", [State.READY, State.DONE])
def test_an_ending_that_goes_on_after_all_is_told_of(world: EndingsWorld, state: State) -> None:
    """There is no second task for it."""
    world.force(TASK, state)
    world.alter("E-1", state="cancelled")
    assert world.close().again == []
    world.now += timedelta(hours=2)
    world.alter("E-1", state="active")
    assert world.close().again == [TASK]
    assert world.plan().planned.total() == 0
