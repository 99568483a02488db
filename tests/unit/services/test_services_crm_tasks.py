"""CRM tasks in vendor batches of which some fail, and whose answer may be lost: each is there once in the end."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from hubspot_portal import TASKS, Portal
from ledger_world import check_audit

from domain.actions import Basis, Capability, Kind
from domain.customers import Customer
from domain.planning import Payload, PlannedAction
from integrations.registry import Roster, load_roster
from services.recovery import sweep
from services.settings import Settings
from services.wiring import Handrail
from store import customers
from store.database import Database
from store.ledger.enqueue import About, enqueue

CRM = Capability.CRM
SECTION = "crm: {vendor: hubspot, url: '${CRM_URL}', token: '${CRM_TOKEN}', batch: 100, rate_per_second: 1000}"


@pytest.fixture
async def portal() -> AsyncIterator[tuple[Portal, Roster]]:
    """A HubSpot account, and the roster that has it as its CRM."""
    made = Portal()
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.serve)
    async with TestServer(application) as server:
        yield made, load_roster(SECTION, {"CRM_URL": str(server.make_url("")), "CRM_TOKEN": "canary-token"})


def planned(installation: Any, count: int) -> list[str]:
    """As many tasks, each for a customer of its own; their keys."""
    now, keys = installation.clock(), []
    for number in range(count):
        ref = f"C-{number}"
        params = {"title": "Ends soon", "body": "…", "assignee": "dana", "priority": "high"}
        plan = PlannedAction(
            f"expiry/p-{number}/2026-04-01/task", Kind.TASK, Basis.INTERNAL, CRM, Payload("task/1", params), due_at=now
        )
        with installation.database.write() as connection:
            customer = customers.create(connection, Customer(ref, language="pl"), now=now)
            enqueue(connection, [plan], About(customer), run="planner", now=now)
        keys.append(plan.key)
    return keys


@pytest.mark.parametrize("lost", [set(), {f"{TASKS}/batch/create"}])
async def test_a_batch_that_succeeds_in_part_or_is_lost_makes_each_task_once(
    installation: Any, portal: tuple[Portal, Roster], lost: set[str]
) -> None:
    crm, roster = portal
    keys = planned(installation, 9)
    crm.refuses = {keys[1]: "RATE_LIMITS", keys[2]: "INTERNAL", "C-3": "RATE_LIMITS", keys[4]: "VALIDATION_ERROR"}
    crm.forgets, crm.loses = {keys[5]}, lost
    settings = Settings.model_validate({"database_url": installation.url})
    handrail = Handrail(settings, Database(installation.url), installation.policy, roster, clock=installation.clock)
    async with handrail:
        await handrail.dispatcher.run_once(capability=CRM, run="t")
        assert len(crm.tasks) == 5
        crm.refuses, crm.loses, crm.forgets = {keys[4]: "VALIDATION_ERROR"}, set(), set()
        for _ in range(6):
            installation.clock.go(minutes=3)
            await sweep(handrail, run="t")
            await handrail.dispatcher.run_once(capability=CRM, run="t")
    check_audit(installation.database)
    states = installation.states()
    assert sorted(task["handrail_key"] for task in crm.tasks.values()) == [key for key in keys if key != keys[4]]
    assert {states[key] for key in keys if key != keys[4]} == {"done"}
    assert states[keys[4]] == (
        "needs_human" if lost else "failed"
    )  # refused when it was repeated says nothing of before
