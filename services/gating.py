"""The gate: which rows of a batch are good, and whether the batch as a whole may be taken."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from data_contracts import any_event, customers, entitlements, purchases
from data_contracts.batch_suites import Checked, check_batch, columns_of, parameters_of
from data_contracts.problems import ContractBroken, Problem
from data_contracts.row_contracts import RowContract
from domain.gates import ANYTHING, Bound, DataSet, GateVerdict, Measures, bounds, verdict_of
from domain.policy import Policy
from services.batch_files import LINE, RAW, Batch
from services.import_files import Row
from store.customers import ids_and_zones
from store.database import Database

CONTRACTS: Mapping[DataSet, RowContract] = {
    DataSet.CUSTOMERS: customers.CONTRACT,
    DataSet.ENTITLEMENTS: entitlements.CONTRACT,
    DataSet.PURCHASES: purchases.CONTRACT,
}

UNKNOWN_CUSTOMER = Problem(
    "customer_ref", "is not the ref of a customer we know", "import the customer, then replay this row"
)
NOT_SO_YET = any_event.ahead("changed_at")
NOT_BOUGHT_YET = Problem("bought_on", "lies more than a day in the future", "send the day it was bought")
TWICE = Problem("ref", "is on other lines of this file too, which say something else", "keep the right one of them")

LATEST_PURCHASE = timedelta(days=1)
"""How far ahead of us a purchase's day may lie: it is already tomorrow somewhere."""

_WHY = " why"
"""A column: which of the problems above a good-looking row has."""


CURRENCY: Mapping[DataSet, str] = {
    DataSet.CUSTOMERS: "ltv_currency",
    DataSet.ENTITLEMENTS: "currency",
    DataSet.PURCHASES: "currency",
}
"""The column that names the currency of a row's amount."""


def no_rate(column: str, currency: str) -> Problem:
    """What is wrong with a currency that the policy has no rate for."""
    fix = "add its rate to the policy (value, rates), then replay this row"
    return Problem(column, f"is {currency}, which has no rate", fix)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a gate found."""

    verdict: GateVerdict
    findings: list[dict[str, Any]]
    measures: dict[str, Any]
    good: pl.DataFrame
    """Rows as their contract reads them, beside `LINE`, `customer_id` and `customer_zone`; of customers only `LINE`."""
    repeated: int  # rows that are there again, word for word
    bad: "BadRows"


@dataclass(frozen=True, slots=True)
class BadRows:
    """Rows that break their contract, or refer to what is not there. Their problems are put in words when asked for."""

    data_set: DataSet
    singles: Sequence[tuple[Row, Sequence[Problem]]]
    rejected: pl.DataFrame  # text cells beside LINE and RAW
    referring: pl.DataFrame  # LINE, RAW and _WHY

    def __len__(self) -> int:
        return len(self.singles) + len(self.rejected) + len(self.referring)

    def all(self) -> list[tuple[int, bytes, Sequence[Problem]]]:
        """Line, bytes and problems of each, by line."""
        return self.first(None)

    def first(self, count: int | None) -> list[tuple[int, bytes, Sequence[Problem]]]:
        """The same of the first ones only."""
        found = [(row.line, row.raw, problems) for row, problems in self.singles[:count]]
        for cells in self.rejected[:count].iter_rows(named=True):
            line, raw = cells.pop(LINE), cells.pop(RAW).encode()
            found.append((line, raw, self._problems(cells)))
        for line, raw, why in self.referring[:count].iter_rows():
            found.append((line, raw.encode(), [_REFERENCES.get(why) or no_rate(CURRENCY[self.data_set], why)]))
        return sorted(found, key=lambda one: one[0])[:count]

    def _problems(self, cells: Mapping[str, Any]) -> Sequence[Problem]:
        try:
            CONTRACTS[self.data_set].read(cells)
        except ContractBroken as broken:
            return broken.problems
        raise AssertionError("a row that its contract takes was rejected")  # the two ways have drifted apart


_REFERENCES = {"customer": UNKNOWN_CUSTOMER, "future": NOT_BOUGHT_YET, "ahead": NOT_SO_YET, "twice": TWICE}


def judge(
    database: Database,
    batch: Batch,
    data_set: DataSet,
    policy: Policy,
    history: Sequence[Measures],
    *,
    now: datetime,
) -> Judged:
    """Judge a batch. `history`: the feed's last accepted batches."""
    contract = CONTRACTS[data_set]
    by_hand, singles = _read_singles(batch, contract)
    read = contract.read_all(batch.cells).with_columns(batch.table[LINE], batch.table[RAW])
    read = pl.concat([read, by_hand.select(read.columns)]) if len(by_hand) else read
    judged = _with_references(database, read, data_set, policy, now=now)
    whole = _for_the_suite(judged, _cells(batch, by_hand), data_set, unread=len(singles), now=now)
    numbers = bounds(sorted(parameters_of(data_set.value)), policy.gates.data_sets[data_set], history, rows=batch.size)
    checked = check_batch(data_set.value, whole, {name: one.number for name, one in numbers.items()})
    failed = [one for one in checked if not one.passed]
    verdict = verdict_of(
        critical=sum(one.is_critical for one in failed), warnings=sum(not one.is_critical for one in failed)
    )
    is_good = judged["fits"] & judged[_WHY].is_null()
    wrong = judged.filter(judged["fits"] & judged[_WHY].is_not_null() & (judged[_WHY] != "again"))
    extra = [name for name in ("customer_id", "customer_zone") if name in judged.columns]
    return Judged(
        verdict,
        [as_finding(one, numbers) for one in checked],
        {"rows": batch.size, "shares": _shares(checked)},
        judged.filter(is_good).select(LINE, *contract.model.model_fields, *extra),
        int((judged["fits"] & (judged[_WHY] == "again").fill_null(False)).sum()),
        BadRows(
            data_set,
            singles,
            batch.table.filter(~read["fits"][: len(batch.table)]),
            wrong.select(LINE, RAW, _WHY),
        ),
    )


def _read_singles(batch: Batch, contract: RowContract) -> tuple[pl.DataFrame, list[tuple[Row, Sequence[Problem]]]]:
    """Rows that cannot be read as a table: the good ones of them, and what is wrong with the others."""
    good: list[dict[str, Any]] = []
    bad: list[tuple[Row, Sequence[Problem]]] = []
    for row in batch.singles:
        if row.cells is None:
            bad.append((row, row.problems))
            continue
        try:
            good.append({**contract.read(row.cells), LINE: row.line, RAW: row.raw.decode(), "fits": True})
        except ContractBroken as broken:
            bad.append((row, broken.problems))
    schema = {**contract.schema, LINE: pl.Int64, RAW: pl.String, "fits": pl.Boolean}
    return pl.DataFrame(good, schema=schema, orient="row"), bad


def _cells(batch: Batch, by_hand: pl.DataFrame) -> pl.DataFrame:
    """The cells of the rows as they came; of those read by themselves, as their contract reads them."""
    cells = batch.table.drop(LINE, RAW)
    if not len(by_hand):
        return cells
    read = by_hand.select(pl.col(name).cast(pl.String) for name in cells.columns if name in by_hand.columns)
    return pl.concat([cells, read], how="diagonal")


def _with_references(
    database: Database, read: pl.DataFrame, data_set: DataSet, policy: Policy, *, now: datetime
) -> pl.DataFrame:
    """The rows with the customers they refer to, and in `_WHY` what is wrong with those that fit their contract."""
    why = pl.lit(None, pl.String)
    if "bought_on" in read.columns and data_set is DataSet.PURCHASES:
        why = pl.when(pl.col("bought_on") > now.date() + LATEST_PURCHASE).then(pl.lit("future")).otherwise(why)
    if "changed_at" in read.columns:
        why = pl.when(pl.col("changed_at") > now + any_event.LATEST).then(pl.lit("ahead")).otherwise(why)
    if "customer_ref" in read.columns:
        refs = read.filter("fits")["customer_ref"].unique()
        with database.read() as connection:
            found = ids_and_zones(connection, refs.to_list())
        known = pl.DataFrame(
            found,
            schema={"customer_id": pl.Int64, "customer_ref": pl.String, "customer_zone": pl.String},
            orient="row",
        )
        read = read.join(known, on="customer_ref", how="left", maintain_order="left")
        why = pl.when(pl.col("customer_id").is_null()).then(pl.lit("customer")).otherwise(why)
    currency = CURRENCY[data_set]
    rates = list(policy.value.rates)
    why = pl.when(pl.col(currency).is_not_null() & ~pl.col(currency).is_in(rates)).then(currency).otherwise(why)
    said = [name for name in CONTRACTS[data_set].model.model_fields]
    read = read.with_columns(
        pl.when("fits").then(why).alias(_WHY),
        _twice=(pl.col("ref").is_duplicated() & pl.col("fits")),
    )
    if not read["_twice"].any():
        return read.drop("_twice")
    # Of equal rows the first counts; of rows that differ, none.
    twice = read.filter("_twice").with_columns(_kinds=pl.struct(said).n_unique().over("ref"))
    twice = twice.select(
        LINE,
        _again=pl.when(pl.col("_kinds") > 1).then(pl.lit("twice")).when(~pl.col("ref").is_first_distinct()).then(
            pl.lit("again")),
    )  # fmt: skip
    return (
        read.drop("_twice")
        .join(twice, on=LINE, how="left", maintain_order="left")
        .with_columns(pl.coalesce(_WHY, "_again").alias(_WHY))
        .drop("_again")
    )


def _for_the_suite(
    judged: pl.DataFrame, cells: pl.DataFrame, data_set: DataSet, *, unread: int, now: datetime
) -> pl.DataFrame:
    """The columns a suite may ask about, a row a row of the file.

    A column of the contract holds its cells as they came, the blank ones null; the others are facts about rows, null
    where a broken row does not tell.
    """
    fits, today, why = pl.col("fits"), pl.lit(now.date()), pl.col(_WHY)
    facts: dict[str, pl.Expr] = {
        "fits_contract": fits & (why.is_null() | why.is_in(("customer", "twice", "again"))),
        "is_only_one": pl.when(fits).then(~why.is_in(("twice", "again")).fill_null(False)),
    }
    if "customer_id" in judged.columns:
        facts["customer_is_known"] = pl.when(fits).then(pl.col("customer_id").is_not_null())
    if data_set is DataSet.ENTITLEMENTS:
        facts["days_left"] = pl.when(fits).then((pl.col("ends_on") - today).dt.total_days())
        facts["is_active"] = pl.when(fits).then(pl.col("state") == "active")
    if data_set is DataSet.PURCHASES:
        facts["days_old"] = pl.when(fits).then((today - pl.col("bought_on")).dt.total_days())
        facts["costs_something"] = pl.when(fits).then(pl.col("amount") > 0)
    wanted = columns_of(data_set.value)
    own = sorted(wanted - set(facts))
    stripped = [pl.col(name).str.strip_chars() if name in cells.columns else pl.lit("").alias(name) for name in own]
    whole = pl.concat(
        [
            judged.select(**{name: fact for name, fact in facts.items() if name in wanted}),
            cells.select(stripped).with_columns(pl.when(pl.col(name) != "").then(name).alias(name) for name in own),
        ],
        how="horizontal",
    )
    if not unread:
        return whole
    broken = pl.DataFrame({"fits_contract": [False] * unread})
    return pl.concat([whole, broken], how="diagonal")


def _shares(checked: Sequence[Checked]) -> dict[str, float]:
    """Shares that later batches are compared with."""
    return {
        one.parameter.removesuffix("_share_at_least"): one.found
        for one in checked
        if one.parameter is not None and one.parameter.endswith("_share_at_least") and one.found is not None
    }


def as_finding(one: Checked, numbers: Mapping[str, Bound]) -> dict[str, Any]:
    """A check in words that a support person understands, as a JSON object."""
    why = "" if one.parameter is None else numbers[one.parameter].why
    return {
        "check": one.name,
        "asks": one.asks,
        "severity": "critical" if one.is_critical else "warning",
        "passed": one.passed,
        "found": _amount(one.found, one.unit),
        "expected": _expected(one) + (f" ({why})" if why else ""),
        "advice": one.advice,
    }


def _expected(one: Checked) -> str:
    bounded = [
        f"{words} {_amount(bound, one.unit)}"
        for words, bound in (("at least", one.at_least), ("at most", one.at_most))
        if bound is not None and bound != ANYTHING
    ]
    return " and ".join(bounded) or "anything"


def _amount(number: float | None, unit: str) -> str:
    if number is None:
        return "nothing"
    return f"{number:,.0f} {unit}" if unit else _percent(number)


def _percent(share: float) -> str:
    """Rounded so that what is not all is never called 100 %."""
    shown = f"{share:.1%}"
    return f"{share:.4%}" if shown == "100.0%" and share < 1 else shown
