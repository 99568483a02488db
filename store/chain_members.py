"""Do the actions of a review say what people were asked about, and did none go out that nobody had approved?"""

import hashlib
from collections.abc import Iterator
from heapq import merge
from itertools import islice
from typing import Any

from sqlalchemy import Connection, bindparam, select

from domain.actions import State
from store.canonical import payload_hash
from store.chain_check import Story, ToldReview, Touched
from store.ledger.rows import actions, customers
from store.review_sealing import hash_members
from store.types import among

_PAGE = 2_000
_WENT_OUT = frozenset({State.SENDING, State.DONE, State.UNCERTAIN})
_TOLD = (
    select(
        actions.c.id,
        actions.c.key,
        actions.c.reviewed_hash,
        actions.c.state,
        actions.c.payload,
        actions.c.payload_hash,
        customers.c.erased_at,
    )
    .outerjoin(customers, customers.c.id == actions.c.customer_id)
    .where(actions.c.review_id == bindparam("review"), actions.c.id > bindparam("after"))
    .order_by(actions.c.id)
    .limit(_PAGE)
)
_LEFT = select(actions.c.id, actions.c.key).where(among(actions.c.id, "ids")).order_by(actions.c.id)

Member = tuple[int, str, str | None]
"""An action's id and key, and the hash of what was asked about it."""


def members(connection: Connection, story: Story) -> Iterator[Touched]:
    """Actions of every review that people were asked about, some thousand at a time."""
    for review_id, told in sorted(story.reviews.items()):
        yield from _of_review(connection, review_id, told)


def _of_review(connection: Connection, review_id: int, told: ToldReview) -> Iterator[Touched]:
    found: list[Touched] = []
    left = connection.execute(_LEFT, {"ids": sorted(told.left)}).all() if told.left else []
    gone = [(row.id, row.key, told.left[row.id]) for row in left]
    asked = hashlib.sha256()
    for page in _in_pages(merge(_there(connection, review_id, told, found), gone)):
        hash_members(asked, page)
    yield from found
    if told.members is not None and asked.hexdigest() != told.members and not found:
        words = "its actions are not those that people were asked about, or one of them says something else"
        yield Touched("reviews", str(review_id), words)


def _there(connection: Connection, review_id: int, told: ToldReview, found: list[Touched]) -> Iterator[Member]:
    """Those that still belong to the review, by id; `found` is told what is wrong with each."""
    after = 0
    while page := connection.execute(_TOLD, {"review": review_id, "after": after}).all():
        for row in page:
            found += (Touched("actions", str(row.id), f"{row.key}: {words}") for words in _wrong(row, told))
            yield row.id, row.key, row.reviewed_hash
        after = page[-1].id


def _in_pages(members: Iterator[Member]) -> Iterator[list[Member]]:
    while page := list(islice(members, _PAGE)):
        yield page


def _wrong(row: Any, told: ToldReview) -> Iterator[str]:
    if row.erased_at is None and payload_hash(row.payload) != row.payload_hash:
        yield "what it says is not what its hash was made of"
    if row.reviewed_hash != row.payload_hash:
        yield "its review asks about something else than it says"
    if row.state in _WENT_OUT and not told.was_approved:
        yield f"it is {row.state}, and nobody has approved it"
