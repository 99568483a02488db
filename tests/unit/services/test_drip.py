"""The planner of journeys: what is due is planned once, what is over goes on, and nobody waits for another."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from journeys_world import DAYS, JourneysWorld, a_journey, a_step
from ledger_world import MORNING, NIGHT, NOON, bound, check_audit
from sqlalchemy import Connection, event, func, select, update

from domain.actions import Basis, State
from domain.channels import Channel
from domain.customers import Tier
from domain.entitlements import occurrence_of
from domain.journey_steps import decide
from domain.journeys import After, Anchor, Branch, Condition, EventName, Seen
from services import drip
from services.drip import StepPlanned, StepSkipped
from store import drop_off
from store.canonical import address_hash
from store.database import Database
from store.ledger.rows import entitlements
from store.ledger.steps import advance

FIRST = "journey/onboarding/C-1/1/first"
SECOND = "journey/onboarding/C-1/1/second"
THIRD = "journey/onboarding/C-1/1/third"


@pytest.fixture
def world(database: Database) -> Iterator[JourneysWorld]:
    """A world whose journeys are planned."""
    made = JourneysWorld(database)
    yield made
    check_audit(database)


def test_a_step_that_is_due_becomes_one_thin_action(world: JourneysWorld) -> None:
    """Its key is made of the enrolment's facts; who the customer is is added when it is sent."""
    world.publish(a_journey(a_step("first", pointless_after_hours=48), links={"guide": "https://example.com"}))
    made = world.enrol("C/1")
    report = world.drip()
    row = world.row("journey/onboarding/C%2F1/1/first")
    assert (row.state, row.kind, row.basis, row.capability, row.purpose) == (
        "ready",
        "message",
        "service",
        "mail",
        None,
    )
    assert (row.enrolment_id, row.due_at, row.not_after) == (made, NOON, NOON + 2 * DAYS)
    assert (row.purpose, row.after_id, row.reason, row.planned_by) == (None, None, None, "drip")
    assert row.payload["schema"] == "journey-step/1"
    assert row.payload["template"] == "welcome"
    assert row.payload["params"]["wordings"] == {"pl": "words-pl", "en": "words-en"}
    assert row.payload["params"]["links"] == {"guide": "https://example.com"}
    assert bound(world, row.key) == {"customer": 1}
    assert world.story(row.key) == ["ready"]
    stands = world.enrolled(made)
    assert (stands.state, stands.step, stands.due_at, stands.action_id) == ("active", "first", NOON, row.id)
    assert stands.previous_at == NOON
    assert report.planned == {StepPlanned("onboarding", "first", Channel.MAIL): 1}
    assert (report.due, report.landed, report.transactions) == (1, 0, 1)


def test_a_run_again_plans_nothing_twice(world: JourneysWorld) -> None:
    world.publish(a_journey(a_step("first")))
    world.enrol()
    assert world.drip().planned.total() == 1
    again = world.drip()
    assert (again.due, again.planned.total(), again.transactions) == (0, 0, 0)
    assert world.planned_keys() == [FIRST]


def test_who_is_due_beyond_the_look_ahead_is_left(world: JourneysWorld) -> None:
    """Within it they are planned, for their own minute."""
    world.publish(a_journey(a_step("first")))
    world.enrol("C-1", due_at=NOON + timedelta(minutes=15))
    world.enrol("C-2", due_at=NOON + timedelta(minutes=15, microseconds=1))
    assert world.drip().planned.total() == 1
    assert world.step_row("first").due_at == NOON + timedelta(minutes=15)


def test_the_next_step_waits_from_when_the_one_before_was_over(world: JourneysWorld) -> None:
    """Not from when it was due; it follows that action, and the journey is over after the last."""
    world.publish(a_journey(a_step("first"), a_step("second", after=After(days=2))))
    made = world.enrol()
    world.drip()
    over_at = NOON + timedelta(hours=1)
    world.now = over_at + timedelta(minutes=1)
    world.finish("first", at=over_at)
    assert world.drip().landed == 1
    stands = world.enrolled(made)
    assert (stands.step, stands.previous_at, stands.due_at) == ("second", over_at, over_at + 2 * DAYS)
    assert stands.action_id is None
    world.now = over_at + 2 * DAYS
    world.drip()
    assert (world.row(SECOND).due_at, world.row(SECOND).after_id) == (world.now, world.row(FIRST).id)
    world.finish("second")
    assert world.drip().finished == {"onboarding": 1}
    stands = world.enrolled(made)
    assert (stands.state, stands.step, stands.due_at, stands.ended_at) == ("finished", None, None, world.now)


def test_who_did_already_what_would_end_a_wait_does_not_wait(world: JourneysWorld) -> None:
    """It came before they got to the step that waits for it: whether that step follows one sent or one left out."""
    set_up = Seen(EventName.FEATURE_USED, "setup")
    left_out = a_step("second", when=Condition(tier=frozenset({Tier.VIP})))
    waits = a_step("third", after=After(days=3), sooner_on=set_up)
    world.publish(a_journey(a_step("first"), left_out, waits))
    world.publish(a_journey(a_step("first"), waits), content_hash="h2")
    hasty, slow = world.enrol("C-1"), world.enrol("C-2")
    other = world.enrol("C-3", "h2")
    for one in (hasty, other):
        world.did(world.enrolled(one).customer_id, EventName.FEATURE_USED, "setup")
    world.drip()
    world.now += timedelta(minutes=1)
    for ref in ("C-1", "C-2", "C-3"):
        world.finish("first", ref=ref)
    world.drip()
    assert [world.row(f"journey/onboarding/{ref}/1/third").due_at for ref in ("C-1", "C-3")] == [world.now] * 2
    assert (world.enrolled(slow).step, world.enrolled(slow).due_at) == ("third", world.now + 3 * DAYS)


@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED, State.SKIPPED])
def test_a_step_that_was_not_done_is_over_too(world: JourneysWorld, state: State) -> None:
    """One that was skipped, when it was due."""
    world.publish(a_journey(a_step("first"), a_step("second", after=After(days=1))))
    made = world.enrol()
    world.drip()
    world.now = NOON + timedelta(minutes=30)
    world.finish("first", state)
    world.drip()
    assert world.enrolled(made).previous_at == (NOON if state is State.SKIPPED else world.now)


@pytest.mark.parametrize("state", [State.UNCERTAIN, State.FAILED, State.NEEDS_HUMAN])
def test_a_step_that_waits_for_a_person_stops_its_journey_alone(world: JourneysWorld, state: State) -> None:
    world.publish(a_journey(a_step("first"), a_step("second")))
    stuck, other = world.enrol("C-1"), world.enrol("C-2")
    world.drip()
    world.finish("first", state)
    world.finish("first", ref="C-2")
    world.now += timedelta(minutes=1)
    report = world.drip()
    assert (world.enrolled(stuck).step, world.enrolled(other).step) == ("first", "second")
    assert (report.waiting, report.needs_people) == ({state: 1}, 1)


def test_a_skipped_step_is_recorded_and_the_customer_goes_on_in_the_same_run(world: JourneysWorld) -> None:
    """Its time is the time it was due; the step after it follows its action."""
    done = Condition(seen=Seen(EventName.FEATURE_USED, "autopay"))
    world.publish(a_journey(a_step("first", skip_when=done), a_step("second", skip_when=done), a_step("third")))
    who = world.customer()
    world.did(who, EventName.FEATURE_USED, "autopay")
    world.now += timedelta(minutes=3)
    world.enrol(customer_id=who, due_at=NOON)
    report = world.drip()
    assert world.states() == {FIRST: State.SKIPPED, SECOND: State.SKIPPED, THIRD: State.READY}
    assert world.row(FIRST).reason == world.row(SECOND).reason
    assert "autopay" in world.row(FIRST).reason
    assert [world.row(name).due_at for name in (FIRST, SECOND, THIRD)] == [NOON] * 3
    assert [world.row(name).after_id for name in (SECOND, THIRD)] == [world.row(FIRST).id, world.row(SECOND).id]
    assert bound(world, FIRST) == {}
    assert report.skipped_by_reason == {world.row(FIRST).reason: 2}
    assert report.skipped[StepSkipped("onboarding", "first", world.row(FIRST).reason)] == 1
    assert report.planned.total() == 1


def test_a_journey_of_which_everything_is_skipped_is_over(world: JourneysWorld) -> None:
    world.publish(a_journey(a_step("first", when=Condition(tier=frozenset({Tier.VIP})))))
    made = world.enrol()
    assert world.drip().finished == {"onboarding": 1}
    stands = world.enrolled(made)
    assert (stands.state, stands.step, stands.reason) == ("finished", None, None)


def test_a_parting_of_ways_is_decided_when_it_is_due(world: JourneysWorld) -> None:
    """Not within the look-ahead; nothing is written of it."""
    used = Condition(seen=Seen(EventName.FEATURE_USED))
    ways = a_step("first", branch=(Branch("third", used), Branch("second")))
    world.publish(a_journey(ways, a_step("second", then="end"), a_step("third")))
    late, soon = world.enrol("C-1"), world.enrol("C-2", due_at=NOON + timedelta(minutes=5))
    world.did(world.enrolled(late).customer_id, EventName.FEATURE_USED)
    world.drip()
    assert (world.enrolled(late).step, world.enrolled(soon).step) == ("third", "first")
    assert world.planned_keys() == [THIRD]
    world.now += timedelta(minutes=5)
    world.drip()
    assert world.planned_keys()[1] == "journey/onboarding/C-2/1/second"


def test_steps_of_every_kind_and_of_several_journeys_and_versions_in_one_run(world: JourneysWorld) -> None:
    world.publish(a_journey(a_step("first", by=(Channel.VOICE,), basis=Basis.PROACTIVE)), "h1")
    world.publish(a_journey(a_step("first", ask="Ask how it goes", by=(Channel.PERSON,)), version=2), "h2")
    world.publish(a_journey(a_step("hello", basis=Basis.PROACTIVE), name="return", version=7), "h3")
    for number, version in enumerate(("h1", "h2", "h3"), start=1):
        who = world.customer(f"C-{number}", tier=Tier.CORE)
        world.consent(who)
        world.consent(who, by="voice")
        world.enrol(f"C-{number}", version, customer_id=who)
    report = world.drip()
    rows = [world.row(name) for name in world.planned_keys()]
    assert [(row.key, row.kind, row.basis, row.capability, row.purpose) for row in rows] == [
        (FIRST, "call", "proactive", "voice", "onboarding"),
        ("journey/onboarding/C-2/1/first", "task", "internal", "crm", None),
        ("journey/return/C-3/1/hello", "message", "proactive", "mail", "onboarding"),
    ]
    assert [row.payload["params"]["version"] for row in rows] == [1, 2, 7]
    assert rows[1].payload["params"]["ask"] == "Ask how it goes"
    assert bound(world, rows[1].key) == {}
    assert set(report.planned) == {
        ("onboarding", "first", Channel.VOICE),
        ("onboarding", "first", Channel.PERSON),
        ("return", "hello", Channel.MAIL),
    }


def test_who_may_not_be_written_to_on_a_channel_is_written_to_on_the_next(world: JourneysWorld) -> None:
    """By consent and by suppression, each read for its own customer."""
    world.publish(a_journey(a_step("first", by=(Channel.MAIL, Channel.SMS), basis=Basis.PROACTIVE)))
    for number in range(4):
        who = world.customer(f"C-{number}")
        world.consent(who, granted=number != 1)
        world.consent(who, by="sms", granted=number < 3)
        world.enrol(f"C-{number}", customer_id=who)
    for number in (2, 3):
        told = {"channel": "mail", "address_hash": address_hash(f"c-{number}@example.com"), "at": NOON}
        world.add("suppressions", **told, reason="bounce")
    world.drip()
    planned = [world.step_row("first", f"C-{number}") for number in range(4)]
    assert [row.capability for row in planned] == ["mail", "sms", "sms", "mail"]
    assert [row.state for row in planned] == ["ready", "ready", "ready", "skipped"]


def test_what_the_night_holds_is_spread_from_the_morning_on(world: JourneysWorld) -> None:
    world.publish(a_journey(a_step("first")))
    for number in range(20):
        world.enrol(f"C-{number}", due_at=NIGHT)
    world.now = NIGHT
    report = world.drip()
    times = [world.step_row("first", f"C-{number}").due_at for number in range(20)]
    assert all(MORNING <= at < MORNING + timedelta(hours=1) for at in times)
    assert len(set(times)) > 15
    assert report.deferred == {MORNING: 20}
    assert world.step_row("first", "C-0").reason == "quiet hours until 08:00 (Europe/Warsaw)"
    assert world.drip(now=NIGHT + timedelta(hours=1)).landed == 0


def test_those_who_are_alike_are_decided_on_once_and_who_is_not_alone(
    world: JourneysWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same minute, customer and channels: the same decision. What differs in what decides is asked anew."""
    asked: list[datetime] = []

    def counted(*args: Any, due_at: datetime, **named: Any) -> Any:
        asked.append(due_at)
        return decide(*args, due_at=due_at, **named)

    monkeypatch.setattr("services.step_plans.decide", counted)
    used = Condition(seen=Seen(EventName.FEATURE_USED))
    world.publish(a_journey(a_step("first", by=(Channel.MAIL, Channel.SMS), skip_when=used)))
    for number in range(9):
        world.enrol(f"C-{number}", due_at=NOON + timedelta(seconds=number))
    without_mail, has_used, lives_elsewhere = (world.customer(f"D-{number}") for number in range(3))
    world.set_customer(without_mail, email=None)
    world.set_customer(lives_elsewhere, time_zone="Asia/Tokyo")  # it is evening there
    world.did(has_used, EventName.FEATURE_USED)
    for number, who in enumerate((without_mail, has_used, lives_elsewhere)):
        world.enrol(f"D-{number}", customer_id=who, due_at=NOON + timedelta(seconds=30))
    world.drip()
    assert len(asked) == 5  # and once more about the one who is not done with at their time
    assert {world.step_row("first", f"C-{number}").due_at for number in range(9)} == {
        NOON + timedelta(seconds=number) for number in range(9)
    }
    others = [world.step_row("first", f"D-{number}") for number in range(3)]
    assert [(row.capability, row.state) for row in others] == [("sms", "ready"), ("mail", "skipped"), ("mail", "ready")]
    assert others[2].due_at > NOON + timedelta(hours=9)


def test_the_minute_in_which_quiet_hours_begin_is_another_one(world: JourneysWorld) -> None:
    """The last moment before them is kept, the first of them waits for the morning."""
    world.publish(a_journey(a_step("first")))
    night = NIGHT - timedelta(hours=4)
    for number, seconds in enumerate((-60, -1, 0, 1)):
        world.enrol(f"C-{number}", due_at=night + timedelta(seconds=seconds))
    world.drip(now=night - timedelta(minutes=5))
    times = [world.step_row("first", f"C-{number}").due_at for number in range(4)]
    assert times[:2] == [night - timedelta(seconds=60), night - timedelta(seconds=1)]
    assert min(times[2:]) >= MORNING


def ending(world: JourneysWorld, customer_id: int, ends_on: Any, ref: str = "E-1") -> int:
    """An entitlement that ends."""
    gate = world.add(
        "gates", data_set="entitlements", feed="crm", batch=ref, origin="f.csv", rows=1, broken=0, findings=[],
        measures={}, run="import", verdict="pass", decided_at=NOON, is_events=False,
    )  # fmt: skip
    told = {"kind": "subscription", "product": "Box", "time_zone": "Europe/Warsaw", "state": "active", "version": 1}
    rest = {"occurrence": occurrence_of(ends_on), "at_risk_minor": 1, "gate_id": gate, "auto_renews": False}
    at = {"changed_at": NOON, "created_at": NOON, "updated_at": NOON}
    return world.add(
        "entitlements", ref=ref, key_part=ref, customer_id=customer_id, ends_on=ends_on, **told, **rest, **at
    )


def test_a_wait_is_counted_down_to_the_customers_next_ending(world: JourneysWorld) -> None:
    """As it stands when the step is due: moved on, it is waited for; gone, the step is skipped."""
    before = a_step("second", after=After(of=Anchor.ENDING, days=-3), then="end")
    world.publish(a_journey(a_step("first"), before))
    who, lost, none = (world.customer(f"C-{number}") for number in (1, 2, 3))
    today = NOON.date()
    moved, gone = ending(world, who, today + 10 * DAYS), ending(world, lost, today + 10 * DAYS, "E-2")
    rows = [world.enrol(f"C-{number}", customer_id=each) for number, each in enumerate((who, lost, none), start=1)]
    world.drip()
    for ref in ("C-1", "C-2", "C-3"):
        world.finish("first", ref=ref)
    world.drip()
    due = datetime(2026, 3, 10, 23, tzinfo=UTC)
    assert [world.enrolled(row).due_at for row in rows[:2]] == [due, due]
    assert world.enrolled(rows[2]).state == "finished"
    assert world.step_row("second", "C-3").reason == "there is no ending to count from"
    with world.database.write() as connection:
        connection.execute(update(entitlements).where(entitlements.c.id == moved).values(ends_on=today + 20 * DAYS))
        connection.execute(update(entitlements).where(entitlements.c.id == gone).values(state="cancelled"))
    report = world.drip(now=due)
    assert world.enrolled(rows[0]).due_at == due + 10 * DAYS
    assert world.enrolled(rows[1]).state == "finished"
    assert (report.planned.total(), report.skipped.total(), report.set_aside.total()) == (0, 1, 0)


def test_a_dry_run_decides_the_same_and_writes_nothing(world: JourneysWorld) -> None:
    """Through skipped steps, and from a step that is over to the next."""
    nobody = Condition(tier=frozenset({Tier.VIP}))
    world.publish(a_journey(a_step("first"), a_step("second", when=nobody), a_step("third")))
    landing = world.enrol("C-1")
    world.drip()
    world.finish("first")
    world.enrol("C-2", due_at=NOON + timedelta(minutes=1))
    world.alter(world.enrol("C-3"), step="third")
    before = world.rows("enrolments"), world.rows("actions")
    dry = world.drip(dry_run=True)
    assert (world.rows("enrolments"), world.rows("actions")) == before
    wet = world.drip()
    assert (dry.planned, dry.skipped, dry.landed) == (wet.planned, wet.skipped, wet.landed)
    assert wet.planned.total() == 3
    assert wet.skipped.total() == 1
    assert (dry.dry_run, dry.transactions) == (True, 0)
    assert world.enrolled(landing).step == "third"


def test_a_step_whose_action_is_there_already_waits_for_that_one(world: JourneysWorld) -> None:
    """Whoever comes back to a step, or was taken back by a person, is not sent it twice."""
    world.publish(a_journey(a_step("first"), a_step("second")))
    made = world.enrol()
    world.drip()
    world.finish("first")
    world.alter(made, action_id=None, due_at=NOON, step="first")
    world.drip()
    assert world.enrolled(made).action_id == world.row(FIRST).id
    world.drip()
    assert world.enrolled(made).step == "second"
    assert world.planned_keys() == [FIRST, SECOND]


def test_who_was_there_already_and_who_is_new_are_told_apart_in_one_page(world: JourneysWorld) -> None:
    """Nothing is written twice, and everybody waits for their own."""
    nobody = Condition(tier=frozenset({Tier.VIP}))
    world.publish(a_journey(a_step("first"), a_step("second", when=nobody), a_step("third")))
    back, further = world.enrol("C-1"), world.enrol("C-2")
    world.drip()
    world.finish("first", State.DONE, "C-1")
    world.finish("first", State.DONE, "C-2")
    world.drip()
    before = world.planned_keys()
    world.alter(back, action_id=None, due_at=NOON, step="first")
    world.alter(further, action_id=None, due_at=NOON, step="second")
    new = world.enrol("C-3")
    world.drip()
    keys = {row.id: row.key.removeprefix("journey/onboarding/") for row in world.rows("actions")}
    stand = [keys[world.enrolled(one).action_id] for one in (back, further, new)]
    assert stand == ["C-1/1/first", "C-2/1/third", "C-3/1/first"]
    assert sorted(world.planned_keys()) == sorted([*before, "journey/onboarding/C-3/1/first"])


def test_a_million_who_wait_cost_nothing_but_indexed_looks(world: JourneysWorld) -> None:
    """No statement of a run reads a table through, whatever stands in it; nor does counting the drop-off."""
    if not world.database.is_sqlite:
        pytest.skip(
            "a small table is rightly read whole there; the benchmark judges its plans by what an idle run takes"
        )
    did = Condition(seen=Seen(EventName.FEATURE_USED))
    channels = {"by": (Channel.MAIL, Channel.SMS), "basis": Basis.PROACTIVE}
    down = a_step("third", after=After(of=Anchor.ENDING, days=-3))
    world.publish(a_journey(a_step("first", skip_when=did, **channels), a_step("second"), down))
    who = world.customer()
    world.consent(who)
    world.add("suppressions", channel="mail", address_hash="somebody else's", at=NOON, reason="bounce")
    world.enrol(customer_id=who)
    world.alter(world.enrol("C-2"), step="second")
    asked: list[tuple[str, Any]] = []
    event.listen(world.database.engine, "before_cursor_execute", lambda *told: asked.append((told[2], told[3])))
    world.drip()
    world.finish("second", ref="C-2")
    world.drip()
    with world.database.read() as connection:
        assert drop_off.standings(connection, "onboarding", since=NOON, most=9) == {"active": 1, "finished": 1}
        steps = {one.step for one in drop_off.steps(connection, "onboarding", since=NOON, most=9)}
        assert steps == {"first", "second", "third"}
        assert sum(drop_off.standings(connection, "onboarding", since=NOON, most=1).values()) == 1
    statements = {said: given for said, given in asked if said.split()[0] in {"SELECT", "UPDATE", "INSERT", "WITH"}}
    assert len(statements) > 10
    with world.database.read() as connection:
        plans = {
            said: [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {said}", given)]
            for said, given in statements.items()
        }
    few = r"(?! USING (COVERING )?INDEX ix_(enrolments_aside|actions_people|actions_uncertain))"
    read_through = re.compile(rf"SCAN (enrolments|actions|customers|behaviour|consents|entitlements)\b{few}")
    # Of an insert SQLite lists how it would look for those that refer to its rows, were there any yet.
    scans = {said: plan for said, plan in plans.items() if any(map(read_through.search, plan)) and "INSERT" not in said}
    assert scans == {}
    pages = [plan for said, plan in plans.items() if ") > (" in said]
    assert len(pages) == 2
    assert not any("ORDER BY" in step for plan in pages for step in plan), pages


def test_a_step_planned_at_its_time_moves_its_enrolment_in_place(
    world: JourneysWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL copies no row of a full page elsewhere and writes no index for it."""
    if world.database.is_sqlite:
        pytest.skip("SQLite writes an index only where a column of it changed")
    world.publish(a_journey(a_step("first")))
    for number in range(60):
        world.enrol(f"C-{number}", due_at=NOON if number % 10 == 0 else NOON + DAYS)
    counted: list[tuple[int, int]] = []

    def advancing(connection: Connection, *told: Any, **named: Any) -> frozenset[int]:
        moved = advance(connection, *told, **named)
        of_any, in_place = func.pg_stat_get_xact_tuples_updated, func.pg_stat_get_xact_tuples_hot_updated
        table = func.to_regclass("enrolments")
        counted.append(tuple(connection.execute(select(of_any(table), in_place(table))).one()))
        return moved

    monkeypatch.setattr(drip, "advance", advancing)
    assert world.drip().planned.total() == 6
    assert counted == [(6, 6)]


def test_in_virtual_time_each_is_decided_on_when_it_is_due(world: JourneysWorld) -> None:
    """Two days at once: what is due at night is held, ways part, what is over is settled, nobody is late."""
    ways = a_step("second", after=After(hours=3), branch=(Branch("end"),))
    world.publish(a_journey(a_step("first"), ways))
    at = {"C-1": NOON + timedelta(hours=1), "C-2": NIGHT, "C-3": NIGHT + DAYS - timedelta(hours=12)}
    made = {ref: world.enrol(ref, due_at=due_at) for ref, due_at in at.items()}
    world.drip(ahead=2 * DAYS)
    due = {ref: world.row(f"journey/onboarding/{ref}/1/first").due_at for ref in at}
    assert (due["C-1"], due["C-3"]) == (at["C-1"], at["C-3"])
    assert MORNING <= due["C-2"] < MORNING + timedelta(hours=1)
    world.finish("first", at=at["C-1"])
    world.drip(ahead=2 * DAYS)
    stands = world.enrolled(made["C-1"])
    assert (stands.state, stands.previous_at) == ("finished", at["C-1"] + timedelta(hours=3))
