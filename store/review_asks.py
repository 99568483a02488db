"""What was asked in Prefect, time by time, and what came of it. The last ask of a review is the one that counts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, and_, func, select, update

from domain.reviews import Stand
from store.ledger.rows import review_asks, reviews
from store.once import insert_once

_ASK = insert_once(review_asks, "review_id", "number").returning(review_asks.c.id)


@dataclass(frozen=True, slots=True)
class Ask:
    """One time that a review was asked, in one run; `key` is what its form is called there."""

    review: int
    number: int
    run: str
    payload_hash: str
    is_over: bool  # answered, or given up for another
    outcome: str | None  # in words; None while it waits, and of an answer that was cut off

    @property
    def pause_key(self) -> str:
        """What its run is suspended under."""
        return f"{self.review}-{self.number}"

    @property
    def key(self) -> str:
        """What its form is kept under: Prefect puts the state's name in front."""
        return f"suspended-{self.pause_key}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """A review that is open, as it stands, and its last ask."""

    review: int
    payload_hash: str
    ask: Ask | None

    @property
    def next_number(self) -> int:
        """What its next ask will be."""
        return 1 if self.ask is None else self.ask.number + 1


def waiting(connection: Connection) -> list[Waiting]:
    """The reviews that are open, the nearest deadline first, with their last asks."""
    return [
        Waiting(row.review_id, row.shown, _ask(row) if row.number is not None else None)
        for row in connection.execute(
            _with_last_ask().where(reviews.c.state == Stand.OPEN).order_by(reviews.c.deadline, reviews.c.id)
        )
    ]


def among(connection: Connection, known: Iterable[int]) -> set[int]:
    """Which of these reviews exist."""
    return set(connection.execute(select(reviews.c.id).where(reviews.c.id.in_(sorted(known)))).scalars())


def last(connection: Connection, review: int) -> Ask | None:
    """A review's last ask; None when it was never asked in Prefect."""
    row = connection.execute(_with_last_ask().where(reviews.c.id == review)).one_or_none()
    return None if row is None or row.number is None else _ask(row)


def ask(connection: Connection, review: int, number: int, *, run: str, payload_hash: str, now: datetime) -> bool:
    """Ask anew, in this run; False when another was faster with this number."""
    fresh = {"review_id": review, "number": number, "flow_run_id": run, "payload_hash": payload_hash, "asked_at": now}
    return connection.execute(_ASK, fresh).first() is not None


def take(connection: Connection, of: Ask, *, now: datetime) -> bool:
    """From now on this ask is over, whatever its answer is worth; False when somebody has taken it already."""
    taken = connection.execute(
        update(review_asks).where(*_is(of), review_asks.c.answered_at.is_(None)).values(answered_at=now)
    )
    return taken.rowcount == 1


def tell(connection: Connection, of: Ask, outcome: str, *, is_accepted: bool) -> None:
    """Keep what came of an ask that was taken."""
    connection.execute(update(review_asks).where(*_is(of)).values(outcome=outcome, is_accepted=is_accepted))


def _is(of: Ask) -> tuple[Any, ...]:
    return review_asks.c.review_id == of.review, review_asks.c.number == of.number


def _with_last_ask() -> Any:
    all_of = review_asks.alias()
    newest = select(func.max(all_of.c.number)).where(all_of.c.review_id == reviews.c.id).scalar_subquery()
    asked = and_(review_asks.c.review_id == reviews.c.id, review_asks.c.number == newest)
    columns = ("number", "flow_run_id", "payload_hash", "answered_at", "outcome")
    return select(
        reviews.c.id.label("review_id"),
        reviews.c.payload_hash.label("shown"),
        *(review_asks.c[name] for name in columns),
    ).select_from(reviews.outerjoin(review_asks, asked))


def _ask(row: Row[Any]) -> Ask:
    return Ask(
        review=row.review_id,
        number=row.number,
        run=row.flow_run_id,
        payload_hash=row.payload_hash,
        is_over=row.answered_at is not None,
        outcome=row.outcome,
    )
