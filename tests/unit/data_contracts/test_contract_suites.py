"""Suites: they are what Great Expectations reads, and agree with the row contracts on the same cells."""

import json
from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest

from data_contracts import customers, entitlements, purchases
from data_contracts.batch_suites import SUITES, check_batch, columns_of, parameters_of
from data_contracts.problems import ContractBroken
from data_contracts.row_contracts import RowContract
from domain.gates import DataSet, GateRules, bounds

pytestmark = pytest.mark.slow  # Great Expectations takes seconds to import

CONTRACTS: Mapping[DataSet, RowContract] = {
    DataSet.CUSTOMERS: customers.CONTRACT,
    DataSet.ENTITLEMENTS: entitlements.CONTRACT,
    DataSet.PURCHASES: purchases.CONTRACT,
}
GOOD: Mapping[DataSet, Mapping[str, str]] = {
    DataSet.CUSTOMERS: {"ref": "C-1", "tier": "vip", "email": "anna@example.com", "phone": "+48601234567",
                        "language": "pl"},
    DataSet.ENTITLEMENTS: {"ref": "E-1", "customer_ref": "C-1", "kind": "policy", "product": "car",
                           "ends_on": "2026-12-31", "state": "active", "value": "12.90", "currency": "PLN"},
    DataSet.PURCHASES: {"ref": "P-1", "customer_ref": "C-1", "product": "coffee", "bought_on": "2026-03-01",
                        "quantity": "2", "amount": "12.90", "currency": "PLN"},
}  # fmt: skip
ODD = ["", "x", "0", "-1", "1,5", "12.905", "NaN", "31.12.2026", "2026-12-31", "PLN", "pln", "vip", "cancelled",
       "supply", "anna@example.com", "anna", "2026-12-31T00:00", "20261231"]  # fmt: skip
CASES = [
    pytest.param(data_set, column, id=f"{data_set}-{column}")
    for data_set in DataSet
    for column in sorted(columns_of(data_set.value) & set(GOOD[data_set]) - {"phone", "language"})
]


def asked(data_set: DataSet, row: Mapping[str, str], **facts: Any) -> dict[str, bool]:
    """What the suite says of one row, by check."""
    cells = {name: row.get(name) or None for name in columns_of(data_set.value)}
    known = {"fits_contract": True, "is_only_one": True, "customer_is_known": True, "is_active": True,
             "costs_something": True, "days_left": 1, "days_old": 1, **facts}  # fmt: skip
    frame = pl.DataFrame({name: [known.get(name, cell)] for name, cell in cells.items()})
    numbers = {"fits_at_least": 1, "volume_at_least": 1, "volume_at_most": 9, "newest_within_days": 9}
    parameters = {name: numbers.get(name, 0.0) for name in parameters_of(data_set.value)}
    return {one.name: one.passed for one in check_batch(data_set.value, frame, parameters)}


@pytest.mark.parametrize(("data_set", "column"), CASES)
def test_the_suite_refuses_no_cell_that_the_row_contract_takes(data_set: DataSet, column: str) -> None:
    """The other way round the contract is stricter: it reads a value, the suite looks at its shape."""
    refused_by_both = 0
    for cell in ODD:
        row = {**GOOD[data_set], column: cell}
        try:
            CONTRACTS[data_set].read(row)
            is_good = True
        except ContractBroken as broken:
            is_good = not any(problem.path == column for problem in broken.problems)
        said = asked(data_set, row).get(f"{column} is what it should be", True)
        assert said or not is_good, cell
        refused_by_both += not said and not is_good
    if f"{column} is what it should be" in asked(data_set, GOOD[data_set]):
        assert refused_by_both


@pytest.mark.parametrize("data_set", DataSet)
def test_what_is_good_for_the_row_contract_is_good_for_the_suite(data_set: DataSet) -> None:
    CONTRACTS[data_set].read(GOOD[data_set])
    assert all(asked(data_set, GOOD[data_set]).values())
    assert asked(data_set, GOOD[data_set], fits_contract=False)["rows fit their contract"] is False


@pytest.mark.parametrize("data_set", DataSet)
def test_a_suite_says_what_a_person_asks_and_what_to_do(data_set: DataSet) -> None:
    suite = json.loads((SUITES / f"{data_set}.json").read_text(encoding="utf-8"))
    names = [one["meta"]["name"] for one in suite["expectations"]]
    assert len(names) == len(set(names))
    for one in suite["expectations"]:
        assert one["severity"] in {"critical", "warning"}
        assert one["description"].endswith("?")
        assert one["meta"]["advice"].endswith(".")


@pytest.mark.parametrize("data_set", DataSet)
def test_every_number_a_suite_names_is_known(data_set: DataSet) -> None:
    rules = GateRules(5, 0.7, 1.5, 0.05, 0.2, 14, 48)
    names = sorted(parameters_of(data_set.value))
    assert set(bounds(names, rules, [], rows=100)) == set(names)
    with pytest.raises(KeyError):
        bounds(["volume_atleast"], rules, [], rows=100)


def test_a_suite_that_asks_for_a_column_nobody_has_halts() -> None:
    """An expectation that cannot be evaluated is a no, never a yes."""
    frame = pl.DataFrame({"ref": ["C-1"]})
    parameters = {name: 0.0 for name in parameters_of("customers")}
    said = {one.name: one.passed for one in check_batch("customers", frame, parameters)}
    assert said["rows fit their contract"] is False
