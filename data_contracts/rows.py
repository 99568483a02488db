"""Rows of imports: their header, and what a spreadsheet may have done to a cell."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from data_contracts.problems import ContractBroken, Problem
from domain.words import did_you_mean, nearest

_FORMULA = re.compile(
    r"""\s*(?:
      =\s*[-+]?\d                            # =1+1
    | =\s*[A-Za-z]{1,3}\$?\d                 # =A1
    | =[\w+\-*/.\s"']*[A-Za-z]\w*\s*[(|!]    # =HYPERLINK(…), =cmd|…, =Sheet!A1
    | [-+@][\w+\-*/.]*[A-Za-z]\w*[(|]        # @SUM(…), +cmd|…, -2+3+cmd|…
    )""",
    re.VERBOSE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns an import knows. Others are ignored, unless they look like one of these misspelt."""

    required: tuple[str, ...]
    optional: tuple[str, ...]

    def check(self, header: Iterable[str]) -> list[Problem]:
        """Every problem of a header: columns that are missing, misspelt, or there twice."""
        names = list(header)
        unknown = [name for name in names if name not in self.required + self.optional]
        missing = [
            Problem(column, "this column is missing", f"add it{_written_as(column, unknown)}")
            for column in self.required
            if column not in names
        ]
        absent = [column for column in self.optional if column not in names]
        misspelt = [
            Problem(name, f"no such column{did_you_mean(name, absent)}", "correct its name, or take it out")
            for name in unknown
            if nearest(name, absent)
        ]
        twice = [
            Problem(name, "this column is there twice", "keep one of them")
            for name, times in Counter(names).items()
            if times > 1
        ]
        return missing + misspelt + twice


def as_cells(row: Mapping[Any, object]) -> dict[str, object]:
    """The row by column, or `ContractBroken` for one that is shifted or carries spreadsheet formulas."""
    if None in row:  # how the standard library's csv module hands over surplus cells
        raise ContractBroken(
            [
                Problem(
                    "", "more cells than the header has columns", "put quotes around cells that contain the separator"
                )
            ]
        )
    formulas = [
        Problem(str(column), "looks like a spreadsheet formula", "export the value, not the formula")
        for column, cell in row.items()
        if isinstance(cell, str) and _FORMULA.match(cell)
    ]
    if formulas:
        raise ContractBroken(formulas)
    return {str(column): cell for column, cell in row.items()}


def _written_as(column: str, unknown: list[str]) -> str:
    written = nearest(column, unknown)
    return f' (is "{written}" meant to be it?)' if written else ""
