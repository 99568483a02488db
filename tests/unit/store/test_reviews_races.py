"""Thirty people decide at the same moment; a deadline, an exclusion, a sweep come in between: one winner, always."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from ledger_world import NOON, Capability, State, check_audit
from review_world import EWA, LATE, Reviews, an_ask

from domain.review_rules import Risk
from domain.reviews import Decision, Stand, Voter
from services.auditing import verify_chain
from services.reviews import AlreadyDecided, Changed, Late, NotYours, ReviewProblem, Standing
from store.database import Database

PEOPLE = [Voter(f"Reviewer {number}", frozenset({"on_call", "lead"})) for number in range(30)]
Outcome = Standing | ReviewProblem | list[str]


@pytest.fixture
def world(database: Database) -> Reviews:
    return Reviews(database)


def together(*calls: Callable[[], Standing | list[str]]) -> list[Outcome]:
    """All of them at the same moment, each in a thread of its own; what each was told."""
    start = Barrier(len(calls))

    def call(one: Callable[[], Standing | list[str]]) -> Outcome:
        start.wait(timeout=60)
        try:
            return one()
        except ReviewProblem as problem:
            return problem

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(call, calls))


def voting(world: Reviews, review: int, who: Voter, decision: Decision, seen: str) -> Callable[[], Standing]:
    return lambda: world.vote(review, who, decision, payload_hash=seen)


def seen(world: Reviews, review: int) -> str:
    hashed: str = world.review_row(review).payload_hash
    return hashed


def race(world: Reviews, review: int, decisions: Sequence[Decision], needed: int) -> None:
    hashed = seen(world, review)
    outcomes = together(
        *(voting(world, review, who, said, hashed) for who, said in zip(PEOPLE, decisions, strict=True))
    )
    row = world.review_row(review)
    decided = [one for one in outcomes if isinstance(one, Standing) and one.stand is not Stand.OPEN]
    losers = [one for one in outcomes if isinstance(one, AlreadyDecided)]
    undecided = [one for one in outcomes if isinstance(one, Standing) and one.stand is Stand.OPEN]
    [winner] = decided
    assert (winner.stand, winner.decided_by, winner.decided_at) == (row.state, row.decided_by, row.decided_at)
    assert len(losers) + len(undecided) + 1 == len(PEOPLE)
    assert {(one.by, one.at, one.stand) for one in losers} <= {(row.decided_by, NOON, Stand(row.state))}
    votes = [vote for vote in world.rows("review_votes") if vote.review_id == review]
    assert len(votes) == len(undecided) + 1
    if row.state == Stand.APPROVED:
        assert len({vote.reviewer for vote in votes if vote.decision == Decision.APPROVE}) == needed
    assert len(undecided) < needed


@pytest.mark.timeout(600)  # a hundred rounds of thirty threads, on a busy machine
@pytest.mark.parametrize("risk", [Risk.LOW, Risk.HIGH])
@pytest.mark.parametrize("rounds", [2, pytest.param(100, marks=pytest.mark.slow)])
def test_of_thirty_decisions_one_wins_and_the_others_are_told(world: Reviews, rounds: int, risk: Risk) -> None:
    chance = random.Random(rounds)
    for number in range(rounds):
        review = world.asked(1, an_ask(risk), first=number + 1)
        decisions = [Decision.REJECT if chance.random() < 0.1 else Decision.APPROVE for _ in PEOPLE]
        chance.shuffle(decisions)
        race(world, review, decisions, 1 if risk is Risk.LOW else 2)
    world.settle()
    ends = Counter(row.state for row in world.rows("reviews"))
    assert Counter(row.state for row in world.rows("actions")) == Counter(
        {State.READY: ends[Stand.APPROVED], State.CANCELLED: ends[Stand.REJECTED]}
    )
    assert verify_chain(world.database).touched == ()
    check_audit(world.database)


def test_thirty_times_the_same_person_is_one(world: Reviews) -> None:
    review = world.asked(1, an_ask(Risk.HIGH))
    hashed = seen(world, review)
    outcomes = together(*(voting(world, review, EWA, Decision.APPROVE, hashed) for _ in PEOPLE))
    assert [type(one) for one in outcomes].count(NotYours) == len(PEOPLE) - 1
    assert world.review_row(review).state == Stand.OPEN


@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_who_leaves_somebody_out_and_who_says_yes_do_not_both_win(world: Reviews, rounds: int) -> None:
    for number in range(rounds):
        first = 2 * number + 1
        review = world.asked(2, first=first)
        hashed = seen(world, review)
        excluding = [
            lambda who=who: world.exclude(review, f"m-{first}", who=who, payload_hash=hashed)  # noqa: B023
            for who in PEOPLE[:5]
        ]
        yes = [voting(world, review, who, Decision.APPROVE, hashed) for who in PEOPLE[5:10]]
        outcomes = together(*excluding, *yes)
        [won] = [one for one in outcomes if isinstance(one, Standing)]
        row, left_out = world.review_row(review), world.state(f"m-{first}") is State.CANCELLED
        assert (row.state == Stand.APPROVED, left_out) in {(True, False), (False, True)}
        assert won.stand is (Stand.APPROVED if row.state == Stand.APPROVED else Stand.OPEN)
        assert {type(one) for one in outcomes} <= {Standing, Changed if left_out else AlreadyDecided}
    assert verify_chain(world.database).touched == ()


@pytest.mark.parametrize("rounds", [3, pytest.param(50, marks=pytest.mark.slow)])
def test_the_deadline_and_a_yes_do_not_both_win(world: Reviews, rounds: int) -> None:
    """The sweep's clock is ahead of the reviewers': both may be right by their own."""
    for number in range(rounds):
        review = world.asked(2, first=2 * number + 1)
        hashed = seen(world, review)
        yes = [voting(world, review, who, Decision.APPROVE, hashed) for who in PEOPLE[:4]]
        sweeps = [lambda: world.settle(LATE)] * 4
        outcomes = together(*yes, *sweeps)
        world.settle(LATE)
        row = world.review_row(review)
        states = {world.state(f"m-{2 * number + place}") for place in (1, 2)}
        won = [one for one in outcomes if isinstance(one, Standing)]
        if row.state == Stand.APPROVED:
            assert (len(won), states) == (1, {State.READY})
        else:
            assert (row.state, won, states) == (Stand.EXPIRED, [], {State.EXPIRED})
            assert sum(isinstance(one, Late) for one in outcomes) == len(yes)
        for place in (1, 2):  # the database's clock goes on; these are over
            world.change(f"m-{2 * number + place}", due_at=NOON + timedelta(days=99))
    assert verify_chain(world.database).touched == ()


def test_many_sweeps_at_once_do_each_thing_once(world: Reviews) -> None:
    approved, rejected = world.asked(8), world.asked(20, first=21)
    open_one = world.asked(4, first=41)
    world.vote(approved)
    world.vote(rejected, decision=Decision.REJECT)
    world.bump(world.row("m-41").customer_id)
    together(*[world.settle] * 6)
    told = Counter(world.states().values())
    assert told == {State.READY: 8, State.CANCELLED: 20, State.AWAITING_REVIEW: 3, State.PLANNED: 1}
    assert world.review_row(approved).released == 8
    assert world.review_row(open_one).state == Stand.OPEN
    check_audit(world.database)
    assert len(world.take(Capability.MAIL)) == 8


def test_who_seals_waits_for_who_joins(world: Reviews) -> None:
    """Planners and sweeps at once: each action is in a sealed review's hash, or in the next review."""
    ask = an_ask()
    for place in range(1, 41):
        world.customer(f"C-{place}")
    from ledger_world import a_message

    def plan(place: int) -> Callable[[], list[str]]:
        return lambda: list(world.put(a_message(f"m-{place}", ask=ask)))

    together(*(plan(place) for place in range(1, 25)), *[world.settle] * 6)
    world.settle()
    assert all(row.state == Stand.OPEN for row in world.rows("reviews"))
    assert sum(row.count for row in world.rows("reviews")) == 24
    assert verify_chain(world.database).touched == ()
