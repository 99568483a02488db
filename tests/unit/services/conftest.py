"""Answers on the books and a process that works on them."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from endings_stage import Endings

from domain.customers import Customer
from domain.surveys import SurveyAnswer, SurveyKind
from services.desk import read_desk
from services.following import follow_cases
from services.intake import Answer, receive_webhook
from services.recovery import sweep
from services.surveys import Given, accept_answer, judge_answer
from services.wiring import Handrail


@pytest.fixture
def answered(installation: Any) -> Callable[..., tuple[str, str]]:
    """`answered("C-1", "r-1")`: a customer's bad answer; the keys of its ticket (or note) and its acknowledgement."""

    def accept(ref: str = "C-1", response: str | None = None, score: int = 2, **facts: Any) -> tuple[str, str]:
        now, response = installation.clock(), response or f"r-{ref}"
        who = Customer(ref, **{"email": f"{ref.lower()}@example.com", "language": "en", **facts})
        answer = SurveyAnswer("standard", response, SurveyKind.NPS, score, "late again", "en", now, now)
        before = set(installation.states())
        with installation.database.write() as connection:
            given = Given(judge_answer(answer, installation.policy), who)
            accept_answer(connection, given, installation.policy, run="t", now=now)
        ticket, acknowledgement = sorted(set(installation.states()) - before)
        return ticket, acknowledgement

    return accept


@pytest.fixture
def endings(installation: Any) -> Endings:
    """Endings on the books; ask for it before a process, which then knows the CRM."""
    return Endings(installation)


@pytest.fixture
async def handrail(installation: Any) -> AsyncIterator[Handrail]:
    """One process of the installation."""
    async with installation.handrail() as process:
        yield process


@pytest.fixture
def deliver(handrail: Handrail, signed: Any, as_bytes: Any) -> Callable[..., Any]:
    """`await deliver(body, webhook_id)`: takes a signed delivery in; nothing is sent."""

    async def take(body: dict[str, Any], webhook_id: str = "msg_1") -> Answer:
        raw = as_bytes(body)
        return await receive_webhook(handrail, "standard", signed(raw, webhook_id), raw)

    return take


@pytest.fixture
def send(handrail: Handrail) -> Callable[..., Any]:
    """`await send()`: everything that is due goes out; what rests on changed facts is planned anew before."""

    async def run() -> None:
        for _ in range(2):
            await sweep(handrail, run="t")
            for configured in handrail.roster:
                await handrail.dispatcher.run_once(capability=configured.capability, run="t")

    return run


@pytest.fixture
def followed(handrail: Handrail, send: Any) -> Callable[..., Any]:
    """`await followed()`: one whole round of following, as gateway and flow do it, with what it sends."""

    async def run() -> None:
        await read_desk(handrail, run="t")
        await follow_cases(handrail, run="t")
        await send()

    return run
