"""Arming itself: whose row it is, one send a customer and window, cap slots, the vendor's rate, facts that changed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from ledger_world import NOON, POLICY, SERVED, WORKER, World, a_message, a_plan, bound, check_audit, later
from sqlalchemy import update

from domain.actions import Basis, Capability, State
from domain.contact import FrequencyCap
from domain.planning import Payload
from domain.recheck import Defer
from store.integrations import register
from store.ledger.arm import Target, arm
from store.ledger.enqueue import About, replan
from store.ledger.rows import Result, Worker
from store.ledger.settle import settle
from store.tables import metadata

MAIL = Capability.MAIL
ONE_A_WEEK = replace(POLICY, contact=replace(POLICY.contact, cap=FrequencyCap(contacts=1, days=7)))


def test_arming_notes_who_sends_what_and_for_how_long(world: World) -> None:
    customer = world.customer("C-9", name="Anna")
    world.put(a_message(), customer_id=customer)
    (armed,) = world.take(MAIL, worker=Worker("host/1", "run-4"), lease_seconds=20, now=later(seconds=2))
    row = world.row("m")
    assert (armed.key, armed.fence, armed.attempts, armed.payload) == ("m", 1, 1, row.payload)
    assert armed.customer is not None
    assert (armed.customer.ref, armed.customer.name) == ("C-9", "Anna")
    assert (row.state, row.attempts, row.integration) == ("sending", 1, "mail via fake")
    assert (row.dispatched_by, row.updated_by, row.updated_at) == ("run-4", "run-4", later(seconds=2))
    assert timedelta(seconds=15) < row.lease_until - datetime.now(UTC) < timedelta(seconds=21)


def test_nothing_to_arm_is_fine(world: World) -> None:
    assert world.arm([]).armed == []


@pytest.mark.parametrize("taken_by", ["a later claim", "the sweep", "planning"])
def test_a_row_that_is_not_ours_any_more_is_left_alone(world: World, taken_by: str) -> None:
    world.put(a_plan())
    rows = world.reserve()
    if taken_by == "planning":
        world.change("k", state=State.PLANNED)
    else:
        world.kill("k")
        world.sweep()
    if taken_by == "a later claim":
        assert world.reserve(lane="apart")  # by the same worker, even
    before = world.row("k")
    window = world.arm(rows)
    assert (window.armed, window.moved, window.left) == ([], [], [])
    assert world.row("k") == before


def test_a_slow_worker_whose_row_nobody_took_may_still_arm_it(world: World) -> None:
    world.put(a_plan())
    rows = world.reserve()
    world.kill("k")
    assert len(world.arm(rows).armed) == 1


def test_another_worker_cannot_arm_what_one_reserved(world: World) -> None:
    world.put(a_plan())
    assert world.arm(world.reserve(), worker=Worker("another", "run")).armed == []
    assert world.state("k") is State.CLAIMED


def test_one_window_holds_one_action_a_customer(world: World) -> None:
    anna, bert = world.customer("A"), world.customer("B")
    world.put(a_message("a1"), a_message("a2"), a_message("a3"), customer_id=anna)
    world.put(a_message("b1"), customer_id=bert)
    window = world.arm(world.reserve(MAIL), MAIL)
    assert {armed.key for armed in window.armed} == {"a1", "b1"}
    assert [row.key for row in window.left] == ["a2", "a3"]
    assert world.state("a2") is State.CLAIMED
    window = world.arm(window.left, MAIL)
    assert ([armed.key for armed in window.armed], [row.key for row in window.left]) == (["a2"], ["a3"])
    window = world.arm(window.left, MAIL)
    assert ([key for key, _ in window.moved], window.left) == (["a3"], [])  # the cap is two


def test_actions_of_nobody_share_a_window(world: World) -> None:
    world.put(a_plan("a"), a_plan("b"))
    assert len(world.arm(world.reserve()).armed) == 2


def test_a_stop_moves_the_whole_chunk_back(world: World) -> None:
    customer = world.customer()
    world.put(a_message("a"), a_message("b"), customer_id=customer)
    rows = world.reserve(MAIL)
    world.stop()
    window = world.arm(rows, MAIL)
    assert (window.armed, window.left) == ([], [])
    assert set(world.states().values()) == {State.READY}
    assert world.rows("cap_slots") == []


@pytest.mark.parametrize("lane", ["urgent", "normal", "apart", "alone"])
@pytest.mark.parametrize("capability", [*SERVED, Capability.ALERT])
def test_a_stop_spares_no_lane_and_no_capability(world: World, capability: Capability, lane: str) -> None:
    """P14: what was reserved before is moved back, what waits is not reserved; after the start all of it goes."""
    if capability not in SERVED:
        with world.database.write() as connection:
            register(connection, f"{capability} via fake", capability, "fake", now=NOON)
    world.put(a_plan("before", capability=capability), a_plan("after", capability=capability))
    world.change("before", lane=lane)
    reserved = world.reserve(capability, lane=lane)
    world.change("after", lane=lane)
    world.stop()

    assert world.arm(reserved, capability).armed == []
    assert world.take(capability, lane=lane) == []
    assert world.states() == {"before": State.READY, "after": State.READY}
    world.stop(False)
    assert {row.key for row in world.take(capability, lane=lane)} == {"before", "after"}


def test_the_cap_counts_contacts_of_every_channel(world: World) -> None:
    customer = world.customer()
    world.put(a_message("mail"), a_message("sms", capability=Capability.SMS), customer_id=customer)
    assert world.take(MAIL)
    assert world.take(Capability.SMS, now=later(minutes=1))
    world.put(a_message("voice", capability=Capability.VOICE), customer_id=customer)
    assert world.take(Capability.VOICE, now=later(minutes=2)) == []
    assert world.row("voice").due_at == later(days=7)
    assert world.take(Capability.VOICE, now=later(days=7))  # the first contact is a week old


def test_other_bases_do_not_use_up_the_cap(world: World) -> None:
    customer = world.customer()
    for number in range(3):
        world.put(a_message(f"s{number}", basis=Basis.SERVICE), customer_id=customer)
        assert world.take(MAIL)
    assert world.rows("cap_slots") == []


def test_a_retry_does_not_count_twice(world: World) -> None:
    world.policy = ONE_A_WEEK
    world.put(a_message(), customer_id=world.customer())
    (armed,) = world.take(MAIL)
    world.record(Result(armed.id, armed.fence, State.READY, reason="not sent", due_at=NOON))
    assert len(world.take(MAIL)) == 1
    assert len(world.rows("cap_slots")) == 1


def test_a_late_retry_counts_from_when_it_is_sent(world: World) -> None:
    world.policy = ONE_A_WEEK
    customer = world.customer()
    world.put(a_message("first"), customer_id=customer)
    (armed,) = world.take(MAIL)
    world.record(Result(armed.id, armed.fence, State.READY, reason="not sent", due_at=later(days=6)))
    assert world.take(MAIL, now=later(days=6))
    world.put(a_message("second"), customer_id=customer)
    assert world.take(MAIL, now=later(days=8)) == []
    assert world.row("second").due_at == later(days=13)


def test_a_clock_that_jumps_back_does_not_free_the_cap(world: World) -> None:
    world.policy = ONE_A_WEEK
    customer = world.customer()
    world.put(a_message("first"), a_message("second", due_at=later(days=-9)), customer_id=customer)
    world.change("first", due_at=later(days=-10))
    assert [armed.key for armed in world.take(MAIL, limit=1)] == ["first"]
    assert world.take(MAIL, now=later(days=-8)) == []


def test_facts_that_changed_are_never_executed_and_planned_anew(world: World) -> None:
    customer = world.customer()
    world.put(a_message(facts=frozenset({"customer"})), customer_id=customer)
    rows = world.reserve(MAIL)
    world.bump(customer)
    assert world.arm(rows, MAIL).armed == []
    assert (world.state("m"), world.row("m").reason) == (State.PLANNED, "changed since it was planned: customer")
    anew = a_message(payload=Payload("message/1", {"says": "anew"}), facts=frozenset({"customer"}))
    with world.database.write() as connection:
        assert replan(connection, rows[0].id, anew, About(customer), run="r", now=NOON)
    (armed,) = world.take(MAIL)
    assert (armed.payload["params"], bound(world, "m")) == ({"says": "anew"}, {"customer": 2})
    check_audit(world.database)


def test_a_case_is_a_fact_of_its_own(world: World) -> None:
    customer = world.customer()
    case = world.case(customer)
    world.put(
        a_plan("a", facts=frozenset({"case"})),
        a_plan("b", facts=frozenset({"customer", "case"})),
        case_id=case,
        customer_id=customer,
    )
    rows = world.reserve()
    world.bump_case(case)
    world.arm([rows[0]])
    world.arm([rows[1]])
    assert [world.row(key).reason for key in "ab"] == ["changed since it was planned: case"] * 2


def test_a_fact_that_is_gone_is_a_changed_fact(world: World) -> None:
    world.put(a_plan(), customer_id=world.customer())
    world.add("evidence", action_id=world.row("k").id, fact="customer", subject_id=987_654, version=1)
    assert world.take() == []
    assert world.state("k") is State.PLANNED


def test_only_what_changed_is_held_back_in_a_window(world: World) -> None:
    refs = [f"C-{number}" for number in range(5)]
    ids = {ref: world.customer(ref) for ref in refs}
    for ref in refs:
        world.put(a_message(ref, facts=frozenset({"customer"})), customer_id=ids[ref])
    rows = world.reserve(MAIL)
    world.bump(ids["C-3"])
    window = world.arm(rows, MAIL)
    assert {armed.key for armed in window.armed} == set(refs) - {"C-3"}


@pytest.mark.parametrize("rate", [0.2, 1, 3, 30])
def test_a_vendors_rate_is_never_exceeded_and_is_used(world: World, rate: float) -> None:
    """Two workers ask again and again: in any T seconds at most T·rate and one second's worth (at least one) go."""
    burst = max(1.0, rate)
    world.put(*(a_plan(f"k{number:03}") for number in range(int(burst) + 12)))
    sent: list[datetime] = []
    now = NOON
    for turn in range(48):
        sent += [now] * len(world.take(worker=Worker(f"w{turn % 2}", "r"), rate=rate, now=now))
        now += timedelta(seconds=0.2 * (turn % 3) / rate)
    for number, first in enumerate(sent):
        for count, last in enumerate(sent[number:], 1):
            assert count <= burst + (last - first).total_seconds() * rate + 1e-3
    assert len(sent) >= burst + 6  # in 9.6 / rate seconds
    check_audit(world.database)


def test_what_the_rate_leaves_over_waits_for_its_turn(world: World) -> None:
    world.put(*(a_plan(f"k{number}") for number in range(5)))
    window = world.arm(world.reserve(), rate=3)
    assert (len(window.armed), len(window.moved)) == (3, 2)
    assert all(isinstance(verdict, Defer) and verdict.reason == "the vendor's rate" for _, verdict in window.moved)
    dues = {row.due_at for row in world.rows("actions") if row.state == "ready"}
    assert all(NOON < due <= later(seconds=1) for due in dues)


def test_what_is_refused_does_not_use_up_the_rate(world: World) -> None:
    world.put(a_plan("expired", not_after=NOON, due_at=later(minutes=-1)), a_plan("good"))
    window = world.arm(world.reserve(), rate=1)
    assert [armed.key for armed in window.armed] == ["good"]


def test_two_windows_of_one_worker_share_the_rate(world: World) -> None:
    world.put(*(a_plan(f"k{number}") for number in range(6)))
    rows = world.reserve()
    first, second = world.arm(rows[:3], rate=4), world.arm(rows[3:], rate=4)
    assert (len(first.armed), len(second.armed)) == (3, 1)


def test_every_refused_row_moves(world: World) -> None:
    customer = world.customer()
    world.put(a_message("capped", purpose="marketing"), a_plan("pointless", not_after=NOON), customer_id=customer)
    for capability in (MAIL, Capability.CRM):
        world.take(capability)
    assert State.CLAIMED not in world.states().values()
    assert world.record(worker=WORKER) == []
    assert all(before != after for before, after in pairwise(world.story("capped")))


def _lost_once(world: World, key: str, **plan: object) -> None:
    """Sent, its answer lost, and to be sent again."""
    world.put(a_message(key, **plan), customer_id=world.customer())
    (armed,) = world.take(MAIL)
    world.record(Result(armed.id, armed.fence, State.UNCERTAIN, reason="timeout", check_in_seconds=0.0))
    world.change(key, state=State.READY, due_at=NOON)


def test_what_may_have_gone_out_is_never_called_expired_or_skipped(world: World) -> None:
    """Every uncertainty stays visible, also when the action itself is not to be repeated any more."""
    _lost_once(world, "m", not_after=later(hours=1))
    window = world.arm(world.reserve(MAIL, now=later(hours=1)), MAIL, now=later(hours=1))
    assert (window.armed, world.state("m")) == ([], State.NEEDS_HUMAN)
    assert world.row("m").reason == "it may have gone out already, and now: pointless after 2026-03-04 12:00 UTC"


def test_what_a_person_let_go_again_may_have_gone_out_the_first_time(world: World) -> None:
    """Found by a history: settling counts attempts anew, and what was lost before must not be forgotten."""
    world.put(a_plan(not_after=later(hours=2)))
    (armed,) = world.take()
    world.record(Result(armed.id, armed.fence, State.UNCERTAIN, reason="timeout", check_in_seconds=0.0))
    world.change("k", state=State.NEEDS_HUMAN, next_check_at=None)
    with world.database.write() as connection:
        settle(connection, "k", State.READY, POLICY.reviews, by="anna", reason="again", now=NOON)
    assert world.take(now=later(hours=3)) == []
    row = world.row("k")
    assert (row.state, row.reason) == (
        State.NEEDS_HUMAN,
        "it may have gone out already, and now: pointless after 2026-03-04 13:00 UTC",
    )


def test_what_was_surely_not_sent_may_expire(world: World) -> None:
    world.put(a_message(not_after=later(hours=1)), customer_id=world.customer())
    (armed,) = world.take(MAIL)
    world.record(Result(armed.id, armed.fence, State.READY, reason="no connection", due_at=NOON))
    world.take(MAIL, now=later(hours=1))
    assert world.state("m") is State.EXPIRED


@pytest.mark.parametrize("skip", [None, "no address on file"])
def test_what_may_have_gone_out_keeps_its_channel_when_planned_anew(world: World, skip: str | None) -> None:
    """Repeating is safe only where the vendor may know it already; on another channel it would be a second message."""
    _lost_once(world, "m")
    world.change("m", state=State.PLANNED)
    with world.database.write() as connection:
        anew = a_message("m", capability=Capability.SMS, skip=skip)
        assert replan(connection, world.row("m").id, anew, About(world.row("m").customer_id), run="r", now=NOON)
    assert (world.state("m"), world.row("m").capability) == (State.READY, "mail")


def test_a_customer_whose_facts_make_no_sense_holds_up_nobody(world: World) -> None:
    for ref in ("A", "B", "C"):
        world.put(a_message(ref), customer_id=world.customer(ref))
    people = metadata.tables["customers"]
    with world.database.write() as connection:
        connection.execute(update(people).where(people.c.ref == "B").values(time_zone="Europe/Warszawa"))
    assert [armed.key for armed in world.take(MAIL)] == ["A", "C"]
    assert world.state("B") is State.NEEDS_HUMAN
    assert world.row("B").reason == (
        'its facts make no sense: unknown time zone "Europe/Warszawa" (did you mean "Europe/Warsaw"?)'
    )


def test_in_virtual_time_each_row_is_judged_when_it_is_due(world: World) -> None:
    """A window of a day: one is due at noon, one at night, and a cap that one is full of is free again by then."""
    world.policy = ONE_A_WEEK
    by_day, by_night, again = (world.customer(ref) for ref in ("C-1", "C-2", "C-3"))
    world.put(a_message("first", due_at=later(days=-6)), customer_id=again)
    assert world.take(MAIL, now=later(days=-6))
    world.put(a_message("day", due_at=later(hours=1)), customer_id=by_day)
    world.put(a_message("night", due_at=later(hours=11)), customer_id=by_night)
    world.put(a_message("again", due_at=later(hours=25)), customer_id=again)
    rows = world.reserve(MAIL, now=later(days=2))
    target = Target("mail via fake", MAIL, None, "email")
    with world.database.write() as connection:
        how = {"worker": WORKER, "lease_seconds": 20, "policy": world.policy, "now": NOON, "each_when_due": True}
        window = arm(connection, rows, target, **how)
    assert [armed.key for armed in window.armed] == ["day", "again"]
    [(key, verdict)] = window.moved
    assert (key, type(verdict), world.row("night").due_at) == ("night", Defer, later(hours=20))
    slots = {row.customer_id: row.at for row in world.rows("cap_slots")}
    assert (slots[by_day], slots[again]) == (later(hours=1), later(hours=25))
