"""A journey for tests, and the events it follows in the generic format."""

from datetime import UTC, datetime
from typing import Any

from data_contracts.journeys import read_journey
from store import journeys
from store.database import Database

NOON = datetime(2026, 3, 4, 11, tzinfo=UTC)
"""A Wednesday, noon in Warsaw."""

ANNA = {"ref": "C-1", "name": "Anna", "email": "anna@example.com", "language": "pl", "time_zone": "Europe/Warsaw"}

ONBOARDING = """
name: onboarding
version: 1
about: New customers, until they have settled in.
purpose: onboarding
enters: {on: customer.activated, first_only: true}
goal: {event: goal.reached, named: settled-in}
at_goal: thanks
exits:
  - event: customer.replied
  - {event: message.complained}
links: {video: https://ostoja.example/start/video, knowledge_base: https://pomoc.ostoja.example/start}
steps:
  - id: welcome
    message: onboarding-welcome
    basis: service
    by: [mail, sms]
  - id: tip
    after: {days: 3, at: 10:00}
    sooner_on: {event: feature.used, named: setup}
    message: onboarding-video-guide
    by: [mail]
  - id: thanks
    message: onboarding-thanks
    basis: service
    by: [mail]
"""

COURSE = """
name: course
version: 1
about: Whoever opens the course, again after a month.
purpose: marketing
enters: {on: feature.used, named: course, first_only: false, again_after_days: 30, when: {language: [pl]}}
steps:
  - id: lesson
    after: {days: 1}
    message: onboarding-video-guide
    by: [mail]
"""


def publish(database: Database, *texts: str, now: datetime = NOON) -> list[str]:
    """Take journeys live; their hashes."""
    hashes = []
    with database.write() as connection:
        for text in texts:
            file = read_journey(text, "a test's journey")
            journeys.publish(
                connection,
                content_hash=file.hash,
                name=file.journey.name,
                version=file.journey.version,
                content=file.content,
                approved_by="ewa",
                now=now,
            )
            hashes.append(file.hash)
    return hashes


def event(what: str, *, at: datetime = NOON, customer: dict[str, Any] | None = None, **told: Any) -> dict[str, Any]:
    """A delivery about Anna, who did it then."""
    data = {"customer": {"ref": "C-1"} if customer is None else customer, "at": at.isoformat(), **told}
    return {"type": what, "timestamp": NOON.isoformat(), "data": data}


def activated(*, at: datetime = NOON, customer: dict[str, Any] | None = None) -> dict[str, Any]:
    """She began to use it."""
    return event("customer.activated", at=at, customer=ANNA if customer is None else customer)


def news(what: str, message: object, *, at: datetime = NOON, **told: Any) -> dict[str, Any]:
    """A delivery about a message."""
    return {
        "type": f"message.{what}",
        "timestamp": NOON.isoformat(),
        "data": {"message": message, "at": at.isoformat(), **told},
    }
