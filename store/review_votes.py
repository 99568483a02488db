"""Votes and decisions, each under its review's lock: one winner, and what the others are told."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from domain.review_rules import Risk, Way
from domain.reviews import Asked, Decision, Reason, Stand, Voter
from store import chain
from store.chain import Subject
from store.ledger.rows import review_votes, reviews


def lock(connection: Connection, review_id: int) -> Row[Any] | None:
    """The review's row, held until commit: whoever votes, edits or lets it expire comes before or after."""
    return connection.execute(select(reviews).where(reviews.c.id == review_id).with_for_update(key_share=True)).first()


def asked(connection: Connection, row: Row[Any]) -> Asked:
    """A review as the rules look at it."""
    said = connection.execute(
        select(review_votes.c.reviewer)
        .where(
            review_votes.c.review_id == row.id,
            review_votes.c.voided_at.is_(None),
            review_votes.c.decision == Decision.APPROVE,
            review_votes.c.payload_hash == row.payload_hash,
            review_votes.c.revision == row.revision,
        )
        .order_by(review_votes.c.id)
    )
    return Asked(
        stand=Stand(row.state),
        risk=Risk(row.risk),
        payload_hash=row.payload_hash,
        revision=row.revision,
        initiator=row.initiator,
        reviewers_needed=row.reviewers_needed,
        deadline=row.deadline,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        approved_by=tuple(said.scalars()),
    )


def add_vote(
    connection: Connection,
    row: Row[Any],
    who: Voter,
    decision: Decision,
    reason: Reason,
    comment: str | None,
    way: Way,
    *,
    now: datetime,
) -> None:
    """Write down what somebody said about a review as it is asked now."""
    vote = {
        "decision": decision.value,
        "payload_hash": row.payload_hash,
        "revision": row.revision,
        "reason": reason.value,
        "way": way.value,
    }
    made = connection.execute(
        insert(review_votes)
        .values(review_id=row.id, reviewer=who.name, comment=comment, at=now, **vote)
        .returning(review_votes.c.id)
    ).scalar_one()
    detail = {**vote, "vote": made, "comment": chain.words_hash(comment)}
    chain.append(connection, Subject.REVIEW, row.id, "voted", by=who.name, at=now, detail=detail)


def decide(
    connection: Connection,
    row: Row[Any],
    stand: Stand,
    *,
    by: str,
    reason: str,
    now: datetime,
    detail: Mapping[str, Any] | None = None,
) -> None:
    """`open → stand` for a review that the caller holds; nothing changes that again."""
    connection.execute(
        update(reviews).where(reviews.c.id == row.id).values(state=stand, decided_by=by, decided_at=now, reason=reason)
    )
    kept = {"payload_hash": row.payload_hash, "revision": row.revision, "reason": chain.words_hash(reason)}
    told = {**kept, **(detail or {})}
    chain.append(connection, Subject.REVIEW, row.id, stand.value, by=by, at=now, detail=told)


def change(
    connection: Connection,
    row: Row[Any],
    what: str,
    about: Mapping[str, Any],
    *,
    by: str,
    now: datetime,
    **values: Any,
) -> str:
    """What a review asks has changed, by a person: its new hash. Everybody who has voted must look again."""
    hashed = chain.chained(row.payload_hash, {"what": what, **about})
    connection.execute(
        update(reviews).where(reviews.c.id == row.id).values(payload_hash=hashed, revision=row.revision + 1, **values)
    )
    voided = connection.execute(
        update(review_votes)
        .where(review_votes.c.review_id == row.id, review_votes.c.voided_at.is_(None))
        .values(voided_at=now)
        .returning(review_votes.c.id)
    ).scalars()
    detail = {**about, "payload_hash": hashed, "revision": row.revision + 1, "voided": sorted(voided), **values}
    chain.append(connection, Subject.REVIEW, row.id, what, by=by, at=now, detail=detail)
    return hashed
