"""Recovery's statements: what dead workers held, and what became uncertain."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from ledger_world import NOON, World, a_plan, check_audit, later

from domain.actions import Basis, Capability, Kind, State
from store import customers
from store.ledger import sweep as ledger
from store.ledger.rows import Result, Worker
from store.ledger.sweep import Swept, Uncertain

HOLD_SECONDS = 30.0


def _take_uncertain(world: World, **how: object) -> list[Uncertain]:
    with world.database.write() as connection:
        return ledger.take_uncertain(connection, hold_seconds=HOLD_SECONDS, **how)  # type: ignore[arg-type]


def _uncertain(world: World, key: str = "k", **plan: object) -> Uncertain:
    world.put(a_plan(key, **plan))
    (armed,) = world.take(a_plan(key, **plan).capability, lane="urgent" if plan.get("urgent") else "normal")
    world.record(Result(armed.id, armed.fence, State.UNCERTAIN, reason="timeout", check_in_seconds=0.0))
    (row,) = _take_uncertain(world)
    return row


def test_the_living_are_left_alone_whatever_our_clock_says(world: World) -> None:
    world.put(a_plan("claimed"), a_plan("sending"))
    claimed, sending = world.reserve()
    world.arm([sending])
    for now in (datetime(2000, 1, 1, tzinfo=UTC), datetime(2199, 1, 1, tzinfo=UTC)):
        world.now = now
        assert world.sweep() == []
    assert world.states() == {claimed.key: State.CLAIMED, sending.key: State.SENDING}


def test_a_row_is_not_swept_for_its_age_but_for_its_lease(world: World) -> None:
    world.put(a_plan("old", due_at=later(days=-30)), a_plan("young"))
    world.now = later(days=-30)
    world.reserve(limit=1)
    world.now = NOON
    world.reserve(limit=1)
    world.kill("young")
    assert [row.key for row in world.sweep()] == ["young"]


def test_what_a_dead_worker_had_only_reserved_goes_back_to_run_apart_then_alone(world: World) -> None:
    world.put(a_plan())
    world.reserve()
    world.kill()
    assert world.sweep() == [Swept(world.row("k").id, "k", State.CLAIMED, State.READY)]
    row = world.row("k")
    assert (row.state, row.lane, row.deaths_alone, row.lease_until) == ("ready", "apart", 0, None)
    assert row.reason == "its worker died before it was sent"
    assert world.reserve() == []
    assert len(world.reserve(lane="apart")) == 1
    world.kill()
    world.sweep()
    assert (world.row("k").lane, world.row("k").deaths_alone) == ("alone", 0)
    assert world.reserve(lane="apart") == []
    assert len(world.reserve(lane="alone")) == 1


def test_what_a_dead_worker_was_sending_apart_runs_alone(world: World) -> None:
    world.put(a_plan())
    world.change("k", lane="apart")
    world.take(lane="apart")
    world.kill()
    world.sweep()
    row = world.row("k")
    assert (row.state, row.lane, row.deaths_alone) == ("uncertain", "alone", 0)


def test_what_a_dead_worker_had_armed_is_uncertain(world: World) -> None:
    world.put(a_plan())
    world.take()
    world.kill()
    world.now = later(minutes=1)
    assert [(row.before, row.after) for row in world.sweep()] == [(State.SENDING, State.UNCERTAIN)]
    row = world.row("k")
    assert (row.state, row.lane, row.lease_until) == ("uncertain", "alone", None)
    assert world.checked_in("k") <= 0
    assert row.reason == "the worker died while sending: it may have gone out"


def test_what_a_worker_proven_dead_held_is_taken_at_once_and_nobody_elses(world: World) -> None:
    """Its lease has not run out; those of the living are left to them."""
    gone, lives = Worker("gone", "run-1"), Worker("lives", "run-2")
    world.put(a_plan("a"), a_plan("b"), a_plan("c"), a_plan("d"))
    world.reserve(limit=1, worker=gone)
    world.arm(world.reserve(limit=1, worker=gone), worker=gone)
    world.reserve(limit=1, worker=lives)
    world.arm(world.reserve(limit=1, worker=lives), worker=lives)
    assert world.sweep() == []
    with world.database.write() as connection:
        arrives = {("crm via fake", Kind.TASK): 8.0, ("mail via fake", Kind.MESSAGE): 9.0}
        swept = ledger.sweep_leases(connection, run="sweeper", now=NOON, dead={"gone"}, arrives=arrives)
    assert [(row.key, row.after) for row in swept] == [("a", State.READY), ("b", State.UNCERTAIN)]
    assert world.states() == {"a": State.READY, "b": State.UNCERTAIN, "c": State.CLAIMED, "d": State.SENDING}
    assert _take_uncertain(world) == []
    world.wait(8)
    assert [row.key for row in _take_uncertain(world)] == ["b"]
    check_audit(world.database)


def test_taking_over_from_the_dead_waits_for_nobody_who_holds_a_customer(world: World) -> None:
    """Whoever holds a customer may be waiting for the row: recovery changed it twice, and the two met in a deadlock."""
    if world.database.is_sqlite:
        pytest.skip("one writer at a time")
    customer_id = world.customer()
    world.put(a_plan("a"), customer_id=customer_id)
    world.take(worker=Worker("gone", "run-1"))
    arrives = {("crm via fake", Kind.TASK): 8.0}
    with world.database.write() as holder, world.database.write() as connection:
        assert customers.locked(holder, "C-1") is not None
        connection.exec_driver_sql("SET LOCAL lock_timeout = '2s'")
        swept = ledger.sweep_leases(connection, run="sweeper", now=NOON, dead={"gone"}, arrives=arrives)
    assert [row.after for row in swept] == [State.UNCERTAIN]
    assert 6 < world.checked_in("a") <= 8


def test_after_three_deaths_alone_a_person_looks(world: World) -> None:
    world.put(a_plan())
    for lane in ("normal", "apart"):
        world.reserve(lane=lane)
        world.kill()
        world.sweep()
    for deaths in (1, 2):
        world.reserve(lane="alone")
        world.kill()
        world.sweep()
        assert (world.state("k"), world.row("k").deaths_alone) == (State.READY, deaths)
    world.reserve(lane="alone")
    world.kill()
    assert [row.after for row in world.sweep()] == [State.NEEDS_HUMAN]
    assert world.row("k").reason == "set aside: its worker died three times while it ran by itself"
    check_audit(world.database)


def test_deaths_while_sending_alone_count_too(world: World) -> None:
    row = _uncertain(world)
    world.change("k", deaths_alone=2, lane="alone")
    with world.database.write() as connection:
        assert ledger.send_again(connection, row, reason="r", is_resend=False, due_at=NOON, run="s", now=NOON)
    world.take(lane="alone")
    world.kill()
    world.sweep()
    assert (world.state("k"), world.row("k").deaths_alone) == (State.UNCERTAIN, 3)


def test_two_sweeps_at_once_take_each_row_once(world: World) -> None:
    world.put(*(a_plan(f"k{number}") for number in range(40)))
    world.arm(world.reserve()[:20])
    world.kill()
    together = Barrier(2)

    def sweep(_: int) -> list[str]:
        together.wait(timeout=30)
        return [row.key for row in world.sweep()]

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(sweep, range(2))
    assert sorted(first + second) == sorted(f"k{number}" for number in range(40))


def test_an_uncertain_row_is_held_by_one_recovery_at_a_time(world: World) -> None:
    row = _uncertain(world, kind=Kind.TASK)
    assert (row.key, row.kind, row.basis, row.capability, row.integration) == (
        "k",
        Kind.TASK,
        Basis.INTERNAL,
        "crm",
        "crm via fake",
    )
    assert (row.attempts, row.resends, row.lookups, row.deaths_alone, row.urgent) == (1, 0, 0, 0, False)
    assert _take_uncertain(world) == []
    world.wait(20)  # less than 30: a test takes time as well
    assert _take_uncertain(world) == []
    world.wait(10)
    assert len(_take_uncertain(world)) == 1


def test_uncertain_rows_come_when_due_urgent_ones_on_their_own(world: World) -> None:
    for key, urgent, seconds in (("a", True, 5), ("b", False, 1), ("c", True, 60)):
        _uncertain(world, key, urgent=urgent)
        world.change(key, next_check_at=datetime.now(UTC) + timedelta(seconds=seconds))
    world.wait(10)
    assert [row.key for row in _take_uncertain(world, urgent_only=True)] == ["a"]
    assert [row.key for row in _take_uncertain(world)] == ["b"]


def test_sending_again_is_counted_when_it_may_double(world: World) -> None:
    row = _uncertain(world)
    with world.database.write() as connection:
        assert ledger.send_again(
            connection, row, reason="resent once", is_resend=True, due_at=later(seconds=3), run="sweeper", now=NOON
        )
    after = world.row("k")
    assert (after.state, after.reason, after.resends, after.due_at) == ("ready", "resent once", 1, later(seconds=3))
    assert (after.next_check_at, after.updated_by) == (None, "sweeper")


def test_what_is_sent_again_is_looked_up_anew(world: World) -> None:
    row = _uncertain(world)
    with world.database.write() as connection:
        ledger.looked_up(connection, row, lag_seconds=0.0, now=NOON)
    assert world.row("k").lookups == 1
    (row,) = _take_uncertain(world)
    with world.database.write() as connection:
        ledger.send_again(connection, row, reason="r", is_resend=True, due_at=NOON, run="s", now=NOON)
    assert world.row("k").lookups == 0


def test_what_the_vendor_has_is_adopted_with_its_receipt(world: World) -> None:
    row = _uncertain(world)
    with world.database.write() as connection:
        assert ledger.adopt(connection, row, external_id="T-3", run="sweeper", now=NOON)
    after = world.row("k")
    assert (after.state, after.reason, after.verified_by) == ("done", "found at the vendor", "sweeper")
    (receipt,) = world.rows("receipts")
    assert (receipt.external_id, receipt.adopted, receipt.integration) == ("T-3", True, "crm via fake")


def test_a_person_reads_why(world: World) -> None:
    row = _uncertain(world)
    with world.database.write() as connection:
        assert ledger.to_person(connection, row, reason="nobody can tell", run="sweeper", now=NOON)
    assert (world.state("k"), world.row("k").reason) == (State.NEEDS_HUMAN, "nobody can tell")


def test_a_search_without_a_find_waits_out_the_vendors_lag(world: World) -> None:
    row = _uncertain(world)
    with world.database.write() as connection:
        ledger.looked_up(connection, row, lag_seconds=5.0, now=NOON)
    after = world.row("k")
    assert (after.state, after.lookups) == ("uncertain", 1)
    assert 3 < world.checked_in("k") <= 5


@pytest.mark.parametrize("decision", ["again", "person", "adopt", "looked up"])
@pytest.mark.parametrize("meanwhile", ["settled", "sent and lost again"])
def test_a_recovery_that_comes_too_late_changes_nothing(world: World, decision: str, meanwhile: str) -> None:
    """It took the row and slept past its hold; another decided. Then its word counts for nothing."""
    late = _uncertain(world)
    world.wait(60)
    (row,) = _take_uncertain(world)
    with world.database.write() as connection:
        if meanwhile == "settled":
            ledger.adopt(connection, row, external_id="T-1", run="other", now=NOON)
        else:
            ledger.send_again(connection, row, reason="r", is_resend=True, due_at=NOON, run="other", now=NOON)
    if meanwhile == "sent and lost again":
        (armed,) = world.take()
        world.record(Result(armed.id, armed.fence, State.UNCERTAIN, reason="timeout", check_in_seconds=0.0))
    before = world.row("k")
    with world.database.write() as connection:
        if decision == "again":
            assert not ledger.send_again(connection, late, reason="r", is_resend=True, due_at=NOON, run="s", now=NOON)
        elif decision == "person":
            assert not ledger.to_person(connection, late, reason="r", run="s", now=NOON)
        elif decision == "adopt":
            assert not ledger.adopt(connection, late, external_id="T-2", run="s", now=NOON)
        else:
            ledger.looked_up(connection, late, lag_seconds=86400.0, now=NOON)
    assert world.row("k") == before
    assert len(world.rows("receipts")) == (1 if meanwhile == "settled" else 0)


def test_recovery_leaves_other_capabilities_queues_alone(world: World) -> None:
    world.put(a_plan("mail", capability=Capability.MAIL))
    _uncertain(world)
    assert world.state("mail") is State.READY
