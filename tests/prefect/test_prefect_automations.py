"""Each automation tells somebody, through the block on-call made: a webhook here, so that the test hears it."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock
from prefect_stage import Server, eventually

from handrail.prefect_apply import ON_CALL, apply

pytestmark = [pytest.mark.prefect, pytest.mark.timeout(180)]

HEARD_WITHIN = 60.0


@pytest.fixture(scope="module")
def told(server: Server) -> Iterator[list[dict[str, str]]]:
    """What on-call was told, newest last: they made the block, then somebody ran `handrail prefect apply`."""
    heard: list[dict[str, str]] = []

    class OnCall(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), OnCall) as phone:
        threading.Thread(target=phone.serve_forever, daemon=True).start()
        block = CustomWebhookNotificationBlock(
            name="phone",
            url=f"http://127.0.0.1:{phone.server_port}/",
            json_data={"subject": "{{subject}}", "body": "{{body}}"},
        )
        made = block.save(ON_CALL, overwrite=True)
        try:
            assert not any("tell nobody" in line for line in apply(server.api))
            yield heard
        finally:
            server.delete(f"/block_documents/{made}")
            apply(server.api)
            phone.shutdown()


def set_state(server: Server, job: str, **state: str) -> dict[str, Any]:
    """A run of a job is brought to a state; the run."""
    run = server.post(f"/deployments/{server.named('deployments', job)['id']}/create_flow_run")
    server.post(f"/flow_runs/{run['id']}/set_state", {"state": state, "force": True})
    return dict(run)


def message_of(told: list[dict[str, str]], subject: str) -> dict[str, str]:
    """The one that on-call gets under this subject."""

    def found() -> dict[str, str] | None:
        return next((one for one in told if one["subject"] == subject), None)

    message = eventually(found, HEARD_WITHIN, f"a message {subject!r}; heard: {told}")
    assert message is not None
    return message


def test_a_failed_run_is_told_with_its_reason_and_its_page(server: Server, told: list[dict[str, str]]) -> None:
    run = set_state(server, "survey-escalation", type="FAILED", message="3 tickets are not at the desk")

    message = message_of(told, "Handrail: survey-escalation Failed")

    assert message["body"].startswith(f"{run['name']}: 3 tickets are not at the desk - http")
    assert run["id"] in message["body"]


def test_a_crashed_run_is_told(server: Server, told: list[dict[str, str]]) -> None:
    set_state(server, "recovery-sweep", type="CRASHED", message="its process is gone")

    assert "its process is gone" in message_of(told, "Handrail: recovery-sweep Crashed")["body"]


def test_a_second_failure_of_the_same_job_is_not_told_again_at_once(server: Server, told: list[dict[str, str]]) -> None:
    set_state(server, "dispatch-actions", type="FAILED", message="the first")
    set_state(server, "dispatch-actions", type="FAILED", message="the second")
    set_state(server, "integration-health", type="FAILED", message="the last")
    message_of(told, "Handrail: integration-health Failed")  # events are looked at in the order they came

    assert len([one for one in told if one["subject"] == "Handrail: dispatch-actions Failed"]) == 1


def test_a_late_run_is_told(server: Server, told: list[dict[str, str]]) -> None:
    set_state(server, "dispatch-actions", type="SCHEDULED", name="Late")

    assert message_of(told, "Handrail: runs are late")["body"].startswith("dispatch-actions should have begun at 20")


def test_a_pool_without_a_worker_is_told(server: Server, told: list[dict[str, str]]) -> None:
    server.post("/work_pools/handrail/workers/heartbeat", {"name": "gone", "heartbeat_interval_seconds": 1})

    assert "prefect worker start" in message_of(told, "Handrail: no worker is online")["body"]
