"""Tickets opened by one job of the desk: while it may be queued nothing is opened in their place, and nothing lost."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from ledger_world import check_audit
from zendesk_account import Account

from domain.actions import Capability
from integrations.registry import Roster, load_roster
from services.recovery import sweep
from services.settings import Settings
from services.wiring import Handrail
from store.database import Database

DESK = Capability.TICKETING
SECTION = "ticketing: {vendor: zendesk, url: '${DESK_URL}', token: '${DESK_TOKEN}', batch: 10, rate_per_second: 90}"


@pytest.fixture
async def account() -> AsyncIterator[tuple[Account, Roster]]:
    """A Zendesk account, and the roster that has it as its desk."""
    made = Account(looks=10_000)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.serve)
    async with TestServer(application) as server:
        environment = {"DESK_URL": str(server.make_url("")), "DESK_TOKEN": "t"}
        yield made, load_roster(SECTION, environment)


async def test_a_job_whose_call_was_lost_never_becomes_a_second_ticket(
    installation: Any, answered: Callable[..., tuple[str, str]], account: tuple[Account, Roster]
) -> None:
    desk, roster = account
    keys = sorted(answered(f"C-{number}")[0] for number in range(1, 5))
    settings = Settings.model_validate({"database_url": installation.url})
    handrail = Handrail(settings, Database(installation.url), installation.policy, roster, clock=installation.clock)

    async def rounds(count: int) -> None:
        for _ in range(count):
            installation.clock.go(minutes=3)
            await sweep(handrail, run="t")
            await handrail.dispatcher.run_once(capability=DESK, run="t")

    async with handrail:
        desk.loses = {"tickets/create_many"}
        await handrail.dispatcher.run_once(capability=DESK, run="t")
        assert {installation.states()[key] for key in keys} == {"uncertain"}
        desk.loses = set()
        await rounds(5)
        assert desk.keys == []
        assert {installation.states()[key] for key in keys} == {"uncertain"}
        desk.refuses = {keys[-1]: {"error": "TicketCreateFailed", "details": "a field that was required that day"}}
        for job in desk.jobs:
            desk.work(job)
        await rounds(5)
        assert sorted(desk.keys) == keys  # each once: three by the job, the refused one by itself when it was over
        assert {installation.states()[key] for key in keys} == {"done"}
    check_audit(installation.database)
