"""What a review says of itself outside our database: how many, of which kind, why, by when. Nobody's data, no words of
theirs: examples are rendered with made-up values."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from domain.actions import Capability
from domain.calls import WORDINGS
from domain.currencies import written
from domain.customers import choose_language
from domain.instants import iso
from domain.policy import Policy
from domain.review_rules import Risk, Rule, Way
from domain.review_words import counted, rule_words, what_words
from domain.reviews import Stand
from services.content_reviews import Change
from services.journeys import Journeys
from services.previewing import links_of, sample_params
from store import review_pages, wordings
from store.content_reviews import Content
from store.database import Database
from templates.library import Template, TemplateProblem
from templates.renderer import render

_EXAMPLES = 3
_LOOKED_AT = 200
"""Members among which examples are looked for; what is in one review is alike."""


class UnknownReview(LookupError):
    """There is no review of this number."""


@dataclass(frozen=True, slots=True)
class Example:
    """What one channel sends in one language, with made-up values."""

    channel: Capability
    language: str
    template: str
    subject: str
    """Of a mail; the title of a notification; else empty."""
    text: str


@dataclass(frozen=True, slots=True)
class Vote:
    """What a reviewer has said about a review as it stands."""

    reviewer: str
    decision: str
    reason: str
    way: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ReviewSummary:
    """A review as Prefect, an alert or a terminal may show it. Free of personal data and of customers' words."""

    id: int
    stand: Stand
    risk: Risk
    subject: str
    """actions | wording | journey."""
    what: str
    """In ids, as `domain.risk.Ask.what`."""
    title: str
    """What is asked, in words: "37 messages: step welcome of the journey onboarding"."""
    count: int
    kinds: Mapping[str, int]
    channels: Mapping[str, int]
    tiers: Mapping[str, int]
    languages: Mapping[str, int]
    """By the language that we would write in."""
    rules: Sequence[tuple[Rule, str]]
    """Which rules asked, and why, in words."""
    initiator: str
    reviewers_needed: int
    votes: Sequence[Vote]
    """Those that stand: what was changed since voids the earlier ones."""
    ways: Sequence[Way]
    """Where it may be decided."""
    created_at: datetime
    deadline: datetime
    value: str | None
    """At stake, with its currency."""
    payload_hash: str
    revision: int
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    released: int
    halted_at: datetime | None
    halted_reason: str | None
    examples: Sequence[Example]
    link: str

    @property
    def is_open(self) -> bool:
        """Somebody can decide it."""
        return self.stand is Stand.OPEN

    @property
    def still_needed(self) -> int:
        """How many more people must say yes."""
        return max(0, self.reviewers_needed - sum(vote.decision == "approve" for vote in self.votes))

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "review": self.id,
            "state": self.stand.value,
            "risk": self.risk.value,
            "subject": self.subject,
            "what": self.what,
            "title": self.title,
            "count": self.count,
            "kinds": dict(self.kinds),
            "channels": dict(self.channels),
            "tiers": dict(self.tiers),
            "languages": dict(self.languages),
            "rules": [{"rule": rule.value, "why": why} for rule, why in self.rules],
            "initiator": self.initiator,
            "reviewers_needed": self.reviewers_needed,
            "still_needed": self.still_needed,
            "votes": [
                {"reviewer": vote.reviewer, "decision": vote.decision, "reason": vote.reason, "way": vote.way}
                | {"at": iso(vote.at)}
                for vote in self.votes
            ],
            "ways": [way.value for way in self.ways],
            "created_at": iso(self.created_at),
            "deadline": iso(self.deadline),
            "value": self.value,
            "payload_hash": self.payload_hash,
            "revision": self.revision,
            "decided_by": self.decided_by,
            "decided_at": iso(self.decided_at),
            "reason": self.reason,
            "released": self.released,
            "halted_at": iso(self.halted_at),
            "halted_reason": self.halted_reason,
            "examples": [
                {"channel": one.channel.value, "language": one.language, "template": one.template}
                | {"subject": one.subject, "text": one.text}
                for one in self.examples
            ],
            "link": self.link,
        }


def summary(database: Database, policy: Policy, review_id: int, *, gateway_url: str = "") -> ReviewSummary:
    """A review as it stands, in one consistent read; the link begins with the gateway's address, or with our path.

    Raises UnknownReview.
    """
    with database.read() as connection:
        row = review_pages.one(connection, review_id)
        if row is None:
            raise UnknownReview(f"there is no review {review_id}: `handrail reviews` lists those that wait")
        return summary_of(connection, row, policy, gateway_url=gateway_url)


def summary_of(
    connection: Connection, row: Row[Any], policy: Policy, *, gateway_url: str = "", with_examples: bool = True
) -> ReviewSummary:
    """The same of a row that was read."""
    counts = _counts(connection, row)
    languages = _languages(counts, policy)
    votes = review_pages.standing_votes(connection, [row.id])[row.id]
    rules = [Rule(rule) for rule in row.rules]
    risk = Risk(row.risk)
    return ReviewSummary(
        id=row.id,
        stand=Stand(row.state),
        risk=risk,
        subject=row.subject,
        what=row.what,
        title=_title(row, counts),
        count=_count(row, counts),
        kinds=counts.get("kinds", {}),
        channels=counts.get("channels", {}),
        tiers=counts.get("tiers", {}),
        languages=languages,
        rules=[(rule, rule_words(rule, policy.reviews)) for rule in rules],
        initiator=row.initiator,
        reviewers_needed=row.reviewers_needed,
        votes=[Vote(vote.reviewer, vote.decision, vote.reason, vote.way, vote.at) for vote in votes],
        ways=[way for way in Way if way in policy.reviews.classes[risk].ways],
        created_at=row.created_at,
        deadline=row.deadline,
        value=written(row.value_minor, policy.value.currency) if row.value_minor else None,
        payload_hash=row.payload_hash,
        revision=row.revision,
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        reason=row.reason,
        released=row.released,
        halted_at=row.halted_at,
        halted_reason=row.halted_reason,
        examples=_examples(connection, row, policy) if with_examples else (),
        link=f"{gateway_url.rstrip('/')}/reviews/{row.id}",
    )


def wording_of(payload: Mapping[str, Any], language: str | None, policy: Policy) -> str | None:
    """The hash of the words an action says, to a customer of this language: as sending chooses them; None: no words."""
    by_language = payload["params"].get(WORDINGS)
    if not isinstance(by_language, Mapping):
        its: str | None = payload.get("template_hash")
        return its
    chosen = choose_language(language, supported=list(by_language), default=policy.default_language)
    found: str | None = by_language.get(chosen)
    return found


def templates_of(connection: Connection, hashes: Collection[str]) -> dict[str, Template]:
    """Published wordings by hash; what cannot be read is missing."""
    found = {}
    for content_hash, content in wordings.contents(connection, sorted(hashes)).items():
        try:
            found[content_hash] = Template.from_content(content)
        except TemplateProblem:
            continue
    return found


def asked_words(row: Row[Any]) -> dict[str, str | None]:
    """The hashes of the wordings that a review of a message or a journey asks about, each with the one it replaces."""
    if row.subject == "actions":
        return {}
    change = Change.from_content(row.subject, row.what, row.content)
    messages = [change] if change.subject is Content.WORDING else change.words.values()
    return {its: one.before.get(language) for one in messages for language, its in one.hashes.items()}


def _counts(connection: Connection, row: Row[Any]) -> review_pages.Counts:
    if row.subject != "actions":
        return {}
    kept = review_pages.kept_counts(row)
    return review_pages.counts(connection, row.id) if kept is None else kept


def _count(row: Row[Any], counts: review_pages.Counts) -> int:
    """While it is collecting nobody has counted yet."""
    if row.subject != "actions":
        return 1
    return int(row._mapping["count"]) if row.sealed_at is not None else sum(counts["kinds"].values())


def _title(row: Row[Any], counts: review_pages.Counts) -> str:
    if row.subject == "actions":
        return f"{counted(counts['kinds'])}: {what_words(row.what)}"
    noun = "words" if row.subject == "wording" else row.subject
    return f"new {noun}: {row.what}"


def _languages(counts: review_pages.Counts, policy: Policy) -> dict[str, int]:
    """By the language we would write in: who speaks none of ours, or nobody knows which, gets the policy's default."""
    spoken = counts.get("languages", {})
    unknown = sum(counts.get("kinds", {}).values()) - sum(spoken.values())
    found: dict[str, int] = {}
    for tag, count in (*spoken.items(), ("", unknown)):
        if count:
            language = choose_language(tag, supported=policy.languages, default=policy.default_language)
            found[language] = found.get(language, 0) + count
    return found


def _examples(connection: Connection, row: Row[Any], policy: Policy) -> list[Example]:
    """Up to three that differ, of different languages before others."""
    wanted = _said(connection, row, policy) if row.subject == "actions" else [(its, None) for its in asked_words(row)]
    known = templates_of(connection, {content_hash for content_hash, _ in wanted})
    live = [journey for _, journey in Journeys().live(connection).values()]
    found: dict[tuple[str, Capability], Example] = {}
    for content_hash, channel in wanted:
        template = known.get(content_hash)
        for by in (template.channels if channel is None else [channel]) if template is not None else ():
            if template is not None and (content_hash, by) not in found:
                example = _example(template, by, policy, links_of(template.name, live))
                if example is not None:
                    found[content_hash, by] = example
    first = list({one.language: one for one in reversed(found.values())}.values())[::-1]
    return [*first, *(one for one in found.values() if one not in first)][:_EXAMPLES]


def _said(connection: Connection, row: Row[Any], policy: Policy) -> list[tuple[str, Capability | None]]:
    """The wordings that members say, with their channels, each once."""
    some = review_pages.members(connection, row.id, review_pages.Chosen(), limit=_LOOKED_AT)
    pairs = [(wording_of(one.payload, one.language, policy), Capability(one.capability)) for one in some]
    return list(dict.fromkeys((content_hash, by) for content_hash, by in pairs if content_hash is not None))


def _example(template: Template, by: Capability, policy: Policy, links: Mapping[str, str]) -> Example | None:
    try:
        words = render(template, by, sample_params(template, policy, links))
    except TemplateProblem:
        return None
    return Example(by, template.language, template.name, words.subject, words.text)
