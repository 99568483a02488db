"""Reviews as those who tell people of them want to see them; and that somebody was told."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, literal, or_, select, text, update

from domain.review_alerts import Due, Occasion, Watched
from domain.review_rules import Risk
from domain.reviews import Decision, Stand
from store.ledger.rows import review_votes, reviews


@dataclass(frozen=True, slots=True)
class Shown:
    """A review as it stands, and who has said yes to it."""

    row: Row[Any]
    said_yes: tuple[str, ...]


_OPEN = select(reviews.c.id).where(text("state IN ('collecting', 'open')"), reviews.c.state == Stand.OPEN)
_OVER = select(reviews.c.id).where(text("state = 'expired' AND told < 100"))
_HALTED = select(reviews.c.id).where(
    reviews.c.finished_at.is_(None),
    reviews.c.halted_at.is_not(None),
    or_(reviews.c.told_halt.is_(None), reviews.c.told_halt != reviews.c.halted_at),
)
_VOTES = (
    select(review_votes.c.review_id, review_votes.c.id, review_votes.c.reviewer)
    .join(reviews, reviews.c.id == review_votes.c.review_id)
    .where(
        review_votes.c.voided_at.is_(None),
        review_votes.c.decision == literal(Decision.APPROVE),
        review_votes.c.revision == reviews.c.revision,
    )
    .order_by(review_votes.c.id)
)


def watched(connection: Connection) -> list[Watched]:
    """Every review of which somebody may have to be told."""
    ids = {found for wanted in (_OPEN, _OVER, _HALTED) for found in connection.execute(wanted).scalars()}
    return _watched(connection, select(reviews).where(reviews.c.id.in_(sorted(ids)))) if ids else []


def these(connection: Connection, ids: Collection[int]) -> list[Watched]:
    """These of them, as they are now, held until the transaction ends: who votes comes before or after."""
    wanted = select(reviews).where(reviews.c.id.in_(sorted(ids))).with_for_update(key_share=True)
    return _watched(connection, wanted)


def shared_at(connection: Connection, risks: Collection[Risk]) -> datetime | None:
    """When somebody was last told of reviews of these classes by the time that was over."""
    last: datetime | None = connection.execute(
        select(func.max(reviews.c.told_at)).where(reviews.c.risk.in_(sorted(risks)))
    ).scalar()
    return last


def note(connection: Connection, told: Sequence[Due], *, now: datetime) -> None:
    """That these alerts are planned: none of them is planned again."""
    for one in told:
        match one.occasion:
            case Occasion.HALTED:
                values: dict[str, Any] = {"told_halt": one.review.halted_at}
            case Occasion.NEXT_YES:
                values = {"told_vote": one.review.last_yes}
            case _:
                values = {"told": one.occasion.percent, "told_at": now}
        connection.execute(update(reviews).where(reviews.c.id == one.review.id).values(values))


def shown(connection: Connection, ids: Collection[int]) -> dict[int, Shown]:
    """These reviews by our ids, for whoever puts an alert into words."""
    rows = connection.execute(select(reviews).where(reviews.c.id.in_(sorted(ids)))).all() if ids else []
    votes = _votes(connection, [row.id for row in rows])
    return {row.id: Shown(row, tuple(name for _, name in votes[row.id])) for row in rows}


def _votes(connection: Connection, ids: Sequence[int]) -> dict[int, list[tuple[int, str]]]:
    """Who has said yes to each of these as it stands, with the vote's id, in order."""
    found: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for vote in connection.execute(_VOTES.where(review_votes.c.review_id.in_(ids))) if ids else ():
        found[vote.review_id].append((vote.id, vote.reviewer))
    return found


def _watched(connection: Connection, wanted: Select[Any]) -> list[Watched]:
    rows = connection.execute(wanted.order_by(reviews.c.id)).all()
    votes = _votes(connection, [row.id for row in rows])
    return [
        Watched(
            id=row.id,
            stand=Stand(row.state),
            risk=Risk(row.risk),
            initiator=row.initiator,
            revision=row.revision,
            sealed_at=row.sealed_at or row.created_at,
            deadline=row.deadline,
            said_yes=tuple(name for _, name in votes[row.id]),
            last_yes=max((vote for vote, _ in votes[row.id]), default=0),
            halted_at=row.halted_at,
            told=row.told,
            told_vote=row.told_vote,
            told_halt=row.told_halt,
        )
        for row in rows
    ]
