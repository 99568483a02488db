"""The sweep over reviews dies anywhere, comes again, and leaves the same as if it had not died."""

from collections.abc import Iterator
from typing import Any

import pytest
from ledger_world import NOON, a_message, check_audit, empty
from review_world import LATE, Reviews, an_ask

from domain.policy import Policy
from domain.review_rules import Risk
from domain.reviews import Decision, Stand
from services import reviews_settling
from services.auditing import verify_chain
from store import crash_points
from store.database import Database


@pytest.fixture(autouse=True)
def _small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reviews_settling, "_CHUNK", 1)
    monkeypatch.setattr(reviews_settling, "_LOOK", 2)


def everything_to_do(database: Database) -> Reviews:
    """One review for each thing that a sweep does."""
    empty(database)
    world = Reviews(database)
    approved = world.asked(3, first=1)
    world.vote(approved)
    rejected = world.asked(2, first=4)
    world.vote(rejected, decision=Decision.REJECT)
    world.asked(2, first=6)  # nobody will decide
    left = world.asked(1, an_ask(what="journey/onboarding/later"), first=8)
    world.bump(world.row("m-8").customer_id)
    stale = world.asked(3, an_ask(Risk.MEDIUM), first=9)
    world.bump(world.row("m-10").customer_id)
    world.collected(2, an_ask(Risk.HIGH), first=12)
    world.put(a_message("m-1", ask=an_ask(what="journey/onboarding/never")))  # nothing joins that one
    assert len({approved, rejected, left, stale}) == 4
    return world


def outcome(world: Reviews) -> list[Any]:
    """Everything as it stands, whatever numbers the rows have."""
    order = {row.id: place for place, row in enumerate(world.rows("reviews"))}
    reviews = [(row.state, row.count, row.released, row.decided_by, row.finished_at) for row in world.rows("reviews")]
    actions = [
        (row.key, row.state, order[row.review_id], (row.reason or "").replace(str(row.review_id), "#"))
        for row in world.rows("actions")
    ]
    chain: dict[int, list[str]] = {}
    for entry in world.rows("chain"):
        chain.setdefault(order[int(entry.subject_id)], []).append(entry.what)
    return [reviews, sorted(actions), chain]


class Died(BaseException):
    """As a killed process."""


def settle_and_die(world: Reviews, at: int) -> int:
    """Sweep, dying at the place reached that many times; how many places were reached."""
    reached = 0

    def count(_: str) -> None:
        nonlocal reached
        reached += 1
        if reached == at:
            raise Died

    crash_points.watch(count)
    try:
        world.settle(LATE)
    except Died:
        pass
    finally:
        crash_points.watch(None)
    return reached


@pytest.mark.slow
def test_a_sweep_that_dies_anywhere_and_comes_again_leaves_the_same(database: Database) -> None:
    world = everything_to_do(database)
    places = settle_and_die(world, at=0)
    world.settle(LATE)
    wanted = outcome(world)
    assert [stand for stand, *_ in wanted[0]] == [
        Stand.APPROVED, Stand.REJECTED, Stand.EXPIRED, Stand.EXPIRED, Stand.OPEN, Stand.OPEN,
    ]  # fmt: skip
    assert places > 20
    step = 2 if database.is_sqlite else 7
    for place in range(1, places + 1, step):
        world = everything_to_do(database)
        settle_and_die(world, at=place)
        world.settle(LATE)
        world.settle(LATE)
        assert outcome(world) == wanted, f"died at place {place} of {places}"
        assert verify_chain(database).touched == ()
        check_audit(database)


def test_one_review_that_cannot_be_settled_does_not_keep_the_others(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = everything_to_do(database)
    first = world.rows("reviews")[0].id
    release = reviews_settling.release

    def broken(database: Database, policy: Policy, review_id: int, **how: Any) -> Iterator[str]:
        if review_id == first:
            raise RuntimeError("broken")
        return release(database, policy, review_id, **how)

    monkeypatch.setattr(reviews_settling, "release", broken)
    assert f"review {first}: not settled yet: RuntimeError" in world.settle(NOON)
    assert world.state("m-4") == "cancelled"
