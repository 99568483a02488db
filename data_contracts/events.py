"""The events of the generic source `standard`: answers, entitlements, calls; what customers do, and messages become.

An event about an entitlement says how the whole of it stands from `changed_at` on, whatever its type: so an event that
was lost leaves no gap, and one that comes late cannot undo a later one.
"""

import re
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Union

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, TypeAdapter, ValidationError, ValidationInfo

from data_contracts import strict_json
from data_contracts.any_event import TIME, AnyEvent, EventType
from data_contracts.explain import problems_of
from data_contracts.fields import (
    Instant,
    Line,
    OptionalComment,
    OptionalTimeZone,
    in_words,
    is_blank,
    read_line,
    read_text,
    refusal,
    word_reader,
)
from data_contracts.journey_events import (
    MODELS,
    CustomerDid,
    MessageBounced,
    MessageEvents,
    MessageHappened,
    as_message_events,
)
from data_contracts.problems import ContractBroken, Problem
from data_contracts.surveys import StandardBody, SurveyAnswered, answered_by
from domain.calls import CallOutcome
from domain.entitlements import Entitlement, EntitlementKind, Money, Standing, occurrence_of
from domain.events import Told
from domain.words import one_of

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEARS = range(2000, 2200)
_LONGEST_KEY = 1000  # characters; a ref of 200 may be quoted
_LARGEST_VALUE = 10**15  # minor units


def _kind(value: object) -> EntitlementKind:
    kind = _read_kind(value)
    if kind is EntitlementKind.SUPPLY:
        raise refusal("is supply, and when a supply runs out follows from purchases", "import the purchases instead")
    return kind


_read_kind = word_reader(EntitlementKind)


def _day(value: object) -> date:
    text = read_line(value)
    try:
        found = date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        found = None
    if found is None:
        raise refusal("is not a day of the calendar")
    if found.year not in _YEARS:
        raise refusal(f"is in the year {found.year}", f"send a day between {_YEARS[0]} and {_YEARS[-1]}")
    return found


def _yes_or_no(value: object) -> bool:
    if not isinstance(value, bool):
        raise refusal(f"is {in_words(value)}, not true or false")
    return value


def _amount(value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise refusal(f"is {in_words(value)}, not a whole number of minor units")
    if not 0 <= value < _LARGEST_VALUE:
        raise refusal("is below 0" if value < 0 else "is more than anything costs")
    return value


def _currency(value: object, info: ValidationInfo) -> str | None:
    code = None if is_blank(value) else read_line(value)
    if code is not None and not re.fullmatch("[A-Z]{3}", code):
        raise refusal("is not a currency's code")
    if "value_minor" in info.data and (code is None) != (info.data["value_minor"] is None):
        raise refusal("is only half of an amount", "send value_minor and currency, or neither")
    return code


def _call_key(value: object) -> str:
    text = read_text(value, _LONGEST_KEY)
    if not text.strip() or not text.isprintable():
        raise refusal("is not a key of ours")
    return text


class EntitlementTold(BaseModel):
    """How an entitlement stands from an instant on."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_default=True)

    ref: Line = Field(description="1 to 200 characters that identify the entitlement in your system")
    customer_ref: Line = Field(description="the ref of the customer who has it")
    kind: Annotated[EntitlementKind, PlainValidator(_kind, json_schema_input_type=EntitlementKind)] = Field(
        description="subscription or policy"
    )
    product: Line = Field(description="what it is, on one line of up to 200 characters")
    ends_on: Annotated[date, PlainValidator(_day, json_schema_input_type=date)] = Field(
        description="the last day it is good for, as 2026-12-31"
    )
    time_zone: OptionalTimeZone = Field(
        None, description="the IANA name of the zone its days are counted in, or leave it out for the customer's"
    )
    auto_renews: Annotated[bool, PlainValidator(_yes_or_no, json_schema_input_type=bool)] = Field(
        False, description="true or false"
    )
    value_minor: Annotated[int | None, PlainValidator(_amount, json_schema_input_type=int | None)] = Field(
        None, description="the value of one term in minor units (12990 for 129.90), or leave it out"
    )
    currency: Annotated[str | None, PlainValidator(_currency, json_schema_input_type=str | None)] = Field(
        None, description="the value's currency by ISO 4217, as EUR"
    )
    changed_at: Instant = Field(description=TIME)


class CallTold(BaseModel):
    """How one call of ours ended."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    call: Annotated[str, PlainValidator(_call_key, json_schema_input_type=str)] = Field(
        description="the key that the call was ordered with"
    )
    outcome: Annotated[CallOutcome, PlainValidator(word_reader(CallOutcome), json_schema_input_type=CallOutcome)] = (
        Field(description=one_of(CallOutcome))
    )
    ended_at: Instant = Field(description=TIME)
    said: OptionalComment = Field(None, description="what the customer said or asked for as text, or leave it out")


class EntitlementEvent(AnyEvent):
    """An entitlement began, was renewed, was cancelled, or changed otherwise."""

    data: EntitlementTold = Field(description="an object with ref, customer_ref, kind, product, ends_on and changed_at")

    def as_told(self, time_zone: str) -> Told:
        """The same as the domain's value; `time_zone` is its customer's, for when it names none."""
        it = self.data
        value = None
        if it.value_minor is not None and it.currency is not None:
            value = Money(it.value_minor, it.currency)
        is_over = self.type is EventType.ENTITLEMENT_CANCELLED
        entitlement = Entitlement(
            ref=it.ref,
            customer_ref=it.customer_ref,
            kind=it.kind,
            product=it.product,
            ends_on=it.ends_on,
            time_zone=it.time_zone or time_zone,
            occurrence=occurrence_of(it.ends_on),
            standing=Standing.CANCELLED if is_over else Standing.ACTIVE,
            auto_renews=it.auto_renews,
            value=value,
        )
        return Told(entitlement, it.changed_at)


class CallEnded(AnyEvent):
    """A call ended."""

    data: CallTold = Field(description="an object with call, outcome and ended_at")


StandardEvent = EntitlementEvent | CallEnded | CustomerDid | MessageEvents
"""What an event of the generic format may come to that is no answer."""

_MODELS: Mapping[EventType, type[AnyEvent]] = {
    EventType.ENTITLEMENT_CREATED: EntitlementEvent,
    EventType.ENTITLEMENT_RENEWED: EntitlementEvent,
    EventType.ENTITLEMENT_CANCELLED: EntitlementEvent,
    EventType.ENTITLEMENT_CHANGED: EntitlementEvent,
    EventType.CALL_ENDED: CallEnded,
    **MODELS,
}
_BY_WORD: Mapping[object, type[AnyEvent]] = {word.value: it for word, it in _MODELS.items()}


def read_standard(body: bytes, now: datetime | None = None) -> SurveyAnswered | StandardEvent:
    """The event in a webhook body of the source `standard`.

    Raises `NotStrictJson`, or `ContractBroken` with every problem. An answer from the future is refused; what the
    present is, `now` says, or else the body's own timestamp.
    """
    value = strict_json.parse(body)
    if not isinstance(value, dict):
        problem = f"the body is {in_words(value)}, not an object"
        raise ContractBroken([Problem("", problem, "send type, timestamp, data")])
    what = value.get("type")
    if what == EventType.SURVEY_RESPONDED:
        return answered_by(value, now)
    model = _BY_WORD.get(what, AnyEvent) if isinstance(what, str) else AnyEvent
    try:
        event = model.model_validate(value)
    except ValidationError as error:
        raise ContractBroken(problems_of(error, model)) from None
    if isinstance(event, MessageHappened | MessageBounced):
        return as_message_events(event, body)
    assert isinstance(event, EntitlementEvent | CallEnded | CustomerDid)  # noqa: S101 - any other type was refused
    return event


def schema() -> dict[str, Any]:
    """The bodies of the source `standard` as one JSON schema that refers to nothing else."""
    bodies: Any = Union[(StandardBody, *dict.fromkeys(_MODELS.values()))]
    whole = TypeAdapter(bodies).json_schema(mode="validation")
    parts = whole.pop("$defs")

    def spelled(value: Any) -> Any:
        if isinstance(value, list):
            return [spelled(one) for one in value]
        if not isinstance(value, dict):
            return value
        part = parts[value["$ref"].rpartition("/")[2]] if "$ref" in value else {}
        return {name: spelled(one) for name, one in {**part, **value}.items() if name != "$ref"}

    found: dict[str, Any] = spelled(whole)
    for body in found["anyOf"][1:]:
        types = [word.value for word, model in _MODELS.items() if model.__name__ == body["title"]]
        body["properties"]["type"] |= {"description": one_of(types), "enum": types}
    return found
