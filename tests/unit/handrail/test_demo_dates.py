"""The examples of endings: they fit their contracts, and tell the same story whatever day they are moved to."""

import csv
from collections import Counter, defaultdict
from datetime import date, timedelta
from pathlib import Path

import pytest

from data_contracts import customers, entitlements, purchases
from data_contracts.policy import load_policy
from data_contracts.row_contracts import RowContract
from domain.depletion import Estimate, Rhythms, next_need
from handrail.demo_dates import EXAMPLES_DAY, moved
from services.backtesting import read_purchases
from services.batch_files import read_batch
from services.settings import ROOT

EXAMPLES = ROOT / "examples"
POLICY = load_policy((ROOT / "deployments" / "policy.yaml").read_text(encoding="utf-8"), "policy.yaml")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize(
    ("name", "contract"),
    [
        ("expiry-customers.csv", customers.CONTRACT),
        ("entitlements.csv", entitlements.CONTRACT),
        ("purchases.csv", purchases.CONTRACT),
        ("purchases-1997.csv", purchases.CONTRACT),
    ],
)
def test_every_row_fits_its_contract(name: str, contract: RowContract) -> None:
    batch = read_batch(EXAMPLES / name, contract)
    assert batch.singles == []
    assert contract.read_all(batch.cells)["fits"].all()


def test_customers_live_in_four_countries_and_whatever_tells_of_them_knows_them() -> None:
    people = rows(EXAMPLES / "expiry-customers.csv")
    zones = Counter(person["time_zone"].split("/")[0] + person["language"] for person in people)
    assert set(zones) == {"Europepl", "Europecs", "Europeen", "Americaen"}
    refs = {person["ref"] for person in people}
    assert len(refs) == len(people)
    for name in ("entitlements.csv", "purchases.csv"):
        told = rows(EXAMPLES / name)
        assert {row["customer_ref"] for row in told} <= refs
        assert len({row["ref"] for row in told}) == len(told)


def test_nobody_real_can_be_called_or_written_to() -> None:
    reserved = ("+48000000", "+420000000", "+447700900", "+120255501")
    for person in rows(EXAMPLES / "expiry-customers.csv"):
        assert not person["phone"] or person["phone"].startswith(reserved)
        assert not person["email"] or person["email"].endswith(("@example.com", "@example.org", "@example.net"))


def test_things_of_all_kinds_end_at_every_horizon() -> None:
    left: defaultdict[str, set[int]] = defaultdict(set)
    for row in rows(EXAMPLES / "entitlements.csv"):
        if row["state"] == "active" and row["auto_renews"] == "no":
            left[row["kind"]].add((date.fromisoformat(row["ends_on"]) - EXAMPLES_DAY).days)
    for kind, rules in POLICY.expiry.kinds.items():
        nearest = 0
        for horizon in sorted(rules.horizons):
            if kind != "supply" or horizon > 1:
                assert any(nearest <= days <= horizon for days in left[kind.value]), (kind, horizon)
            nearest = horizon + 1


def test_every_date_is_moved_by_the_same_days_and_nothing_else_changes(tmp_path: Path) -> None:
    for name in ("entitlements.csv", "purchases.csv"):
        moved(EXAMPLES / name, tmp_path / name, today=EXAMPLES_DAY + timedelta(days=400))
        for before, after in zip(rows(EXAMPLES / name), rows(tmp_path / name), strict=True):
            for column, cell in before.items():
                if cell and column in {"bought_on", "ends_on"}:
                    cell = str(date.fromisoformat(cell) + timedelta(days=400))
                assert after[column] == cell


def test_moved_to_the_day_it_was_written_for_a_file_is_what_it_was(tmp_path: Path) -> None:
    for name in ("entitlements.csv", "purchases.csv"):
        moved(EXAMPLES / name, tmp_path / name, today=EXAMPLES_DAY)
        assert (tmp_path / name).read_bytes() == (EXAMPLES / name).read_bytes()


def test_some_supplies_are_estimated_to_run_out_within_a_week_on_whatever_day(tmp_path: Path) -> None:
    today = date(2028, 2, 29)
    moved(EXAMPLES / "purchases.csv", tmp_path / "purchases.csv", today=today)
    histories = read_purchases(tmp_path / "purchases.csv").histories
    rhythms = Rhythms(POLICY.depletion)
    for (_, product), history in histories.items():
        rhythms.add(product, history)
    as_of = max(history[-1].on for history in histories.values())
    assert timedelta(0) < today - as_of <= timedelta(days=14), "no older than the gate of purchases lets through"
    found = [
        next_need(history, rhythms.of(product), POLICY.depletion, as_of=as_of)
        for (_, product), history in histories.items()
    ]
    due = [one for one in found if isinstance(one, Estimate) and 0 <= (one.likely_on - today).days <= 7]
    assert len(due) >= 10
    assert len({one for one in found if not isinstance(one, Estimate)}) == 2, "too few purchases, and stopped"
