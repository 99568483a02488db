"""Backtests: a file of purchases as it is imported, and how good estimates of depletion would have been on it."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from pydantic_core import PydanticCustomError

from data_contracts.fields import is_blank, read_line
from data_contracts.rows import Columns
from domain.backtesting import Backtest, Supply, backtest
from domain.depletion import Bought, DepletionPolicy
from services.import_files import read_rows

_COLUMNS = Columns(
    required=("customer_ref", "product", "bought_on"),
    optional=("ref", "is_supply", "quantity", "amount", "currency"),
)
"""Of a file of purchases; the amounts are not needed here, and need not be right."""


class CannotBacktest(Exception):
    """The file and the date do not go together; its text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Read:
    """What was in a file."""

    purchases: int
    broken: int  # rows that break the contract of purchases, or buy nothing that runs out; they are left out
    histories: Mapping[Supply, Sequence[Bought]]


def backtest_depletion(path: Path, policy: DepletionPolicy, *, split: date) -> tuple[Read, Backtest]:
    """Estimate from a file's purchases up to and including `split`, and judge by those after it.

    Raises CannotBacktest when there are none on one side, UnreadableFile and OSError.
    """
    read = read_purchases(path)
    if not read.histories:
        raise CannotBacktest(f"{path}: no purchase in it can be read ({read.broken} rows are broken)")
    days = [bought.on for history in read.histories.values() for bought in history]
    first, last = min(days), max(days)
    if not first <= split < last:
        raise CannotBacktest(
            f"{path}: its purchases are from {first} to {last}: split on a day from {first} to before {last}, so that "
            f"there are purchases to learn from and purchases to judge by"
        )
    return read, backtest(read.histories, policy, split=split)


def read_purchases(path: Path) -> Read:
    """A file's purchases by customer and product. Raises UnreadableFile and OSError."""
    days: defaultdict[Supply, defaultdict[date, float]] = defaultdict(lambda: defaultdict(float))
    taken = broken = 0
    with path.open("rb") as stream:
        for row in read_rows(path, stream, _COLUMNS.check):
            found = None if row.cells is None else _purchase(row.cells)
            if found is None:
                broken += 1
                continue
            supply, on, quantity = found
            taken += 1
            days[supply][on] += quantity
    return Read(taken, broken, {supply: in_order(bought.items()) for supply, bought in days.items()})


def _purchase(cells: Mapping[str | None, object]) -> tuple[Supply, date, float] | None:
    """Whose purchase of what it is, when, how much; None for one that breaks the contract, or does not run out."""
    try:
        supply = (read_line(str(cells.get("customer_ref", ""))), read_line(str(cells.get("product", ""))))
        on = date.fromisoformat(str(cells.get("bought_on")))
        quantity = 1.0 if is_blank(cells.get("quantity")) else float(str(cells["quantity"]))
    except (PydanticCustomError, ValueError):
        return None
    runs_out = str(cells.get("is_supply", "yes")).strip().lower() not in {"no", "false", "0"}
    return (supply, on, quantity) if runs_out and math.isfinite(quantity) and quantity > 0 else None


def in_order(days: Iterable[tuple[date, float]]) -> list[Bought]:
    """Quantities by day as a history."""
    return [Bought(on, quantity) for on, quantity in sorted(days)]
