"""Reviews as they are opened and filled: what is alike waits in one, until it is sealed and people can decide."""

import hashlib
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from domain.reviews import Stand
from domain.risk import Ask
from store import chain
from store.chain import Subject
from store.ledger.rows import actions, reviews
from store.once import insert_once

_FRESH: Mapping[str, Any] = {
    "state": Stand.COLLECTING,
    "subject": "actions",
    "payload_hash": "",
    "content": {},
    "revision": 1,
    "told": -1,
    **dict.fromkeys(("count", "stage", "released", "told_vote"), 0),
}
_OPEN = insert_once(reviews, "group_key", where="state = 'collecting'")


def join(connection: Connection, ask: Ask, *, initiator: str, now: datetime) -> int:
    """The review that collects what is asked like this, opened when there is none; its row stays locked until commit.

    While it collects nobody can decide it, and whoever seals it waits for those who join.
    """
    alike = {
        "what": ask.what,
        "risk": ask.risk,
        "rules": [rule.value for rule in ask.rules],
        "reviewers_needed": ask.reviewers,
        "group_key": "|".join((ask.what, ask.risk, *ask.rules)),
    }
    return _join(connection, alike, timedelta(minutes=ask.gather_minutes), initiator=initiator, now=now)


def join_all(connection: Connection, asks: Collection[Ask], *, initiator: str, now: datetime) -> dict[Ask | None, int]:
    """`join` for each of them: everybody locks reviews in the same order."""
    ordered = sorted(asks, key=lambda ask: (ask.what, ask.risk, *ask.rules))
    return {ask: join(connection, ask, initiator=initiator, now=now) for ask in ordered}


def join_again(connection: Connection, review_id: int, *, initiator: str, now: datetime) -> int:
    """As `join`, for what was asked in that review and has been made anew since: its facts had changed."""
    kept = ("what", "risk", "rules", "reviewers_needed", "group_key", "created_at", "collect_until")
    was = connection.execute(select(*(reviews.c[name] for name in kept)).where(reviews.c.id == review_id)).one()
    alike = {name: was._mapping[name] for name in kept[:5]}
    return _join(connection, alike, was.collect_until - was.created_at, initiator=initiator, now=now)


def _join(
    connection: Connection, alike: Mapping[str, Any], gathers: timedelta, *, initiator: str, now: datetime
) -> int:
    wanted = (
        select(reviews.c.id)
        .where(reviews.c.group_key == alike["group_key"], reviews.c.state == Stand.COLLECTING)
        .with_for_update(read=True)
    )
    until = now + gathers
    fresh = {"deadline": until, "collect_until": until, "created_at": now, "initiator": initiator}
    while (found := connection.execute(wanted).scalar_one_or_none()) is None:  # sealed, or opened by another, meanwhile
        connection.execute(_OPEN, {**_FRESH, **fresh, **alike})
    return int(found)


def seal(connection: Connection, review_id: int, *, deadline: datetime, now: datetime) -> bool:
    """`collecting → open`: count and hash what it asks; False when it is sealed already."""
    held = connection.execute(
        select(reviews.c.id).where(reviews.c.id == review_id, reviews.c.state == Stand.COLLECTING).with_for_update()
    ).first()
    if held is None:
        return False
    asked = hashlib.sha256()
    count = 0
    members = select(actions.c.key, actions.c.reviewed_hash).where(actions.c.review_id == review_id)
    for key, reviewed_hash in connection.execute(members.order_by(actions.c.id)):
        asked.update(f"{key}\n{reviewed_hash}\n".encode())
        count += 1
    hashed = asked.hexdigest()
    connection.execute(
        update(reviews)
        .where(reviews.c.id == review_id)
        .values(state=Stand.OPEN, sealed_at=now, count=count, payload_hash=hashed, deadline=deadline)
    )
    detail = {"count": count, "payload_hash": hashed}
    chain.append(connection, Subject.REVIEW, review_id, "opened", by="handrail", at=now, detail=detail)
    return True
