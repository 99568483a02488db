"""Enqueue: once per key, with its evidence and its place in the order; re-plan: the same row, said anew."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from ledger_world import NOON, World, a_message, a_plan, bound, check_audit, later

from domain.actions import Basis, Capability, Kind, State
from domain.planning import Payload
from domain.review_rules import Risk, Rule
from domain.risk import Ask
from store.canonical import payload_hash
from store.ledger.enqueue import About, enqueue, replan, send_back_to_planning


def test_a_plan_becomes_a_ready_action(world: World) -> None:
    customer = world.customer()
    made = world.put(a_message(not_after=later(days=1), stale_after=later(hours=2)), customer_id=customer, run="run-9")
    row = world.row("m")
    assert made == {"m": row.id}
    assert (row.state, row.lane, row.urgent, row.revision, row.fence, row.attempts) == (
        "ready",
        "normal",
        False,
        1,
        0,
        0,
    )
    assert (row.kind, row.basis, row.capability, row.purpose) == ("message", "proactive", "mail", "reminders")
    assert (row.due_at, row.not_after, row.stale_after) == (NOON, later(days=1), later(hours=2))
    assert row.payload_hash == payload_hash(row.payload)
    assert (row.customer_id, row.planned_by, row.updated_by) == (customer, "run-9", "run-9")


def test_the_same_key_twice_is_once_and_the_first_stays(world: World) -> None:
    first = world.put(a_plan(payload=Payload("task/1", {"says": "first"})))
    assert world.put(a_plan(payload=Payload("task/1", {"says": "second"}))) == {}
    assert world.put(a_plan(), a_plan("other"), a_plan("other")).keys() == {"other"}
    assert world.row("k").id == first["k"]
    assert world.row("k").payload["params"] == {"says": "first"}
    assert len(world.rows("actions")) == 2


def test_the_same_key_from_many_threads_is_once(world: World) -> None:
    together = Barrier(8)

    def plan(number: int) -> int:
        together.wait(timeout=30)
        return len(world.put(a_plan("a"), a_plan("b", after="a"), run=f"run-{number}"))

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(plan, range(8))) == [0] * 7 + [2]
    assert world.row("b").after_id == world.row("a").id


def test_nothing_planned_writes_nothing(world: World) -> None:
    assert world.put() == {}
    assert world.rows("audit") == []


def test_a_skip_is_recorded_with_its_reason_and_never_leaves(world: World) -> None:
    world.put(a_plan(skip="no address on file"))
    row = world.row("k")
    assert (row.state, row.reason) == ("skipped", "no address on file")
    assert world.reserve() == []


def test_an_urgent_plan_has_its_own_lane(world: World) -> None:
    world.put(a_plan(urgent=True))
    assert (world.row("k").lane, world.row("k").urgent) == ("urgent", True)


def test_the_facts_it_rests_on_are_bound_with_their_versions(world: World) -> None:
    customer = world.customer()
    world.put(a_message("with", facts=frozenset({"customer"})), a_message("without"), customer_id=customer)
    assert bound(world, "with") == {"customer": 1}
    assert bound(world, "without") == {}


def test_a_second_plan_does_not_refresh_what_the_first_rests_on(world: World) -> None:
    customer = world.customer()
    world.put(a_message(facts=frozenset({"customer"})), customer_id=customer)
    world.bump(customer)
    world.put(a_message(facts=frozenset({"customer"})), customer_id=customer)
    assert bound(world, "m") == {"customer": 1}


def test_what_must_come_after_waits_in_one_plan_or_two(world: World) -> None:
    world.put(a_plan("ticket"))
    world.put(a_plan("note", after="ticket"))
    world.put(a_plan("late", after="early"), a_plan("early"))
    assert world.row("note").after_id == world.row("ticket").id
    assert world.row("late").after_id == world.row("early").id


def test_a_chain_in_one_plan_keeps_its_order(world: World) -> None:
    world.put(a_plan("3", after="2"), a_plan("2", after="1"), a_plan("1"), a_plan("4", after="3"))
    for key in "234":
        assert world.row(key).after_id == world.row(str(int(key) - 1)).id


def test_a_plan_that_waits_for_itself_is_refused(world: World) -> None:
    with pytest.raises(ValueError, match="wait for each other"):
        world.put(a_plan("1", after="2"), a_plan("2", after="1"))
    assert world.rows("actions") == []


def test_a_plan_that_waits_for_nobody_is_refused(world: World) -> None:
    with pytest.raises(LookupError, match="nobody planned 'ticket'"):
        world.put(a_plan("note", after="ticket"))


def test_what_is_planned_in_a_transaction_that_fails_is_not_planned(world: World) -> None:
    def fails() -> None:
        with world.database.write() as connection:
            enqueue(connection, [a_plan()], About(), run="r", now=NOON)
            raise RuntimeError("the business change failed")

    with pytest.raises(RuntimeError, match="the business change failed"):
        fails()
    assert world.rows("actions") == []


def test_a_float_in_a_payload_is_refused(world: World) -> None:
    with pytest.raises(TypeError, match="never a float"):
        world.put(a_plan(payload=Payload("task/1", {"amounts": [{"value": 1.5}]})))


def _replan(world: World, key: str, plan: object, **about: int | None) -> bool:
    with world.database.write() as connection:
        return replan(connection, world.row(key).id, plan, About(**about), run="again", now=later(minutes=5))  # type: ignore[arg-type]


def test_a_replanned_action_is_the_same_row_said_anew(world: World) -> None:
    customer = world.customer()
    before = world.put(a_message(facts=frozenset({"customer"})), customer_id=customer)
    world.bump(customer)
    world.change("m", state=State.PLANNED)
    anew = a_message(
        payload=Payload("message/1", {"says": "anew"}),
        capability=Capability.SMS,
        due_at=later(hours=1),
        facts=frozenset({"customer"}),
        reason="quiet hours",
    )
    assert _replan(world, "m", anew, customer_id=customer)
    row = world.row("m")
    assert {"m": row.id} == before
    assert (row.state, row.revision, row.capability, row.reason) == ("ready", 2, "sms", "quiet hours")
    assert (row.due_at, row.payload["params"]) == (later(hours=1), {"says": "anew"})
    assert row.payload_hash == payload_hash(row.payload)
    assert bound(world, "m") == {"customer": 2}
    check_audit(world.database)


def test_only_what_waits_to_be_planned_is_replanned(world: World) -> None:
    world.put(a_plan())
    assert not _replan(world, "k", a_plan(payload=Payload("task/1", {"says": "anew"})))
    assert world.row("k").revision == 1


def test_a_new_plan_may_be_to_skip_it(world: World) -> None:
    world.put(a_plan())
    world.change("k", state=State.PLANNED)
    assert _replan(world, "k", a_plan(skip="renewed meanwhile"))
    assert (world.state("k"), world.row("k").reason) == (State.SKIPPED, "renewed meanwhile")


def test_what_needed_a_review_needs_it_again_after_a_new_plan(world: World) -> None:
    world.put(a_message("k"), customer_id=world.customer())
    approved = world.review("k", state="approved")
    world.change("k", state=State.PLANNED)
    assert _replan(world, "k", a_message("k", payload=Payload("mail/1", {"says": "something else"})))
    row = world.row("k")
    assert (world.state("k"), row.reviewed_hash) == (State.AWAITING_REVIEW, row.payload_hash)
    assert row.review_id != approved
    [asked_anew] = [review for review in world.rows("reviews") if review.id == row.review_id]
    assert (asked_anew.state, asked_anew.rules, asked_anew.what) == ("collecting", ["vip"], "k")
    assert world.reserve(Capability.MAIL) == []


@pytest.mark.parametrize(
    ("now", "is_stricter"),
    [(Ask("k", (Rule.HARDSHIP,), Risk.MEDIUM, 1, 5), True), (Ask("k", (Rule.HARDSHIP,), Risk.LOW, 1, 5), False)],
)
def test_what_is_asked_anew_is_asked_as_strictly_as_ever(world: World, now: Ask, is_stricter: bool) -> None:
    world.put(a_message("k"), customer_id=world.customer())
    world.review("k", state="approved")
    world.change("k", state=State.PLANNED)
    assert _replan(world, "k", a_message("k", ask=now))
    [anew] = [review for review in world.rows("reviews") if review.id == world.row("k").review_id]
    assert anew.rules == ["vip", "hardship"]
    assert anew.risk == ("medium" if is_stricter else "low")


def test_what_has_become_a_colleagues_task_waits_for_no_review(world: World) -> None:
    world.put(a_message("k"), customer_id=world.customer())
    world.review("k", state="open")
    world.change("k", state=State.PLANNED)
    assert _replan(world, "k", a_plan("k"))
    row = world.row("k")
    assert (world.state("k"), row.kind, row.review_id) == (State.READY, Kind.TASK, None)


@pytest.mark.parametrize("state", [State.READY, State.CLAIMED, State.AWAITING_REVIEW])
def test_what_is_unsent_can_be_sent_back_to_planning(world: World, state: State) -> None:
    world.put(a_plan())
    if state is State.AWAITING_REVIEW:
        world.change("k", state=State.PLANNED)
    if state is not State.READY:
        world.change("k", state=state)
    assert _send_back(world, "k") == 1
    assert (world.state("k"), world.row("k").reason) == (State.PLANNED, "renewed")


@pytest.mark.parametrize("state", [State.SENDING, State.DONE, State.UNCERTAIN, State.FAILED])
def test_what_may_have_left_is_not_sent_back_to_planning(world: World, state: State) -> None:
    world.put(a_plan())
    world.force("k", state)
    assert _send_back(world, "k") == 0
    assert world.state("k") is state


def _send_back(world: World, key: str) -> int:
    with world.database.write() as connection:
        return send_back_to_planning(connection, [key], reason="renewed", by="anna", now=NOON)


def test_a_claimed_row_sent_back_to_planning_is_not_its_workers_any_more(world: World) -> None:
    world.put(a_plan(basis=Basis.INTERNAL, kind=Kind.TASK))
    rows = world.reserve()
    _send_back(world, "k")
    window = world.arm(rows)
    assert (window.armed, window.moved, world.state("k")) == ([], [], State.PLANNED)
