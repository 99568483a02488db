"""A review from the first that joins it to the last of its actions: who may decide, and what follows."""

from datetime import timedelta

import pytest
from ledger_world import NOON, Capability, State, check_audit
from review_world import EWA, GUEST, JAN, LATE, OLA, PIOTR, Reviews, an_ask

from domain.review_rules import Risk, Way
from domain.reviews import Decision, Reason, Stand, Voter
from services.auditing import verify_chain
from services.reviews import AlreadyDecided, Changed, Late, NoSuchReview, NotYours
from services.reviews_settling import seal
from store import crash_points
from store.database import Database
from store.ledger.settle import settle


@pytest.fixture
def world(database: Database) -> Reviews:
    return Reviews(database)


def test_an_approved_review_lets_its_actions_go(world: Reviews) -> None:
    review = world.asked(3)
    assert set(world.states().values()) == {State.AWAITING_REVIEW}
    assert world.take(Capability.MAIL) == []
    standing = world.vote(review)
    assert (standing.stand, standing.decided_by, standing.decided_at) == (Stand.APPROVED, "Ewa Lis", NOON)
    world.settle()
    assert len(world.take(Capability.MAIL)) == 3
    assert world.chained(review) == ["opened", "voted", "approved"]
    row = world.review_row(review)
    assert (row.released, row.finished_at) == (3, NOON)
    assert world.settle() == []
    check_audit(world.database)


def test_a_rejected_review_ends_them_with_who_and_why(world: Reviews) -> None:
    review = world.asked(2)
    world.vote(review, decision=Decision.REJECT, reason=Reason.WRONG_WORDS)
    world.settle()
    assert set(world.states().values()) == {State.CANCELLED}
    assert world.row("m-1").reason == f"rejected by Ewa Lis in review {review}: the words are wrong"
    assert world.take(Capability.MAIL) == []
    check_audit(world.database)


def test_nobody_decides_in_time_and_nothing_is_done(world: Reviews) -> None:
    review = world.asked(2)
    world.settle(NOON + timedelta(minutes=479))
    assert world.review_row(review).state == Stand.OPEN
    world.settle(LATE)
    row = world.review_row(review)
    assert (row.state, row.decided_by, row.finished_at) == (Stand.EXPIRED, "handrail", LATE)
    assert set(world.states().values()) == {State.EXPIRED}
    assert world.row("m-1").reason == f"nobody decided about review {review} in time"
    with pytest.raises(Late, match="its time was over"):
        world.vote(review, now=LATE)


def test_a_yes_after_the_deadline_is_late_also_before_the_sweep_has_come(world: Reviews) -> None:
    review = world.asked()
    at = world.review_row(review).deadline
    with pytest.raises(Late):
        world.vote(review, now=at)
    world.vote(review, now=at - timedelta(microseconds=1))
    world.settle(at)
    assert world.review_row(review).state == Stand.APPROVED


def test_nothing_is_decided_or_let_go_while_it_is_collecting(world: Reviews) -> None:
    review = world.collected(2, an_ask(gather_minutes=15))
    with pytest.raises(Changed, match="still being put together"):
        world.vote(review)
    world.settle()
    assert (world.review_row(review).state, world.take(Capability.MAIL)) == (Stand.COLLECTING, [])
    world.wait(15 * 60)
    world.settle()
    assert world.review_row(review).state == Stand.OPEN


def test_nothing_joins_after_sealing(world: Reviews) -> None:
    first = world.asked(2)
    second = world.collected(1, first=3)
    assert second != first
    assert world.review_row(first).count == 2
    world.vote(first)
    world.settle()
    assert world.state("m-3") is State.AWAITING_REVIEW


def test_nothing_joins_while_it_is_counted(world: Reviews) -> None:
    review = world.collected(2)
    crash_points.watch(lambda place: world.collected(1, first=3) and None if place == "seal.counted" else None)
    try:
        seal(world.database, world.policy, review, now=world.now)
    finally:
        crash_points.watch(None)
    assert (world.review_row(review).state, world.review_row(review).count) == (Stand.OPEN, 2)
    assert world.row("m-3").review_id != review
    assert verify_chain(world.database).touched == ()


def test_what_was_there_already_asks_nobody(world: Reviews) -> None:
    world.asked(1)
    from ledger_world import a_message

    world.put(a_message("m-1", ask=an_ask()))
    assert len(world.rows("reviews")) == 2
    world.settle()
    assert len(world.rows("reviews")) == 1


def test_the_riskiest_need_two_and_neither_caused_it(world: Reviews) -> None:
    review = world.asked(2, an_ask(Risk.HIGH), run="Ewa Lis")
    with pytest.raises(NotYours, match="you have caused it"):
        world.vote(review, EWA)
    with pytest.raises(NotYours, match="you have caused it"):
        world.vote(review, Voter("ewa  lis", EWA.roles))
    standing = world.vote(review, JAN)
    assert (standing.stand, standing.approvals, standing.needed) == (Stand.OPEN, 1, 2)
    with pytest.raises(NotYours, match="you have said yes already: 1 more"):
        world.vote(review, JAN)
    world.settle()
    assert world.take(Capability.MAIL) == []
    assert world.vote(review, OLA).stand is Stand.APPROVED


def test_who_said_yes_may_still_say_no(world: Reviews) -> None:
    review = world.asked(2, an_ask(Risk.HIGH))
    world.vote(review, JAN)
    assert world.vote(review, JAN, Decision.REJECT).stand is Stand.REJECTED


@pytest.mark.parametrize(
    ("who", "way", "risk", "words"),
    [
        (GUEST, Way.PAGE, Risk.LOW, "for people with the role on_call"),
        (PIOTR, Way.PAGE, Risk.HIGH, "for people with the role lead"),
        (EWA, Way.PREFECT, Risk.HIGH, "decided on the review page, not in Prefect"),
        (EWA, Way.LINK, Risk.MEDIUM, "not by the link of an alert"),
        (EWA, Way.COMMAND, Risk.MEDIUM, "not by command"),
    ],
)
def test_who_may_not_or_not_there_is_told_why(world: Reviews, who: Voter, way: Way, risk: Risk, words: str) -> None:
    review = world.asked(1, an_ask(risk))
    with pytest.raises(NotYours, match=words):
        world.vote(review, who, way=way)
    assert (world.review_row(review).state, world.rows("review_votes")) == (Stand.OPEN, [])


@pytest.mark.parametrize("decision", ["false", "true", "", None, True, 1, "APPROVE", "yes", {}, "approved"])
def test_nothing_but_approve_approves(world: Reviews, decision: object) -> None:
    review = world.asked(1)
    with pytest.raises((ValueError, TypeError)):
        world.vote(review, decision=decision)  # type: ignore[arg-type]
    world.settle()
    assert (world.review_row(review).state, world.rows("review_votes")) == (Stand.OPEN, [])
    assert world.take(Capability.MAIL) == []


@pytest.mark.parametrize("seen", ["", "another", "0" * 64])
def test_a_vote_is_about_what_was_seen(world: Reviews, seen: str) -> None:
    review = world.asked(1)
    with pytest.raises(Changed, match="it was changed after you saw it"):
        world.vote(review, payload_hash=seen)
    assert world.rows("review_votes") == []


def test_the_loser_is_told_who_decided_and_when(world: Reviews) -> None:
    review = world.asked(1)
    world.vote(review, EWA, Decision.REJECT)
    world.wait(60)
    with pytest.raises(AlreadyDecided, match="Ewa Lis has rejected it at 2026-03-04 11:00:00 UTC") as told:
        world.vote(review, JAN)
    assert (told.value.by, told.value.at, told.value.stand) == ("Ewa Lis", NOON, Stand.REJECTED)
    with pytest.raises(NoSuchReview):
        world.vote(99, JAN, payload_hash="x")


def test_leaving_somebody_out_voids_what_was_said(world: Reviews) -> None:
    review = world.asked(3, an_ask(Risk.HIGH))
    seen = world.review_row(review).payload_hash
    world.vote(review, JAN)
    world.exclude(review, "m-2", who=OLA)
    assert (world.state("m-2"), world.row("m-2").reason) == (
        State.CANCELLED, f"excluded from review {review} by Ola Maj",
    )  # fmt: skip
    with pytest.raises(Changed):
        world.vote(review, EWA, payload_hash=seen)
    assert world.vote(review, EWA).approvals == 1  # Jan's yes was about something else, and leaving out is no yes
    assert world.vote(review, JAN).stand is Stand.APPROVED
    world.settle()
    assert len(world.take(Capability.MAIL)) == 2
    with pytest.raises(AlreadyDecided):
        world.exclude(review, "m-1")


def test_only_what_waits_is_left_out(world: Reviews) -> None:
    review = world.asked(1)
    for keys in ((), ("m-1", "nobody")):
        with pytest.raises(Changed):
            world.exclude(review, *keys)
    assert world.state("m-1") is State.AWAITING_REVIEW


def test_changed_facts_send_an_action_back_to_planning(world: Reviews) -> None:
    review = world.asked(2)
    world.bump(world.row("m-1").customer_id)
    assert world.settle() == [f"review {review}: 1 to be planned anew: their facts had changed"]
    assert (world.state("m-1"), world.state("m-2")) == (State.PLANNED, State.AWAITING_REVIEW)
    world.vote(review)
    world.settle()
    assert [one.key for one in world.take(Capability.MAIL)] == ["m-2"]


def test_nothing_left_of_it_is_superseded(world: Reviews) -> None:
    review = world.asked(1)
    world.bump(world.row("m-1").customer_id)
    world.settle()
    assert world.review_row(review).state == Stand.SUPERSEDED
    with pytest.raises(Changed, match="nothing is left"):
        world.vote(review)


def test_a_deadline_in_staffed_time(world: Reviews) -> None:
    review = world.asked(1, an_ask(Risk.MEDIUM))
    assert world.review_row(review).deadline == NOON + timedelta(days=1, hours=-2)  # 6 h today until 18:00, 2 tomorrow


@pytest.mark.parametrize("stand", [one for one in Stand if one is not Stand.APPROVED])
def test_only_an_approved_review_arms_anything(world: Reviews, stand: Stand) -> None:
    review = world.asked(1)
    from sqlalchemy import update

    from store.ledger.rows import reviews

    with world.database.write() as connection:
        connection.execute(update(reviews).where(reviews.c.id == review).values(state=stand))
    world.change("m-1", state=State.READY)  # forced behind everybody's back
    assert world.take(Capability.MAIL) == []
    assert world.state("m-1") is State.PLANNED


def test_what_may_be_out_waits_for_a_review_of_its_own(world: Reviews) -> None:
    """The approval from before its answer was lost lets nothing go a second time."""
    review = world.asked(2)
    world.vote(review)
    world.settle()
    world.force("m-1", State.UNCERTAIN)
    world.change("m-1", state=State.NEEDS_HUMAN)
    with world.database.write() as connection:
        reviewing = world.policy.reviews
        settle(connection, "m-1", State.AWAITING_REVIEW, reviewing, by="Ewa Lis", reason="not there", now=world.now)
    world.settle()
    again = world.row("m-1").review_id
    assert (world.state("m-1"), again != review) == (State.AWAITING_REVIEW, True)
    assert world.chained(review)[-1] == "left"
    assert verify_chain(world.database).touched == ()
    with pytest.raises(NotYours, match="you have caused it"):
        world.vote(again, EWA)
