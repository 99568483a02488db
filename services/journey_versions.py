"""The versions of a journey: which there are, what another one changes for whom, and taking one live."""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from data_contracts.journeys import JourneyFile
from data_contracts.problems import Problem
from domain import journey_changes
from domain.instants import iso
from domain.journeys import Journey, Standing
from domain.policy import Policy
from domain.words import did_you_mean, one_of
from services.content_reviews import (
    Publication,
    Waiting,
    changed_journey,
    changed_words,
    of_journey,
    require_no_review,
    settle_content,
    waits_for,
)
from services.journey_fitness import unfit
from services.journeys import Journeys
from services.publishing import publish_journeys, publish_templates
from store import journeys as store
from store import wordings
from store.database import Database
from templates.library import Template


class CannotGoLive(ValueError):
    """A journey is not fit to be entered. Its text says everything that is wrong."""

    def __init__(self, source: str, problems: Sequence[Problem]) -> None:
        super().__init__("\n  ".join([f"{source} cannot go live:", *map(str, problems)]))
        self.problems = list(problems)


class UnknownVersion(LookupError):
    """No such version was published."""


@dataclass(frozen=True, slots=True)
class NewWords:
    """One message in one language that would read otherwise."""

    message: str
    language: str
    parts: tuple[str, ...]  # the files that changed; every one of a new message
    lines: tuple[str, ...]  # what changed, as a diff shows it


@dataclass(frozen=True, slots=True)
class UnderWay:
    """Customers who are under way in an older version, at one step."""

    version: int
    step: str
    count: int
    stays: bool  # True: the new version has no such step, so that they finish theirs in any case


@dataclass(frozen=True, slots=True)
class Difference:
    """What a journey's file changes against the version that is live, or another one."""

    name: str
    old: int | None  # None: no version was ever live
    new: int
    changes: tuple[journey_changes.Change, ...]
    words: tuple[NewWords, ...]
    under_way: tuple[UnderWay, ...]

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)

    @property
    def stay(self) -> int:
        """How many would finish the version they began even if they were moved."""
        return sum(one.count for one in self.under_way if one.stays)

    @property
    def movable(self) -> int:
        """How many could be moved to the same step of the new version."""
        return sum(one.count for one in self.under_way if not one.stays)


def list_versions(database: Database) -> list[dict[str, Any]]:
    """Every published version: whether it is live, since when and by whom, and how many customers stand where in it."""
    with database.read() as connection:
        live = set(store.live(connection).values())
        counts: dict[str, dict[str, int]] = {}
        for row in store.standings(connection):
            counts.setdefault(row.journey_hash, {})[row.state] = row.customers
        waiting = waits_for(connection)
        return [
            _told(row, live, counts.get(row.hash, {})) | _asked(waiting.get(row.hash))
            for row in store.published(connection)
        ]


def _asked(review: Waiting | None) -> dict[str, Any]:
    return {"review": None if review is None else review.in_words}


def version_standing(database: Database, content_hash: str) -> str:
    """Whether customers enter the version with this hash, and else what it waits for."""
    with database.read() as connection:
        review = waits_for(connection).get(content_hash)
        if content_hash in store.live(connection).values():
            return "live"
        if store.content(connection, content_hash) is None:
            return "not published"
        return "not live" if review is None else f"not live: {review.in_words} (/reviews/{review.number})"


def _told(row: Row[Any], live: set[str], counts: dict[str, int]) -> dict[str, Any]:
    standing = "live" if row.hash in live else "replaced" if row.approved_at else "waits"
    return {
        "journey": row.name,
        "version": row.version,
        "standing": standing,
        "approved_at": iso(row.approved_at),
        "approved_by": row.approved_by,
        **{state.value: counts.get(state, 0) for state in Standing},
        "hash": row.hash,
    }


def published_version(database: Database, name: str, version: int | None = None) -> tuple[str, Journey]:
    """A published version, or the one that is live. Raises UnknownVersion, which says what there is."""
    with database.read() as connection:
        return _find(connection, Journeys(), name, version)


def _find(connection: Connection, journeys: Journeys, name: str, version: int | None) -> tuple[str, Journey]:
    rows = store.published(connection, name)
    if not rows:
        known = sorted(store.names(connection))
        there = f"there is {one_of(known)}" if known else "`handrail db upgrade` publishes those in templates/journeys"
        raise UnknownVersion(f'no journey "{name}" was published{did_you_mean(name, known)}: {there}')
    if version is None:
        found = store.live(connection).get(name)
        if found is None:
            raise UnknownVersion(f"no version of {name} is live: take one live with `handrail journeys live {name}`")
    else:
        found = next((row.hash for row in reversed(rows) if row.version == version), None)
        if found is None:
            there = one_of(str(number) for number in sorted({row.version for row in rows}))
            raise UnknownVersion(f"no version {version} of {name} was published: there is {there}")
    return found, journeys.of(connection, found)


def difference(
    database: Database, file: JourneyFile, templates: Sequence[Template], *, version: int | None = None
) -> Difference:
    """What the file would change against a published version, or the live one. Raises UnknownVersion."""
    journeys, new = Journeys(), file.journey
    with database.read() as connection:
        if version is None and new.name not in store.live(connection):
            old = None
        else:
            _, old = _find(connection, journeys, new.name, version)
        return Difference(
            name=new.name,
            old=old.version if old else None,
            new=new.version,
            changes=tuple(journey_changes.changes(old, new)) if old else (),
            words=tuple(_new_words(connection, of_journey(file, templates))),
            under_way=tuple(_under_way(connection, journeys, file)),
        )


def _new_words(connection: Connection, templates: Sequence[Template]) -> Iterator[NewWords]:
    in_use = wordings.approved(connection)
    for template in templates:
        content_hash = in_use.get((template.name, template.language))
        if content_hash == template.hash:
            continue
        content = wordings.content(connection, content_hash) if content_hash else None
        before = Template.from_content(content).parts if content else {}
        changed = [part for part in sorted(template.parts) if template.parts[part] != before.get(part)]
        gone = sorted(before.keys() - template.parts.keys())
        read = [part for part in changed if part.endswith(".txt")]  # what is HTML says the same, in more words
        lines = [line for part in read for line in _lines(part, before.get(part, ""), template.parts[part])]
        yield NewWords(template.name, template.language, (*changed, *gone), tuple(lines) if before else ())


def _lines(part: str, before: str, after: str) -> Iterator[str]:
    """What a part of a message says otherwise; the text's own lines, without those that stayed."""
    for line in difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0):
        if not line.startswith(("---", "+++", "@@")):
            yield f"{part} {line[0]} {line[1:]}"


def _under_way(connection: Connection, journeys: Journeys, file: JourneyFile) -> Iterator[UnderWay]:
    steps = {step.id for step in file.journey.steps}
    for row in store.under_way(connection, file.journey.name):
        if row.journey_hash != file.hash:
            version = journeys.of(connection, row.journey_hash).version
            yield UnderWay(version, row.step, row.customers, stays=row.step not in steps)


def take_live(
    database: Database, file: JourneyFile, templates: Sequence[Template], policy: Policy, *, by: str, now: datetime
) -> Difference:
    """Let customers enter this version from now on, in the words that it is written with; what that changed.

    Whoever is under way finishes the version they began. Raises CannotGoLive, and WaitsForReview where policy has the
    change reviewed: then it is asked about, by `by`.
    """
    told = difference(database, file, templates)
    with database.read() as connection:
        problems = unfit(connection, file, templates, policy)
    if problems:
        raise CannotGoLive(file.source, problems)
    used, asks = of_journey(file, templates), Publication(policy, by)
    publish_templates(database, used, now=now, asks=asks)
    publish_journeys(database, [file], now=now, asks=asks, templates=templates)
    with database.write() as connection:
        change, words = changed_journey(connection, file, used), changed_words(connection, used)
        require_no_review(connection, [change, *words.values()], policy)
        in_use = wordings.approved(connection)
        for template in used:
            if in_use.get((template.name, template.language)) != template.hash:
                wordings.approve(connection, template.hash, by=by, now=now)
        if change.is_one:
            store.approve(connection, file.hash, by=by, now=now)
        settle_content(connection, by=by, now=now)
    return told
