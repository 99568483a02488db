"""A review is sealed: nothing joins it any more, it is counted and hashed, and people can decide.

In three steps, because hashing many may take longer than others should wait for a lock of ours: closed, counted without
any lock, opened. Who dies in between leaves it closed; the next sweep goes on there.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    String,
    Update,
    bindparam,
    cast,
    delete,
    func,
    literal,
    or_,
    select,
    update,
)

from domain.actions import State
from domain.customers import primary_language
from domain.reviews import BY_ITSELF, Stand
from store import chain
from store.chain import Subject
from store.ledger.rows import actions, customers, reviews
from store.reviews import told
from store.types import Instant

_GATHERED = (
    select(reviews.c.id)
    .where(
        reviews.c.state == literal(Stand.COLLECTING),
        or_(reviews.c.sealed_at.is_not(None), reviews.c.collect_until <= bindparam("now", type_=Instant)),
    )
    .order_by(reviews.c.id)
)
_CLOSE: Update = (
    update(reviews)
    .where(
        reviews.c.id == bindparam("review"), reviews.c.state == literal(Stand.COLLECTING), reviews.c.sealed_at.is_(None)
    )
    .values(
        sealed_at=bindparam("now", type_=Instant),
        group_key=reviews.c.group_key.concat("|").concat(cast(reviews.c.id, String)),
    )
)
_MEMBERS = (
    select(actions.c.id, actions.c.key, actions.c.reviewed_hash)
    .where(actions.c.review_id == bindparam("review"), actions.c.id > bindparam("after"))
    .order_by(actions.c.id)
    .limit(bindparam("most"))
)
_PAGE = 5_000
_COUNT = select(func.count()).select_from(actions).where(actions.c.review_id == bindparam("review"))
_CONTENT = (
    select(
        actions.c.kind,
        actions.c.capability,
        func.coalesce(customers.c.tier, ""),
        func.coalesce(customers.c.language, ""),
        func.count(),
        func.coalesce(func.sum(customers.c.ltv_minor), literal(0, BigInteger())),
    )
    .select_from(actions)
    .outerjoin(customers, customers.c.id == actions.c.customer_id)
    .where(
        actions.c.review_id == bindparam("review"),
        actions.c.id.between(bindparam("first"), bindparam("last")),
        actions.c.state == State.AWAITING_REVIEW,
    )
    .group_by(actions.c.kind, actions.c.capability, customers.c.tier, customers.c.language)
)


@dataclass(frozen=True, slots=True)
class Counted:
    """What a review asks, as it is when it is sealed."""

    count: int
    waiting: int
    payload_hash: str
    value_minor: int
    content: dict[str, dict[str, int]] = field(default_factory=dict)
    """How many by kind, channel (capability), tier and language."""


def gathered(connection: Connection, *, now: datetime) -> list[int]:
    """Reviews that need not wait for more, and those that somebody has closed and not opened."""
    return list(connection.execute(_GATHERED, {"now": now}).scalars())


def close(connection: Connection, review_id: int, *, now: datetime) -> bool:
    """Nothing joins it any more: waits for those who are joining just now. False: it is closed already."""
    return connection.execute(_CLOSE, {"review": review_id, "now": now}).rowcount == 1


def count(connection: Connection, review_id: int) -> Counted:
    """Count and hash what a closed review asks: SHA-256 over key and payload hash of each of its actions, by id.

    Page by page: SQLite sorts in memory what it groups, and of many that would be many.
    """
    asked, number, waiting, value = hashlib.sha256(), 0, 0, 0
    content: dict[str, Counter[str]] = {name: Counter() for name in ("kinds", "channels", "tiers", "languages")}
    for page in pages(connection, review_id):
        number += len(page)
        hash_members(asked, page)
        of_page = {"review": review_id, "first": page[0].id, "last": page[-1].id}
        for kind, capability, tier, language, how_many, worth in connection.execute(_CONTENT, of_page):
            waiting, value = waiting + how_many, value + int(worth)
            for counts, what in zip(
                content.values(), (kind, capability, tier, primary_language(language)), strict=True
            ):
                if what:
                    counts[what] += how_many
    return Counted(number, waiting, asked.hexdigest(), value, {name: dict(those) for name, those in content.items()})


def pages(connection: Connection, review_id: int) -> Iterable[Sequence[Any]]:
    """The members of a review by id, some thousand at a time: (id, key, reviewed_hash)."""
    after = 0
    while page := connection.execute(_MEMBERS, {"review": review_id, "after": after, "most": _PAGE}).all():
        yield page
        after = page[-1].id


def hash_members(into: Any, members: Iterable[Any]) -> None:
    """Add members, in the order of their ids, to a hash of what a review asks."""
    into.update("".join(f"{key}\n{reviewed_hash}\n" for _, key, reviewed_hash in members).encode())


def open_counted(
    connection: Connection, review_id: int, counted: Counted, *, deadline: datetime, now: datetime
) -> Stand | None:
    """`collecting → open` for a closed review; where it stands then, None when somebody else was faster.

    Nothing waits in it any more: it is superseded; or gone, when nothing ever was in it. None too when an action has
    left since it was counted: count it again.
    """
    row = _held(connection, review_id)
    if row is None or connection.execute(_COUNT, {"review": review_id}).scalar_one() != counted.count:
        return None
    if counted.count == 0 and row.subject == "actions":
        connection.execute(delete(reviews).where(reviews.c.id == review_id))
        return Stand.SUPERSEDED
    is_empty = counted.waiting == 0 and row.subject == "actions"
    stand = Stand.SUPERSEDED if is_empty else Stand.OPEN
    is_first = not row.payload_hash
    members = counted.payload_hash
    hashed = members if is_first else chain.chained(row.payload_hash, {"what": "reopened", "members": members})
    content = counted.content if row.subject == "actions" else row.content
    first = {"sealed_at": now, "deadline": deadline, "count": counted.count} if is_first else {}
    connection.execute(
        update(reviews)
        .where(reviews.c.id == review_id)
        .values(
            state=stand,
            payload_hash=hashed,
            value_minor=counted.value_minor,
            content=content,
            **first,
            **({"finished_at": now, "decided_at": now, "decided_by": BY_ITSELF} if is_empty else {}),
        )
    )
    opened = {"count": counted.count, "deadline": chain.instant(deadline)} if is_first else {}
    detail = {**told(row), **opened, "members": members, "payload_hash": hashed}
    what = stand.value if is_empty else "opened" if is_first else "reopened"
    chain.append(connection, Subject.REVIEW, review_id, what, by=BY_ITSELF, at=now, detail=detail)
    return stand


def _held(connection: Connection, review_id: int) -> Any | None:
    return connection.execute(
        select(reviews)
        .where(reviews.c.id == review_id, reviews.c.state == Stand.COLLECTING, reviews.c.sealed_at.is_not(None))
        .with_for_update(key_share=True)
    ).first()
