"""Prefect's server and worker as `handrail up` starts them: one process each, back after a kill, runs really run."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prefect_stage import Server, eventually, running
from sqlalchemy import insert

from handrail.prefect_runs import start_run
from handrail.prefect_server import worker_is_online, worker_program
from store.database import Database
from store.ledger.rows import actions

pytestmark = pytest.mark.prefect

BACK = 30.0
"""Seconds within which a killed server serves again."""


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()


def leave_behind(database: Database) -> None:
    """An action that a dead worker held."""
    then = datetime.now(UTC) - timedelta(hours=1)
    with database.write() as connection:
        connection.execute(
            insert(actions).values(
                key="case/C-1/1/ticket",
                kind="ticket",
                basis="internal",
                capability="ticketing",
                state="claimed",
                lane="urgent",
                urgent=True,
                payload={},
                payload_hash="",
                due_at=then,
                lease_until=then,
                claimed_by="a dead worker",
                planned_by="a test",
                created_at=then,
                updated_at=then,
            )
        )


def test_a_worker_runs_what_is_asked_for_and_service_logs_stand_in_the_run(
    applied: Server, variables: dict[str, str], database: Database, tmp_path: Path
) -> None:
    leave_behind(database)

    with running(worker_program(tmp_path, applied.api), tmp_path / "worker.log", variables) as worker:
        eventually(lambda: worker_is_online(applied.api), 60, "the worker")
        started = start_run(applied.api, "recovery-sweep")
        eventually(
            lambda: applied.get(f"/flow_runs/{started.id}")["state_type"] in {"COMPLETED", "FAILED", "CRASHED"},
            90,
            f"the run; the worker's log: {tmp_path / 'worker.log'}",
        )
        run = applied.get(f"/flow_runs/{started.id}")
        assert (run["state_name"], run["state"]["message"]) == ("Completed", "swept: 1")
        logs = {"logs": {"flow_run_id": {"any_": [started.id]}}}
        eventually(
            lambda: any("its worker died" in line["message"] for line in applied.post("/logs/filter", logs)),
            20,
            "the service's log line in the run",
        )
        assert worker.poll() is None


def test_the_server_is_one_process_and_comes_back_with_what_it_knew(applied: Server) -> None:
    assert children_of(applied.process.pid) == []

    applied.kill_and_start_again()

    assert applied.wait(BACK) < BACK
    assert applied.named("deployments", "survey-escalation")
    assert applied.get("/work_pools/handrail")["name"] == "handrail"
