"""Reviews as pages, artifacts and alerts show them: read only, each by an index, however many actions there are."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select

from domain.customers import primary_language
from domain.reviews import Stand
from store.chain import Subject
from store.ledger.rows import (
    actions,
    cases,
    chain,
    customers,
    entitlements,
    evidence,
    review_asks,
    review_votes,
    reviews,
)
from store.types import Instant

_UNDECIDED = (Stand.COLLECTING, Stand.OPEN)
_COUNTED = ("kinds", "channels", "tiers", "languages")

Counts = Mapping[str, Mapping[str, int]]
"""How many members by each of `kinds`, `channels`, `tiers`, `languages`; a customer's unknown language is empty."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which members of a review a page shows; what is left empty fits all."""

    after_id: int = 0
    language: str = ""
    """A primary tag, as `Counts` has it; `-` for those of whom none is known."""
    tier: str = ""
    ref: str = ""


NO_LANGUAGE = "-"
"""What asks for the customers whose language nobody knows."""


def one(connection: Connection, review_id: int) -> Row[Any] | None:
    """A review; None: there is none such."""
    return connection.execute(select(reviews).where(reviews.c.id == review_id)).first()


def waiting(connection: Connection, *, limit: int) -> list[Row[Any]]:
    """Those that somebody can decide now or soon: the open ones by deadline and value, then those still collecting."""
    is_collecting = reviews.c.state == Stand.COLLECTING
    wanted = select(reviews).where(reviews.c.state.in_(_UNDECIDED))
    order = (is_collecting, reviews.c.deadline, func.coalesce(reviews.c.value_minor, 0).desc(), reviews.c.id)
    return list(connection.execute(wanted.order_by(*order).limit(limit)))


def halted(connection: Connection, *, limit: int) -> list[Row[Any]]:
    """Approved ones that stopped by themselves on the way out, the longest halted first."""
    return list(connection.execute(select(reviews).where(_IS_HALTED).order_by(reviews.c.halted_at).limit(limit)))


def decided(connection: Connection, *, limit: int) -> list[Row[Any]]:
    """The newest that are decided, or were given up, the last first."""
    newest = select(reviews).where(reviews.c.state.not_in(_UNDECIDED)).order_by(reviews.c.id.desc()).limit(limit)
    return sorted(connection.execute(newest), key=lambda row: row.decided_at or row.created_at, reverse=True)


def votes(connection: Connection, review_ids: Collection[int]) -> list[Row[Any]]:
    """Everything that was said about these, in order."""
    wanted = select(review_votes).where(review_votes.c.review_id.in_(sorted(review_ids)))
    return list(connection.execute(wanted.order_by(review_votes.c.id)))


def history(connection: Connection, review_id: int, *, limit: int) -> list[Row[Any]]:
    """What happened to a review, as the chain has it: the last so many entries, in order."""
    about = and_(chain.c.subject == Subject.REVIEW, chain.c.subject_id == str(review_id))
    newest = select(chain).where(about).order_by(chain.c.id.desc()).limit(limit)
    return list(connection.execute(newest))[::-1]


def counts(connection: Connection, review_id: int) -> dict[str, dict[str, int]]:
    """How many members there are of each kind, channel, tier and language: one query over all of them."""
    told = (actions.c.kind, actions.c.capability, customers.c.tier, customers.c.language)
    grouped = (
        select(*told, func.count())
        .select_from(actions)
        .outerjoin(customers, customers.c.id == actions.c.customer_id)
        .where(actions.c.review_id == review_id)
        .group_by(*told)
    )
    found: dict[str, Counter[str]] = {name: Counter() for name in _COUNTED}
    for kind, channel, tier, language, count in connection.execute(grouped):
        words = (kind, channel, tier or "", primary_language(language or ""))
        for name, word in zip(_COUNTED, words, strict=True):
            found[name][word] += count
    return {name: dict(counter) for name, counter in found.items()}


def kept_counts(review: Row[Any]) -> Counts | None:
    """The counts as they were when the review was sealed; None: nobody wrote them down."""
    return review.content if all(isinstance(review.content.get(name), dict) for name in _COUNTED) else None


def by_state(connection: Connection, review_id: int) -> dict[str, int]:
    """How many members stand where."""
    counted = select(actions.c.state, func.count()).where(actions.c.review_id == review_id).group_by(actions.c.state)
    return {state: count for state, count in connection.execute(counted)}


def members(connection: Connection, review_id: int, chosen: Chosen, *, limit: int) -> list[Row[Any]]:
    """Members by our id from behind `after_id` on, each with its customer's ref, tier and language."""
    page = (
        select(actions.c.id)
        .outerjoin(customers, customers.c.id == actions.c.customer_id)
        .where(actions.c.review_id == review_id, actions.c.id > chosen.after_id, *_fitting(chosen))
        .order_by(actions.c.id)
        .limit(limit)
        .subquery()
    )
    return list(connection.execute(_MEMBER.join(page, page.c.id == actions.c.id).order_by(actions.c.id)))


def member(connection: Connection, review_id: int, key: str) -> Row[Any] | None:
    """One member; None: the review asks about no such action."""
    return connection.execute(_MEMBER.where(actions.c.key == key, actions.c.review_id == review_id)).first()


def keys_of_customers(connection: Connection, review_id: int, refs: Collection[str]) -> dict[str, list[str]]:
    """The keys of the members that are about these customers, by their refs; who has none is missing."""
    wanted = (
        select(customers.c.ref, actions.c.key)
        .join(actions, actions.c.customer_id == customers.c.id)
        .where(customers.c.ref.in_(sorted(refs)), actions.c.review_id == review_id)
        .order_by(actions.c.id)
    )
    found: dict[str, list[str]] = {}
    for ref, key in connection.execute(wanted):
        found.setdefault(ref, []).append(key)
    return found


def keys_among(connection: Connection, review_id: int, keys: Collection[str]) -> set[str]:
    """Those of these keys that the review asks about."""
    wanted = select(actions.c.key).where(actions.c.key.in_(sorted(keys)), actions.c.review_id == review_id)
    return set(connection.execute(wanted).scalars())


def rests_on(connection: Connection, action_ids: Collection[int]) -> list[Row[Any]]:
    """What these actions rest on: (action_id, fact, version), and as it is now: (version_now, changed_at).

    Of a case nobody knows when it changed last.
    """
    now = func.coalesce(customers.c.version, cases.c.version, entitlements.c.version).label("version_now")
    changed_at = func.coalesce(customers.c.updated_at, entitlements.c.updated_at, type_=Instant()).label("changed_at")
    wanted = (
        select(evidence.c.action_id, evidence.c.fact, evidence.c.version, now, changed_at)
        .outerjoin(customers, and_(evidence.c.fact == "customer", customers.c.id == evidence.c.subject_id))
        .outerjoin(cases, and_(evidence.c.fact == "case", cases.c.id == evidence.c.subject_id))
        .outerjoin(entitlements, and_(evidence.c.fact == "entitlement", entitlements.c.id == evidence.c.subject_id))
        .where(evidence.c.action_id.in_(sorted(action_ids)))
    )
    return list(connection.execute(wanted.order_by(evidence.c.action_id, evidence.c.fact)))


def asks(connection: Connection, review_id: int) -> list[Row[Any]]:
    """The times it was asked in Prefect, in order."""
    return list(
        connection.execute(
            select(review_asks).where(review_asks.c.review_id == review_id).order_by(review_asks.c.number)
        )
    )


def standings(connection: Connection, review_ids: Collection[int]) -> dict[int, Row[Any]]:
    """Reviews by our ids: where they stand, who decided them, and when."""
    told = ("id", "state", "risk", "deadline", "decided_at", "decided_by", "reason")
    wanted = select(*(reviews.c[name] for name in told)).where(reviews.c.id.in_(sorted(review_ids)))
    return {row.id: row for row in connection.execute(wanted)}


def standing_votes(connection: Connection, review_ids: Sequence[int]) -> dict[int, list[Row[Any]]]:
    """The votes that stand of each of these reviews, in order."""
    found: dict[int, list[Row[Any]]] = {review_id: [] for review_id in review_ids}
    for vote in votes(connection, review_ids):
        if vote.voided_at is None:
            found[vote.review_id].append(vote)
    return found


_IS_HALTED = and_(reviews.c.finished_at.is_(None), reviews.c.state == Stand.APPROVED, reviews.c.halted_at.is_not(None))
_MEMBER = (
    select(actions, customers.c.ref, customers.c.tier, customers.c.language)
    .select_from(actions)
    .outerjoin(customers, customers.c.id == actions.c.customer_id)
)


def _fitting(chosen: Chosen) -> list[ColumnElement[bool]]:
    fitting: list[ColumnElement[bool]] = []
    if chosen.tier:
        fitting.append(customers.c.tier == chosen.tier)
    if chosen.ref:
        fitting.append(customers.c.ref == chosen.ref)
    if chosen.language == NO_LANGUAGE:
        fitting.append(or_(customers.c.language.is_(None), customers.c.language == ""))
    elif chosen.language:
        tag = func.replace(func.lower(customers.c.language), "_", "-")
        begins = f"{chosen.language}-"
        fitting.append(or_(tag == chosen.language, func.substr(tag, 1, len(begins)) == begins))
    return fitting
