"""Wordings as they stand in the books: what customers get, and what waits for somebody to approve it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row

from domain.journeys import Journey
from domain.policy import Policy
from domain.words import did_you_mean
from services.content_reviews import Change, Waiting, require_no_review, settle_content, waits_for
from services.journeys import Journeys
from store.content_reviews import Content
from store.database import Database
from store.wordings import approve, contents, names, published
from templates.dates import LANGUAGES
from templates.library import Template


@dataclass(frozen=True, slots=True)
class Wording:
    """One version of a message in one language."""

    template: Template
    published_at: datetime
    approved_at: datetime | None
    approved_by: str | None
    review: Waiting | None = None
    """Of one that waits: who decides, or has refused it; None: nobody was asked."""

    @property
    def is_in_use(self) -> bool:
        """It is what new plans say; else it waits."""
        return self.approved_at is not None


@dataclass(frozen=True, slots=True)
class Wordings:
    """Of each message and language the version in use, and a newer one that waits; by name and language."""

    rows: tuple[Wording, ...]
    journeys: tuple[Journey, ...]
    """Those that customers enter now: where their messages lead."""


class NothingWaits(LookupError):
    """There are no words of this message that somebody could take into use."""


def approve_waiting(
    database: Database, policy: Policy, name: str, *, by: str, reason: str, now: datetime
) -> list[Template]:
    """Use the newest words of a message in each language that has any waiting, on one person's word; those.

    Raises NothingWaits, and WaitsForReview where policy has changed words reviewed.
    """
    with database.write() as connection:
        known = names(connection)
        if name not in known:
            raise NothingWaits(f'no message "{name}" was published{did_you_mean(name, known)}')
        newest = {row.language: row for row in published(connection) if row.name == name}
        waiting = {language: row.hash for language, row in newest.items() if row.approved_at is None}
        if not waiting:
            raise NothingWaits(f"no words of {name} wait: `handrail db upgrade` publishes those that are changed")
        require_no_review(connection, [Change(Content.WORDING, name, waiting)], policy)
        for content_hash in waiting.values():
            approve(connection, content_hash, by=by, now=now, reason=reason)
        settle_content(connection, by=by, now=now)
        found = contents(connection, list(waiting.values()))
    return [Template.from_content(found[content_hash]) for content_hash in waiting.values()]


def read_wordings(database: Database, names: Collection[str] = ()) -> Wordings:
    """The wordings of all messages, or of those named."""
    with database.read() as connection:
        rows = [row for row in published(connection) if not names or row.name in names]
        in_use = {(row.name, row.language): row for row in _by_approval(rows)}
        newest = {(row.name, row.language): row for row in rows}
        waiting = {what: row for what, row in newest.items() if row.approved_at is None}
        found = [*in_use.values(), *waiting.values()]
        content = contents(connection, [row.hash for row in found])
        reviews = waits_for(connection)
        journeys = tuple(journey for _, journey in Journeys().live(connection).values())
    made = (
        Wording(
            Template.from_content(content[row.hash]),
            row.published_at,
            row.approved_at,
            row.approved_by,
            reviews.get(row.hash),
        )
        for row in found
    )
    return Wordings(tuple(sorted(made, key=_order)), journeys)


def _by_approval(rows: list[Row[Any]]) -> list[Row[Any]]:
    return sorted(
        (row for row in rows if row.approved_at is not None), key=lambda row: (row.approved_at, row.published_at)
    )


def _order(wording: Wording) -> tuple[str, int, bool]:
    template = wording.template
    return template.name, LANGUAGES.index(template.language), not wording.is_in_use
