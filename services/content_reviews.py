"""What is published and would change what customers get: asked about in a review, one a message and one a journey."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from data_contracts.journeys import JourneyFile
from domain.instants import iso
from domain.policy import Policy
from domain.review_rules import Rule
from domain.reviews import Stand, deadline_of
from domain.risk import ask
from store import content_reviews, journeys, wordings
from store.content_reviews import Content, Question
from store.database import Database
from templates.library import Template

IN_USE = "what is in use"
"""What came instead of a review of which nothing is left to ask."""

_REFUSED = frozenset({Stand.REJECTED, Stand.EXPIRED})


class WaitsForReview(Exception):
    """Policy has a change reviewed: nobody takes it into use alone. Its text names what has to be decided."""


@dataclass(frozen=True, slots=True)
class Publication:
    """Who publishes, and by which policy what is changed is asked about. They never decide about it."""

    policy: Policy
    by: str = "handrail db upgrade"
    again: bool = False
    """What was refused as it stands is asked once more."""


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody publishes that would be used otherwise than what is in use: hashes by language, or by part."""

    subject: Content
    name: str
    hashes: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, str | None] = field(default_factory=dict)
    words: "Mapping[str, Change]" = field(default_factory=dict)
    """Of a journey the messages whose words would change with it, by name."""

    @property
    def is_one(self) -> bool:
        """False: everything is in use as it stands."""
        return bool(self.hashes)

    @property
    def asked(self) -> set[str]:
        """Every hash that would come into use."""
        return {*self.hashes.values()}.union(*(change.asked for change in self.words.values()))

    def as_content(self) -> dict[str, Any]:
        """As a review keeps it."""
        words = {"words": {name: change.as_content() for name, change in sorted(self.words.items())}}
        return {"hashes": dict(self.hashes), "before": dict(self.before)} | (words if self.words else {})

    @classmethod
    def from_content(cls, subject: str, name: str, content: Mapping[str, Any]) -> "Change":
        """As a review keeps it."""
        words = content.get("words", {})
        made = {message: cls.from_content(Content.WORDING, message, its) for message, its in words.items()}
        return cls(Content(subject), name, content["hashes"], content["before"], made)


def changed_words(connection: Connection, templates: Iterable[Template]) -> dict[str, Change]:
    """Of each message what would read otherwise in which languages; one that is in use as it stands changes nothing."""
    in_use = wordings.approved(connection)
    found: dict[str, dict[str, str]] = {}
    for template in templates:
        hashes = found.setdefault(template.name, {})
        if in_use.get((template.name, template.language)) != template.hash:
            hashes[template.language] = template.hash
    return {
        name: Change(Content.WORDING, name, hashes, {its: in_use.get((name, its)) for its in hashes})
        for name, hashes in found.items()
    }


def changed_journey(connection: Connection, file: JourneyFile, templates: Sequence[Template]) -> Change:
    """What entering this version would change, the words it is sent with included; nothing when it is live already."""
    name, live = file.journey.name, journeys.live(connection).get(file.journey.name)
    if live == file.hash:
        return Change(Content.JOURNEY, name)
    words = changed_words(connection, of_journey(file, templates))
    changed = {message: change for message, change in words.items() if change.is_one}
    return Change(Content.JOURNEY, name, {"journey": file.hash}, {"journey": live}, changed)


def of_journey(file: JourneyFile, templates: Iterable[Template]) -> list[Template]:
    """The wordings that a journey uses."""
    named = {step.message for step in file.journey.steps}
    return [template for template in templates if template.name in named]


def ask_about(connection: Connection, change: Change, publication: Publication, *, now: datetime) -> int | None:
    """Open the review of a change, in place of an older one; its number. None: nothing is asked.

    What was asked already is not asked twice: not while it waits, nor after it was refused, unless somebody wants it
    again. When nothing is changed any more, what waited is superseded.
    """
    if not change.is_one and not _is_open(content_reviews.last(connection, change.subject, change.name)):
        return None
    content_reviews.lock(connection)
    asked = content_reviews.last(connection, change.subject, change.name)
    policy = publication.policy
    wanted = ask(change.name, _rules(change), policy.reviews) if change.is_one else None
    if change.is_one and (
        wanted is None or (asked is not None and _is_answered(connection, change, asked, publication.again))
    ):
        return None
    number = None
    if wanted is not None:
        number = content_reviews.open_review(
            connection,
            Question(change.subject, change.as_content(), wanted),
            initiator=publication.by,
            deadline=deadline_of(policy.reviews.classes[wanted.risk], policy.staffing, now),
            now=now,
        )
    if asked is not None and _is_open(asked):
        told = {"instead": number or IN_USE}
        content_reviews.supersede(connection, asked.id, by=publication.by, now=now, detail=told)
    return number


def require_no_review(connection: Connection, changes: Iterable[Change], policy: Policy) -> None:
    """Raises WaitsForReview, which says where each stands, when a rule that is on asks about any of these changes."""
    asked = [change for change in changes if change.is_one and ask(change.name, _rules(change), policy.reviews)]
    if asked:
        raise WaitsForReview("\n".join(_where(connection, change) for change in asked))


def _where(connection: Connection, change: Change) -> str:
    review, what = content_reviews.last(connection, change.subject, change.name), f"the {change.subject} {change.name}"
    if review is None:
        return f"{what} must be reviewed: `handrail reviews ask {change.name}`"
    if _is_open(review):
        return f"{what} waits for review {review.id}: it is in use when that is approved (/reviews/{review.id})"
    decided = f"{review.state} by {review.decided_by}" if review.state == Stand.REJECTED else review.state
    why = f" ({review.reason})" if review.reason else ""
    again = f"change it, or ask again with `handrail reviews ask {change.name}`"
    return f"{what} is not in use: review {review.id} was {decided}{why}; {again}"


@dataclass(frozen=True, slots=True)
class Waiting:
    """The review that changed words or a changed journey wait for, or that refused them."""

    number: int
    subject: Content
    name: str
    stand: Stand
    deadline: datetime
    decided_by: str | None
    reason: str | None

    @property
    def in_words(self) -> str:
        """Where it stands, after "waits" or "is not in use"."""
        if self.stand is Stand.OPEN:
            return f"review {self.number} decides by {self.deadline:%Y-%m-%d %H:%M} UTC"
        by = f" by {self.decided_by}" if self.stand is Stand.REJECTED else ""
        return f"review {self.number}: {self.stand}{by}" + (f" ({self.reason})" if self.reason else "")

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "review": self.number,
            "subject": self.subject.value,
            "what": self.name,
            "state": self.stand.value,
            "deadline": iso(self.deadline),
            "link": f"/reviews/{self.number}",
        }


def waits_for(connection: Connection) -> dict[str, Waiting]:
    """By content hash the review that asked about it last; only for what is not in use."""
    in_use = _in_use(connection)
    return {its: _waiting(row) for its, row in content_reviews.about(connection).items() if its not in in_use}


def what_waits(database: Database) -> list[Waiting]:
    """The changed messages and journeys that reviewers have not decided about, the oldest first."""
    with database.read() as connection:
        return [_waiting(row) for row in content_reviews.open_ones(connection)]


def _waiting(row: Row[Any]) -> Waiting:
    stand = Stand(row.state)
    return Waiting(row.id, Content(row.subject), row.what, stand, row.deadline, row.decided_by, row.reason)


def settle_content(connection: Connection, *, but: int | None = None, by: str, now: datetime) -> None:
    """Supersede the reviews of words and journeys that came into use on another way; `but` is being decided."""
    in_use = _in_use(connection)
    for review in content_reviews.open_ones(connection):
        if review.id != but and set(review.content["hashes"].values()) <= in_use:
            content_reviews.supersede(connection, review.id, by=by, now=now, detail={"instead": IN_USE})


def _rules(change: Change) -> frozenset[Rule]:
    """A journey's review takes its words live as well: it is of the higher of both classes."""
    of_words = frozenset({Rule.CHANGED_WORDS})
    if change.subject is Content.WORDING:
        return of_words
    return frozenset({Rule.CHANGED_JOURNEY}) | (of_words if change.words else frozenset())


def _is_open(review: Row[Any] | None) -> bool:
    return review is not None and review.state == Stand.OPEN


def _is_answered(connection: Connection, change: Change, review: Row[Any], again: bool) -> bool:
    """True when that review asked all of it, and waits with nothing else in it, or was refused."""
    before = Change.from_content(review.subject, review.what, review.content)
    if not change.asked <= before.asked:
        return False
    if _is_open(review):
        return before.asked - change.asked <= _in_use(connection)
    return review.state in _REFUSED and not again


def _in_use(connection: Connection) -> set[str]:
    return {*wordings.approved(connection).values(), *journeys.live(connection).values()}
