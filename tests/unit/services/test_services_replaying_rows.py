"""Rows of batches that waited in quarantine: repaired, replayed, through a gate of their own."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from domain.gates import DataSet
from services.importing import BatchReport, Source, import_batch
from services.quarantine import Who, read_quarantined, repair, replay
from services.replaying import Verdict
from services.wiring import Handrail
from store.gates import latest_passed

HEADER = "ref,customer_ref,kind,product,ends_on,value,currency"
EWA = Who("Ewa Lis", "as the customer's contract says")


@pytest.fixture
def imported(handrail: Handrail, tmp_path: Path) -> Any:
    """`imported(*lines)`: import these lines as a CSV, of entitlements unless told."""

    def run(*lines: str, header: str = HEADER, data_set: DataSet = DataSet.ENTITLEMENTS) -> BatchReport:
        file = tmp_path / f"{data_set}.csv"
        file.write_text("\n".join((header, *lines)) + "\n", encoding="utf-8")
        return import_batch(handrail.database, handrail.policy, Source(file, data_set), clock=handrail.clock)

    run("C-1", header="ref", data_set=DataSet.CUSTOMERS)
    return run


def waiting(installation: Any) -> int:
    """The id of the one row that waits."""
    [row] = [row for row in installation.rows("quarantine") if row.state == "waiting"]
    return int(row.id)


async def test_a_repaired_row_comes_in_through_a_gate_of_its_own(
    imported: Any, handrail: Handrail, installation: Any
) -> None:
    report = imported("E-1,C-1,policy,car,2026-12-31,1.00,PLN", "E-2,C-1,policy,car,31.12.2026,1.00,PLN")
    row_id = waiting(installation)
    assert replay(handrail, row_id, EWA).verdict is Verdict.REFUSED
    assert repair(handrail, row_id, "E-2,C-1,policy,car,2026-12-31,1.00,PLN", EWA) == []

    ended = replay(handrail, row_id, EWA)

    assert (ended.verdict, ended.subject, ended.outcome) == (Verdict.ACCEPTED, "E-2", "written down")
    first, second = installation.rows("entitlements")
    assert (second.ref, second.ends_on, first.gate_id) == ("E-2", date(2026, 12, 31), report.gate["id"])
    gate = installation.rows("gates")[-1]
    assert (second.gate_id, gate.origin, gate.feed) == (gate.id, f"quarantine/{row_id}", "entitlements")
    assert read_quarantined(handrail.database, row_id)["state"] == "replayed"


async def test_one_replayed_row_is_no_batch_of_its_feed(imported: Any, handrail: Handrail, installation: Any) -> None:
    lines = [f"E-{number},C-1,policy,car,2026-12-31,1.00,PLN" for number in range(20)]
    report = imported(*lines, "E-x,C-9,policy,car,2026-12-31,1.00,PLN")
    imported("C-9", header="ref", data_set=DataSet.CUSTOMERS)
    assert replay(handrail, waiting(installation), EWA).verdict is Verdict.ACCEPTED
    with handrail.database.read() as connection:
        [last] = latest_passed(connection, DataSet.ENTITLEMENTS, "entitlements", limit=5)
    assert last.id == report.gate["id"]


async def test_a_row_whose_customer_is_still_unknown_keeps_waiting(
    imported: Any, handrail: Handrail, installation: Any
) -> None:
    imported("E-1,C-1,policy,car,2026-12-31,1.00,PLN", "E-x,C-9,policy,car,2026-12-31,1.00,PLN")
    gates = installation.rows("gates")
    row_id = waiting(installation)
    ended = replay(handrail, row_id, EWA)
    assert ended.verdict is Verdict.REFUSED
    assert [problem.path for problem in ended.problems] == ["customer_ref"]
    assert installation.rows("gates") == gates
    assert [problem.path for problem in
            repair(handrail, row_id, "E-x,C-1,policy,car,2026-12-31,1.00,XAU", EWA)] == ["currency"]  # fmt: skip


async def test_what_a_later_file_brought_is_known(imported: Any, handrail: Handrail, installation: Any) -> None:
    good = "E-2,C-1,policy,car,2026-12-31,1.00,PLN"
    imported("E-1,C-1,policy,car,2026-12-31,1.00,PLN", good.replace("2026-12-31", "soon"))
    row_id = waiting(installation)
    repair(handrail, row_id, good, EWA)
    imported("E-1,C-1,policy,car,2026-12-31,1.00,PLN", good)
    assert replay(handrail, row_id, EWA).verdict is Verdict.KNOWN


async def test_what_is_so_since_tomorrow_is_refused_as_in_its_file(
    imported: Any, handrail: Handrail, installation: Any
) -> None:
    header = "ref,customer_ref,kind,product,ends_on,value,currency,changed_at"
    line = "E-1,C-1,policy,car,2026-12-31,1.00,PLN,2026-03-09T12:00:00Z"
    imported(line, header=header)
    row_id = waiting(installation)
    assert [problem.path for problem in replay(handrail, row_id, EWA).problems] == ["changed_at"]
    installation.clock.go(days=7)
    assert replay(handrail, row_id, EWA).verdict is Verdict.ACCEPTED


async def test_a_purchase_of_tomorrow_is_refused_as_in_its_file(
    imported: Any, handrail: Handrail, installation: Any
) -> None:
    header = "ref,customer_ref,product,bought_on,quantity,amount,currency"
    good = "P-1,C-1,coffee,2026-03-03,1,9.00,PLN"
    imported(good, "P-2,C-1,coffee,2026-03-09,1,9.00,PLN", header=header, data_set=DataSet.PURCHASES)
    row_id = waiting(installation)
    assert [problem.path for problem in replay(handrail, row_id, EWA).problems] == ["bought_on"]
    installation.clock.go(days=7)
    assert replay(handrail, row_id, EWA).verdict is Verdict.ACCEPTED
    assert [row.ref for row in installation.rows("purchases")] == ["P-1", "P-2"]
