"""Backtests: a file of purchases as it is imported, and how good estimates of depletion would have been on it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from data_contracts.problems import ContractBroken
from data_contracts.purchases import CONTRACT
from domain.backtesting import Backtest, Supply, backtest
from domain.depletion import Bought, DepletionPolicy
from services.batch_files import read_batch
from services.import_files import Row


class CannotBacktest(Exception):
    """The file and the date do not go together; its text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Read:
    """What was in a file."""

    purchases: int  # of what runs out
    no_supply: int  # of what does not
    broken: int  # rows that break the contract of purchases; they are left out
    histories: Mapping[Supply, Sequence[Bought]]


def backtest_depletion(path: Path, policy: DepletionPolicy, *, split: date) -> tuple[Read, Backtest]:
    """Estimate from a file's purchases up to and including `split`, and judge by those after it.

    Raises CannotBacktest when there are none on one side, UnreadableFile and OSError.
    """
    read = read_purchases(path)
    if not read.histories:
        left_out = f"{read.no_supply} rows are of what does not run out, {read.broken} are broken"
        raise CannotBacktest(f"{path}: there is no purchase to learn from in it: {left_out}")
    first = min(history[0].on for history in read.histories.values())
    last = max(history[-1].on for history in read.histories.values())
    if not first <= split < last:
        raise CannotBacktest(
            f"{path}: its purchases are from {first} to {last}: split on a day from {first} to before {last}, so that "
            f"there are purchases to learn from and purchases to judge by"
        )
    return read, backtest(read.histories, policy, split=split)


def read_purchases(path: Path) -> Read:
    """A file's purchases by customer and product. Raises UnreadableFile and OSError."""
    batch = read_batch(path, CONTRACT)
    read = CONTRACT.read_all(batch.cells)
    singles = [found for row in batch.singles if (found := _read_alone(row)) is not None]
    good = pl.concat([read.filter("fits").drop("fits"), pl.DataFrame(singles, schema=CONTRACT.schema, orient="row")])
    bought = good.filter("is_supply")
    days = bought.group_by("customer_ref", "product", "bought_on").agg(pl.col("quantity").sum())
    histories: defaultdict[Supply, list[Bought]] = defaultdict(list)
    for customer, product, on, quantity in days.sort("customer_ref", "product", "bought_on").iter_rows():
        histories[customer, product].append(Bought(on, quantity))
    return Read(len(bought), len(good) - len(bought), batch.size - len(good), histories)


def _read_alone(row: Row) -> dict[str, Any] | None:
    try:
        return None if row.cells is None else CONTRACT.read(row.cells)
    except ContractBroken:
        return None
