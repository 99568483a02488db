"""Mail through a provider that takes hundreds in one call: each message once, whatever becomes of its neighbours."""

from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from ledger_world import check_audit
from postmark_server import PostmarkServer
from sqlalchemy import select

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
from store.wordings import templates

MAIL = Capability.MAIL
SECTION = """
mail: {vendor: postmark, url: '${MAIL_URL}', token: '${MAIL_TOKEN}', sender: Care <care@example.com>, batch: 500}
"""
PARAMS = {
    **{"name": None, "time_zone": "Europe/Warsaw", "survey": "nps", "company": "Example", "language": "en"},
    **{"answer_by": "2026-03-04T14:30:00Z", "received_at": "2026-03-04T10:59:00Z", "reference": "case"},
    "human": {"phone": "+48 22 000 00 00", "mail": "care@example.com", "hours": "8-18"},
}


@pytest.fixture
async def postmark() -> AsyncIterator[tuple[PostmarkServer, Roster]]:
    """A Postmark server, and the roster that sends mail through it."""
    made = PostmarkServer()
    application = web.Application(client_max_size=50_000_000)
    application.router.add_route("POST", "/{path:.*}", made.serve)
    async with TestServer(application) as server:
        yield made, load_roster(SECTION, {"MAIL_URL": str(server.make_url("")), "MAIL_TOKEN": "canary-token"})


def planned(installation: Any, count: int) -> list[str]:
    """A message each for as many customers; their keys."""
    now, keys = installation.clock(), []
    with installation.database.write() as connection:
        wording = connection.execute(
            select(templates.c.hash).where(templates.c.name == "acknowledgement", templates.c.language == "en")
        ).scalar_one()
        for number in range(count):
            ref = f"C-{number:04}"
            customer = customers.create(connection, Customer(ref, email=f"{ref}@example.com"), now=now)
            plan = PlannedAction(
                key=f"journey/onboarding/{ref}/1/welcome",
                kind=Kind.MESSAGE,
                basis=Basis.SERVICE,
                capability=MAIL,
                payload=Payload("message/1", PARAMS, "acknowledgement", wording),
                due_at=now,
            )
            enqueue(connection, [plan], About(customer), run="planner", now=now)
            keys.append(plan.key)
    return keys


async def test_1200_messages_go_in_three_calls_and_a_lost_answer_leaves_open_its_own_call_alone(
    installation: Any, postmark: tuple[PostmarkServer, Roster]
) -> None:
    server, roster = postmark
    keys = planned(installation, 1200)
    refused = keys[7]
    server.inactive, server.loses = {"C-0007@example.com"}, keys[600]
    settings = Settings.model_validate({"database_url": installation.url})
    database = Database(installation.url)
    async with Handrail(settings, database, installation.policy, roster, clock=installation.clock) as handrail:
        report = await handrail.dispatcher.run_once(capability=MAIL, run="run-1", limit=1200)
        assert sorted(map(len, server.batches)) == [200, 500, 500]
        (lost,) = (batch for batch in server.batches if keys[600] in batch)
        assert refused not in lost
        assert report.counts == {"done": 699, "failed": 1, "uncertain": 500}
        assert {key for key, state in installation.states().items() if state == "uncertain"} == set(lost)
        for _ in range(3):
            installation.clock.go(minutes=30)
            await sweep(handrail, run="sweeper")
            await handrail.dispatcher.run_once(capability=MAIL, run="run-2", limit=1200)
    assert Counter(server.delivered) == Counter(set(keys) - {refused})  # nobody twice, and nobody forgotten
    ends = installation.states()
    assert {ends[key] for key in lost} == {"needs_human"}
    assert {ends[key] for key in set(keys) - set(lost) - {refused}} == {"done"}
    (reason,) = (row.reason for row in installation.rows("actions") if row.key == refused)
    assert "suppressed at Postmark" in reason
    check_audit(installation.database)
