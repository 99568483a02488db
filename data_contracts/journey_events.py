"""Events that journeys follow: what customers do and allow, and what becomes of messages to them.

In the generic format each is a body of its own. Vendors tell of messages in formats of theirs, often many at once: what
their files make of one delivery is `MessageEvents`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from data_contracts.any_event import TIME, AnyEvent, EventType
from data_contracts.fields import Instant, Line, OptionalLine, in_words, read_line, read_text, refusal, word_reader
from data_contracts.problems import Problem
from data_contracts.surveys import CustomerGiven
from domain.actions import Capability
from domain.channels import CHANNEL_OF, Channel
from domain.customers import Purpose
from domain.journeys import EventName
from domain.message_events import BounceKind, MessageNews
from domain.words import did_you_mean, one_of

CHANNELS = (Channel.MAIL, Channel.SMS, Channel.VOICE, Channel.PUSH)
"""How we write or speak to customers of our own accord."""

ALL_CHANNELS = "all"

_LONGEST_KEY = 1000  # characters; a ref of 200 may be quoted


def _channels(value: object) -> tuple[Capability, ...]:
    word = read_line(value)
    words = (*CHANNELS, ALL_CHANNELS)
    if word not in words:
        raise refusal(f'is "{word[:40]}"{did_you_mean(word, words)}', f"send {one_of(words)}")
    return tuple(at for at, channel in CHANNEL_OF.items() if channel in CHANNELS and word in (channel, ALL_CHANNELS))


def _granted(value: object) -> bool:
    if not isinstance(value, bool):
        raise refusal(f"is {in_words(value)}, not true or false")
    return value


def _message(value: object) -> str:
    text = read_text(value, _LONGEST_KEY)
    if not text.strip() or not text.isprintable():
        raise refusal("is not a key of ours")
    return text


class _Told(BaseModel):
    """Who did it, and when."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    customer: CustomerGiven = Field(description="an object with at least ref")
    at: Instant = Field(description=TIME)

    @property
    def name(self) -> str:
        """Which of its kind; empty where there is only one."""
        return ""


class ActivatedTold(_Told):
    """A customer began to use what they have."""

    product: OptionalLine = Field(None, description="what was activated, on one line, or leave it out")

    @property
    def name(self) -> str:
        """The product."""
        return self.product or ""


class FeatureTold(_Told):
    """A customer used something."""

    feature: Line = Field(description="what they used, on one line, by the name that journeys have for it")

    @property
    def name(self) -> str:
        """The feature."""
        return self.feature


class GoalTold(_Told):
    """A customer reached a goal."""

    goal: Line = Field(description="which goal, on one line, by the name that journeys have for it")

    @property
    def name(self) -> str:
        """The goal."""
        return self.goal


class ChurnedTold(_Told):
    """A customer left us."""


class ConsentTold(_Told):
    """What a customer said to one purpose."""

    purpose: Annotated[Purpose, PlainValidator(word_reader(Purpose), json_schema_input_type=Purpose)] = Field(
        description=one_of(Purpose)
    )
    channel: Annotated[tuple[Capability, ...], PlainValidator(_channels, json_schema_input_type=str)] = Field(
        description=one_of((*CHANNELS, ALL_CHANNELS))
    )
    granted: Annotated[bool, PlainValidator(_granted, json_schema_input_type=bool)] = Field(description="true or false")


class MessageSaid(BaseModel):
    """What became of one message."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    message: Annotated[str, PlainValidator(_message, json_schema_input_type=str)] = Field(
        description="the key that the message was sent with"
    )
    at: Instant = Field(description=TIME)
    address: OptionalLine = Field(
        None, description="the address, number or device it was sent to; left out: the customer's own"
    )


class BounceSaid(MessageSaid):
    """Why a message did not arrive."""

    kind: Annotated[BounceKind, PlainValidator(word_reader(BounceKind), json_schema_input_type=BounceKind)] = Field(
        description="hard: there is no such address; soft: it did not take this one"
    )


class CustomerActivated(AnyEvent):
    """A customer began to use what they have."""

    data: ActivatedTold = Field(description="an object with customer and at")


class FeatureUsed(AnyEvent):
    """A customer used something."""

    data: FeatureTold = Field(description="an object with customer, feature and at")


class GoalReached(AnyEvent):
    """A customer reached a goal."""

    data: GoalTold = Field(description="an object with customer, goal and at")


class CustomerChurned(AnyEvent):
    """A customer left us."""

    data: ChurnedTold = Field(description="an object with customer and at")


class ConsentChanged(AnyEvent):
    """A customer allowed something, or took it back."""

    data: ConsentTold = Field(description="an object with customer, purpose, channel, granted and at")


class MessageHappened(AnyEvent):
    """Something became of a message."""

    data: MessageSaid = Field(description="an object with message and at")


class MessageBounced(AnyEvent):
    """A message did not arrive."""

    data: BounceSaid = Field(description="an object with message, kind and at")


CustomerDid = CustomerActivated | FeatureUsed | GoalReached | CustomerChurned | ConsentChanged
"""What a customer did, in the generic format."""

MODELS: Mapping[EventType, type[CustomerDid | MessageHappened | MessageBounced]] = {
    EventType.CUSTOMER_ACTIVATED: CustomerActivated,
    EventType.FEATURE_USED: FeatureUsed,
    EventType.GOAL_REACHED: GoalReached,
    EventType.CUSTOMER_CHURNED: CustomerChurned,
    EventType.CONSENT_CHANGED: ConsentChanged,
    EventType.MESSAGE_DELIVERED: MessageHappened,
    EventType.MESSAGE_OPENED: MessageHappened,
    EventType.MESSAGE_CLICKED: MessageHappened,
    EventType.MESSAGE_COMPLAINED: MessageHappened,
    EventType.MESSAGE_BOUNCED: MessageBounced,
}
"""The contract of each type."""

DONE: Mapping[EventType, EventName] = {
    EventType.CUSTOMER_ACTIVATED: EventName.ACTIVATED,
    EventType.FEATURE_USED: EventName.FEATURE_USED,
    EventType.GOAL_REACHED: EventName.GOAL_REACHED,
    EventType.CUSTOMER_CHURNED: EventName.CHURNED,
}
"""As what journeys know it. What a customer allows is no behaviour."""

_NEWS: Mapping[EventType, MessageNews] = {
    EventType.MESSAGE_DELIVERED: MessageNews.DELIVERED,
    EventType.MESSAGE_OPENED: MessageNews.OPENED,
    EventType.MESSAGE_CLICKED: MessageNews.CLICKED,
    EventType.MESSAGE_BOUNCED: MessageNews.BOUNCED,
    EventType.MESSAGE_COMPLAINED: MessageNews.COMPLAINED,
}


@dataclass(frozen=True, slots=True)
class MessageTold:
    """One piece of news of one message."""

    message: str  # the key it was sent with
    what: MessageNews
    at: datetime
    body: bytes  # this event alone, as its source reads it: what a person gets when it makes no sense
    is_permanent: bool = False  # it bounced, and it is no use to write there again
    address: str | None = None  # where it was sent to; None: the vendor does not say
    detail: str | None = None  # the vendor's own words, without addresses


@dataclass(frozen=True, slots=True)
class RefusedPart:
    """One event of a delivery that breaks its contract."""

    body: bytes  # this event alone, as its source reads it
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class MessageEvents:
    """What one delivery tells of messages; one bad event costs none of the others."""

    told: tuple[MessageTold, ...]
    refused: tuple[RefusedPart, ...] = ()


def as_message_events(event: MessageHappened | MessageBounced, body: bytes) -> MessageEvents:
    """An event of the generic format as what deliveries of vendors come to."""
    it = event.data
    is_permanent = isinstance(it, BounceSaid) and it.kind is BounceKind.HARD
    return MessageEvents((MessageTold(it.message, _NEWS[event.type], it.at, body, is_permanent, it.address),))
