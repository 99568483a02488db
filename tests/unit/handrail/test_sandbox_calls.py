"""The sandbox's phone ends calls, and tells of it as a telephone vendor does."""

import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from pydantic import SecretStr
from sandbox_world import RunningSandbox, StartSandbox

import handrail.sandbox
from data_contracts.events import CallEnded
from domain.calls import CallOutcome
from handrail.sandbox.telling import Telling
from integrations.survey_intake.standard import StandardConfig, StandardIntake

SECRET = SecretStr("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
CALL = {
    "customer_ref": "C-1",
    "to": "+48601234567",
    "script": "Dzień dobry.",
    "language": "pl",
    "template": "expiry-call",
}
KEY = "expiry/S-1/2026-04-20/call/1"
Told = list[tuple[dict[str, str], bytes]]


@pytest.fixture
async def gateway() -> AsyncIterator[tuple[str, Told]]:
    """A gateway that writes down what it is told."""
    told: Told = []

    async def hear(request: web.Request) -> web.Response:
        told.append(({name.lower(): value for name, value in request.headers.items()}, await request.read()))
        return web.json_response({"status": "accepted"}, status=202)

    app = web.Application()
    app.router.add_post("/webhooks/standard", hear)
    async with TestServer(app) as server:
        yield str(server.make_url("/webhooks/standard")), told


async def end(sandbox: RunningSandbox, outcome: str = "no_answer", key: str = KEY, **more: Any) -> tuple[int, Any]:
    return await sandbox.send("POST", "/calls/end", {"key": key, "outcome": outcome, **more})


async def test_a_call_rings_until_it_is_ended(sandbox: RunningSandbox, start: StartSandbox) -> None:
    await sandbox.post("calls", KEY, **CALL)
    [ringing] = await sandbox.shown("/calls")
    assert (ringing["outcome"], ringing["ended_at"]) == (None, None)
    status, answer = await end(sandbox, "answered_wants_person", said="Po piątej.")
    assert (status, answer["outcome"], answer["told"]) == (200, "answered_wants_person", None)
    [ended] = await sandbox.shown("/calls")
    assert (ended["outcome"], ended["said"]) == ("answered_wants_person", "Po piątej.")
    assert ended["ended_at"] is not None
    assert sandbox.effects() == ["created C-1", "ended C-1"]


async def test_it_ends_once_and_stays_ended(start: StartSandbox) -> None:
    first = await start()
    await first.post("calls", KEY, **CALL)
    await end(first, "busy")
    await end(first, "answered_done")
    await first.client.close()
    again = await start()
    [call] = await again.shown("/calls")
    assert call["outcome"] == "busy"
    assert again.effects("ended") == ["ended C-1"]


async def test_the_gateway_is_told_signed_and_the_same_when_told_again(
    start: StartSandbox, gateway: tuple[str, Told]
) -> None:
    address, told = gateway
    sandbox = await start(telling=Telling(address, SECRET))
    await sandbox.post("calls", KEY, **CALL)
    for outcome in ("no_answer", "answered_done"):
        status, answer = await end(sandbox, outcome)
        assert (status, answer["told"]["status"]) == (200, 202)
    intake = StandardIntake(StandardConfig(secrets=[SECRET]))
    ids = set()
    for headers, body in told:
        ids.add(intake.verify(headers, body, datetime.now(UTC)).webhook_id)
        event = intake.read(body)
        assert isinstance(event, CallEnded)
        assert (event.data.call, event.data.outcome, event.data.said) == (KEY, CallOutcome.NO_ANSWER, None)
    assert (len(told), len(ids)) == (2, 1)


async def test_a_gateway_that_is_away_is_said_and_the_call_can_be_told_again(start: StartSandbox) -> None:
    sandbox = await start(telling=Telling("http://127.0.0.1:9/webhooks/standard", SECRET))
    await sandbox.post("calls", KEY, **CALL)
    status, answer = await end(sandbox)
    assert status == 200
    assert "end the call again" in answer["told"]["problem"]
    assert SECRET.get_secret_value() not in str(answer)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"key": KEY, "outcome": "busi"}, 400, '(did you mean "busy"?)'),
        ({"key": KEY}, 400, "outcome is missing"),
        ({"outcome": "busy"}, 400, "key is missing"),
        ({"key": KEY, "outcome": "busy", "said": 7}, 400, "said is not a text"),
        ({"key": "nobody's", "outcome": "busy"}, 404, "there is no call"),
    ],
)
async def test_what_cannot_be_ended_is_said(
    sandbox: RunningSandbox, body: dict[str, Any], status: int, said: str
) -> None:
    await sandbox.post("calls", KEY, **CALL)
    answered, answer = await sandbox.send("POST", "/calls/end", body)
    assert answered == status
    assert said in answer["error"]
    assert sandbox.effects("ended") == []


def test_the_phone_offers_every_outcome() -> None:
    script = Path(handrail.sandbox.__file__).with_name("page") / "phone.js"
    offered = re.search(r"const OUTCOMES = \{(.*?)\}", script.read_text(encoding="utf-8"), re.DOTALL)
    assert offered is not None
    assert set(re.findall(r"(\w+):", offered.group(1))) == set(CallOutcome)
