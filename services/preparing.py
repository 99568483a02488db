"""Prepare a database: the newest schema, and the wordings and journeys it needs."""

from dataclasses import dataclass
from datetime import datetime

from services.content_reviews import Publication
from services.publishing import publish_journeys, publish_templates
from store.database import Database
from store.migrate import upgrade
from templates.journey_files import load_journeys
from templates.library import load


@dataclass(frozen=True, slots=True)
class Prepared:
    """What it came to."""

    revision: str
    templates_published: int
    journeys_published: int


def prepare(database: Database, *, now: datetime, asks: Publication | None = None) -> Prepared:
    """Bring the schema up and publish new wordings and journeys. Twice is once.

    With `asks` those that are changed are asked about in reviews. Raises TemplateProblem and JourneyProblem.
    """
    templates, journeys = load(), load_journeys()
    revision = upgrade(database)
    return Prepared(
        revision,
        publish_templates(database, templates, now=now, asks=asks),
        publish_journeys(database, journeys, now=now, asks=asks, templates=templates),
    )
