"""The actions of a review: left out, let go, withdrawn, and those whose facts have changed while it waited."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, bindparam, select, text, update

from domain.actions import State
from store.ledger.facts import changed_facts
from store.ledger.rows import actions
from store.types import Instant, among

# The state is literal: bound, it would miss the partial index.
_IS_WAITING = text("actions.state = 'awaiting_review'")
_WAITING = (
    select(actions.c.id, actions.c.key, actions.c.reviewed_hash)
    .where(actions.c.review_id == bindparam("review"), _IS_WAITING, actions.c.id > bindparam("after"))
    .order_by(actions.c.id)
    .limit(bindparam("most"))
)
_MOVED = {
    "state": bindparam("becomes"),
    "reason": bindparam("because"),
    "updated_at": bindparam("now", type_=Instant),
    "updated_by": bindparam("who"),
}
_MOVE = (
    update(actions)
    .where(among(actions.c.id, "ids"), actions.c.review_id == bindparam("review"), _IS_WAITING)
    .values(_MOVED)
    .returning(actions.c.id)
)
_UNSENT = (
    select(actions.c.id)
    .where(actions.c.review_id == bindparam("review"), actions.c.state.in_([State.AWAITING_REVIEW, State.READY]))
    .order_by(actions.c.id)
    .limit(bindparam("most"))
    .with_for_update()
)
_END = update(actions).where(actions.c.id.in_(_UNSENT.scalar_subquery())).values(_MOVED).returning(actions.c.id)


def waiting(connection: Connection, review_id: int, *, after: int = 0, limit: int) -> Sequence[Row[Any]]:
    """Those that wait for the review's decision, by id: (id, key, reviewed_hash)."""
    return connection.execute(_WAITING, {"review": review_id, "after": after, "most": limit}).all()


def is_any_waiting(connection: Connection, review_id: int) -> bool:
    """True while something waits for the decision."""
    return bool(waiting(connection, review_id, limit=1))


def held(connection: Connection, review_id: int, keys: Collection[str] | None) -> Sequence[Row[Any]]:
    """Those of these keys (None: all) that wait in the review, whole and locked, by id."""
    wanted: Select[Any] = select(actions).where(actions.c.review_id == review_id, _IS_WAITING)
    if keys is not None:
        wanted = wanted.where(actions.c.key.in_(sorted(keys)))
    return connection.execute(wanted.order_by(actions.c.id).with_for_update()).all()


def move(
    connection: Connection,
    review_id: int,
    ids: Sequence[int],
    state: State,
    *,
    reason: str | None,
    by: str,
    now: datetime,
) -> list[int]:
    """Move those of these that wait in the review; which did."""
    asked = {"ids": list(ids), "review": review_id, "becomes": state, "because": reason, "now": now, "who": by}
    return sorted(connection.execute(_MOVE, asked).scalars())


def stale(connection: Connection, ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """Those whose facts are not those that were shown, with which: the check that arming makes."""
    return changed_facts(connection, ids)


def end(
    connection: Connection, review_id: int, state: State, *, reason: str, by: str, now: datetime, limit: int
) -> int:
    """End some of those that are not out yet, and of those that were let go already; how many."""
    asked = {"review": review_id, "becomes": state, "because": reason, "now": now, "who": by, "most": limit}
    return len(connection.execute(_END, asked).all())
