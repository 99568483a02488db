"""Entitlements as they are imported: one row an entitlement, CSV cells, JSONL objects or Parquet rows."""

from datetime import date
from typing import Annotated

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationInfo

from data_contracts.fields import (
    Day,
    Line,
    OptionalCurrency,
    OptionalInstant,
    OptionalTimeZone,
    is_blank,
    minor_units,
    read_answer,
    read_day,
    read_decimal,
    refusal,
    word_reader,
)
from data_contracts.row_contracts import INSTANT, RowContract
from data_contracts.rows import Columns
from domain.entitlements import EntitlementKind, Standing

_read_kind = word_reader(EntitlementKind)
_read_state = word_reader(Standing)


def _bought_on(value: object, info: ValidationInfo) -> date | None:
    if not is_blank(value):
        return read_day(value)
    if info.data.get("kind") is EntitlementKind.SUPPLY:
        raise refusal("is empty, and a supply's ending is named by the purchase it follows")
    return None


def _value(value: object, info: ValidationInfo) -> int | None:
    if is_blank(value):
        return None
    amount = read_decimal(value)
    if amount < 0:
        raise refusal("is below 0")
    if "currency" not in info.data:
        return None  # what is wrong with the currency is said there
    currency: str | None = info.data["currency"]
    if currency is None:
        raise refusal("has no currency", "fill in currency too")
    return minor_units(amount, currency)


class EntitlementRow(BaseModel):
    """One entitlement as imported. An empty cell says nothing, and then the default holds."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_default=True)

    ref: Line = Field(description="1 to 200 characters that identify the entitlement, the same in every file")
    customer_ref: Line = Field(description="the ref of the customer who has it")
    kind: Annotated[EntitlementKind, PlainValidator(_read_kind)] = Field(description="subscription, policy or supply")
    product: Line = Field(description="what it is, in 1 to 200 characters")
    ends_on: Day = Field(description="the last day it is good for, as 2026-12-31")
    time_zone: OptionalTimeZone = Field(None, description="an IANA name such as Europe/Warsaw; empty: the customer's")
    state: Annotated[
        Standing, PlainValidator(lambda cell: Standing.ACTIVE if is_blank(cell) else _read_state(cell))
    ] = Field(Standing.ACTIVE, description="active or cancelled; empty: active")
    auto_renews: Annotated[bool, PlainValidator(lambda cell: False if is_blank(cell) else read_answer(cell))] = Field(
        False, description="yes or no; empty: no"
    )
    currency: OptionalCurrency = Field(None, description="a currency's code such as PLN, or leave it empty")
    value: Annotated[int | None, PlainValidator(_value)] = Field(
        None, description="what one term costs, as 129.90, or leave it empty"
    )  # once read, in minor units of `currency`
    bought_on: Annotated[date | None, PlainValidator(_bought_on)] = Field(
        None, description="of a supply the day of its last purchase, as 2026-03-01"
    )
    changed_at: OptionalInstant = Field(
        None, description="since when its source says all this, as 2026-03-01T10:59:58Z, or leave it empty"
    )


CONTRACT = RowContract(
    columns=Columns(
        required=("ref", "customer_ref", "kind", "product", "ends_on"),
        optional=("time_zone", "state", "auto_renews", "currency", "value", "bought_on", "changed_at"),
    ),
    model=EntitlementRow,
    types={
        "ends_on": pl.Date,
        "auto_renews": pl.Boolean,
        "value": pl.Int64,
        "bought_on": pl.Date,
        "changed_at": INSTANT,
    },
    together=(("kind", "bought_on"), ("currency", "value")),
    amounts=(("currency", "value"),),
)
"""What a row of entitlements must be."""
