"""Settle: a named person's word on what machines left to people, by legal moves only."""

import pytest
from ledger_world import NOON, World, a_message, a_plan, check_audit, later

from domain.actions import Basis, State
from store.ledger.settle import CannotSettle, settle

INTERNAL, OUTWARD = Basis.INTERNAL, Basis.PROACTIVE
ALLOWED = {
    (State.NEEDS_HUMAN, INTERNAL): {State.DONE, State.CANCELLED, State.READY},
    (State.NEEDS_HUMAN, OUTWARD): {State.DONE, State.CANCELLED, State.AWAITING_REVIEW},
    (State.FAILED, INTERNAL): {State.READY, State.CANCELLED},
    (State.FAILED, OUTWARD): {State.READY, State.CANCELLED},
}


def _settle(world: World, key: str, to: State) -> State:
    with world.database.write() as connection:
        return settle(connection, key, to, world.policy.reviews, by="anna", reason="called them", now=later(hours=1))


@pytest.mark.parametrize("to", State)
@pytest.mark.parametrize(("before", "basis"), ALLOWED)
def test_a_person_may_do_what_the_edges_allow(world: World, before: State, basis: Basis, to: State) -> None:
    world.put(a_plan(basis=basis))
    world.force("k", before)
    if to not in ALLOWED[before, basis]:
        with pytest.raises(CannotSettle, match=f"k is {before} .{basis}.: it may become .*, not {to}"):
            _settle(world, "k", to)
        assert world.state("k") is before
        return
    assert _settle(world, "k", to) is before
    row = world.row("k")
    assert (row.state, row.reason) == (to, "anna: called them")
    assert (row.verified_by, row.updated_by) == ("anna", "anna")
    check_audit(world.database)


@pytest.mark.parametrize("before", [state for state in State if state not in {State.NEEDS_HUMAN, State.FAILED}])
def test_what_does_not_wait_for_a_person_cannot_be_settled(world: World, before: State) -> None:
    world.put(a_plan())
    world.force("k", before)
    with pytest.raises(CannotSettle, match=f"k is {before}: only needs_human and failed"):
        _settle(world, "k", State.CANCELLED)


def test_an_unknown_key_says_so(world: World) -> None:
    with pytest.raises(CannotSettle, match="no action has the key 'nope'; `handrail actions` lists them"):
        _settle(world, "nope", State.DONE)


def test_done_by_a_person_leaves_a_receipt_that_says_so(world: World) -> None:
    world.put(a_message(), customer_id=world.customer())
    world.force("m", State.NEEDS_HUMAN)
    _settle(world, "m", State.DONE)
    (receipt,) = world.rows("receipts")
    assert receipt.adopted
    assert receipt.detail == {"settled_by": "anna", "reason": "called them"}


def test_a_second_try_starts_counting_anew_but_remembers_what_may_have_gone_out(world: World) -> None:
    world.put(a_plan())
    world.force("k", State.NEEDS_HUMAN)
    world.change("k", attempts=5, deaths_alone=3, lookups=2, resends=1, lane="alone", due_at=NOON)
    _settle(world, "k", State.READY)
    row = world.row("k")
    assert (row.attempts, row.deaths_alone, row.lookups, row.resends) == (0, 0, 0, 1)
    assert row.due_at == later(hours=1)
    assert len(world.reserve(lane="alone", now=later(hours=1))) == 1


def test_an_outward_action_a_person_lets_go_needs_a_review_first(world: World) -> None:
    """Of the highest class, though no rule is on; who let it go is its initiator, and each has one of its own."""
    for key in ("m", "n"):
        world.put(a_message(key), customer_id=world.customer(f"C-{key}"))
        world.force(key, State.NEEDS_HUMAN)
        _settle(world, key, State.AWAITING_REVIEW)
    first, second = world.rows("reviews")
    row = world.row("m")
    assert (row.review_id, row.reviewed_hash) == (first.id, row.payload_hash)
    assert world.row("n").review_id == second.id
    assert (first.risk, first.reviewers_needed, first.initiator, first.rules) == (
        "high",
        2,
        "anna",
        ["uncertain_effect"],
    )
    assert first.what == f"again/message/{row.id}"
    for lane in ("normal", "urgent", "alone"):
        assert world.reserve(a_message().capability, lane=lane, now=later(days=1)) == []
