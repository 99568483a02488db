"""Row contracts: one row by its pydantic model, and a hundred thousand by the same model's readers.

A model is the only place that says what a cell may be. For many rows at once, each distinct value (or combination of
values, where fields depend on each other) is read once, and refs and other lines of text, of which nearly every one is
distinct, by a polars expression that means the same. So the two ways cannot drift apart: a row is good for one exactly
when it is good for the other, and is read to the same values.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import time
from enum import Enum
from functools import cached_property
from typing import Any, get_args

import polars as pl
from polars.datatypes import DataType, DataTypeClass
from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from data_contracts.explain import problems_of
from data_contracts.fields import LONGEST_LINE, Line, OptionalLine, written_out
from data_contracts.problems import ContractBroken, Problem
from data_contracts.rows import Columns, as_cells, is_formula
from domain.currencies import decimals_of
from domain.words import did_you_mean

_BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001))))
"""What Python's `strip` takes off, which is a little more than polars would by itself; U+3000 is the last of them."""

_CONTROLS = r"[\p{Cc}\p{Zl}\p{Zp}]"
"""Zero characters among them."""

INSTANT = pl.Datetime("us", "UTC")
"""The type of a field that is an instant, once it is read."""


@dataclass(frozen=True)
class RowContract:
    """What a row of one data set must be."""

    columns: Columns
    model: type[BaseModel]
    types: Mapping[str, DataType | DataTypeClass] = field(default_factory=dict)
    """Of the fields that are not text, once they are read."""
    together: tuple[tuple[str, ...], ...] = ()
    """Fields whose check looks at each other, in the model's order."""
    amounts: Collection[tuple[str, ...]] = ()
    """Those of them that are a currency and an amount of it that is not below 0."""

    def read(self, cells: Mapping[Any, object]) -> dict[str, Any]:
        """One row as plain values by field. Raises `ContractBroken` with every problem."""
        named = as_cells(cells)
        stray = [
            Problem(
                name, f"no such column{did_you_mean(name, self.columns.optional)}", "correct its name, or take it out"
            )
            for name in named
            if self.columns.is_stray(name)
        ]
        try:
            found = self.model.model_validate(named)
        except ValidationError as error:
            raise ContractBroken(problems_of(error, self.model) + stray) from None
        if stray:
            raise ContractBroken(stray)
        return {name: _plain(getattr(found, name)) for name in self.model.model_fields}

    def as_texts(self, cells: Mapping[Any, object]) -> dict[str, str | None] | None:
        """The cells of one row as text, where that says the same; None for a row that must be read by itself."""
        texts: dict[str, str | None] = {}
        for name, cell in cells.items():
            if not isinstance(name, str) or self.columns.is_stray(name):
                return None
            if cell is not None and not isinstance(cell, str):
                kind = self.types.get(name)
                if isinstance(cell, bool) and kind == pl.Boolean:
                    cell = "yes" if cell else "no"
                elif isinstance(cell, int | float) and not isinstance(cell, bool) and kind in _NUMBERS:
                    cell = written_out(cell)
                elif name in self.model.model_fields:
                    return None
                else:
                    continue  # of a column that is let be
            texts[name] = cell
        return texts

    @property
    def schema(self) -> dict[str, DataType | DataTypeClass]:
        """The fields once they are read, and their types."""
        return {name: self.types.get(name, pl.String) for name in self.model.model_fields}

    def read_all(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Many rows of text cells: the fields as `schema` says, and `fits`, false for what breaks the contract.

        A column that is not there counts as empty. What the fields of a row that does not fit hold means nothing.
        """
        fields = self.model.model_fields
        fits = [~_is_formula(rows[name]) for name in rows.columns if name not in fields]
        read: dict[str, pl.Series] = {}
        for names in self._groups:
            missing = [name for name in names if name not in rows.columns]
            cells = rows.with_columns(pl.lit(None, pl.String).alias(name) for name in missing).select(names)
            good, values = self._read_group(names, cells)
            fits.append(good)
            read |= values
        return pl.DataFrame([read[name].alias(name) for name in fields]).with_columns(fits=pl.all_horizontal(fits))

    @cached_property
    def _groups(self) -> list[tuple[str, ...]]:
        grouped = {name for names in self.together for name in names}
        return [*self.together, *((name,) for name in self.model.model_fields if name not in grouped)]

    def _read_group(self, names: tuple[str, ...], cells: pl.DataFrame) -> tuple[pl.Series, dict[str, pl.Series]]:
        metadata = self.model.model_fields[names[0]].metadata
        for lines, is_optional in ((Line, False), (OptionalLine, True)):
            if metadata == list(get_args(lines)[1:]):
                line, good = _lines(cells[names[0]], is_optional=is_optional)
                return good, {names[0]: line}
        if names in self.amounts:
            return self._read_amounts(names, cells)
        if self.schema[names[0]] == INSTANT:
            return self._read_instants(names[0], cells)
        return self._read_distinct(names, cells)

    def _read_distinct(self, names: tuple[str, ...], cells: pl.DataFrame) -> tuple[pl.Series, dict[str, pl.Series]]:
        """Each distinct value, or combination of values, read once by the model."""
        distinct = cells.unique()
        part = self._parts[names]
        good: list[bool] = []
        values: dict[str, list[Any]] = {name: [] for name in names}
        for row in distinct.iter_rows():
            try:
                found = part.model_validate(dict(zip(names, row, strict=True)))
            except ValidationError:
                found = None
            good.append(found is not None)
            for name in names:
                values[name].append(None if found is None else _plain(getattr(found, name)))
        no_formula = pl.all_horizontal(~_is_formula(distinct[name]) for name in names)
        read = distinct.select(pl.col(name).alias(f"cell {name}") for name in names).with_columns(
            *(pl.Series(name, values[name], self.schema[name]) for name in names),
            good=pl.Series(good, dtype=pl.Boolean) & pl.select(no_formula).to_series(),
        )
        keys = [f"cell {name}" for name in names]
        joined = cells.rename(dict(zip(names, keys, strict=True))).join(
            read, on=keys, how="left", nulls_equal=True, maintain_order="left"
        )
        return joined["good"], {name: joined[name] for name in names}

    def _read_amounts(self, names: tuple[str, ...], cells: pl.DataFrame) -> tuple[pl.Series, dict[str, pl.Series]]:
        """A currency, read as a distinct value, and an amount, of which nearly every one is another.

        What a column says as plain digits and with no more decimals than its currency has is read at once; whatever
        else there is (blanks, mistakes), as distinct values.
        """
        currency, amount = names
        decimals = {code: decimals_of(code) for code in cells[currency].unique() if code and _CODE.fullmatch(code)}
        pieces = cells[amount].str.extract_groups(_PLAIN_AMOUNT).struct
        whole, part = pieces.field("1"), pieces.field("2").fill_null("")
        places = cells[currency].replace_strict(decimals, default=None, return_dtype=pl.UInt32)
        plain = (whole.is_not_null() & (part.str.len_bytes() <= places)).fill_null(False)
        digits = whole + part.str.pad_end(_MOST_DECIMALS, "0").str.slice(0, places)
        minor = digits.cast(pl.Int64, strict=False)
        if plain.all():
            return plain, {currency: cells[currency], amount: minor}
        good, values = self._read_distinct(names, cells.filter(~plain))
        return (
            _scattered(plain, plain, good),
            {
                currency: _scattered(cells[currency], plain, values[currency]),
                amount: _scattered(minor, plain, values[amount]),
            },
        )

    def _read_instants(self, name: str, cells: pl.DataFrame) -> tuple[pl.Series, dict[str, pl.Series]]:
        """Instants as nearly everybody writes them, at once; blanks, mistakes and rarer forms as distinct values."""
        column = cells[name]
        usual = pl.when(column.str.contains(_USUAL_INSTANT)).then(column)
        read = pl.select(usual.str.to_datetime(_INSTANT_FORMAT, time_unit="us", time_zone="UTC", strict=False))
        instants = read.to_series()
        plain = instants.is_not_null()
        if plain.all():
            return plain, {name: instants}
        good, values = self._read_distinct((name,), cells.filter(~plain))
        return _scattered(plain, plain, good), {name: _scattered(instants, plain, values[name])}

    @cached_property
    def _parts(self) -> dict[tuple[str, ...], type[BaseModel]]:
        """The model cut into groups of fields that can be read by themselves."""
        config = ConfigDict(extra="ignore", validate_default=True)
        fields = self.model.model_fields
        return {
            names: create_model(
                self.model.__name__,
                __config__=config,
                **{name: (fields[name].annotation, fields[name]) for name in names},  # type: ignore[call-overload]
            )
            for names in self._groups
        }


_NUMBERS = (pl.Int64, pl.Float64)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return f"{value:%H:%M}" if isinstance(value, time) else value


def _lines(column: pl.Series, *, is_optional: bool) -> tuple[pl.Series, pl.Series]:
    """The lines and which of them are good: what `fields.read_line` and `rows.is_formula` say, of a whole column."""
    plain = column.str.contains(_PLAIN_LINE) & (column.str.len_bytes() <= LONGEST_LINE)
    if plain.all() and not column.null_count():
        return column, plain
    stripped = column.str.strip_chars(_BLANKS)
    is_line = ((column.str.len_chars() <= LONGEST_LINE) & ~column.str.contains(_CONTROLS)).fill_null(False)
    is_blank = (stripped == "").fill_null(True)
    no_formula = ~_is_formula(column)
    if is_optional:
        return stripped.set(is_blank, None), (is_blank | is_line) & no_formula
    return stripped, is_line & ~is_blank & no_formula


_PLAIN_LINE = r"^[!-*,./0-9:;<>?A-~](?:[ -~]*[!-~])?$"
"""ASCII without blanks around it that begins as no formula does."""

_CODE = re.compile(r"[A-Z]{3}")
_PLAIN_AMOUNT = r"^(\d{1,12})(?:\.(\d{1,4}))?$"
_MOST_DECIMALS = 4

_USUAL_INSTANT = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d(?:\.\d{1,6})?(?:Z|[+-]\d\d:\d\d)$"
_INSTANT_FORMAT = "%Y-%m-%dT%H:%M:%S%.f%#z"


def _scattered(whole: pl.Series, keep: pl.Series, others: pl.Series) -> pl.Series:
    """`whole` where it is to be kept, and elsewhere `others` in their order."""
    place = ((~keep).cum_sum().cast(pl.Int64) - 1).clip(0)
    return pl.select(pl.when(keep).then(whole).otherwise(others.gather(place))).to_series()


def _is_formula(column: pl.Series) -> pl.Series:
    """What `rows.is_formula` says of a whole column. It is asked only about cells that might be one."""
    might = column.str.contains(_LIKE_A_FORMULA).fill_null(False)
    if not might.any():
        return might
    formulas = [cell for cell in column.filter(might).unique() if is_formula(cell)]
    return column.is_in(formulas).fill_null(False)


_LIKE_A_FORMULA = r"^[\s\x1c-\x1f]*(?:=|[-+@][^(|]*[(|])"
