"""What a reviewer changed in what a review asks, brought to its actions page by page while nobody can decide.

The review is closed meanwhile, as before it was sealed; `reviews.content` says what is to become of which payload.
Who dies in between leaves it closed: the sweep goes on with what is left, and opens it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, select, text, update

from domain.reviews import Stand
from store import review_votes
from store.ledger.rows import actions, reviews
from store.types import Instant, among

PENDING = "pending"
"""Where `reviews.content` keeps it."""

# The state is literal: bound, it would miss the partial index.
_IS_WAITING = text("actions.state = 'awaiting_review'")
_PAYLOADS = (
    select(
        actions.c.payload_hash,
        actions.c.capability,
        func.min(actions.c.id).label("example"),
        func.count().label("actions"),
    )
    .where(actions.c.review_id == bindparam("review"), _IS_WAITING)
    .group_by(actions.c.payload_hash, actions.c.capability)
    .order_by(func.min(actions.c.id))
    .limit(bindparam("most"))
)
_NEXT = (
    select(actions.c.id)
    .where(actions.c.review_id == bindparam("review"), _IS_WAITING, actions.c.payload_hash == bindparam("was"))
    .order_by(actions.c.id)
    .limit(bindparam("most"))
)
# An action's revision counts its plans, and the audit's replay knows it; an edit is of the review's next revision.
_CHANGE = (
    update(actions)
    .where(among(actions.c.id, "ids"), _IS_WAITING, actions.c.payload_hash == bindparam("was"))
    .values(
        payload=bindparam("said", type_=actions.c.payload.type),
        payload_hash=bindparam("becomes"),
        reviewed_hash=bindparam("becomes"),
        updated_at=bindparam("now", type_=Instant),
        updated_by=bindparam("who"),
    )
)


@dataclass(frozen=True, slots=True)
class Edit:
    """One payload becomes another, in these actions or (None) in all that have it."""

    was: str  # payload hashes
    becomes: str
    payload: dict[str, Any]
    ids: tuple[int, ...] | None = None

    def as_json(self) -> dict[str, Any]:
        """As `reviews.content` keeps it."""
        return {"was": self.was, "becomes": self.becomes, "payload": self.payload, "ids": self.ids and list(self.ids)}


def payloads(connection: Connection, review_id: int, *, limit: int) -> Sequence[Row[Any]]:
    """The different payloads that wait in a review: (payload_hash, capability, example: an action's id, actions)."""
    return connection.execute(_PAYLOADS, {"review": review_id, "most": limit}).all()


def payloads_of(connection: Connection, ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What these actions say."""
    found = select(actions.c.id, actions.c.payload).where(among(actions.c.id, "ids"))
    return {row.id: row.payload for row in connection.execute(found, {"ids": list(ids)})}


def begin(
    connection: Connection, row: Row[Any], edits: Sequence[Edit], *, by: str, now: datetime, **values: Any
) -> str:
    """Close a review that the caller holds, with what is to become of it; its hash until it opens again.

    `values`: what else of it changes, for it may have become riskier.
    """
    about = {"edits": [{"was": one.was, "becomes": one.becomes, "actions": one.ids and list(one.ids)} for one in edits]}
    pending = {**row.content, PENDING: {"by": by, "edits": [one.as_json() for one in edits]}}
    connection.execute(update(reviews).where(reviews.c.id == row.id).values(state=Stand.COLLECTING, content=pending))
    return review_votes.change(connection, row, "edited", about, by=by, now=now, **values)


def pending(connection: Connection, review_id: int) -> tuple[str, list[Edit]] | None:
    """By whom and what is still to be changed in a closed review; None: nothing."""
    content: Mapping[str, Any] | None = connection.execute(
        select(reviews.c.content).where(reviews.c.id == review_id)
    ).scalar_one_or_none()
    waiting = (content or {}).get(PENDING)
    if waiting is None:
        return None
    edits = [
        Edit(one["was"], one["becomes"], one["payload"], one["ids"] and tuple(one["ids"])) for one in waiting["edits"]
    ]
    return waiting["by"], edits


def apply(connection: Connection, review_id: int, edit: Edit, *, by: str, now: datetime, limit: int) -> int:
    """Change some of the actions that an edit is about; how many. None are left when it is fewer than `limit`.

    One that says something else by now is left as it is: its facts changed meanwhile, and it is asked anew.
    """
    told = {"review": review_id, "was": edit.was}
    found = connection.execute(_NEXT, {**told, "most": limit}).scalars().all() if edit.ids is None else edit.ids
    if found:
        change = {"becomes": edit.becomes, "said": edit.payload, "now": now, "who": by, "was": edit.was}
        connection.execute(_CHANGE, {**change, "ids": list(found)})
    return 0 if edit.ids is not None else len(found)
