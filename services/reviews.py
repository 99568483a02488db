"""What people do with a review: say yes or no, leave somebody out, stop what is going out or let it go on.

Each is one short transaction under the review's lock; what follows for its actions is done by `settle_reviews`.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, update

from domain.actions import State
from domain.policy import Policy
from domain.review_rules import Way
from domain.reviews import (
    Asked,
    Decision,
    Reason,
    Refusal,
    Refused,
    Stand,
    Voter,
    follows,
    needed,
    not_theirs,
    objection,
    repeats,
)
from services import canary
from services.review_effects import NotAsAsked, take_live
from store import chain, content_reviews, review_members, review_votes
from store.chain import Subject
from store.content_reviews import Content
from store.database import Database
from store.ledger.rows import reviews

AT_ONCE = 500
"""How many actions one exclusion or edit names: each is written down in the chain."""


class ReviewProblem(Exception):
    """Somebody's word about a review does not count; it says why, and what they can do."""


class NoSuchReview(ReviewProblem):
    """There is no review with this id."""


class NotYours(ReviewProblem):
    """This person may not, or not this way."""


class Changed(ReviewProblem):
    """What they saw is not what is asked."""


class Late(ReviewProblem):
    """Its time is over."""


class AlreadyDecided(ReviewProblem):
    """Somebody was faster: who, when, and what they said."""

    def __init__(self, by: str, at: datetime, stand: Stand) -> None:
        super().__init__(f"{by} has {stand} it at {at:%Y-%m-%d %H:%M:%S} UTC; what you said changes nothing")
        self.by, self.at, self.stand = by, at, stand


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a review stands after somebody's word."""

    review_id: int
    stand: Stand
    payload_hash: str
    revision: int
    approvals: int
    needed: int
    decided_by: str | None = None
    decided_at: datetime | None = None


def vote(
    database: Database,
    policy: Policy,
    review_id: int,
    *,
    reviewer: Voter,
    decision: Decision,
    payload_hash: str,
    reason: Reason,
    comment: str | None = None,
    way: Way,
    spend: Callable[[Connection], None] | None = None,
    now: datetime,
) -> Standing:
    """Say yes or no to what was seen (`payload_hash`); where the review stands then.

    One no rejects it; enough distinct people's yes approves it, and takes words and journeys it asks about into use in
    the same transaction. `spend` counts there what counts only once; what it raises takes the word back. Raises a
    ReviewProblem when the word does not count, and ValueError for a decision, a reason or a way that is none: nothing
    but `approve` ever approves.
    """
    decision, reason, way = Decision(decision), Reason(reason), Way(way)
    with database.write("vote") as connection:
        content_reviews.lock_if_about(connection, review_id)
        row, asked = held(connection, policy, review_id, reviewer, payload_hash, way, now)
        _raise(repeats(asked, reviewer, decision, policy.reviews), row)
        if spend is not None:
            spend(connection)
        stand = follows(asked, reviewer, decision, policy.reviews)
        if stand is Stand.APPROVED and row.subject in list(Content):
            _take_live(connection, row, reviewer, now)
        review_votes.add_vote(connection, row, reviewer, decision, reason, comment, way, now=now)
        approvals = len({*asked.approved_by, *((reviewer.name,) if decision is Decision.APPROVE else ())})
        standing = Standing(review_id, stand, row.payload_hash, row.revision, approvals, needed(asked, policy.reviews))
        if stand is Stand.OPEN:
            return standing
        review_votes.decide(connection, row, stand, by=reviewer.name, reason=reason, now=now)
        return replace(standing, decided_by=reviewer.name, decided_at=now)


def exclude(
    database: Database,
    policy: Policy,
    review_id: int,
    keys: Collection[str],
    *,
    reviewer: Voter,
    payload_hash: str,
    way: Way,
    now: datetime,
) -> Standing:
    """Leave these actions out: they are cancelled, and who has voted must look again.

    Raises a ReviewProblem when the word does not count: Changed too when one of them does not wait in it any more.
    """
    with database.write("exclude") as connection:
        row, asked = held(connection, policy, review_id, reviewer, payload_hash, Way(way), now)
        members = held_members(connection, review_id, keys)
        ids = [one.id for one in members]
        hashed = review_votes.change(connection, row, "excluded", {"actions": ids}, by=reviewer.name, now=now)
        words = f"excluded from review {review_id} by {reviewer.name}"
        review_members.move(connection, review_id, ids, State.CANCELLED, reason=words, by=reviewer.name, now=now)
        return Standing(review_id, Stand.OPEN, hashed, row.revision + 1, 0, needed(asked, policy.reviews))


def go_on(database: Database, policy: Policy, review_id: int, *, reviewer: Voter, way: Way, now: datetime) -> None:
    """What was approved and stopped by itself goes on, with the next step: they have looked. What went wrong so far
    counts no more. Raises a ReviewProblem when it has not stopped, or for who may not.
    """
    seen = canary.seen(database, review_id)
    with database.write("go-on") as connection:
        row = _halted(connection, policy, review_id, reviewer, way, now)
        values = {"halted_at": None, "halted_reason": None, "accepted": seen}
        connection.execute(update(reviews).where(reviews.c.id == row.id).values(**values))
        chain.append(connection, Subject.REVIEW, row.id, "continued", by=reviewer.name, at=now, detail=seen)
    canary.free(database, review_id, by=reviewer.name, now=now)


def give_up(database: Database, policy: Policy, review_id: int, *, reviewer: Voter, way: Way, now: datetime) -> None:
    """Nothing more of what was approved and stopped by itself goes out. Raises as `go_on` does."""
    with database.write("give-up") as connection:
        row = _halted(connection, policy, review_id, reviewer, way, now)
        review_votes.decide(
            connection, row, Stand.REJECTED, by=reviewer.name, reason=Reason.OTHER, now=now, detail={"halted": True}
        )


def held(
    connection: Connection,
    policy: Policy,
    review_id: int,
    who: Voter,
    payload_hash: str,
    way: Way,
    now: datetime,
) -> tuple[Row[Any], Asked]:
    """The review, locked, for somebody who may say something about what they saw. Raises a ReviewProblem."""
    row = _locked(connection, review_id)
    asked = review_votes.asked(connection, row)
    _raise(objection(asked, who, way, payload_hash, policy.reviews, now=now), row)
    return row, asked


def standing_of(connection: Connection, policy: Policy, review_id: int) -> Standing:
    """Where a review stands. Raises NoSuchReview."""
    row = _locked(connection, review_id)
    asked = review_votes.asked(connection, row)
    return Standing(
        review_id,
        asked.stand,
        asked.payload_hash,
        asked.revision,
        len(asked.approved_by),
        needed(asked, policy.reviews),
        asked.decided_by,
        asked.decided_at,
    )


def held_members(connection: Connection, review_id: int, keys: Collection[str]) -> list[Row[Any]]:
    """The actions with these keys, locked. Raises Changed when one of them does not wait in the review."""
    if not keys or len(set(keys)) > AT_ONCE:
        raise Changed(f"name 1 to {AT_ONCE} of its actions at a time")
    members = list(review_members.held(connection, review_id, keys))
    missing = sorted(set(keys) - {one.key for one in members})
    if missing:
        raise Changed(f"{missing[0]} does not wait in review {review_id} any more: look at it as it is now")
    return members


def _take_live(connection: Connection, row: Row[Any], reviewer: Voter, now: datetime) -> None:
    try:
        take_live(connection, row, by=reviewer.name, now=now)
    except NotAsAsked as touched:
        raise Changed(str(touched)) from touched


def _halted(connection: Connection, policy: Policy, review_id: int, who: Voter, way: Way, now: datetime) -> Row[Any]:
    row = _locked(connection, review_id)
    _raise(not_theirs(review_votes.asked(connection, row), who, Way(way), policy.reviews), row)
    if row.state != Stand.APPROVED or row.halted_at is None:
        raise Changed("it has not stopped: there is nothing to say about it")
    return row


def _locked(connection: Connection, review_id: int) -> Row[Any]:
    row = review_votes.lock(connection, review_id)
    if row is None:
        raise NoSuchReview(f"there is no review {review_id}; `handrail reviews` lists them")
    return row


def _raise(refused: Refused | None, row: Row[Any]) -> None:
    match refused:
        case None:
            return
        case Refused(Refusal.NOT_YOURS, words):
            raise NotYours(words)
        case Refused(Refusal.LATE, words):
            raise Late(words)
        case Refused(Refusal.DECIDED):
            raise AlreadyDecided(row.decided_by, row.decided_at, Stand(row.state))
        case Refused(Refusal.CHANGED, words):
            raise Changed(words)
