"""Reviews as they are opened and filled: what is alike waits in one, until it is sealed (`store.review_sealing`)."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, bindparam, select

from domain.review_rules import Risk, Rule
from domain.reviews import BY_ITSELF, Stand
from domain.risk import Ask, stricter
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
_TOLD = ("subject", "what", "risk", "rules", "initiator", "reviewers_needed", "revision")
_MEMBER = (
    select(actions.c.id, actions.c.review_id, actions.c.reviewed_hash, reviews.c.state)
    .join(reviews, reviews.c.id == actions.c.review_id)
    .where(actions.c.id == bindparam("row_id"))
    .with_for_update(read=True, of=reviews)
)
_COLLECTING = (
    select(reviews.c.id)
    .where(reviews.c.group_key == bindparam("alike"), reviews.c.state == Stand.COLLECTING)
    .with_for_update(read=True)
)
_OPEN = insert_once(reviews, "group_key", where="state = 'collecting'")


def told(row: Row[Any]) -> dict[str, Any]:
    """What the chain keeps of a review when people may decide about it."""
    return {
        **{name: getattr(row, name) for name in _TOLD},
        "count": row.count,
        "deadline": chain.instant(row.deadline),
    }


class Member(NamedTuple):
    """An action that is asked about, and what is asked."""

    action_id: int
    review_id: int
    reviewed_hash: str
    stand: Stand  # of the review


def member(connection: Connection, action_id: int) -> Member | None:
    """The review that an action belongs to, its row locked until commit against those who count it; None for none."""
    found = connection.execute(_MEMBER, {"row_id": action_id}).first()
    return None if found is None else Member(found.id, found.review_id, found.reviewed_hash, Stand(found.state))


def leave(connection: Connection, member: Member, *, why: str, now: datetime) -> None:
    """It has left its review by itself. The chain keeps what was asked about it, so that all can still be counted.

    Nobody was asked yet while it was collecting: then there is nothing to keep.
    """
    if member.stand is not Stand.COLLECTING:
        detail = {"why": why, "actions": {str(member.action_id): member.reviewed_hash}}
        chain.append(connection, Subject.REVIEW, member.review_id, "left", by=BY_ITSELF, at=now, detail=detail)


def join(connection: Connection, ask: Ask, *, initiator: str, now: datetime) -> int:
    """The review that collects what is asked like this, opened when there is none; its row stays locked until commit.

    While it collects nobody can decide it, and whoever closes it waits for those who join.
    """
    alike = {
        "what": ask.what,
        "risk": ask.risk,
        "rules": [rule.value for rule in ask.rules],
        "reviewers_needed": ask.reviewers,
        "group_key": "|".join((ask.what, ask.risk, *ask.rules)),
    }
    wanted = {"alike": alike["group_key"]}
    until = now + timedelta(minutes=ask.gather_minutes)
    fresh = {"deadline": until, "collect_until": until, "created_at": now, "initiator": initiator}
    # Sealed, or opened by another, meanwhile: again.
    while (found := connection.execute(_COLLECTING, wanted).scalar_one_or_none()) is None:
        connection.execute(_OPEN, {**_FRESH, **fresh, **alike})
    return int(found)


def join_all(connection: Connection, asks: Collection[Ask], *, initiator: str, now: datetime) -> dict[Ask | None, int]:
    """`join` for each of them: everybody locks reviews in the same order."""
    ordered = sorted(asks, key=lambda ask: (ask.what, ask.risk, *ask.rules))
    return {ask: join(connection, ask, initiator=initiator, now=now) for ask in ordered}


def join_again(connection: Connection, review_id: int, ask: Ask | None, *, initiator: str, now: datetime) -> int:
    """As `join`, for what was asked in that review and has been made anew since: its facts had changed.

    It is asked as then and as `ask` says now, whichever is stricter. Where a person let it go, they stay its initiator,
    who is never one of its reviewers.
    """
    kept = ("what", "risk", "rules", "reviewers_needed", "initiator", "created_at", "collect_until")
    was = connection.execute(select(*(reviews.c[name] for name in kept)).where(reviews.c.id == review_id)).one()
    rules = tuple(map(Rule, was.rules))
    gathers = (was.collect_until - was.created_at) // timedelta(minutes=1)
    again = stricter(Ask(was.what, rules, Risk(was.risk), was.reviewers_needed, gathers), ask)
    assert again is not None  # noqa: S101 - the first is none
    begun_by = was.initiator if Rule.UNCERTAIN_EFFECT in rules else initiator
    return join(connection, again, initiator=begun_by, now=now)
