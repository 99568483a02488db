"""Reviews of what is published: a person decides whether a changed wording or journey is used."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from domain.reviews import Stand
from domain.risk import Ask
from store import chain
from store.canonical import payload_hash
from store.chain import Subject
from store.ledger.rows import controls, reviews
from store.reviews import told


class Content(StrEnum):
    """What such a review is about, as `reviews.subject` names it."""

    WORDING = "wording"
    JOURNEY = "journey"


@dataclass(frozen=True, slots=True)
class Question:
    """What a person is asked: may these contents, by their hashes, be used?"""

    subject: Content
    content: Mapping[str, Any]
    """`hashes` by language (of a journey: `journey`), `before` what they replace; of a journey its `words` likewise."""
    ask: Ask


def lock(connection: Connection) -> None:
    """Let one publication at a time look what is asked and ask; held until commit. Taken before any review."""
    connection.execute(select(controls.c.id).with_for_update()).all()


def lock_if_about(connection: Connection, review_id: int) -> None:
    """`lock`, for a review of words or a journey: approving one may supersede others."""
    about = select(reviews.c.subject).where(reviews.c.id == review_id)
    if connection.execute(about).scalar_one_or_none() in list(Content):
        lock(connection)


def last(connection: Connection, subject: Content, what: str) -> Row[Any] | None:
    """The latest review of a message or journey, whatever became of it; an open one stays locked until commit."""
    its = select(reviews).where(reviews.c.subject == subject, reviews.c.what == what)
    found = connection.execute(its.order_by(reviews.c.id.desc()).limit(1)).first()
    if found is None or found.state != Stand.OPEN:
        return found
    return connection.execute(select(reviews).where(reviews.c.id == found.id).with_for_update()).one()


def open_ones(connection: Connection, subject: Content | None = None) -> list[Row[Any]]:
    """Those that wait for their reviewers, of wordings, journeys or both; the oldest first."""
    subjects = list(Content) if subject is None else [subject]
    wanted = select(reviews).where(reviews.c.subject.in_(subjects), reviews.c.state == Stand.OPEN)
    return list(connection.execute(wanted.order_by(reviews.c.id)))


def about(connection: Connection) -> dict[str, Row[Any]]:
    """The latest review that asked about each content, by its hash: of a journey about its words as well."""
    wanted = select(reviews).where(reviews.c.subject.in_(list(Content))).order_by(reviews.c.id)
    found: dict[str, Row[Any]] = {}
    for row in connection.execute(wanted):
        asked = [row.content, *row.content.get("words", {}).values()]
        found |= {content_hash: row for one in asked for content_hash in one["hashes"].values()}
    return found


def open_review(
    connection: Connection, question: Question, *, initiator: str, deadline: datetime, now: datetime
) -> int:
    """Ask it; the review's number. Nothing joins it: it is sealed from the beginning."""
    asked = {"subject": question.subject.value, "what": question.ask.what, "content": dict(question.content)}
    hashed = payload_hash(asked)
    row = connection.execute(
        insert(reviews)
        .values(
            **asked,
            state=Stand.OPEN.value,
            risk=question.ask.risk.value,
            rules=[rule.value for rule in question.ask.rules],
            reviewers_needed=question.ask.reviewers,
            group_key=f"{question.subject}|{question.ask.what}",
            payload_hash=hashed,
            initiator=initiator,
            deadline=deadline,
            created_at=now,
            collect_until=now,
            sealed_at=now,
            revision=1,
            count=0,
            told=-1,
            stage=0,
            released=0,
        )
        .returning(reviews)
    ).one()
    detail = {**told(row), "payload_hash": hashed, "hashes": question.content["hashes"]}
    chain.append(connection, Subject.REVIEW, row.id, "opened", by=initiator, at=now, detail=detail)
    return int(row.id)


def is_as_asked(review: Row[Any]) -> bool:
    """False when its row does not ask any more what it was opened with: somebody has touched it."""
    asked = {"subject": review.subject, "what": review.what, "content": review.content}
    return bool(payload_hash(asked) == review.payload_hash)


def supersede(connection: Connection, review_id: int, *, by: str, now: datetime, detail: Mapping[str, Any]) -> bool:
    """Nothing is left of what it asks; False when it is not open any more. `detail` says what came instead."""
    held = (reviews.c.id == review_id, reviews.c.state == Stand.OPEN)
    done = {"state": Stand.SUPERSEDED.value, "decided_at": now, "decided_by": by, "finished_at": now}
    if not connection.execute(update(reviews).where(*held).values(done)).rowcount:
        return False
    chain.append(connection, Subject.REVIEW, review_id, "superseded", by=by, at=now, detail=detail)
    return True
