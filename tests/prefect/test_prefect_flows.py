"""Each job's run does its work, shows it, and ends in the state that is true for people."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from complaints import SECRET, TOKEN, body_of, complain, deliver, move_all
from prefect.client.schemas.objects import State
from prefect.logging.handlers import APILogHandler
from prefect.settings import PREFECT_LOGGING_TO_API_ENABLED, temporary_settings
from prefect.states import Pending, Running
from prefect_stage import Server, eventually, free_port
from sqlalchemy import update

import tasks.dead_runs
from flows.dispatch_actions import dispatch_actions
from flows.integration_health import integration_health
from flows.poll_surveys import poll_surveys
from flows.recovery_sweep import recovery_sweep
from flows.replay_quarantine import replay_quarantine
from flows.survey_escalation import survey_escalation
from services.lifelines import lifelines_of_runs
from services.settings import ROOT
from store.database import Database
from store.ledger.rows import cases
from store.promises import promises
from tasks.dead_runs import end_dead_runs

pytestmark = pytest.mark.prefect

YESTERDAY = datetime.now(UTC) - timedelta(days=1)
TOMORROW = datetime.now(UTC) + timedelta(days=1)


def run_of(server: Server, state: State[Any]) -> dict[str, Any]:
    """The flow run that ended so, as the server has it."""
    return dict(server.get(f"/flow_runs/{state.state_details.flow_run_id}"))


def artifacts_of(server: Server, state: State[Any]) -> dict[str, Any]:
    """What a run showed: key → data."""
    run = str(state.state_details.flow_run_id)
    found = server.post("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run]}}})
    return {each["key"]: each["data"] for each in found}


def task_names(server: Server, state: State[Any]) -> list[str]:
    """The names of a run's tasks. The server learns them from events, a moment after the run."""
    runs = {"flow_runs": {"id": {"any_": [str(state.state_details.flow_run_id)]}}}
    return sorted(each["name"] for each in server.post("/task_runs/filter", runs))


async def test_survey_escalation_finishes_what_the_gateway_left(
    applied: Server, database: Database, sandbox: str
) -> None:
    await complain("C-left")

    state = await survey_escalation(return_state=True)

    run = run_of(applied, state)
    assert (run["state_name"], run["state"]["message"]) == ("Completed", "critical answers: 2 done")
    assert run["name"].startswith("critical answers, ")
    tickets = httpx.get(f"{sandbox}/tickets").json()
    assert [ticket["key"] for ticket in tickets if ticket["customer_ref"] == "C-left"] == ["case/C-left/1/ticket"]
    shown = artifacts_of(applied, state)
    table = {row["action"]: row for row in json.loads(shown["survey-escalation"])}
    assert set(table) == {"case/C-left/1/ticket", "survey/standard/r-C-left/acknowledgement"}
    assert {row["by"] for row in table.values()} == {str(run["id"])}, "it says which run sent it"
    assert "2 actions" in shown["survey-escalation-summary"]
    assert "open cases" in shown["care-today"]
    eventually(lambda: "ticketing via sandbox: 1 done" in task_names(applied, state), 20, "the task's name")


async def test_what_waits_for_a_person_is_said_tagged_and_counted(applied: Server, database: Database) -> None:
    await complain("C-person")
    move_all(database, "claimed", "needs_human", reason="set aside")

    state = await survey_escalation(return_state=True)

    run = run_of(applied, state)
    assert (run["state_type"], run["state_name"]) == ("COMPLETED", "NeedsPeople")
    assert run["state"]["message"].startswith("2 wait for a person")
    assert "needs-people" in run["tags"]


async def test_a_promise_that_passed_is_a_failure(applied: Server, database: Database) -> None:
    await complain("C-late")
    move_all(database, "claimed", "needs_human", reason="set aside")
    with database.write() as connection:
        connection.execute(update(cases).values(answer_by=YESTERDAY))

    state = await survey_escalation(return_state=True)

    assert state.is_failed()
    assert state.message is not None
    assert state.message.startswith("1 ")
    assert "2 wait for a person" in state.message


async def test_what_waits_by_itself_is_not_completed_and_needs_nobody(applied: Server, database: Database) -> None:
    await complain("C-waits")
    move_all(database, due_at=TOMORROW)

    state = await survey_escalation(return_state=True)
    housekeeping = await dispatch_actions(return_state=True)

    assert (state.name, housekeeping.name) == ("Waiting", "Waiting")
    assert "needs-people" not in run_of(applied, state)["tags"]


async def test_a_promise_nobody_kept_fails_the_run_until_somebody_answers(
    applied: Server, database: Database, sandbox: str
) -> None:
    await complain("C-owed")
    await dispatch_actions(return_state=True)
    await survey_escalation(return_state=True)
    with database.write() as connection:
        connection.execute(update(promises).values(answer_by=YESTERDAY))

    owed = await survey_escalation(return_state=True)
    again = await survey_escalation(return_state=True)

    assert (owed.is_failed(), again.is_failed()) == (True, True)
    assert "1 promised time has passed without an answer" in str(again.message)
    assert "C-owed-1" in artifacts_of(applied, again)["care-today"]
    httpx.post(f"{sandbox}/tickets/status", json={"key": "case/C-owed/1/ticket", "answered": True}).raise_for_status()
    with database.write() as connection:
        connection.execute(update(cases).values(desk_checked_at=None))
    assert not (await survey_escalation(return_state=True)).is_failed()


async def test_with_nothing_to_do_runs_are_completed(applied: Server, database: Database) -> None:
    states = [await job(return_state=True) for job in (survey_escalation, dispatch_actions, recovery_sweep)]

    assert [(state.name, state.message) for state in states] == [
        ("Completed", "critical answers: none"),
        ("Completed", "nothing was ready"),
        ("Completed", "swept: nothing"),
    ]


async def test_dispatch_actions_sends_what_is_due(applied: Server, database: Database, sandbox: str) -> None:
    await complain("C-due")

    state = await dispatch_actions(return_state=True)

    assert state.name == "Completed"
    assert state.message == "mail via sandbox: 1 done; ticketing via sandbox: 1 done"
    assert [mail["key"] for mail in httpx.get(f"{sandbox}/mail").json() if mail["customer_ref"] == "C-due"]


async def test_recovery_sweep_takes_over_from_the_dead(applied: Server, database: Database) -> None:
    await complain("C-dead")
    move_all(database, "claimed", claimed_by="a dead worker", lease_until=YESTERDAY)

    state = await recovery_sweep(return_state=True)

    assert (state.name, state.message) == ("Completed", "swept: 2")
    swept = json.loads(artifacts_of(applied, state)["recovery-sweep"])
    assert {row["what"] for row in swept} == {"claimed → ready: its worker died"}


async def test_integration_health_shows_each_and_calls_for_people(
    applied: Server, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = await integration_health(return_state=True)
    monkeypatch.setenv("HANDRAIL_SANDBOX_URL", f"http://127.0.0.1:{free_port()}")
    ill = await integration_health(return_state=True)

    assert (well.name, ill.name) == ("Completed", "NeedsPeople")
    assert ill.message is not None
    assert "ticketing via sandbox" in ill.message
    rows = json.loads(artifacts_of(applied, ill)["integration-health"])
    assert {row["capability"] for row in rows} == {"crm", "ticketing", "mail", "sms", "voice", "push", "alert"}
    assert not any(row["ok"] for row in rows)


async def test_poll_surveys_finds_what_no_webhook_brought(
    applied: Server, database: Database, sandbox: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status = 200
    given = {
        "id": "5435",
        "person": {"id": "1", "email": "c-polled@example.com"},
        "survey_type": "nps",
        "score": 1,
        "created_at": int(datetime.now(UTC).timestamp()),
        "person_properties": {"customer_ref": "C-polled"},
    }

    async def show(request: web.Request) -> web.Response:
        return web.json_response([given, {**given, "id": "9", "score": 77}], status=status)

    tool = web.Application()
    tool.router.add_get("/v1/survey_responses.json", show)
    shipped = (ROOT / "deployments" / "integrations.yaml").read_text(encoding="utf-8")
    async with TestServer(tool) as served:
        source = (
            f"  feedback: {{vendor: delighted, secrets: ['${{KEY}}'], token: '${{KEY}}', url: {served.make_url('/')}}}"
        )
        (tmp_path / "integrations.yaml").write_text(f"{shipped}\n{source}\n", encoding="utf-8")
        monkeypatch.setenv("HANDRAIL_INTEGRATIONS", str(tmp_path / "integrations.yaml"))
        monkeypatch.setenv("KEY", "a-key-of-delighted")

        first = await poll_surveys(return_state=True)
        second = await poll_surveys(return_state=True)
        status = 401
        refused = await poll_surveys(return_state=True)
        status = 503
        silent = await poll_surveys(return_state=True)

    bad = "1 broke the contract, in quarantine"
    assert (first.name, first.message) == ("NeedsPeople", f"{bad}; feedback: 1 new, 0 known, 1 bad")
    assert (second.name, second.message) == ("Completed", "feedback: 0 new, 2 known")
    assert (refused.name, silent.name) == ("NeedsPeople", "Waiting")
    assert refused.message == "cannot ask feedback; feedback: 0 new, 0 known"
    tickets = httpx.get(f"{sandbox}/tickets").json()
    assert [ticket["key"] for ticket in tickets if ticket["customer_ref"] == "C-polled"] == ["case/C-polled/1/ticket"]
    [row] = json.loads(artifacts_of(applied, refused)["poll-surveys"])
    assert "renew KEY" in row["problem"]
    assert "a-key-of-delighted" not in row["problem"]


async def test_runs_whose_process_is_gone_are_ended(applied: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    job = applied.named("deployments", "integration-health")
    run = applied.post(f"/deployments/{job['id']}/create_flow_run")
    under_way = Running().model_dump(mode="json", include={"type", "name"})
    applied.post(f"/flow_runs/{run['id']}/set_state", {"state": under_way, "force": True})

    assert await end_dead_runs() == 0, "it may still be alive"
    monkeypatch.setattr(tasks.dead_runs, "DEAD_AFTER_SECONDS", 0)

    assert await end_dead_runs() >= 1
    assert applied.get(f"/flow_runs/{run['id']}")["state_type"] == "CRASHED"


async def test_a_run_whose_process_is_proven_dead_is_ended_at_once_unless_it_waits_for_another(
    applied: Server, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANDRAIL_DATA", variables["HANDRAIL_DATA"])
    job = applied.named("deployments", "integration-health")
    running, tried_again, alive = [applied.post(f"/deployments/{job['id']}/create_flow_run")["id"] for _ in range(3)]
    for run, state in ((running, Running()), (tried_again, Pending()), (alive, Running())):
        told = state.model_dump(mode="json", include={"type", "name"})
        applied.post(f"/flow_runs/{run}/set_state", {"state": told, "force": True})
    for run in (running, tried_again):
        hold = (
            f"from services.lifelines import *; lifelines_of_runs(Path({variables['HANDRAIL_DATA']!r}), {run!r}).hold()"
        )
        subprocess.run([sys.executable, "-c", f"{hold}; os.kill(os.getpid(), 9)"], check=False)
    lifeline = lifelines_of_runs(Path(variables["HANDRAIL_DATA"]), alive)
    lifeline.hold()

    assert await end_dead_runs() == 1

    states = [applied.get(f"/flow_runs/{run}")["state_type"] for run in (running, tried_again, alive)]
    assert states == ["CRASHED", "PENDING", "RUNNING"]
    lifeline.let_go()


async def test_nothing_of_a_customer_but_the_ref_and_no_secret_reaches_prefect(
    applied: Server, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P23: canaries of a customer and of secrets, searched in all that Prefect keeps of every flow.

    One answer goes out, one breaks its contract and waits in quarantine, a vendor refuses our credentials.
    """
    canary, words = f"C-canary-{uuid4().hex[:8]}", f"canary words {uuid4().hex}"
    await complain(canary, words)
    broken = body_of(f"{canary}-2", words)
    assert await deliver("msg-broken", {**broken, "data": {**broken["data"], "score": 42}}) == "quarantined"

    with temporary_settings({PREFECT_LOGGING_TO_API_ENABLED: True}):
        for job in (survey_escalation, dispatch_actions, recovery_sweep, integration_health, poll_surveys):
            await job(return_state=True)
        await replay_quarantine(by="Ewa Lis", return_state=True)
        monkeypatch.setenv("HANDRAIL_SANDBOX_TOKEN", f"wrong-{TOKEN}")
        await integration_health(return_state=True)
        await APILogHandler.aflush()

    kept = b"".join(path.read_bytes() for path in (applied.directory / "prefect").glob("prefect.db*"))
    assert canary.encode() in kept
    assert b"credentials" in kept or b"401" in kept, "the refusal is told, or this shows nothing of it"
    for secret in (f"{canary}@example.com", words, TOKEN, SECRET, SECRET.removeprefix("whsec_")):
        assert secret.encode() not in kept, secret
