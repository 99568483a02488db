"""What a simulation starts from: a file of customers, and one of events with their times."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl

from data_contracts.any_event import EventType
from data_contracts.events import read_standard
from data_contracts.journey_events import (
    CustomerActivated,
    CustomerDid,
    MessageEvents,
)
from data_contracts.problems import ContractBroken, NotStrictJson, Problem
from data_contracts.simulations import CONTRACT, activated_at
from domain.policy import Policy
from services.batch_files import LINE, RAW, read_batch
from services.gating import TWICE, no_rate
from services.import_files import read_rows

JourneyEvent = CustomerDid | MessageEvents
"""What journeys follow."""

SHOWN = 20
"""Rows that cannot be read whose problems are told; the others are counted."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that cannot be read, and why."""

    line: int
    problems: Sequence[Problem]


@dataclass(frozen=True, slots=True)
class Entrant:
    """One customer, as their contract reads the row."""

    row: Mapping[str, Any]
    activated_at: datetime

    @property
    def ref(self) -> str:
        """Who it is."""
        return str(self.row["ref"])

    def activation(self) -> "Fed":
        """That they were activated, as an event says it."""
        at = self.activated_at.isoformat()
        event = CustomerActivated.model_validate(
            {"type": EventType.CUSTOMER_ACTIVATED, "timestamp": at, "data": {"customer": {"ref": self.ref}, "at": at}}
        )
        return Fed(self.activated_at, self.ref, event)


@dataclass(frozen=True, slots=True)
class Fed:
    """An event, and when and to whom it happens."""

    at: datetime
    ref: str
    event: JourneyEvent


@dataclass(frozen=True, slots=True)
class Feed:
    """The events of a file."""

    good: list[Fed]
    refused: int
    told: list[Refused]
    """The first of those refused."""


@dataclass(frozen=True, slots=True)
class Entrants:
    """The customers of a file."""

    good: list[Entrant]
    refused: int
    told: list[Refused]
    """The first of those refused."""

    @property
    def refs(self) -> frozenset[str]:
        """Who they are."""
        return frozenset(entrant.ref for entrant in self.good)


def read_customers(path: Path, policy: Policy, *, began: datetime) -> Entrants:
    """The customers of a file that `handrail import customers` would take, the first row of each ref.

    Raises UnreadableFile and OSError.
    """
    batch = read_batch(path, CONTRACT)
    read = CONTRACT.read_all(batch.cells).with_columns(batch.table[LINE], batch.table[RAW])
    refused = [Refused(row.line, row.problems) for row in batch.singles if row.cells is None]
    rows: list[tuple[int, dict[str, Any]]] = []
    for row in batch.singles:
        if row.cells is not None:
            _read_one(row.line, row.cells, rows, refused)
    for cells in batch.table.filter(~read["fits"]).iter_rows(named=True):
        line = cells.pop(LINE)
        cells.pop(RAW)
        _read_one(line, cells, rows, refused)
    for found in read.filter(pl.col("fits")).drop("fits", RAW).iter_rows(named=True):
        rows.append((found.pop(LINE), found))
    good: dict[str, Entrant] = {}
    for line, found in sorted(rows, key=lambda one: one[0]):
        problem = _against(found, good, policy)
        if problem is None:
            good[found["ref"]] = Entrant(found, activated_at(found, began))
        else:
            refused.append(Refused(line, [problem]))
    refused.sort(key=lambda one: one.line)
    return Entrants(list(good.values()), len(refused), refused[:SHOWN])


def _read_one(
    line: int, cells: Mapping[Any, object], rows: list[tuple[int, dict[str, Any]]], refused: list[Refused]
) -> None:
    try:
        rows.append((line, CONTRACT.read(cells)))
    except ContractBroken as broken:
        refused.append(Refused(line, broken.problems))


def _against(row: Mapping[str, Any], known: Mapping[str, Entrant], policy: Policy) -> Problem | None:
    if row["ref"] in known:
        return TWICE
    currency = row["ltv_currency"]
    return None if currency is None or currency in policy.value.rates else no_rate("ltv_currency", currency)


def read_events(path: Path, refs: Collection[str]) -> Feed:
    """The events of a file of JSON lines, each as a webhook of the source `standard` sends it; about these customers.

    Raises UnreadableFile and OSError.
    """
    good: list[Fed] = []
    refused: list[Refused] = []
    with path.open("rb") as file:
        for row in read_rows(path, file, lambda _: []):
            try:
                if row.cells is None:
                    raise ContractBroken(list(row.problems))
                good.append(_fed(read_standard(row.raw.strip()), refs))
            except (ContractBroken, NotStrictJson) as broken:
                refused.append(Refused(row.line, broken.problems))
    return Feed(good, len(refused), refused[:SHOWN])


def _fed(event: object, refs: Collection[str]) -> Fed:
    """Raises ContractBroken for what is no event of a journey, or about somebody else."""
    if isinstance(event, MessageEvents):
        [told] = event.told
        at, ref = told.at, _ref_of(told.message)
    elif isinstance(event, CustomerDid):
        at, ref = event.data.at, event.data.customer.ref
    else:
        raise ContractBroken([_NOT_OF_JOURNEYS])
    if ref not in refs:
        raise ContractBroken([_SOMEBODY_ELSE])
    return Fed(at, ref, event)


def _ref_of(message: str) -> str:
    """Whose message it is, by its key: `journey/onboarding/<ref>/1/welcome`."""
    parts = message.split("/")
    return unquote(parts[2]) if len(parts) == _PARTS and parts[0] == "journey" else ""


_PARTS = 5
_NOT_OF_JOURNEYS = Problem("type", "is nothing that journeys follow", "leave it out: it changes no journey")
_SOMEBODY_ELSE = Problem("data", "is about nobody in the customers' file", "add the customer, or leave the event out")
