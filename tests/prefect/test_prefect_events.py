"""A burst of critical answers is one run, not a run an answer."""

from datetime import UTC, datetime
from typing import Any

import pytest
from prefect_stage import Server, eventually

from integrations.prefect_events import CRITICAL_ANSWER, as_event

pytestmark = pytest.mark.prefect


def runs_by_automation(server: Server, job: str) -> list[dict[str, Any]]:
    deployment = server.named("deployments", job)["id"]
    runs = server.post("/flow_runs/filter", {"deployments": {"id": {"any_": [deployment]}}})
    return [run for run in runs if (run["created_by"] or {}).get("type") == "AUTOMATION"]


def test_two_hundred_events_are_one_run(applied: Server) -> None:
    health = applied.named("deployments", "integration-health")["id"]
    trigger = {"type": "event", "posture": "Reactive", "expect": ["test.is.over"], "threshold": 1, "within": 0}
    action = {"type": "run-deployment", "source": "selected", "deployment_id": health}
    last = applied.post("/automations/", {"name": "the last event", "trigger": trigger, "actions": [action]})
    now = datetime.now(UTC)
    burst = [
        as_event(CRITICAL_ANSWER, f"case/C-{n}/1/ticket", {"response": f"r-{n}"}, occurred=now) for n in range(200)
    ]

    for first in range(0, len(burst), 20):
        applied.post("/events", burst[first : first + 20])
    applied.post("/events", [as_event("test.is.over", "the test", {}, occurred=datetime.now(UTC))])

    # Events are looked at in the order they came: when the last one has had its run, all have been.
    eventually(lambda: runs_by_automation(applied, "integration-health"), 60, "the run of the last event")
    runs = eventually(lambda: runs_by_automation(applied, "survey-escalation"), 60, "the run of the burst")
    applied.delete(f"/automations/{last['id']}")
    assert len(runs) == 1
    asked_for = datetime.fromisoformat(runs[0]["expected_start_time"])
    assert (asked_for - now).total_seconds() >= 4, "it waits a little, so that it sees the whole burst"
