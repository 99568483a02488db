"""Customers as they are imported: one row a customer, CSV cells or JSONL objects."""

import re
from collections.abc import Iterable, Mapping
from datetime import time
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, ValidationInfo

from data_contracts.explain import problems_of
from data_contracts.fields import (
    Line,
    OptionalEmail,
    OptionalLanguage,
    OptionalLine,
    OptionalPhone,
    OptionalTimeZone,
    is_blank,
    read_line,
    refusal,
    word_reader,
)
from data_contracts.problems import ContractBroken, Problem
from data_contracts.rows import Columns, as_cells
from domain.actions import Capability
from domain.customers import Customer, Purpose, Tier
from domain.hours import ContactWindow
from domain.words import did_you_mean

CHANNELS = (Capability.MAIL, Capability.SMS, Capability.VOICE, Capability.PUSH)
CONSENTS: Mapping[str, tuple[Purpose, Capability]] = {
    f"consent_{purpose}_{channel}": (purpose, channel) for purpose in Purpose for channel in CHANNELS
}
"""Column → what a yes in it allows."""

_ANSWERS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}
_read_tier = word_reader(Tier)
_CLOCK = re.compile(r"(?:[01]?\d|2[0-3]):[0-5]\d", re.ASCII)


def _tier(value: object) -> Tier:
    return Tier.BASIC if is_blank(value) else _read_tier(value)


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


class CustomerRow(BaseModel):
    """One customer as imported. An empty cell says nothing."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_default=True)

    ref: Line = Field(description="1 to 200 characters that identify the customer")
    name: OptionalLine = Field(None, description="the name on one line of up to 200 characters, or leave it empty")
    email: OptionalEmail = Field(None, description="one address such as anna@example.com, or leave it empty")
    phone: OptionalPhone = Field(None, description="a number with country code, as +48 601 234 567, or leave it empty")
    language: OptionalLanguage = Field(None, description="a language tag such as pl or cs-CZ, or leave it empty")
    time_zone: OptionalTimeZone = Field(None, description="an IANA name such as Europe/Warsaw, or leave it empty")
    tier: Annotated[Tier, PlainValidator(_tier)] = Field(Tier.BASIC, description="vip, core or basic")
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
    consents: Mapping[tuple[Purpose, Capability], bool] = Field(default_factory=dict)

    def as_customer(self) -> Customer:
        """The same as the domain's value."""
        window = None
        if self.window_start is not None and self.window_end is not None:
            window = ContactWindow(self.window_start, self.window_end)
        fields = self.model_dump(exclude={"window_start", "window_end", "consents"})
        return Customer(**fields, window=window)


COLUMNS = Columns(
    required=("ref",),
    optional=(*(name for name in CustomerRow.model_fields if name not in {"ref", "consents"}), *CONSENTS),
)
"""The columns of a CSV of customers."""


def check_header(header: Iterable[str]) -> list[Problem]:
    """What is wrong with the first line of a CSV of customers; to be asked once, before its rows."""
    return COLUMNS.check(header)


def customer_row(row: Mapping[Any, object]) -> CustomerRow:
    """One row of an import of customers. Raises `ContractBroken` with every problem."""
    cells = as_cells(row)
    problems: list[Problem] = []
    consents: dict[tuple[Purpose, Capability], bool] = {}
    for column in [name for name in cells if name.startswith("consent_")]:
        said = cells.pop(column)
        answer = said if isinstance(said, bool) else _ANSWERS.get(str(said).strip().lower())
        if column not in CONSENTS:
            problems.append(
                Problem(column, f"no such consent{did_you_mean(column, CONSENTS)}", "correct the column's name")
            )
        elif answer is not None:
            consents[CONSENTS[column]] = answer
        elif not is_blank(said):
            problems.append(Problem(column, "is neither yes nor no", "write yes, no, or nothing"))
    try:
        read = CustomerRow.model_validate({**cells, "consents": consents})
    except ValidationError as error:
        raise ContractBroken(problems_of(error, CustomerRow) + problems) from None
    if problems:
        raise ContractBroken(problems)
    return read
