"""Publish the wordings and journeys in templates/ to the database, by content hash, and ask about what is changed."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from data_contracts.journeys import JourneyFile
from domain.reviews import Stand
from domain.words import did_you_mean
from services.content_reviews import Publication, ask_about, changed_journey, changed_words
from services.journey_fitness import unfit
from store import journeys, wordings
from store.content_reviews import Content, last
from store.database import Database
from templates.library import Template

_FIRST = "the first publication"


def publish_templates(
    database: Database, templates: Sequence[Template], *, now: datetime, asks: Publication | None = None
) -> int:
    """Add what is new; how many.

    The first of a name counts as approved; later ones wait for a person, and the approved stay in use. With `asks` each
    message that is changed is asked about in a review, in the same transaction.
    """
    with database.write() as connection:
        known = wordings.names(connection)
        added = sum(
            wordings.publish(
                connection,
                content_hash=template.hash,
                name=template.name,
                language=template.language,
                content=template.to_content(),
                approved_by=None if template.name in known else _FIRST,
                now=now,
            )
            for template in templates
        )
        if asks is not None:
            for _, change in sorted(changed_words(connection, templates).items()):
                ask_about(connection, change, asks, now=now)
    return added


def publish_journeys(
    database: Database,
    files: Sequence[JourneyFile],
    *,
    now: datetime,
    asks: Publication | None = None,
    templates: Sequence[Template] = (),
) -> int:
    """Add what is new; how many. As with wordings, the first of a name is live and later ones wait for a person.

    With `asks` one that is changed is asked about in a review, if it may be entered with these `templates`.
    """
    with database.write() as connection:
        known = journeys.names(connection)
        added = sum(
            journeys.publish(
                connection,
                content_hash=file.hash,
                name=file.journey.name,
                version=file.journey.version,
                content=file.content,
                approved_by=None if file.journey.name in known else _FIRST,
                now=now,
            )
            for file in files
        )
        if asks is None:
            return added
        for file in files:
            if not unfit(connection, file, templates, asks.policy):
                ask_about(connection, changed_journey(connection, file, templates), asks, now=now)
    return added


class NothingToAsk(LookupError):
    """There is nothing of this name that could be reviewed; it says why."""


def ask_again(
    database: Database,
    name: str,
    templates: Sequence[Template],
    files: Sequence[JourneyFile],
    *,
    asks: Publication,
    now: datetime,
) -> int:
    """Publish a message or a journey as its files say now, and ask about it though it was refused; the review.

    One that waits already stays as it is. Raises NothingToAsk.
    """
    words = [template for template in templates if template.name == name]
    its = [file for file in files if file.journey.name == name]
    if not words and not its:
        known = {template.name for template in templates} | {file.journey.name for file in files}
        raise NothingToAsk(f'there is no message or journey "{name}"{did_you_mean(name, known)}')
    asks = replace(asks, again=True)
    publish_templates(database, words, now=now, asks=asks)
    publish_journeys(database, its, now=now, asks=asks, templates=templates)
    with database.read() as connection:
        review = last(connection, Content.WORDING if words else Content.JOURNEY, name)
        problems = [str(problem) for file in its for problem in unfit(connection, file, templates, asks.policy)]
    if problems:
        raise NothingToAsk("\n  ".join([f"{name} cannot go live:", *problems]))
    if review is None or review.state != Stand.OPEN:
        raise NothingToAsk(f"nothing of {name} is to be reviewed: it is in use as it is, or the policy's rule is off")
    return int(review.id)
