"""What all events of the generic source `standard` have in common."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from data_contracts.fields import Instant, word_reader
from data_contracts.problems import Problem
from domain.words import one_of

TIME = "ISO 8601 with an offset, such as 2026-03-01T09:30:00+01:00"
LATEST = timedelta(days=1)
"""How far ahead of us a time that is told may lie: clocks and offsets are set wrong."""


class EventType(StrEnum):
    """What the generic format can report."""

    SURVEY_RESPONDED = "survey.responded"
    ENTITLEMENT_CREATED = "entitlement.created"
    ENTITLEMENT_RENEWED = "entitlement.renewed"
    ENTITLEMENT_CANCELLED = "entitlement.cancelled"
    ENTITLEMENT_CHANGED = "entitlement.changed"
    CALL_ENDED = "call.ended"
    CUSTOMER_ACTIVATED = "customer.activated"
    FEATURE_USED = "feature.used"
    GOAL_REACHED = "goal.reached"
    CUSTOMER_CHURNED = "customer.churned"
    CONSENT_CHANGED = "consent.changed"
    MESSAGE_DELIVERED = "message.delivered"
    MESSAGE_OPENED = "message.opened"
    MESSAGE_CLICKED = "message.clicked"
    MESSAGE_COMPLAINED = "message.complained"
    MESSAGE_BOUNCED = "message.bounced"


_read_type = PlainValidator(word_reader(EventType), json_schema_input_type=EventType)


class AnyEvent(BaseModel):
    """What every event has. Keys it does not know are let be: webhooks grow."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: Annotated[EventType, _read_type] = Field(description=one_of(EventType))
    timestamp: Instant = Field(description=TIME)
    data: object = Field(description="an object with what happened")


def ahead_of(at: datetime, now: datetime, path: str) -> list[Problem]:
    """What is wrong with an event's time, seen now: it would stand against everything that comes after it."""
    return [ahead(path)] if at > now.astimezone(UTC) + LATEST else []


def ahead(path: str) -> Problem:
    """What is wrong with a time later than `LATEST` from now."""
    return Problem(path, "lies more than a day in the future", "send when it happened")
