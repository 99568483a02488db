"""Publish the wordings and journeys in templates/ to the database, by content hash."""

from collections.abc import Sequence
from datetime import datetime

from data_contracts.journeys import JourneyFile
from store import journeys, wordings
from store.database import Database
from templates.library import Template

_FIRST = "the first publication"


def publish_templates(database: Database, templates: Sequence[Template], *, now: datetime) -> int:
    """Add what is new; how many.

    The first of a name counts as approved; later ones wait for a person, and the approved stay in use.
    """
    with database.write() as connection:
        known = wordings.names(connection)
        return sum(
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


def publish_journeys(database: Database, files: Sequence[JourneyFile], *, now: datetime) -> int:
    """Add what is new; how many. As with wordings, the first of a name is live and later ones wait for a person."""
    with database.write() as connection:
        known = journeys.names(connection)
        return sum(
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
