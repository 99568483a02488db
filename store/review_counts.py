"""How many reviews wait, and since when: what doctor, metrics and pages say at a glance."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import Connection, func, literal, select, text

from domain.reviews import Stand
from store.ledger.rows import reviews

LOOK_BACK = timedelta(hours=24)
"""How long it is told that nobody had decided."""


@dataclass(frozen=True, slots=True)
class ReviewCounts:
    """Reviews that need somebody, or needed somebody lately."""

    open: Mapping[str, int] = field(default_factory=dict)  # by risk
    oldest_at: datetime | None = None  # since when the oldest of them can be decided
    first_deadline: datetime | None = None
    halted: tuple[int, ...] = ()  # approved ones that have stopped themselves, by our ids
    expired: int = 0  # of which nobody decided in time, within the last day

    @property
    def waiting(self) -> int:
        """How many can be decided now."""
        return sum(self.open.values())


def review_counts(connection: Connection, now: datetime) -> ReviewCounts:
    """As they stand now."""
    is_open = (text("state IN ('collecting', 'open')"), reviews.c.state == Stand.OPEN)
    rows = connection.execute(
        select(
            reviews.c.risk,
            func.count().label("count"),
            func.min(reviews.c.sealed_at).label("oldest"),
            func.min(reviews.c.deadline).label("first"),
        )
        .where(*is_open)
        .group_by(reviews.c.risk)
    ).all()
    halted = select(reviews.c.id).where(
        reviews.c.finished_at.is_(None), reviews.c.state == Stand.APPROVED, reviews.c.halted_at.is_not(None)
    )
    expired = select(func.count()).where(
        reviews.c.state == literal(Stand.EXPIRED), reviews.c.deadline > now - LOOK_BACK
    )
    return ReviewCounts(
        open={row.risk: int(row._mapping["count"]) for row in rows},
        oldest_at=min((row.oldest for row in rows if row.oldest is not None), default=None),
        first_deadline=min((row.first for row in rows), default=None),
        halted=tuple(connection.execute(halted.order_by(reviews.c.id)).scalars()),
        expired=int(connection.execute(expired).scalar_one()),
    )
