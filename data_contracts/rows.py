"""Rows of imports: their header, and what a spreadsheet may have done to a cell."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from data_contracts.problems import ContractBroken, Problem
from domain.words import nearest

_FORMULA = re.compile(
    r"""\s*+(?:
      =\s*+[-+]?\d                        # =1+1
    | =\s*+[A-Za-z]{1,3}\$?\d             # =A1
    | =[\w+\-*/.\s"']*+(?<=[\w'])[(|!]     # =HYPERLINK(…), =cmd|…, ='My sheet'!A1
    | [-+@][\w+\-*/.]*+(?<=\w)[(|]        # @SUM(…), +cmd|…, -2+3+cmd|…
    )""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns an import knows. Others are ignored, unless they look like one of these misspelt."""

    required: tuple[str, ...]
    optional: tuple[str, ...]
    family: str = ""
    """What the names of some columns begin with; a name that begins so and is not one of them is never let be."""

    def is_stray(self, name: str) -> bool:
        """True for a name of the family that none of its columns has."""
        return bool(self.family) and name.startswith(self.family) and name not in self.optional

    def check(self, header: Iterable[str]) -> list[Problem]:
        """Every problem of a header: columns that are missing, misspelt, or there twice."""
        names = list(header)
        absent = [column for column in self.required + self.optional if column not in names]
        unknown = {name: nearest(name, absent) for name in names if name not in self.required + self.optional}
        missing = [
            Problem(column, "this column is missing", "add it")
            for column in absent
            if column in self.required and column not in unknown.values()
        ]
        misspelt = [
            Problem(name, f'no such column (did you mean "{meant}"?)', "correct its name, or take it out")
            for name, meant in unknown.items()
            if meant
        ]
        stray = [
            Problem(name, "no such column", "correct its name, or take it out")
            for name, meant in unknown.items()
            if not meant and self.is_stray(name)
        ]
        twice = [
            Problem(name, "this column is there twice", "keep one of them")
            for name, times in Counter(names).items()
            if times > 1
        ]
        return missing + misspelt + stray + twice


def is_formula(cell: str) -> bool:
    """True for what a spreadsheet would compute; a phone number or a negative amount is none."""
    return _FORMULA.match(cell) is not None


def as_cells(row: Mapping[Any, object]) -> dict[str, object]:
    """The row by column, or `ContractBroken` for one that is shifted or carries spreadsheet formulas."""
    if None in row:  # how the standard library's csv module hands over surplus cells
        fix = "put quotes around cells that contain the separator"
        raise ContractBroken([Problem("", "more cells than the header has columns", fix)])
    formulas = [
        Problem(str(column), "looks like a spreadsheet formula", "export the value, not the formula")
        for column, cell in row.items()
        if isinstance(cell, str) and is_formula(cell)
    ]
    if formulas:
        raise ContractBroken(formulas)
    return {str(column): cell for column, cell in row.items()}
