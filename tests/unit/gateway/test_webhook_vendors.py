"""Survey tools at the door: a replay is known by its id; what they repeat and what makes them give up."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from integrations.fakes import FakeSurveyTool
from integrations.registry import load_roster

SECRETS = ["typeform-secret-1", "typeform-secret-2"]
ROSTER = """
survey_intake:
  feedback:
    vendor: typeform
    secrets: ["${ONE}", "${TWO}"]
"""


class WithSources:
    """An installation with other sources than its own."""

    def __init__(self, installation: Any, sources: Callable[[Any], dict[str, Any]]) -> None:
        self._installation, self._sources = installation, sources

    def handrail(self, **settings: Any) -> Any:
        made = self._installation.handrail(**settings)
        made.roster.intakes = self._sources(made)
        return made


@pytest.fixture
def typeform(opened: Callable[..., Any], installation: Any) -> Callable[..., Any]:
    """`async with typeform() as door`: a gateway with the Typeform source `feedback`."""

    @asynccontextmanager
    async def opens() -> AsyncIterator[Any]:
        sources = load_roster(ROSTER, {"ONE": SECRETS[0], "TWO": SECRETS[1]}).intakes
        async with opened(WithSources(installation, lambda _: dict(sources))) as door:
            yield door

    return opens


def form(score: int = 2, *, event: str = "e-1", **changed: Any) -> bytes:
    field = {"id": "q1", "type": "nps", "ref": "recommend"}
    response = {
        "token": "t-1",
        "submitted_at": "2026-03-04T10:59:00Z",
        "hidden": {"customer_ref": "C-1", "customer_email": "anna@example.com"},
        "answers": [{"type": "number", "number": score, "field": field}],
    }
    return json.dumps({"event_id": event, "event_type": "form_response", "form_response": response, **changed}).encode()


def signed(body: bytes, secret: str = SECRETS[0]) -> dict[str, str]:
    digest = hmac.digest(secret.encode(), body, hashlib.sha256)
    return {"Typeform-Signature": f"sha256={base64.b64encode(digest).decode()}"}


async def test_a_form_becomes_one_ticket_however_often_it_is_replayed(
    typeform: Callable[..., Any], installation: Any, clock: Any
) -> None:
    body = form()
    async with typeform() as door:
        first = await door.post(body, signed(body), "feedback")
        assert (first.status_code, first.json()["status"], first.json()["duplicate"]) == (202, "accepted", False)
        await installation.settled()  # or the ticket is a month late, and is not opened by itself any more
        clock.go(days=30)
        for secret in SECRETS:
            again = await door.post(body, signed(body, secret), "feedback")
            assert again.json() == {**first.json(), "duplicate": True}
        await installation.settled()
    assert set(installation.states()) == {"case/C-1/1/ticket", "survey/feedback/t-1/acknowledgement"}
    assert len(installation.ticketing.effects) == 1


async def test_what_a_tool_must_not_repeat_is_answered_as_taken(
    typeform: Callable[..., Any], installation: Any
) -> None:
    """Typeform repeats whatever is not 2xx: what repeating would not mend is a 2xx."""
    async with typeform() as door:
        for number, (body, status) in enumerate(
            [
                (form(event="e-1", event_type="form_response_partial"), "noted"),
                (form(42, event="e-2"), "quarantined"),
                (form(event="e-3", form_response={}), "quarantined"),
            ]
        ):
            told = await door.post(body, signed(body), "feedback")
            assert (told.status_code, told.json()["status"]) == (202, status), number
            assert told.json()["problems"][0]["problem"]
    assert not installation.rows("actions")
    assert len(installation.rows("quarantine")) == 2


async def test_what_a_tool_should_repeat_soon_is_answered_503(
    typeform: Callable[..., Any], installation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Typeform repeats a 503 every few minutes for ten hours; a 404 or 410 would switch the webhook off."""
    body = form()

    def broken(*_: Any, **__: Any) -> Any:
        raise OperationalError("INSERT", {}, Exception("disk full"))

    async with typeform() as door:
        with monkeypatch.context() as patched:
            patched.setattr("services.intake.inbox.receive", broken)
            told = await door.post(body, signed(body), "feedback")
            assert (told.status_code, told.headers["Retry-After"]) == (503, "60")
        assert (await door.post(body, signed(body), "feedback")).json()["duplicate"] is False
        forged = await door.post(form(0), signed(body), "feedback")
        assert forged.status_code == 401
        await installation.settled()
    assert len(installation.ticketing.effects) == 1


async def test_an_address_can_be_asked_for_before_it_is_used(small_door: Any, on_sqlite: Any) -> None:
    assert (await small_door.client.head("/webhooks/standard")).status_code == 200
    assert not on_sqlite.rows("inbox")
    assert (await small_door.client.head("/webhooks/nobody")).status_code == 404
    assert not (await small_door.client.head("/webhooks/standard")).content


async def test_what_was_only_told_of_is_fetched_and_ticketed_by_the_gateway_itself(
    opened: Callable[..., Any], installation: Any, answer: Any, signed: Any, as_bytes: Any, eventually: Any
) -> None:
    tools: list[FakeSurveyTool] = []

    def sources(handrail: Any) -> dict[str, Any]:
        tools.append(FakeSurveyTool(handrail.roster.intakes["standard"]))
        return {"tool": tools[-1]}

    async with opened(WithSources(installation, sources), sweep_seconds=60) as door:
        tools[0].answers["r-1"] = as_bytes(answer())
        body = as_bytes({"type": FakeSurveyTool.ANNOUNCED, "data": {"survey": "s", "response": "r-1"}})
        told = await door.post(body, signed(body), "tool")
        assert (told.status_code, told.json()["status"]) == (202, "accepted")
        await eventually(lambda: len(installation.effects()) == 2, 10)
    assert installation.states() == {"case/C-1/1/ticket": "done", "survey/tool/r-1/acknowledgement": "done"}


async def test_what_was_told_of_before_a_restart_is_fetched_after_it(
    opened: Callable[..., Any], installation: Any, answer: Any, signed: Any, as_bytes: Any, eventually: Any
) -> None:
    tools: list[FakeSurveyTool] = []

    def sources(handrail: Any) -> dict[str, Any]:
        tools.append(FakeSurveyTool(handrail.roster.intakes["standard"]))
        return {"tool": tools[-1]}

    body = as_bytes({"type": FakeSurveyTool.ANNOUNCED, "data": {"survey": "s", "response": "r-1"}})
    async with opened(WithSources(installation, sources)) as door:
        tools[0].script(*[ConnectionError("away")] * 99)
        assert (await door.post(body, signed(body), "tool")).status_code == 202
        await eventually(lambda: installation.rows("survey_fetches")[0].problem, 10)
    installation.clock.go(minutes=10)
    async with opened(WithSources(installation, sources)):
        tools[1].answers["r-1"] = as_bytes(answer())
        await eventually(lambda: len(installation.effects()) == 2, 10)
