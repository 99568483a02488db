"""Operators' verbs: deployments that a person runs by hand, with parameters that say what they are."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from complaints import body_of
from prefect.exceptions import ParameterTypeError
from prefect_stage import Server
from sqlalchemy import func, select

from flows.emergency_stop import emergency_stop
from flows.replay_quarantine import replay_quarantine
from services.controls import standing
from services.quarantine import CannotDecide
from store import inbox
from store.database import Database
from store.ledger.rows import actions, controls

pytestmark = pytest.mark.prefect


def put_away(database: Database, body: dict[str, Any], webhook_id: str = "msg_1") -> int:
    """Something in quarantine; its id."""
    problem = {"path": "data.customer", "problem": "nobody has this ref", "fix": "import the customer first"}
    with database.write() as connection:
        inbox.keep(
            connection,
            "standard",
            webhook_id,
            json.dumps(body).encode(),
            [problem],
            inbox_id=None,
            now=datetime.now(UTC),
        )
        return int(connection.execute(select(func.max(inbox.quarantine.c.id))).scalar_one())


def message(server: Server, state: Any) -> tuple[str, str]:
    """The run's state and message, as people see them."""
    run = server.get(f"/flow_runs/{state.state_details.flow_run_id}")
    return run["state_name"], run["state"]["message"]


async def test_what_waits_is_replayed_once_and_shown(applied: Server, database: Database) -> None:
    row_id = put_away(database, body_of("C-verb"))

    rehearsed = await replay_quarantine(by="Ewa Lis", ids=[row_id], dry_run=True, return_state=True)
    with database.read() as connection:
        assert connection.execute(select(actions)).all() == []
    replayed = await replay_quarantine(by="Ewa Lis", source="standard", reason="imported", return_state=True)
    again = await replay_quarantine(by="Ewa Lis", ids=[row_id], return_state=True)

    assert message(applied, rehearsed) == ("Completed", "would be: 1 accepted")
    assert message(applied, replayed) == ("Completed", "1 accepted")
    assert message(applied, again) == ("Completed", "nothing fits")
    run = str(replayed.state_details.flow_run_id)
    (shown,) = applied.post("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run]}}})
    assert json.loads(shown["data"])[0]["subject"] == "survey/standard/r-C-verb"
    with database.read() as connection:
        states = {row.key: row.state for row in connection.execute(select(actions))}
    assert states == {"case/C-verb/1/ticket": "done", "survey/standard/r-C-verb/acknowledgement": "done"}


async def test_what_is_still_wrong_needs_people(applied: Server, database: Database) -> None:
    wrong = body_of("C-wrong")
    wrong["data"]["score"] = 42
    put_away(database, wrong)

    state = await replay_quarantine(by="Ewa Lis", since=datetime(2020, 1, 1, tzinfo=UTC), return_state=True)

    name, words = message(applied, state)
    assert name == "NeedsPeople"
    assert words.startswith("1 still breaks its contract")
    assert "42 " not in json.dumps(applied.get(f"/flow_runs/{state.state_details.flow_run_id}")["parameters"])


async def test_everything_at_once_is_refused(applied: Server, database: Database) -> None:
    with pytest.raises(CannotDecide, match="say which"):
        await replay_quarantine(by="Ewa Lis")


async def test_stopped_and_started_by_a_named_person(applied: Server, database: Database) -> None:
    stopped = await emergency_stop(reason="wrong wording", by="Ewa Lis", return_state=True)
    with database.read() as connection:
        control = connection.execute(select(controls)).one()
    assert (control.stopped, control.by, control.reason) == (True, "Ewa Lis", "wrong wording")
    again = await emergency_stop(reason="wrong wording", by="Jan", return_state=True)
    shown = await emergency_stop(reason="mended", by="Ewa Lis", start=True, return_state=True)
    assert standing(database), "a rehearsal starts nothing, and it is one unless one says otherwise"
    started = await emergency_stop(reason="mended", by="Ewa Lis", start=True, dry_run=False, return_state=True)
    assert standing(database) == ()

    nothing = "nothing that is due waits for it"
    assert message(applied, stopped)[1] == "stopped: everything; nothing more of it is sent until it is started again"
    assert message(applied, again)[1] == "stopped already: everything (Ewa Lis: wrong wording)"
    assert message(applied, shown)[1] == f"nothing was started; would be: {nothing}"
    assert message(applied, started)[1] == f"started: everything; what is due goes out; {nothing}"


async def test_a_part_is_stopped_shown_and_started(applied: Server, database: Database) -> None:
    part = {"scope": "job", "name": "survey-escalation", "by": "Ewa Lis"}
    await emergency_stop(reason="wrong words", **part, return_state=True)
    assert [stop.told for stop in standing(database)] == ["job survey-escalation (Ewa Lis: wrong words)"]
    put_away(database, body_of("C-part"))
    await replay_quarantine(by="Ewa Lis", source="standard", return_state=True)

    shown = await emergency_stop(reason="mended", **part, start=True, return_state=True)
    with database.read() as connection:
        assert set(connection.execute(select(actions.c.state)).scalars()) == {"ready"}
    started = await emergency_stop(reason="mended", **part, start=True, dry_run=False, return_state=True)

    assert "2 actions are due; of them, as things stand: 2 to go out" in message(applied, shown)[1]
    assert message(applied, started)[1].startswith("started: job survey-escalation; what is due goes out")
    run = str(shown.state_details.flow_run_id)
    (table,) = applied.post("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run]}}})
    assert {row["kind"]: row["count"] for row in json.loads(table["data"])} == {"ticket": 1, "acknowledgement": 1}


async def test_a_part_that_there_is_not_is_refused(applied: Server, database: Database) -> None:
    with pytest.raises(ValueError, match='did you mean "survey-escalation"'):
        await emergency_stop(reason="wrong words", by="Ewa Lis", scope="job", name="survey-escalations")
    assert standing(database) == ()


@pytest.mark.parametrize("parameters", [{}, {"reason": "x"}, {"reason": "", "by": ""}, {"reason": "wrong", "by": "E"}])
async def test_nobody_stops_without_saying_who_and_why(database: Database, parameters: dict[str, str]) -> None:
    with pytest.raises((ParameterTypeError, TypeError)):
        await emergency_stop(**parameters)


def test_what_they_ask_for_is_described(applied: Server) -> None:
    stop = applied.named("deployments", "emergency-stop")["parameter_openapi_schema"]
    replay = applied.named("deployments", "replay-quarantine")["parameter_openapi_schema"]

    assert stop["required"] == ["reason", "by"]
    assert stop["definitions"]["Scope"]["enum"] == ["all", "job", "kind", "integration"]
    assert replay["required"] == ["by"]
    for schema in (stop, replay):
        assert all(one.get("description") for one in schema["properties"].values())
    assert applied.named("deployments", "emergency-stop")["schedules"] == []
