"""`handrail doctor` about Prefect: what somebody deleted or paused there is said, with what brings it back."""

from pathlib import Path

import pytest
from prefect_stage import Server, eventually, free_port

from handrail.doctor import Finding, examine
from handrail.prefect_apply import apply

pytestmark = pytest.mark.prefect


@pytest.fixture
def diagnosed(applied: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    """An installation of nothing but this Prefect."""
    monkeypatch.setenv("HANDRAIL_DATA", str(tmp_path))
    monkeypatch.setenv("HANDRAIL_PREFECT_API_URL", applied.api)
    return applied


def finding(check: str) -> Finding | None:
    return next((one for one in examine() if one.check == check), None)


def test_all_is_well(diagnosed: Server) -> None:
    found = finding("deployments")

    assert found is not None
    assert (found.verdict, found.found) == ("ok", "8 deployed and scheduled, 3 begun when asked for")


def test_a_deleted_deployment_is_named_and_apply_brings_it_back(diagnosed: Server) -> None:
    diagnosed.delete(f"/deployments/{diagnosed.named('deployments', 'dispatch-actions')['id']}")

    found = finding("deployments")

    assert found is not None
    assert (found.verdict, found.found) == ("fail", "not deployed, so nothing runs them: dispatch-actions")
    assert "handrail prefect apply" in found.do
    apply(diagnosed.api)
    assert diagnosed.named("deployments", "dispatch-actions")
    test_all_is_well(diagnosed)


def test_what_is_paused_is_named(diagnosed: Server) -> None:
    sweep = diagnosed.named("deployments", "recovery-sweep")
    health = diagnosed.named("deployments", "integration-health")
    switch = f"/deployments/{sweep['id']}/schedules/{sweep['schedules'][0]['id']}"
    diagnosed.patch(switch, {"active": False})
    diagnosed.post(f"/deployments/{health['id']}/pause_deployment")

    found = finding("deployments")

    assert found is not None
    assert found.verdict == "warn"
    assert found.found == "paused by somebody, so what is due waits: integration-health, recovery-sweep"
    diagnosed.patch(switch, {"active": True})
    diagnosed.post(f"/deployments/{health['id']}/resume_deployment")
    test_all_is_well(diagnosed)


def test_without_a_worker_it_says_that_runs_wait(diagnosed: Server) -> None:
    diagnosed.post("/work_pools/handrail/workers/heartbeat", {"name": "gone", "heartbeat_interval_seconds": 1})
    status = "the pool without a heartbeat"
    eventually(lambda: diagnosed.get("/work_pools/handrail")["status"] == "NOT_READY", 60, status)

    found = finding("workers")

    assert found is not None
    assert found.verdict == "warn"
    assert "runs wait" in found.found


def test_nobody_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HANDRAIL_DATA", str(tmp_path))
    monkeypatch.setenv("HANDRAIL_PREFECT_API_URL", f"http://127.0.0.1:{free_port()}/api")

    found = finding("prefect")

    assert found is not None
    assert found.verdict == "warn"
    assert "does not answer" in found.found
