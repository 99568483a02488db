"""A review as its page shows it, in full: who is in it, what they said, what they would get, and what became of it."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from domain.actions import Capability, State
from domain.customers import choose_language
from services.differing import Differing, differences
from services.places import Places
from services.review_edits import SHARED, editable, other_words
from services.review_evidence import Evidence, evidence_of
from services.review_reading import ReviewSummary, UnknownReview, summary_of
from services.review_saying import Unsaid, Words, words_by, words_of
from services.review_subjects import NewJourney, NewWords, new_journey, new_words
from services.wiring import Handrail
from store import review_pages, wordings
from store.review_pages import Chosen

ON_A_PAGE = 50
_QUEUE = 200
_DECIDED = 30
_HISTORY = 200
_SAYING = ("decision", "reason", "way", "count", "why", "stage", "released", "instead")


@dataclass(frozen=True, slots=True)
class Told:
    """One entry of the chain about a review."""

    what: str
    by: str
    at: datetime
    detail: Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Member:
    """One action of a review."""

    key: str
    ref: str
    tier: str
    language: str
    """The one we would write in."""
    channel: Capability
    kind: str
    state: State
    due_at: datetime
    not_after: datetime | None
    payload_hash: str
    revision: int
    editable: Mapping[str, str]
    """What a reviewer may change in it."""
    words: Words | Unsaid
    evidence: Evidence
    instead: Sequence[str] = ()
    """Messages whose approved words could be said instead; read for one that is shown by itself."""

    @property
    def is_asked(self) -> bool:
        """It waits for the decision."""
        return self.state is State.AWAITING_REVIEW

    @property
    def can_be_changed_alike(self) -> bool:
        """Something of it can be said alike in all actions of the review."""
        return bool(self.instead) or not SHARED.isdisjoint(name.partition(".")[0] for name in self.editable)


@dataclass(frozen=True, slots=True)
class Message:
    """What goes out by one wording and channel, as its first customer among those looked at gets it."""

    member: Member
    approved_by: str | None
    approved_at: datetime | None
    """None: nobody has approved these words."""
    differing: Sequence[Differing]
    """Against the last approved ones; empty when these are approved."""


@dataclass(frozen=True, slots=True)
class ReviewShown:
    """Everything that the page of one review shows."""

    summary: ReviewSummary
    initiator_page: str | None
    """The Prefect run that caused it."""
    asked_in: Sequence[tuple[int, str, str | None]]
    """Each time it was asked in Prefect: number, run, its page."""
    standing: Sequence[tuple[State, int]]
    """How many actions stand where."""
    messages: Sequence[Message]
    words: Sequence[NewWords]
    journey: NewJourney | None
    members: Sequence[Member]
    chosen: Chosen
    next_id: int | None
    """Where the next page of members begins."""
    votes: Sequence[Row[Any]]
    """All of them, those that were voided too."""
    history: Sequence[Told]


@dataclass(frozen=True, slots=True)
class Queue:
    """What waits for somebody, and what was decided lately."""

    waiting: Sequence[ReviewSummary]
    halted: Sequence[ReviewSummary]
    decided: Sequence[ReviewSummary]


def read_queue(handrail: Handrail) -> Queue:
    """The open reviews by deadline and value, those that stopped on the way out, and the last that were decided."""
    policy = handrail.policy
    with handrail.database.read() as connection:
        waiting = review_pages.waiting(connection, limit=_QUEUE)
        halted = review_pages.halted(connection, limit=_QUEUE)
        decided = review_pages.decided(connection, limit=_DECIDED)
        over = {row.id for row in halted}
        return Queue(
            [summary_of(connection, row, policy, with_examples=False) for row in waiting],
            [summary_of(connection, row, policy, with_examples=False) for row in halted],
            [summary_of(connection, row, policy, with_examples=False) for row in decided if row.id not in over],
        )


async def read_review(handrail: Handrail, review_id: int, chosen: Chosen, places: Places) -> ReviewShown:
    """One review with a page of its members. Raises UnknownReview."""
    read = await asyncio.to_thread(_read, handrail, review_id, chosen)
    members = await _members(handrail, read.rows, read.evidence)
    return ReviewShown(
        summary=read.summary,
        initiator_page=places.run(read.summary.initiator),
        asked_in=[(ask.number, ask.flow_run_id, places.run(ask.flow_run_id)) for ask in read.asks],
        standing=read.standing,
        messages=await _messages(handrail, read, members),
        words=read.words,
        journey=read.journey,
        members=members,
        chosen=chosen,
        next_id=read.next_id,
        votes=read.votes,
        history=read.history,
    )


def read_row(handrail: Handrail, review_id: int, key: str) -> Row[Any] | None:
    """One action of a review as the ledger has it; None: the review asks about no such action."""
    with handrail.database.read() as connection:
        return review_pages.member(connection, review_id, key)


async def read_member(handrail: Handrail, review_id: int, key: str) -> Member | None:
    """The same as its page shows it."""

    def read() -> tuple[Row[Any], dict[int, Evidence], list[str]] | None:
        with handrail.database.read() as connection:
            row = review_pages.member(connection, review_id, key)
            if row is None:
                return None
            evidence = evidence_of(connection, [row], handrail.policy, now=handrail.clock())
            return row, evidence, other_words(connection, row.payload, Capability(row.capability))

    found = await asyncio.to_thread(read)
    if found is None:
        return None
    row, evidence, instead = found
    [member] = await _members(handrail, [row], evidence)
    return replace(member, instead=instead)


def read_mail_of_wording(handrail: Handrail, review_id: int, wording: str) -> str:
    """The mail of a wording that a review asks about, with made-up values; empty: it asks about no such mail."""
    with handrail.database.read() as connection:
        row = review_pages.one(connection, review_id)
        if row is None:
            return ""
        its = next((one for one in new_words(connection, row, handrail.policy) if one.template.hash == wording), None)
    mail = None if its is None else its.by.get(Capability.MAIL.value)
    return "" if mail is None else mail.words.html


def text_differences(before: Words, after: Words) -> list[Differing]:
    """What one customer would read, before and after a change: subject and text."""
    pairs = (("subject", before.subject, after.subject), ("text", before.text, after.text))
    found = [Differing(name, differences(old, new)) for name, old, new in pairs if old or new]
    if before.link != after.link:
        found.append(Differing("link", differences(before.link, after.link)))
    return found


@dataclass(frozen=True, slots=True)
class _Read:
    """What one look into the database has found."""

    summary: ReviewSummary
    asks: Sequence[Row[Any]]
    standing: Sequence[tuple[State, int]]
    rows: Sequence[Row[Any]]
    next_id: int | None
    evidence: Mapping[int, Evidence]
    published: Mapping[str, Row[Any]]
    words: Sequence[NewWords]
    journey: NewJourney | None
    votes: Sequence[Row[Any]]
    history: Sequence[Told]


def _read(handrail: Handrail, review_id: int, chosen: Chosen) -> _Read:
    policy, now = handrail.policy, handrail.clock()
    with handrail.database.read() as connection:
        row = review_pages.one(connection, review_id)
        if row is None:
            raise UnknownReview(f"there is no review {review_id}: the page of all reviews lists those that wait")
        is_of_actions = row.subject == "actions"
        rows = review_pages.members(connection, review_id, chosen, limit=ON_A_PAGE + 1) if is_of_actions else []
        counted = review_pages.by_state(connection, review_id) if is_of_actions else {}
        shown_rows = rows[:ON_A_PAGE]
        return _Read(
            summary=summary_of(connection, row, policy, with_examples=False),
            asks=review_pages.asks(connection, review_id),
            standing=[(state, counted[state]) for state in State if state in counted],
            rows=shown_rows,
            next_id=shown_rows[-1].id if len(rows) > ON_A_PAGE else None,
            evidence=evidence_of(connection, shown_rows, policy, now=now),
            published={one.hash: one for one in wordings.published(connection)},
            words=new_words(connection, row, policy),
            journey=new_journey(connection, row),
            votes=review_pages.votes(connection, [review_id]),
            history=[_told(entry) for entry in review_pages.history(connection, review_id, limit=_HISTORY)],
        )


async def _members(handrail: Handrail, rows: Sequence[Row[Any]], evidence: Mapping[int, Evidence]) -> list[Member]:
    said = await words_of(handrail, rows)
    policy = handrail.policy
    return [
        Member(
            key=row.key,
            ref=row.ref or "",
            tier=row.tier or "",
            language=choose_language(row.language, supported=policy.languages, default=policy.default_language),
            channel=Capability(row.capability),
            kind=row.kind,
            state=State(row.state),
            due_at=row.due_at,
            not_after=row.not_after,
            payload_hash=row.payload_hash,
            revision=row.revision,
            editable=editable(row.payload),
            words=said[row.id],
            evidence=evidence[row.id],
        )
        for row in rows
    ]


async def _messages(handrail: Handrail, read: _Read, members: Sequence[Member]) -> list[Message]:
    """Of each wording and channel among the members shown the first: others of it differ in names alone."""
    by_key = {row.key: row for row in read.rows}
    found: dict[tuple[str, Capability], Message] = {}
    for member in members:
        words = member.words
        if isinstance(words, Unsaid) or (words.wording, words.channel) in found:
            continue
        its = read.published.get(words.wording)
        differing: list[Differing] = []
        if its is not None and its.approved_at is None:
            before = _approved_before(read.published.values(), its)
            old = None if before is None else await words_by(handrail, by_key[member.key], before.hash)
            differing = text_differences(old, words) if isinstance(old, Words) else []
        by, at = (None, None) if its is None else (its.approved_by, its.approved_at)
        found[words.wording, words.channel] = Message(member, by, at, differing)
    return list(found.values())


def _approved_before(published: Iterable[Row[Any]], its: Row[Any]) -> Row[Any] | None:
    """Of what was published, the version of the same message and language that was approved last, before this one."""
    alike = [
        row
        for row in published
        if (row.name, row.language) == (its.name, its.language)
        and row.hash != its.hash
        and row.approved_at is not None
        and (its.approved_at is None or row.approved_at <= its.approved_at)
    ]
    return max(alike, key=lambda row: (row.approved_at, row.published_at), default=None)


def _told(entry: Row[Any]) -> Told:
    """What of its detail says something to people; hashes and what the page shows anyway are left out."""
    detail = [(name, str(entry.detail[name])) for name in _SAYING if entry.detail.get(name) is not None]
    touched = entry.detail.get("actions")
    if isinstance(touched, list | dict):
        detail.append(("actions", str(len(touched))))
    return Told(entry.what, entry.by, entry.at, detail)
