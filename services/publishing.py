"""Publish the wordings and journeys in templates/ to the database, by content hash, and ask about what is changed."""

from collections.abc import Sequence
from datetime import datetime

from data_contracts.journeys import JourneyFile
from services.content_reviews import Publication, ask_about, changed_journey, changed_words
from services.journey_fitness import unfit
from store import journeys, wordings
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
