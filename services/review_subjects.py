"""A new wording or a new version of a journey as its review shows it: what it says, against what was approved last."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from sqlalchemy import Connection, Row

from domain.policy import Policy
from services import content_reviews
from services.differing import Change, Differing, Stretch, differences, is_different, line_differences
from services.journeys import Journeys
from services.previewing import Shown, links_of, shown
from services.review_reading import asked_words, templates_of
from store import journeys
from store.content_reviews import Content
from templates.library import Template, TemplateProblem


@dataclass(frozen=True, slots=True)
class NewWords:
    """A wording that is asked about, by each of its channels, with made-up values."""

    template: Template
    by: Mapping[str, Shown]
    before: str | None
    """The hash of the version that was approved last."""
    changed_parts: Sequence[str]
    differing: Sequence[Differing]


@dataclass(frozen=True, slots=True)
class NewJourney:
    """A version of a journey that is asked about, and how it differs from the live one."""

    name: str
    version: int
    hash: str
    is_first: bool
    differing: Sequence[Stretch]


def new_words(connection: Connection, review: Row[Any], policy: Policy) -> list[NewWords]:
    """The wordings that a review asks about, each against the one it would replace."""
    asked = asked_words(review)
    known = templates_of(connection, {its for pair in asked.items() for its in pair if its is not None})
    live = [journey for _, journey in Journeys().live(connection).values()]
    found = []
    for its, replaced in asked.items():
        template, old = known.get(its), None if replaced is None else known.get(replaced)
        if template is not None:
            links = links_of(template.name, live)
            found.append(_of_words(template, old, _by_channel(template, policy, links), policy, links))
    return found


def _of_words(
    template: Template, old: Template | None, by: Mapping[str, Shown], policy: Policy, links: Mapping[str, str]
) -> NewWords:
    parts = sorted({*template.parts, *(() if old is None else old.parts)})
    changed = [] if old is None else [part for part in parts if template.parts.get(part) != old.parts.get(part)]
    was = {} if old is None else _by_channel(old, policy, links)
    differing = []
    for channel, one in by.items():
        before = was.get(channel)
        for name, text in (("subject", one.words.subject), ("text", one.words.text), ("link", one.words.link)):
            said = "" if before is None else getattr(before.words, name)
            stretches = differences(said, text)
            if before is not None and is_different(stretches):
                differing.append(Differing(f"{channel}, {name}", stretches))
    for channel, one in was.items():
        if channel not in by:
            differing.append(Differing(f"{channel}, gone", [Stretch(Change.GONE, one.words.text)]))
    return NewWords(template, by, None if old is None else old.hash, changed, differing)


def _by_channel(template: Template, policy: Policy, links: Mapping[str, str]) -> dict[str, Shown]:
    try:
        return {one.channel.value: one for one in shown(template, policy, links)}
    except TemplateProblem:
        return {}


def new_journey(connection: Connection, review: Row[Any]) -> NewJourney | None:
    """The version of a journey that a review asks about, against the one that was live; None: it asks about none."""
    if review.subject != Content.JOURNEY:
        return None
    change = content_reviews.Change.from_content(review.subject, review.what, review.content)
    its, replaced = change.hashes["journey"], change.before.get("journey")
    new = journeys.content(connection, its) or {}
    old = "" if replaced is None else _written(journeys.content(connection, replaced))
    return NewJourney(change.name, new.get("version", 0), its, replaced is None, line_differences(old, _written(new)))


def _written(content: Mapping[str, Any] | None) -> str:
    return yaml.safe_dump(dict(content or {}), sort_keys=False, allow_unicode=True, width=100)
