"""Detection and planning: who is found, what is planned, what is left out and why."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from endings_world import TODAY, EndingsWorld, task_key
from ledger_world import NOON, bound, check_audit
from sqlalchemy import Connection, update

from domain.actions import State
from domain.entitlements import EntitlementKind
from services import expiry
from services.expiry import CANCELLED, OVER, QUIET, RENEWED, RENEWS
from store import customers as people
from store.database import Database
from store.ledger.rows import entitlements
from store.tables import metadata


@pytest.fixture
def world(database: Database) -> Iterator[EndingsWorld]:
    """A world whose endings are looked at."""
    made = EndingsWorld(database)
    yield made
    check_audit(database)


def test_an_ending_becomes_one_thin_task_with_its_evidence(world: EndingsWorld) -> None:
    """Its key is made of the ending's facts; who and what is gathered when it is sent."""
    made = world.entitlement("E/1", in_days=20, version=4, at_risk_minor=60_000)
    planning = world.plan()
    key = task_key("E/1", TODAY + timedelta(days=20))
    assert key == f"expiry/E%2F1/{TODAY + timedelta(days=20)}/task"
    row = world.row(key)
    assert (row.state, row.kind, row.basis, row.capability) == ("ready", "task", "internal", "crm")
    assert (row.entitlement_id, row.gate_id, row.due_at, row.planned_by) == (made, world.gate, NOON, "detection")
    assert row.payload["schema"] == "expiry-task/1"
    assert row.payload["params"] | {"why": ""} == {
        "horizon": 30,
        "priority": "high",
        "confidentiality": "personal",
        "why": "",
    }
    assert bound(world, key) == {"entitlement": 4}
    assert world.story(key) == ["ready"]
    assert planning.planned == {"task": 1}
    assert planning.at_risk_minor == 60_000


def test_a_rerun_plans_nothing_twice(world: EndingsWorld) -> None:
    """Neither by what is new nor over the whole window."""
    world.entitlement()
    assert world.plan().planned.total() == 1
    assert world.plan().planned.total() == 0
    world.forget_marks()
    assert world.plan().planned.total() == 0
    assert len(world.planned_keys()) == 1


def test_a_later_horizon_raises_the_tasks_priority_by_a_note(world: EndingsWorld) -> None:
    """Never by a second task; once for each horizon."""
    world.entitlement(in_days=20)
    world.plan()
    ends_on = TODAY + timedelta(days=20)
    for day, planned in ((5, 0), (6, 1), (7, 0), (16, 0), (17, 1), (18, 0), (20, 0), (21, 0)):
        world.now = NOON + timedelta(days=day)
        world.pass_gate()
        assert world.plan().planned.total() == planned, day
    assert world.planned_keys() == {task_key("E-1", ends_on), task_key("E-1", ends_on, 14), task_key("E-1", ends_on, 3)}
    note = world.row(task_key("E-1", ends_on, 3))
    assert (note.kind, note.after_id) == ("task_note", world.row(task_key("E-1", ends_on)).id)
    assert note.payload["params"] == {"horizon": 3, "priority": "critical", "confidentiality": "personal"}
    assert bound(world, note.key) == {"entitlement": 1}


def test_an_ending_that_changed_and_came_nearer_is_planned_about_once(world: EndingsWorld) -> None:
    """It is found by either, here where a day begins in its zone but not in ours, which looks over the whole window."""
    world.entitlement(in_days=31, time_zone="Etc/GMT+2")
    world.now = NOON + timedelta(hours=14, minutes=30)
    assert world.plan().planned.total() == 0
    world.now = NOON + timedelta(hours=15, minutes=15)
    world.alter("E-1", product="Larger box")
    assert {look.why for look in world.detect().looks} == {"what is new since the last look"}
    assert world.plan(dry_run=True).planned == {"task": 1}
    assert world.plan().planned == {"task": 1}


def test_an_ending_that_comes_late_begins_at_the_horizon_it_has_reached(world: EndingsWorld) -> None:
    """Its priority is that horizon's from the start."""
    world.entitlement(in_days=2)
    world.plan()
    assert world.row(task_key("E-1", TODAY + timedelta(days=2))).payload["params"]["horizon"] == 3


def test_what_does_not_end_is_left_out_and_counted(world: EndingsWorld) -> None:
    """Each with its reason."""
    world.entitlement("renews", auto_renews=True)
    world.entitlement("cancelled", state="cancelled")
    world.entitlement("renewed", ends_on=TODAY + timedelta(days=400), renewed_from=TODAY + timedelta(days=5))
    world.entitlement("over", in_days=-1)
    world.entitlement("early", in_days=31)
    world.entitlement("due", in_days=0)
    supply = {"kind": EntitlementKind.SUPPLY, "occurrence": "after-2026-09-01"}
    world.entitlement("quiet", **supply, in_days=-70, latest_on=TODAY - timedelta(days=61))
    world.entitlement("run out", **supply, in_days=-70, latest_on=TODAY - timedelta(days=60))
    detection = world.detect()
    assert detection.left_out["subscription"] == {RENEWS: 1, CANCELLED: 1, RENEWED: 1, OVER: 1}
    assert detection.left_out["supply"] == {QUIET: 1}
    assert detection.found["subscription"] == {30: 0, 14: 0, 3: 1}
    assert detection.found["supply"] == {7: 0, 1: 1}
    world.plan()
    assert world.planned_keys() == {task_key("due", TODAY), "expiry/run out/after-2026-09-01/call/1"}


def test_policy_decides_and_a_skip_is_recorded(world: EndingsWorld) -> None:
    """A call by tier, a task for a person under a tact lock, and what is not worth it stays in the books."""
    core = world.customer("C-core", tier="core")
    locked = world.customer("C-locked", tier="core")
    with world.database.write() as connection:
        people.set_tact_lock(connection, locked, "bereavement", now=NOON)
    erased = world.customer("C-erased")
    with world.database.write() as connection:
        people.erase(connection, erased, now=NOON)
    world.entitlement("called", customer_id=core)
    world.entitlement("locked", customer_id=locked)
    world.entitlement("erased", customer_id=erased)
    world.entitlement("cheap", at_risk_minor=10)
    planning = world.plan()
    assert planning.planned == {"call": 1, "task": 1}
    assert planning.skipped.total() == 2
    day = TODAY + timedelta(days=30)
    call = world.row(f"expiry/called/{day}/call/1")
    assert (call.basis, call.capability, call.purpose) == ("proactive", "voice", "reminders")
    assert call.due_at == datetime(NOON.year, NOON.month, NOON.day, 15, tzinfo=UTC)  # 16:00 in Warsaw
    assert call.not_after == datetime(day.year, day.month, day.day, 22, tzinfo=UTC)  # midnight there, by summer time
    assert world.state(task_key("locked", day)) is State.READY
    assert world.state(task_key("erased", day)) is State.SKIPPED
    skipped = world.row(task_key("cheap", day))
    assert skipped.state == "skipped"
    assert "worth less" in skipped.reason
    assert world.plan().planned.total() == 0


def test_a_suppressed_number_is_not_called(world: EndingsWorld) -> None:
    """Nor one whose owner gave no consent: a colleague has it."""
    quiet = world.customer("C-1", tier="core", phone="+48601000001")
    world.entitlement("suppressed", customer_id=quiet)
    world.entitlement("unasked", customer_id=world.customer("C-2", tier="core", consents=False))
    with world.database.write() as connection:
        people.suppress(connection, "voice", "+48601000001", "complaint", now=NOON)
    assert world.plan().planned == {"task": 2}


def test_a_number_that_is_not_suppressed_is_called_beside_one_that_is(world: EndingsWorld) -> None:
    """They are alike but for their numbers, which no database can hash as suppressions are."""
    for number in range(1, 4):
        who = world.customer(f"C-{number}", tier="core", phone=f"+4860100000{number}")
        world.entitlement(f"E-{number}", customer_id=who)
    with world.database.write() as connection:
        people.suppress(connection, "voice", "+48601000002", "complaint", now=NOON)
    assert world.plan().planned == {"call": 2, "task": 1}
    day = TODAY + timedelta(days=30)
    assert world.state(task_key("E-2", day)) is State.READY


def test_nothing_is_planned_on_data_whose_gate_is_absent_halted_or_stale(world: EndingsWorld) -> None:
    """It is planned as soon as the feed is fresh again, though the rows have not changed."""
    halted = world.pass_gate(verdict="halt", feed="other", decided_at=NOON)
    world.entitlement("good")
    world.entitlement("halted", gate_id=halted)
    first = world.plan()
    assert (first.planned, first.held) == ({"task": 1}, {"subscription": 1})
    world.entitlement("late")
    stale = world.plan(now=NOON + timedelta(hours=49))
    assert stale.planned.total() == 0
    world.now = NOON + timedelta(hours=50)
    world.pass_gate()
    fresh = world.plan()
    assert fresh.planned == {"task": 1}
    assert "expiry/halted" not in " ".join(world.planned_keys())


def test_a_dry_run_decides_the_same_and_writes_nothing(world: EndingsWorld) -> None:
    """Not even how far it has looked."""
    world.entitlement("E-1")
    world.entitlement("E-2", at_risk_minor=10)
    dry = world.plan(dry_run=True)
    assert world.planned_keys() == set()
    assert world.rows("detection_marks") == []
    real = world.plan()
    assert (dry.planned, dry.skipped, dry.at_risk_minor) == (real.planned, real.skipped, real.at_risk_minor)


def test_an_entitlement_that_changes_between_reading_and_writing_is_left_for_the_next_look(
    world: EndingsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was decided on is what it is bound to."""
    world.entitlement("E-1")
    world.entitlement("E-2")
    real = expiry.plan

    def overtaken(connection: Connection, *args: Any, **how: Any) -> int:
        connection.execute(update(entitlements).where(entitlements.c.ref == "E-1").values(version=2))
        return real(connection, *args, **how)

    monkeypatch.setattr(expiry, "plan", overtaken)
    assert world.plan().planned == {"task": 1}
    assert world.planned_keys() == {task_key("E-2", TODAY + timedelta(days=30))}
    monkeypatch.undo()
    assert world.plan().planned == {"task": 1}
    assert bound(world, task_key("E-1", TODAY + timedelta(days=30))) == {"entitlement": 2}


def test_a_page_that_cannot_be_written_is_raised_and_looked_for_again(
    world: EndingsWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also the last one, which on PostgreSQL is written when all of them were read: no mark says that it was."""
    for number in range(3):
        world.entitlement(f"E-{number}")
    monkeypatch.setattr(expiry, "_FIRST_PAGE", 1)
    monkeypatch.setattr(expiry, "_SMALLEST_PAGE", 1)
    monkeypatch.setattr(expiry, "_LARGEST_PAGE", 1)
    monkeypatch.setattr(expiry, "_SQLITE_LARGEST_PAGE", 1)
    real, begun = expiry.plan, iter(range(3))

    def full(connection: Connection, *args: Any, **how: Any) -> Any:
        if next(begun) == 2:
            raise OSError("disk full")
        return real(connection, *args, **how)

    monkeypatch.setattr(expiry, "plan", full)
    with pytest.raises(OSError, match="disk full"):
        world.plan()
    assert len(world.planned_keys()) == 2
    with world.database.read() as connection:
        assert not connection.execute(metadata.tables["detection_marks"].select()).all()
    monkeypatch.undo()
    assert world.plan().planned.total() == 1
    assert len(world.planned_keys()) == 3


def test_where_no_call_can_be_made_it_is_a_task_if_it_is_worth_one(world: EndingsWorld) -> None:
    """It ends today, and the hours in which they may be called are over; a colleague costs more than a call."""
    world.now = NOON + timedelta(hours=9)  # 21:00 in Warsaw
    core = world.customer("C-core", tier="core")
    world.entitlement("dear", customer_id=core, in_days=0)
    world.entitlement("cheap", customer_id=core, in_days=0, at_risk_minor=500)
    assert world.plan().planned == {"task": 1}
    assert "no hour is left for a call" in world.row(task_key("dear", TODAY)).payload["params"]["why"]
    skipped = world.row(task_key("cheap", TODAY))
    assert (skipped.state, skipped.reason.split(";")[0]) == ("skipped", "no hour is left for a call before it ends")
