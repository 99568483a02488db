"""Reserve: `ready → claimed`, oldest first, never twice, nothing while everything or its vendor is held."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from ledger_world import NOON, WORKER, World, a_plan, check_audit, later

from domain.actions import FINAL, Capability, State
from store.ledger.reserve import is_waiting, renew, reserve
from store.ledger.rows import Worker


def test_reserving_claims_with_a_fence_and_a_lease(world: World) -> None:
    world.put(a_plan(reason="was deferred"))
    world.now = later(seconds=3)
    (reserved,) = world.reserve(worker=Worker("host/1", "run-4"))
    row = world.row("k")
    assert (reserved.id, reserved.key, reserved.fence, reserved.lane) == (row.id, "k", 1, "normal")
    assert (row.state, row.fence, row.claimed_by, row.reason) == ("claimed", 1, "host/1", None)
    assert (row.updated_by, row.updated_at) == ("run-4", later(seconds=3))


def test_a_lease_runs_by_the_databases_clock_whatever_the_worker_believes(world: World) -> None:
    world.put(a_plan())
    assert world.reserve(lease_seconds=20, now=datetime(2199, 1, 1, tzinfo=UTC))
    ahead = world.row("k").lease_until - datetime.now(UTC)
    assert timedelta(seconds=15) < ahead < timedelta(seconds=21)


def test_the_oldest_due_go_first_and_the_future_waits(world: World) -> None:
    world.put(
        a_plan("third"),
        a_plan("first", due_at=later(minutes=-9)),
        a_plan("second", due_at=later(minutes=-1)),
        a_plan("future", due_at=later(seconds=1)),
    )
    assert [row.key for row in world.reserve(limit=1)] == ["first"]
    assert [row.key for row in world.reserve(limit=1)] == ["second"]
    assert [row.key for row in world.reserve()] == ["third"]
    assert world.reserve() == []
    assert [row.key for row in world.reserve(now=later(seconds=1))] == ["future"]


def test_each_lane_and_each_capability_is_a_queue_of_its_own(world: World) -> None:
    world.put(
        a_plan("urgent", urgent=True), a_plan("normal"), a_plan("mail", capability=Capability.MAIL), a_plan("dead")
    )
    world.change("dead", lane="alone")
    for lane, key in (("urgent", "urgent"), ("normal", "normal"), ("alone", "dead")):
        assert [row.key for row in world.reserve(lane=lane)] == [key]
    assert [row.key for row in world.reserve(Capability.MAIL)] == ["mail"]


def test_a_lane_can_be_asked_for_what_is_urgent_or_for_some_keys_only(world: World) -> None:
    world.put(a_plan("a"), a_plan("b", urgent=True), a_plan("c"))
    for key in "abc":
        world.change(key, lane="alone")
    assert [row.key for row in world.reserve(lane="alone", urgent_only=True)] == ["b"]
    assert [row.key for row in world.reserve(lane="alone", keys=["b", "c"])] == ["c"]
    assert world.reserve(lane="alone", keys=[]) == []


@pytest.mark.parametrize("state", [state for state in State if state is not State.READY])
def test_only_what_is_ready_is_reserved(world: World, state: State) -> None:
    world.put(a_plan())
    world.force("k", state)
    assert world.reserve() == []
    assert world.state("k") is state


def test_nothing_is_reserved_while_everything_is_stopped(world: World) -> None:
    world.put(a_plan())
    world.stop()
    assert world.reserve() == []
    world.stop(False)
    assert len(world.reserve()) == 1


def test_an_open_breaker_holds_its_own_capability_alone(world: World) -> None:
    world.put(a_plan("task"), a_plan("mail", capability=Capability.MAIL))
    world.integration(Capability.CRM, breaker="open", reason="silent")
    assert world.reserve() == []
    assert len(world.reserve(Capability.MAIL)) == 1


def test_a_vendor_that_asked_to_wait_is_left_alone_until_then(world: World) -> None:
    world.put(a_plan())
    world.integration(Capability.CRM, not_before=later(seconds=30))
    assert world.reserve(now=later(seconds=29)) == []
    assert len(world.reserve(now=later(seconds=30))) == 1


@pytest.mark.parametrize("state", State)
def test_what_comes_after_waits_until_that_is_over(world: World, state: State) -> None:
    world.put(a_plan("ticket"), a_plan("note", after="ticket", capability=Capability.MAIL))
    world.force("ticket", state)
    expected = ["note"] if state in FINAL else []
    assert [row.key for row in world.reserve(Capability.MAIL)] == expected


def test_four_workers_share_a_queue_without_taking_anything_twice(world: World) -> None:
    world.put(*(a_plan(f"k{number}") for number in range(200)))
    together = Barrier(4)

    def work(number: int) -> list[str]:
        together.wait(timeout=30)
        taken: list[str] = []
        while rows := world.reserve(limit=7, worker=Worker(f"w{number}", "r")):
            taken += [row.key for row in rows]
        return taken

    with ThreadPoolExecutor(4) as pool:
        taken = Counter(key for keys in pool.map(work, range(4)) for key in keys)
    assert taken == Counter(f"k{number}" for number in range(200))
    assert {row.fence for row in world.rows("actions")} == {1}
    check_audit(world.database)


@pytest.mark.postgres
def test_a_worker_steps_over_what_another_is_just_taking(standing_world: World) -> None:
    world = standing_world
    world.put(*(a_plan(f"k{number}") for number in range(4)))
    how = {"capability": "crm", "lane": "normal", "lease_seconds": 20.0, "limit": 2, "now": NOON}
    with world.database.write() as one, world.database.write() as other:
        first = reserve(one, worker=Worker("w1", "r"), **how)  # type: ignore[arg-type]
        second = reserve(other, worker=Worker("w2", "r"), **how)  # type: ignore[arg-type]
    assert [row.key for row in first + second] == ["k0", "k1", "k2", "k3"]


def test_a_lease_is_renewed_for_what_is_still_ours(world: World) -> None:
    world.put(a_plan("mine"), a_plan("theirs"), a_plan("sent"))
    rows = world.reserve(lease_seconds=1)
    world.change("theirs", claimed_by="somebody else")
    world.change("sent", state=State.SENDING)
    before = {key: world.row(key).lease_until for key in ("mine", "theirs", "sent")}
    with world.database.write() as connection:
        assert renew(connection, [row.id for row in rows], worker=WORKER, lease_seconds=20) == 1
    after = {key: world.row(key).lease_until for key in before}
    assert [key for key in before if before[key] != after[key]] == ["mine"]


def test_a_lane_is_waiting_only_for_what_is_due(world: World) -> None:
    world.put(a_plan(due_at=later(minutes=1)))

    def waits(lane: str = "normal", capability: str = "crm", minutes: int = 1) -> bool:
        with world.database.read() as connection:
            return is_waiting(connection, capability=capability, lane=lane, due_by=later(minutes=minutes))

    assert waits()
    assert not waits(minutes=0)
    assert not waits(lane="urgent")
    assert not waits(capability="mail")
