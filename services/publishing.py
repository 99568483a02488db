"""Publish the wordings in templates/ to the database, by content hash."""

from datetime import datetime

from store.database import Database
from store.wordings import is_empty, publish
from templates.library import Template


def publish_templates(database: Database, templates: list[Template], *, now: datetime) -> int:
    """Add what is new; how many. The first ones count as approved; later ones wait, and the approved stay in use."""
    with database.write() as connection:
        approved_by = "the first migration" if is_empty(connection) else None
        return sum(
            publish(
                connection,
                content_hash=template.hash,
                name=template.name,
                language=template.language,
                content=template.to_content(),
                approved_by=approved_by,
                now=now,
            )
            for template in templates
        )
