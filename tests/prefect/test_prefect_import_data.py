"""`import-data`: each file that arrived is one task, its verdict readable, its run's state the truth for people."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import State
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from prefect_stage import Server, eventually
from sqlalchemy import select

from flows.import_data import import_data
from services.gates import Approver, approve_gate
from store.database import Database
from store.entitlements import entitlements

pytestmark = pytest.mark.prefect

SOON = (datetime.now(UTC) + timedelta(days=20)).date()


def run_of(server: Server, state: State[Any]) -> dict[str, Any]:
    return dict(server.get(f"/flow_runs/{state.state_details.flow_run_id}"))


def artifacts_of(server: Server, state: State[Any]) -> dict[str, Any]:
    run = str(state.state_details.flow_run_id)
    found = server.post("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run]}}})
    return {each["key"]: each["data"] for each in found}


def task_names(server: Server, state: State[Any]) -> list[str]:
    runs = {"flow_runs": {"id": {"any_": [str(state.state_details.flow_run_id)]}}}
    return sorted(each["name"] for each in server.post("/task_runs/filter", runs))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where files arrive."""
    made = tmp_path / "import"
    made.mkdir()
    return made


def put(folder: Path, name: str, *lines: str) -> None:
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def endings(count: int, days: int = 0) -> list[str]:
    on = SOON + timedelta(days=days)
    lines = [f"E-{number},C-1,policy,household,{on},129.90,PLN" for number in range(count)]
    return ["ref,customer_ref,kind,product,ends_on,value,currency", *lines]


async def test_what_arrived_is_imported_once_the_customers_first(
    applied: Server, database: Database, folder: Path
) -> None:
    put(folder, "entitlements-1.csv", *endings(20))
    put(folder, "customers.csv", "ref,email", "C-1,anna@example.com")

    first = await import_data(return_state=True)
    again = await import_data(return_state=True)

    assert (first.name, first.message) == ("Completed", "imported: 2; left alone: nothing")
    assert (again.name, again.message) == ("Completed", "imported: nothing; left alone: 2")
    with database.read() as connection:
        assert len(connection.execute(select(entitlements.c.id)).all()) == 20
    eventually(
        lambda: {"customers: 1 accepted, 0 known already", "entitlements: 20 accepted, 0 known already"}
        <= set(task_names(applied, first)), 20, "the tasks' names")  # fmt: skip
    rows = json.loads(artifacts_of(applied, again)["import-data"])
    assert [row["what became of it"].split(" (")[0] for row in rows] == ["taken already"] * 2


async def test_half_the_volume_fails_the_run_until_a_person_lets_it_through(
    applied: Server, database: Database, folder: Path
) -> None:
    put(folder, "customers.csv", "ref", "C-1")
    put(folder, "entitlements-1.csv", *endings(20))
    await import_data(return_state=True)
    put(folder, "entitlements-2.csv", *endings(10, days=365))

    halted = await import_data(return_state=True)
    still = await import_data(return_state=True)
    put(folder, "purchases.csv", "ref,customer_ref", "P-1,C-1")  # a file that will not do stops no other
    gate_id = int(str(still.message).split("gate ")[1].split(";")[0])
    approve_gate(database, gate_id, Approver("Ewa", "half of them were sold"))
    approved = await import_data(return_state=True)

    assert (halted.is_failed(), halted.message) == (
        True, "halted: entitlements; imported: 1; left alone: 2")  # fmt: skip
    story = artifacts_of(applied, halted)["gate-verdict-entitlements"]
    assert "halted: nothing of it was taken" in story
    assert "No: 10 rows; expected: at least 14 rows" in story
    assert "████" in story
    questions = json.loads(artifacts_of(applied, halted)["gate-questions-entitlements"])
    assert questions[0]["answer"] == "no: halts"
    assert (still.name, still.is_failed()) == ("NeedsPeople", False)
    assert "needs-people" in run_of(applied, still)["tags"]
    assert approved.is_failed()
    assert "purchases.csv, line 1: product: this column is missing" in str(approved.message)
    with database.read() as connection:
        moved = connection.execute(select(entitlements.c.ref).where(entitlements.c.ends_on > SOON)).all()
    assert len(moved) == 10


async def test_rows_in_quarantine_need_people(applied: Server, database: Database, folder: Path) -> None:
    put(folder, "customers.csv", "ref,phone", "C-1,+48601234567", "C-2,no phone")

    state = await import_data(return_state=True)

    assert (state.name, str(state.message).split(";")[0]) == ("NeedsPeople", "rows in quarantine: 1")


@pytest.mark.parametrize(
    ("place", "why"),
    [("https://evil.example.com/customers.csv", "not among the hosts"), ("/nowhere/at/all", "no such folder")],
)
async def test_a_place_we_cannot_look_at_fails_the_run(
    applied: Server, database: Database, place: str, why: str
) -> None:
    state = await import_data(place=place, return_state=True)
    assert state.is_failed()
    assert why in str(state.message)


async def test_with_no_folder_nothing_arrived(applied: Server, database: Database) -> None:
    state = await import_data(return_state=True)
    assert (state.name, state.message) == ("Completed", "imported: nothing; left alone: nothing")


async def test_nothing_of_a_customer_is_left_in_prefect(applied: Server, database: Database, folder: Path) -> None:
    """P23, for good rows, for broken ones whose cells are shifted, and for a batch that is halted."""
    name, address = f"Canary {uuid4().hex[:8]}", f"canary-{uuid4().hex[:8]}@example.com"
    header = "ref,name,email,tier,language"
    put(folder, "customers-1.csv", header, f"C-1,{name},{address},,", f"C-2,x,,{name},")
    put(folder, "customers-2.csv", header, *(f"C-{n},{name},{n},{name},{address}" for n in range(9)))

    with temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: True}):
        assert (await import_data(return_state=True)).is_failed()
        await APILogHandler.aflush()

    kept = b"".join(path.read_bytes() for path in (applied.directory / "prefect").glob("prefect.db*"))
    assert b"customers-2.csv" in kept
    for secret in (name, address):
        assert secret.encode() not in kept
