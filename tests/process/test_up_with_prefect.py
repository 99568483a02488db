"""`handrail up` with Prefect: its server and worker are of the stack, come back, and leave with it."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from local_stack import HANDRAIL, LocalStack, answers, eventually, is_alive, local_stack

from handrail.prefect_server import worker_is_online

pytestmark = [pytest.mark.process, pytest.mark.prefect, pytest.mark.timeout(300)]

BACK = 30.0
"""Seconds within which a killed Prefect server serves again."""

JOBS = {
    "expiry-detection",
    "onboarding-drip",
    "survey-escalation",
    "dispatch-actions",
    "recovery-sweep",
    "integration-health",
    "import-data",
    "poll-surveys",
}
ON_DEMAND = {"action-review", "replay-quarantine", "emergency-stop"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """One whole stack."""
    with local_stack(tmp_path_factory.mktemp("a-gateway") / "data", with_prefect=True) as running:
        yield running


def test_everything_is_ready_when_the_line_is_printed(stack: LocalStack) -> None:
    api = f"{stack.told['prefect']}/api"

    assert set(stack.told["pids"]) == {"gateway", "sandbox", "prefect", "flow-runs", "worker"}
    assert worker_is_online(api)
    deployed = httpx.post(f"{api}/deployments/filter", json={}, trust_env=False).json()
    assert {deployment["name"] for deployment in deployed} == JOBS | ON_DEMAND


def test_its_server_stays_behind_the_gateway_but_no_run_that_may_hold_the_lock(stack: LocalStack) -> None:
    niceness = {name: os.getpriority(os.PRIO_PROCESS, pid) for name, pid in stack.standing["pids"].items()}

    assert niceness["prefect"] == min(19, niceness["gateway"] + 10)
    assert niceness["flow-runs"] == niceness["worker"] == niceness["sandbox"] == niceness["gateway"]


def test_only_the_gateways_command_line_says_gateway(stack: LocalStack) -> None:
    lines = {name: Path(f"/proc/{pid}/cmdline").read_bytes() for name, pid in stack.standing["pids"].items()}

    assert [name for name, line in lines.items() if b"gateway" in line] == ["gateway"]


def test_a_job_is_started_there_and_its_address_told(stack: LocalStack) -> None:
    said = subprocess.run(
        (*HANDRAIL, "run", "integration-health", "--json"),
        capture_output=True,
        text=True,
        env={**os.environ, "HANDRAIL_DATA": str(stack.directory)},
        timeout=60,
        check=True,
    )
    told = json.loads(said.stdout)

    assert told["address"] == f"{stack.told['prefect']}/runs/flow-run/{told['run']}"

    def is_over() -> bool:
        run = httpx.get(f"{stack.told['prefect']}/api/flow_runs/{told['run']}", trust_env=False).json()
        return bool(run["state"]["name"] == "Completed")

    eventually(is_over, 90, "the run did not complete")


def test_its_runs_are_forked(stack: LocalStack) -> None:
    said = (stack.directory / "logs" / "worker.log").read_text(encoding="utf-8")

    assert "Finished in state Completed" in said
    assert "imports everything itself" not in said
    assert not (stack.directory / "logs" / "flow-runs.log").read_text(encoding="utf-8")


def test_killed_they_come_back(stack: LocalStack) -> None:
    killed = {stack.kill("worker"), stack.kill("flow-runs"), stack.kill("prefect")}
    eventually(lambda: not any(is_alive(pid) for pid in killed), 2)

    eventually(lambda: answers(stack.told["prefect"], "/api/health"), BACK, "Prefect did not serve again")
    eventually(lambda: worker_is_online(f"{stack.told['prefect']}/api"), 60, "the worker did not come back")

    assert not killed & {stack.pid("worker"), stack.pid("flow-runs"), stack.pid("prefect")}


def test_its_database_lost_its_jobs_are_applied_again_and_scheduled(stack: LocalStack) -> None:
    api = f"{stack.told['prefect']}/api"
    stack.kill("prefect")
    for file in (stack.directory / "prefect").glob("prefect.db*"):  # the next server has only begun to import Prefect
        file.unlink()

    def scheduled() -> set[str]:
        try:
            deployed = httpx.post(f"{api}/deployments/filter", json={}, trust_env=False).json()
            runs = httpx.post(f"{api}/flow_runs/filter", json={}, trust_env=False).json()
        except (httpx.TransportError, ValueError):
            return set()
        names = {deployment["id"]: deployment["name"] for deployment in deployed}
        return {names.get(run["deployment_id"], "") for run in runs if run["auto_scheduled"]}

    eventually(lambda: scheduled() == JOBS, 90, "not every job was scheduled again")


def test_in_the_end_nothing_is_left(stack: LocalStack) -> None:
    pids = stack.standing["pids"]

    assert stack.stop() == 0

    assert not any(is_alive(pid) for pid in pids.values())
