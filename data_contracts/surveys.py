"""Survey answers as they come in: the generic webhook body `standard`, and rows of imports."""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, ValidationInfo

from data_contracts.explain import problems_of
from data_contracts.fields import (
    Instant,
    Line,
    OptionalComment,
    OptionalEmail,
    OptionalLanguage,
    OptionalLine,
    OptionalPhone,
    OptionalTimeZone,
    in_words,
    refusal,
    word_reader,
)
from data_contracts.problems import ContractBroken, Problem
from data_contracts.rows import Columns, as_cells
from domain.customers import Customer
from domain.surveys import SCALES, SurveyAnswer, SurveyKind, scale_words

_TOLERANCE = timedelta(days=1)
"""How far ahead of us an answer's time may lie: clocks and offsets are set wrong."""

_TIME = "ISO 8601 with an offset, such as 2026-03-01T09:30:00+01:00"


class EventType(StrEnum):
    """What the body `standard` can report."""

    SURVEY_RESPONDED = "survey.responded"


def _score(value: object, info: ValidationInfo) -> int:
    kind: SurveyKind | None = info.data.get("kind")
    fix = scale_words(kind) if kind else ""
    if (info.context or {}).get("cells") and isinstance(value, str) and value.strip().isascii():
        value = int(value) if value.strip().isdigit() and len(value) <= _LONGEST_SCORE else value
    if isinstance(value, bool) or not isinstance(value, int):
        raise refusal(f"is {in_words(value)}, not a whole number", fix)
    if kind and value not in SCALES[kind]:
        raise refusal(f"is {value}, which is not on the scale", fix)
    return value


_LONGEST_SCORE = 10  # characters of a cell

Kind = Annotated[SurveyKind, PlainValidator(word_reader(SurveyKind), json_schema_input_type=SurveyKind)]
Score = Annotated[int, PlainValidator(_score, json_schema_input_type=int)]
Type = Annotated[EventType, PlainValidator(word_reader(EventType), json_schema_input_type=EventType)]


class CustomerGiven(BaseModel):
    """What an answer says about who gave it. It fills blanks; what is on file wins."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    ref: Line = Field(description="1 to 200 characters that identify the customer in your system")
    name: OptionalLine = Field(None, description="the name on one line of up to 200 characters, or leave it out")
    email: OptionalEmail = Field(None, description="one address such as anna@example.com, or leave it out")
    phone: OptionalPhone = Field(None, description="a number with country code, as +48 601 234 567, or leave it out")
    device: OptionalLine = Field(None, description="the push vendor's name of their device, or leave it out")
    language: OptionalLanguage = Field(None, description="a language tag such as pl or cs-CZ, or leave it out")
    time_zone: OptionalTimeZone = Field(None, description="an IANA name such as Europe/Warsaw, or leave it out")

    def as_customer(self) -> Customer:
        """The same as the domain's value; what an answer cannot say is left at its default."""
        return Customer(**self.model_dump())


class SurveyAnswered(BaseModel):
    """One answer to one survey."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    response_id: Line = Field(description="1 to 200 characters that identify this answer, the same at each delivery")
    kind: Kind = Field(description="nps, csat or ces")
    score: Score = Field(description="a whole number on the scale of its kind")
    comment: OptionalComment = Field(None, description="the customer's words as text, or leave it out")
    language: OptionalLanguage = Field(None, description="a language tag such as pl or cs-CZ, or leave it out")
    answered_at: Instant = Field(description=_TIME)
    customer: CustomerGiven = Field(description="an object with at least ref")

    def as_answer(self, source: str, received_at: datetime) -> SurveyAnswer:
        """The same as the domain's value, with where it came from and when it arrived."""
        return SurveyAnswer(source=source, received_at=received_at, **self.model_dump(exclude={"customer"}))


class StandardBody(BaseModel):
    """The body of the generic source `standard`. Keys it does not know are let be: webhooks grow."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: Type = Field(description="survey.responded")
    timestamp: Instant = Field(description=_TIME)
    data: SurveyAnswered = Field(description="an object with response_id, kind, score, answered_at and customer")


def answered_by(body: Mapping[str, Any], now: datetime | None = None) -> SurveyAnswered:
    """The answer in a webhook body of the source `standard`. Raises `ContractBroken` with every problem.

    An answer from the future is refused; what the present is, `now` says, or else the body's own timestamp.
    """
    try:
        event = StandardBody.model_validate(body)
    except ValidationError as error:
        raise ContractBroken(problems_of(error, StandardBody)) from None
    return _not_ahead(event.data, now or event.timestamp, "data.answered_at")


def survey_answer(
    values: Mapping[str, object], *, paths: Mapping[str, str], fixes: Mapping[str, str]
) -> SurveyAnswered:
    """The answer that a survey tool's event comes to, None standing for what it does not say.

    Raises `ContractBroken` with every problem, in the tool's own words: `paths` says where it keeps each of our fields
    ("customer.ref"), `fixes` what to do about one, where that is more than to send it.
    """
    try:
        return SurveyAnswered.model_validate(_said(values))
    except ValidationError as error:
        found = problems_of(error, SurveyAnswered)
    raise ContractBroken(
        [Problem(paths.get(one.path, one.path), one.problem, fixes.get(one.path, one.fix)) for one in found]
    )


def _said(values: Mapping[str, object]) -> dict[str, object]:
    return {
        name: _said(value) if isinstance(value, Mapping) else value
        for name, value in values.items()
        if value is not None
    }


COLUMNS = Columns(
    required=("response_id", "kind", "score", "answered_at", "customer_ref"),
    optional=(
        "comment",
        "language",
        "customer_name",
        "customer_email",
        "customer_phone",
        "customer_device",
        "customer_language",
        "customer_time_zone",
    ),
)
"""The columns of a CSV of answers."""

_CUSTOMER = "customer_"


def check_header(header: Iterable[str]) -> list[Problem]:
    """What is wrong with the first line of a CSV of answers; to be asked once, before its rows."""
    return COLUMNS.check(header)


def survey_row(row: Mapping[Any, object], *, now: datetime) -> SurveyAnswered:
    """The answer in one row of an import: a CSV's cells by column, or a JSONL object of the webhook's `data`.

    Either may have the columns of the other; a score may be text there. Raises `ContractBroken` with every problem, its
    paths naming the row's own columns.
    """
    cells = as_cells(row)
    columns: dict[str, str] = {}
    if not isinstance(cells.get("customer"), Mapping):
        given = {name.removeprefix(_CUSTOMER): cell for name, cell in cells.items() if name.startswith(_CUSTOMER)}
        columns = {f"customer.{name}": f"{_CUSTOMER}{name}" for name in CustomerGiven.model_fields}
        cells = {**cells, "customer": given}
    try:
        answered = SurveyAnswered.model_validate(cells, context={"cells": True})
    except ValidationError as error:
        raise ContractBroken(problems_of(error, SurveyAnswered, columns)) from None
    return _not_ahead(answered, now, "answered_at")


def _not_ahead(answered: SurveyAnswered, present: datetime, path: str) -> SurveyAnswered:
    if answered.answered_at <= present + _TOLERANCE:
        return answered
    raise ContractBroken([Problem(path, "lies more than a day in the future", "send when the customer answered")])
