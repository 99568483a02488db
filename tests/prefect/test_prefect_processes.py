"""Prefect's server and worker as `handrail up` starts them: one process each, back after a kill, runs really run."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from complaints import complain, move_all
from prefect_stage import Server, eventually, running

from handrail.prefect_runs import start_run
from handrail.prefect_server import worker_is_online, worker_program
from store.database import Database

pytestmark = pytest.mark.prefect

BACK = 30.0
"""Seconds within which a killed server serves again."""


def children_of(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()


async def test_a_worker_runs_what_is_asked_for_and_service_logs_stand_in_the_run(
    applied: Server, variables: dict[str, str], database: Database, tmp_path: Path
) -> None:
    for deployment in applied.post("/deployments/filter"):  # else it begins with what their schedules have asked for
        applied.post(f"/deployments/{deployment['id']}/pause_deployment")
    await complain("C-worker")
    move_all(database, "claimed", claimed_by="a dead worker", lease_until=datetime.now(UTC) - timedelta(hours=1))

    with running(worker_program(tmp_path, applied.api), tmp_path / "worker.log", variables) as worker:
        eventually(lambda: worker_is_online(applied.api), 60, "the worker")
        started = start_run(applied.api, "recovery-sweep")
        eventually(
            lambda: applied.get(f"/flow_runs/{started.id}")["state_type"] in {"COMPLETED", "FAILED", "CRASHED"},
            90,
            f"the run; the worker's log: {tmp_path / 'worker.log'}",
        )
        run = applied.get(f"/flow_runs/{started.id}")
        assert (run["state_name"], run["state"]["message"]) == ("Completed", "swept: 2")
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
