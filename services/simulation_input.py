"""What a simulation starts from: a file of customers, and one of events with their times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from data_contracts.problems import ContractBroken, Problem
from data_contracts.simulations import CONTRACT, activated_at
from domain.policy import Policy
from services.batch_files import LINE, RAW, read_batch
from services.gating import TWICE, no_rate

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


@dataclass(frozen=True, slots=True)
class Entrants:
    """The customers of a file."""

    good: list[Entrant]
    refused: int
    told: list[Refused]
    """The first of those refused."""


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
