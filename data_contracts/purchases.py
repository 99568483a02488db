"""Purchases as they are imported: one row a line of a receipt."""

from typing import Annotated

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationInfo

from data_contracts.fields import (
    Currency,
    Day,
    Line,
    Quantity,
    is_blank,
    minor_units,
    read_answer,
    read_decimal,
    refusal,
)
from data_contracts.row_contracts import RowContract
from data_contracts.rows import Columns


def _amount(value: object, info: ValidationInfo) -> int:
    amount = read_decimal(value)
    if amount < 0:
        raise refusal("is below 0", "leave returned goods out")
    return minor_units(amount, info.data["currency"]) if "currency" in info.data else 0


class PurchaseRow(BaseModel):
    """One line of what a customer bought."""

    model_config = ConfigDict(frozen=True, extra="ignore", validate_default=True)

    ref: Line = Field(description="1 to 200 characters that identify this line, the same in every file")
    customer_ref: Line = Field(description="the ref of the customer who bought it")
    product: Line = Field(description="what it is, in 1 to 200 characters")
    bought_on: Day = Field(description="the day it was bought, as 2026-03-01")
    quantity: Quantity = Field(description="how many, as 2 or 0.5")
    currency: Currency = Field(description="a currency's code such as PLN")
    amount: Annotated[int, PlainValidator(_amount)] = Field(description="what the line cost, as 129.90")
    is_supply: Annotated[bool, PlainValidator(lambda cell: True if is_blank(cell) else read_answer(cell))] = Field(
        True, description="yes for what runs out and is bought again, else no; empty: yes"
    )


CONTRACT = RowContract(
    columns=Columns(
        required=("ref", "customer_ref", "product", "bought_on", "quantity", "amount", "currency"),
        optional=("is_supply",),
    ),
    model=PurchaseRow,
    types={"bought_on": pl.Date, "quantity": pl.Float64, "amount": pl.Int64, "is_supply": pl.Boolean},
    together=(("currency", "amount"),),
    amounts=(("currency", "amount"),),
)
"""What a row of purchases must be."""
