"""What a simulation reads: customers as they are imported, and when each of them was activated."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field, PlainValidator

from data_contracts import customers
from data_contracts.customers import CustomerRow
from data_contracts.fields import is_blank, read_instant, read_line
from data_contracts.row_contracts import RowContract
from data_contracts.rows import Columns


def _instant(value: object) -> str | None:
    """Kept as text in UTC, as a column of texts is read faster than one of instants."""
    if is_blank(value):
        return None
    text = read_line(value)
    return read_instant(f"{text[:-4]}+00:00" if text.endswith(" UTC") else text).isoformat()  # as Parquet says it


class Entrant(CustomerRow):
    """One customer as imported, and when they were activated."""

    activated_at: Annotated[str | None, PlainValidator(_instant)] = Field(
        None,
        description="ISO 8601 with an offset, such as 2026-03-01T09:30:00+01:00; empty: when the simulation begins",
    )


CONTRACT = RowContract(
    columns=Columns(
        required=customers.CONTRACT.columns.required,
        optional=(*customers.CONTRACT.columns.optional, "activated_at"),
        family=customers.CONTRACT.columns.family,
    ),
    model=Entrant,
    types=customers.CONTRACT.types,
    together=customers.CONTRACT.together,
    amounts=customers.CONTRACT.amounts,
)
"""What a row of a simulation's customers must be."""


def activated_at(row: dict[str, Any], otherwise: datetime) -> datetime:
    """When a customer whose row was read was activated (UTC)."""
    said = row["activated_at"]
    return otherwise if said is None else datetime.fromisoformat(said).astimezone(UTC)
