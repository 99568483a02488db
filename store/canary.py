"""What an approved review has let go: what became of it, the next of it, and what its halt has put off."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Connection, Row, bindparam, func, literal, literal_column, select, update

from domain.actions import State
from domain.calls import CallOutcome
from domain.canary import Seen, held_by
from domain.message_events import MessageNews
from store.calls import call_outcomes
from store.ledger.rows import actions, reviews
from store.message_events import message_events
from store.types import Instant, among

# Literal, as the partial indexes have them: bound, they would miss them.
_LET_GO = literal_column("actions.review_id IS NOT NULL AND actions.state <> 'awaiting_review'", Boolean)
_WAITS = literal_column("actions.state = 'awaiting_review'", Boolean)
_IS_READY = literal_column("actions.state = 'ready'", Boolean)

_OF_REVIEW = (actions.c.review_id == bindparam("review"), _LET_GO)
_STATES = select(actions.c.state, func.count()).where(*_OF_REVIEW).group_by(actions.c.state)
_LOST = select(func.count()).where(*_OF_REVIEW, actions.c.state == State.NEEDS_HUMAN, actions.c.attempts > 0)
_NEWS = (
    select(message_events.c.what, func.count())
    .join(actions, actions.c.id == message_events.c.action_id)
    .where(*_OF_REVIEW, message_events.c.what.in_([MessageNews.BOUNCED, MessageNews.COMPLAINED]))
    .group_by(message_events.c.what)
)
_BROKEN_CALLS = (
    select(func.count())
    .select_from(call_outcomes.join(actions, actions.c.id == call_outcomes.c.action_id))
    .where(*_OF_REVIEW, call_outcomes.c.outcome == CallOutcome.FAILED)
)
_FIRST = (
    select(actions.c.id)
    .where(actions.c.review_id == bindparam("review"), _WAITS)
    .order_by(actions.c.due_at, actions.c.id)
    .limit(bindparam("most"))
)
_PENDING = frozenset({State.READY, State.CLAIMED, State.SENDING})
_ANY_PENDING = select(literal(1)).where(*_OF_REVIEW, actions.c.state.in_(sorted(_PENDING))).limit(1)


def look(connection: Connection, review_id: int) -> tuple[int, Seen]:
    """How many of those that were let go are neither sent nor ended; and what became of the others."""
    asked = {"review": review_id}
    count: dict[str, int] = {state: found for state, found in connection.execute(_STATES, asked)}
    lost = connection.execute(_LOST, asked).scalar_one()
    news: dict[str, int] = {what: found for what, found in connection.execute(_NEWS, asked)}
    seen = Seen(
        tried=sum(count.get(state, 0) for state in (State.DONE, State.FAILED, State.UNCERTAIN)) + lost,
        bounced=news.get(MessageNews.BOUNCED, 0),
        complained=news.get(MessageNews.COMPLAINED, 0),
        failed=count.get(State.FAILED, 0) + connection.execute(_BROKEN_CALLS, asked).scalar_one(),
        uncertain=count.get(State.UNCERTAIN, 0) + lost,
    )
    return sum(count.get(state, 0) for state in _PENDING), seen


def is_any_pending(connection: Connection, review_id: int) -> bool:
    """True while one of those that were let go is neither sent nor ended."""
    return connection.execute(_ANY_PENDING, {"review": review_id}).first() is not None


def review(connection: Connection, review_id: int) -> Row[Any] | None:
    """The review's row, read and not held."""
    return connection.execute(select(reviews).where(reviews.c.id == review_id)).first()


def first(connection: Connection, review_id: int, *, limit: int) -> list[int]:
    """Of those that wait the ones that are due first."""
    return list(connection.execute(_FIRST, {"review": review_id, "most": limit}).scalars())


def change(connection: Connection, review_id: int, **values: Any) -> None:
    """Write this down of a review whose row is held."""
    connection.execute(update(reviews).where(reviews.c.id == review_id).values(**values))


def put_off(connection: Connection, review_id: int) -> list[int]:
    """Those that its halt has put off."""
    return list(connection.execute(select(actions.c.id).where(_is_put_off(review_id))).scalars())


def free(connection: Connection, review_id: int, ids: Sequence[int], *, by: str, now: datetime) -> int:
    """Of these, what waits because of the halt alone is due now; how many."""
    moved = connection.execute(
        update(actions)
        .where(among(actions.c.id, "ids"), _is_put_off(review_id))
        .values(due_at=now, reason=None, updated_at=bindparam("now", type_=Instant), updated_by=by),
        {"ids": ids, "now": now},
    )
    return moved.rowcount


def _is_put_off(review_id: int) -> ColumnElement[bool]:
    why = actions.c.reason.startswith(held_by(review_id), autoescape=True)
    return (actions.c.review_id == review_id) & _LET_GO & _IS_READY & why
