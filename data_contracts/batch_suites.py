"""Suites: what Great Expectations says of a batch as a whole. The one module that imports it, since that takes seconds.

A suite is a JSON file in data_contracts/suites/. Its `severity` is `critical` (a batch that fails is halted) or
`warning`; its `description` is the question a person would ask, `meta.advice` what they should do when the answer is
no, `meta.unit` what a number counts. `{"$PARAMETER": …}` stands for a number that comes from the policy or from the
feed's last accepted batches; where there is nothing to compare with, it is one that lets everything through.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

SUITES = Path(__file__).parent / "suites"
"""One JSON file a data set."""

_PARAMETER = "$PARAMETER"


@dataclass(frozen=True, slots=True)
class Checked:
    """What one expectation found."""

    name: str
    asks: str
    advice: str
    unit: str  # of a number; empty: it is a share of rows
    is_critical: bool
    passed: bool
    found: float | None  # None: it could not be told
    at_least: float | None
    at_most: float | None
    parameter: str | None  # where the bound comes from; None: the suite says it


def parameters_of(data_set: str) -> set[str]:
    """The names of the numbers that a suite must be given."""
    return {
        bound[_PARAMETER]
        for expectation in _suite(data_set)["expectations"]
        for bound in expectation["kwargs"].values()
        if isinstance(bound, dict)
    }


def columns_of(data_set: str) -> set[str]:
    """The columns a suite looks at."""
    return {
        one["kwargs"]["column"] for one in _suite(data_set)["expectations"] if "column" in one["kwargs"]
    }  # fmt: skip


def check_batch(data_set: str, rows: pl.DataFrame, parameters: Mapping[str, float]) -> list[Checked]:
    """What a data set's suite says of some rows, in the suite's order. `parameters` holds every one it names."""
    raw = _suite(data_set)
    batch = _context().data_sources.pandas_default.read_dataframe(_as_pandas(rows, columns_of(data_set)))
    said = batch.validate(_expectations(data_set), expectation_parameters=dict(parameters), result_format="BASIC")
    found = {one.expectation_config.meta["name"]: one for one in said.results}
    return [_checked(one, found[one["meta"]["name"]], parameters) for one in raw["expectations"]]


def _checked(expectation: Mapping[str, Any], said: Any, parameters: Mapping[str, float]) -> Checked:
    kwargs, meta, result = expectation["kwargs"], expectation["meta"], said.result
    is_share = "unit" not in meta
    bounds = {name: bound for name, bound in kwargs.items() if name in {"min_value", "max_value", "mostly"}}
    names = [bound[_PARAMETER] for bound in bounds.values() if isinstance(bound, dict)]
    bounds = {name: parameters[one[_PARAMETER]] if isinstance(one, dict) else one for name, one in bounds.items()}
    if is_share:
        wrong = result.get("unexpected_percent")
        observed = None if wrong is None else 1 - wrong / 100
        at_least, at_most = bounds.get("mostly", 1), None
    else:
        observed = result.get("observed_value")
        at_least, at_most = bounds.get("min_value"), bounds.get("max_value")
    return Checked(
        name=meta["name"],
        asks=expectation["description"],
        advice=meta["advice"],
        unit=meta.get("unit", ""),
        is_critical=expectation["severity"] == "critical",
        passed=bool(said.success),
        found=None if observed is None else float(observed),
        at_least=at_least,
        at_most=at_most,
        parameter=names[0] if names else None,
    )


@cache
def _suite(data_set: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((SUITES / f"{data_set}.json").read_text(encoding="utf-8"))
    return loaded


@cache
def _expectations(data_set: str) -> Any:
    from great_expectations.core.expectation_suite import ExpectationSuite  # seconds that only batches wait for

    return ExpectationSuite(**json.loads((SUITES / f"{data_set}.json").read_text(encoding="utf-8")))


@cache
def _context() -> Any:
    import great_expectations

    context = great_expectations.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}  # type: ignore[assignment]
    return context


def _as_pandas(rows: pl.DataFrame, columns: Collection[str]) -> Any:
    """The columns a suite looks at; without pyarrow, which nothing else here needs."""
    import pandas  # type: ignore[import-untyped]

    return pandas.DataFrame({name: rows[name].to_numpy() for name in rows.columns if name in columns})
