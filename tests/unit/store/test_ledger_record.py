"""Record: what came of what was armed, written only by the worker whose fence still stands (P15)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from ledger_world import NOON, World, a_plan, check_audit, later

from domain.actions import State
from store.ledger.rows import Armed, Result, Worker


def _armed(world: World, key: str = "k") -> Armed:
    world.put(a_plan(key))
    (armed,) = world.take()
    return armed


def test_done_is_kept_with_the_vendors_receipt(world: World) -> None:
    armed = _armed(world)
    result = Result(armed.id, armed.fence, State.DONE, external_id="T-17", detail={"created": True})
    assert world.record(result, integration="crm via fake", now=later(seconds=2)) == []
    row = world.row("k")
    assert (row.state, row.reason, row.lease_until, row.updated_at) == ("done", None, None, later(seconds=2))
    (receipt,) = world.rows("receipts")
    assert (receipt.action_id, receipt.integration, receipt.external_id) == (armed.id, "crm via fake", "T-17")
    assert (receipt.detail, receipt.adopted, receipt.at) == ({"created": True}, False, later(seconds=2))


@pytest.mark.parametrize(
    ("result", "state", "due_at", "check_in"),
    [
        (lambda a: Result(a.id, a.fence, State.FAILED, reason="400"), "failed", NOON, None),
        (
            lambda a: Result(a.id, a.fence, State.READY, reason="400", due_at=later(seconds=8)),
            "ready",
            later(seconds=8),
            None,
        ),
        (
            lambda a: Result(a.id, a.fence, State.UNCERTAIN, reason="400", check_in_seconds=9.0),
            "uncertain",
            NOON,
            9.0,
        ),
    ],
)
def test_other_ends_are_kept_with_their_reason_and_time(
    world: World, result: Callable[[Armed], Result], state: str, due_at: object, check_in: float | None
) -> None:
    armed = _armed(world)
    assert world.record(result(armed)) == []
    row = world.row("k")
    assert (row.state, row.reason, row.lease_until) == (state, "400", None)
    assert row.due_at == due_at
    if check_in is None:
        assert row.next_check_at is None
    else:
        assert check_in - 2 < world.checked_in("k") <= check_in
    assert world.rows("receipts") == []


def test_what_may_have_gone_out_is_not_called_failed(world: World) -> None:
    armed = _armed(world)
    world.record(Result(armed.id, armed.fence, State.UNCERTAIN, reason="no answer", check_in_seconds=60.0))
    world.change("k", state=State.READY)  # as recovery does where repeating is safe
    (again,) = world.take()
    assert world.record(Result(again.id, again.fence, State.FAILED, reason="gave up after 2")) == []
    row = world.row("k")
    assert (row.state, row.reason) == ("uncertain", "gave up after 2")
    assert world.checked_in("k") <= 0
    check_audit(world.database)


def test_results_of_one_window_are_written_together(world: World) -> None:
    world.put(*(a_plan(f"k{number}") for number in range(6)))
    ends = (State.DONE, State.DONE, State.FAILED, State.UNCERTAIN, State.READY, State.DONE)
    armed = {one.key: one for one in world.take()}
    results = [
        Result(armed[f"k{n}"].id, 1, end, reason=f"r{n}", due_at=NOON, check_in_seconds=0.0)
        for n, end in enumerate(ends)
    ]
    assert world.record(*results) == []
    assert world.states() == {f"k{number}": end for number, end in enumerate(ends)}
    assert len(world.rows("receipts")) == 3
    check_audit(world.database)


@pytest.mark.parametrize("since", ["swept", "given back", "sent again", "done by another"])
@pytest.mark.parametrize("end", [State.DONE, State.FAILED, State.READY, State.UNCERTAIN])
def test_a_stale_result_is_refused_and_changes_nothing(world: World, since: str, end: State) -> None:
    stale = _armed(world)
    world.kill("k")
    world.sweep()
    if since != "swept":
        world.change("k", state=State.READY, lane="normal")
    if since in {"sent again", "done by another"}:
        (again,) = world.take(worker=Worker("w2", "r2"))
        assert again.fence == stale.fence + 1
    if since == "done by another":
        world.record(Result(again.id, again.fence, State.DONE, external_id="2nd"), worker=Worker("w2", "r2"))
    before = world.row("k")
    result = Result(stale.id, stale.fence, end, reason="late", due_at=NOON, check_in_seconds=0.0, external_id="1st")
    assert world.record(result) == [result]
    assert world.row("k") == before
    assert [receipt.external_id for receipt in world.rows("receipts")] == (
        ["2nd"] if since == "done by another" else []
    )


def test_one_stale_result_does_not_spoil_the_others(world: World) -> None:
    world.put(a_plan("stale"), a_plan("fresh"))
    stale, fresh = world.take()
    world.kill("stale")
    world.sweep()
    results = [Result(one.id, one.fence, State.DONE, external_id="x") for one in (stale, fresh)]
    assert world.record(*results) == [results[0]]
    assert world.states() == {"stale": State.UNCERTAIN, "fresh": State.DONE}


def test_of_two_results_of_one_action_that_come_together_only_the_one_whose_fence_stands_is_written(
    world: World,
) -> None:
    stale = _armed(world)
    world.kill("k")
    world.sweep()
    world.change("k", state=State.READY, lane="normal")
    (again,) = world.take()
    results = [Result(one.id, one.fence, State.DONE, external_id=f"{one.fence}") for one in (stale, again)]
    assert world.record(*results) == [results[0]]
    assert [receipt.external_id for receipt in world.rows("receipts")] == [f"{again.fence}"]


def test_a_result_of_what_was_never_armed_is_refused(world: World) -> None:
    world.put(a_plan())
    (row,) = world.reserve()
    result = Result(row.id, row.fence, State.DONE)
    assert world.record(result, Result(999_999, 1, State.DONE)) == [result, Result(999_999, 1, State.DONE)]
    assert world.state("k") is State.CLAIMED


def test_a_row_whose_worker_lived_does_not_run_alone_any_more(world: World) -> None:
    world.put(a_plan("a"), a_plan("b", urgent=True))
    for key in "ab":
        world.change(key, lane="alone")
        (armed,) = world.take(lane="alone")
        world.record(Result(armed.id, armed.fence, State.READY, reason="429", due_at=NOON))
    assert (world.row("a").lane, world.row("b").lane) == ("normal", "urgent")


def test_of_the_sweep_and_a_late_result_one_wins(world: World) -> None:
    """Whatever comes first stands, and the other is told."""
    for number in range(15):
        armed = _armed(world, f"k{number}")
        world.kill(armed.key)
        together = Barrier(2)

        def late(armed: Armed = armed, together: Barrier = together) -> bool:
            together.wait(timeout=30)
            return world.record(Result(armed.id, armed.fence, State.DONE, external_id="x")) == []

        def swept(together: Barrier = together) -> bool:
            together.wait(timeout=30)
            return len(world.sweep()) == 1

        with ThreadPoolExecutor(2) as pool:
            recorded, taken = pool.submit(late), pool.submit(swept)
            assert recorded.result() != taken.result()
        assert world.state(armed.key) is (State.DONE if recorded.result() else State.UNCERTAIN)
    check_audit(world.database)
