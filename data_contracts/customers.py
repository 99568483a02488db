"""Customers as they are imported: one row a customer, CSV cells or JSONL objects."""

import re
from collections.abc import Mapping
from datetime import time
from typing import Annotated, Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationInfo, create_model

from data_contracts.fields import (
    Line,
    OptionalAnswer,
    OptionalCurrency,
    OptionalEmail,
    OptionalLanguage,
    OptionalLine,
    OptionalPhone,
    OptionalTimeZone,
    is_blank,
    minor_units,
    read_decimal,
    read_line,
    refusal,
    word_reader,
)
from data_contracts.row_contracts import RowContract
from data_contracts.rows import Columns
from domain.actions import Capability
from domain.customers import Customer, Purpose, Tier
from domain.hours import ContactWindow
from domain.words import did_you_mean

CHANNELS = (Capability.MAIL, Capability.SMS, Capability.VOICE, Capability.PUSH)
CONSENTS: Mapping[str, tuple[Purpose, Capability]] = {
    f"consent_{purpose}_{channel}": (purpose, channel) for purpose in Purpose for channel in CHANNELS
}
"""Column → what a yes in it allows."""

_read_tier = word_reader(Tier)
_CLOCK = re.compile(r"(?:[01]?\d|2[0-3]):[0-5]\d", re.ASCII)


def _channel(value: object) -> Capability | None:
    if is_blank(value):
        return None
    word = read_line(value)
    if word not in CHANNELS:
        raise refusal(f'is "{word[:40]}"{did_you_mean(word, CHANNELS)}')
    return Capability(word)


def _clock(value: object) -> time | None:
    if is_blank(value):
        return None
    text = read_line(value)
    if not _CLOCK.fullmatch(text):
        raise refusal("is not a time of day")
    return time.fromisoformat(text.zfill(5))


def _window_end(value: object, info: ValidationInfo) -> time | None:
    ends, starts = _clock(value), info.data.get("window_start")
    if "window_start" in info.data and (starts is None) != (ends is None):
        raise refusal("is only half of a contact window", "fill in window_start and window_end, or neither")
    if ends is not None and ends == starts:
        raise refusal("is the same as window_start", "leave both empty if any hour will do")
    return ends


def _ltv(value: object, info: ValidationInfo) -> int | None:
    if is_blank(value):
        return None
    amount = read_decimal(value)
    if amount < 0:
        raise refusal("is below 0")
    if "ltv_currency" not in info.data:
        return None  # what is wrong with the currency is said there
    if info.data["ltv_currency"] is None:
        raise refusal("has no currency", "fill in ltv_currency too")
    return minor_units(amount, info.data["ltv_currency"])


class _Person(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", validate_default=True)

    ref: Line = Field(description="1 to 200 characters that identify the customer")
    name: OptionalLine = Field(None, description="the name on one line of up to 200 characters, or leave it empty")
    email: OptionalEmail = Field(None, description="one address such as anna@example.com, or leave it empty")
    phone: OptionalPhone = Field(None, description="a number with country code, as +48 601 234 567, or leave it empty")
    device: OptionalLine = Field(None, description="the push vendor's name of the device, or leave it empty")
    language: OptionalLanguage = Field(None, description="a language tag such as pl or cs-CZ, or leave it empty")
    time_zone: OptionalTimeZone = Field(None, description="an IANA name such as Europe/Warsaw, or leave it empty")
    tier: Annotated[Tier | None, PlainValidator(lambda cell: None if is_blank(cell) else _read_tier(cell))] = Field(
        None, description="vip, core or basic; empty: it follows from what the customer is worth"
    )
    preferred_channel: Annotated[Capability | None, PlainValidator(_channel)] = Field(
        None, description="mail, sms, voice or push, or leave it empty"
    )
    window_start: Annotated[time | None, PlainValidator(_clock)] = Field(
        None, description="the customer's local time as HH:MM, or leave it empty"
    )
    window_end: Annotated[time | None, PlainValidator(_window_end)] = Field(
        None, description="the customer's local time as HH:MM, or leave it empty"
    )
    dedicated_agent: OptionalLine = Field(None, description="the agent's name at the ticket desk, or leave it empty")
    ltv_currency: OptionalCurrency = Field(None, description="a currency's code such as EUR, or leave it empty")
    ltv: Annotated[int | None, PlainValidator(_ltv)] = Field(
        None, description="the lifetime value as 1290.00; empty: it is counted from purchases and entitlements"
    )  # once read, in minor units of `ltv_currency`


CustomerRow = create_model(
    "CustomerRow",
    __base__=_Person,
    __doc__="One customer as imported. An empty cell says nothing.",
    **{column: (OptionalAnswer, Field(None, description="yes, no, or nothing")) for column in CONSENTS},  # type: ignore[call-overload]
)

CONTRACT = RowContract(
    columns=Columns(
        required=("ref",),
        optional=tuple(name for name in CustomerRow.model_fields if name != "ref"),
        family="consent_",
    ),
    model=CustomerRow,
    types={"ltv": pl.Int64, **dict.fromkeys(CONSENTS, pl.Boolean)},
    together=(("window_start", "window_end"), ("ltv_currency", "ltv")),
    amounts=(("ltv_currency", "ltv"),),
)
"""What a row of customers must be."""


def as_customer(row: Mapping[str, Any]) -> Customer:
    """A row that was read, as the domain's value; what it does not say is left at its default."""
    starts, ends = row["window_start"], row["window_end"]
    return Customer(
        ref=row["ref"],
        name=row["name"],
        email=row["email"],
        phone=row["phone"],
        language=row["language"],
        time_zone=row["time_zone"],
        tier=Tier(row["tier"]) if row["tier"] else Tier.BASIC,
        preferred_channel=Capability(row["preferred_channel"]) if row["preferred_channel"] else None,
        window=ContactWindow(time.fromisoformat(starts), time.fromisoformat(ends)) if starts and ends else None,
        dedicated_agent=row["dedicated_agent"],
        device=row["device"],
    )


def consents_of(row: Mapping[str, Any]) -> dict[tuple[Purpose, Capability], bool]:
    """What a row that was read says of consents."""
    return {about: row[column] for column, about in CONSENTS.items() if row[column] is not None}
