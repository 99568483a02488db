"""Prepare a database: the newest schema, and the wordings it needs."""

from dataclasses import dataclass
from datetime import datetime

from services.publishing import publish_templates
from store.database import Database
from store.migrate import upgrade
from templates.library import load


@dataclass(frozen=True, slots=True)
class Prepared:
    """What it came to."""

    revision: str
    templates_published: int


def prepare(database: Database, *, now: datetime) -> Prepared:
    """Bring the schema up and publish new wordings. Twice is once. Raises TemplateProblem."""
    templates = load()
    revision = upgrade(database)
    return Prepared(revision, publish_templates(database, templates, now=now))
