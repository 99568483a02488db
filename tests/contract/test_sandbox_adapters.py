"""The sandbox's adapters: each write class has its own way of asking."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from outside_vendor import Outside
from vendor_specimens import KEY, OUTBOUND, SENT, TASK_KEY, named, recorded, serving

from domain.actions import Capability, WriteClass
from integrations.declaration import Integration
from integrations.errors import OutcomeUnknown
from integrations.ports import WRITES, TicketList, TicketState, TicketStatus

SANDBOX = [each for each in OUTBOUND if each.vendor == "sandbox"]
CREATES = [(each, operation) for each in SANDBOX for operation in WRITES[each.capability] if operation != "close_task"]


@pytest.mark.parametrize(("integration", "operation"), CREATES, ids=named)
@pytest.mark.parametrize(
    ("write_class", "method", "has_header"),
    [("A", "POST", True), ("B", "PUT", False), ("C", "POST", False), ("D", "POST", False)],
)
async def test_each_class_asks_in_its_own_way(
    integration: Integration[Any], operation: str, write_class: str, method: str, has_header: bool, outside: Outside
) -> None:
    outside.answers(201, recorded(integration)["writes"][operation]["body"])
    configured = serving(integration, outside.url, write_class=write_class)
    await SENT[operation](configured.port)
    await configured.port.aclose()
    request, body = outside.requests[0], json.loads(outside.bodies[0])
    assert configured.write_class(operation) is WriteClass(write_class)
    assert request.method == method
    assert request.headers.get("Idempotency-Key") == (KEY if has_header else None)
    assert body["key"] == KEY
    assert body.get("customer_ref", "C-1042") == "C-1042"  # an alert is about no customer


@pytest.mark.parametrize("write_class", list(WriteClass))
async def test_a_task_is_closed_alike_in_every_class_and_may_be_closed_again(
    write_class: WriteClass, outside: Outside
) -> None:
    (integration,) = (each for each in SANDBOX if each.capability is Capability.CRM)
    outside.answers(200, recorded(integration)["writes"]["close_task"]["body"])
    configured = serving(integration, outside.url, write_class=str(write_class))
    await SENT["close_task"](configured.port)
    await configured.port.aclose()
    assert (outside.requests[0].method, outside.requests[0].path) == ("POST", "/api/tasks/close")
    assert json.loads(outside.bodies[0]) == {"key": KEY, "task_key": TASK_KEY, "reason": "renewed"}
    assert configured.write_class("close_task") is WriteClass.B


@pytest.mark.parametrize(("integration", "operation"), CREATES, ids=named)
@pytest.mark.parametrize("write_class", list(WriteClass))
async def test_an_answer_without_an_id_is_asked_for_again_where_that_is_safe(
    integration: Integration[Any], operation: str, write_class: WriteClass, outside: Outside
) -> None:
    """It proves our key. Classes A to C learn the id by asking once more; for D it is all there will ever be."""
    outside.answers(201, {"key": KEY, "created": True})
    configured = serving(integration, outside.url, write_class=str(write_class))
    if write_class is WriteClass.D:
        assert (await SENT[operation](configured.port)).external_id == ""
    else:
        with pytest.raises(OutcomeUnknown):
            await SENT[operation](configured.port)
    outside.answers(201, {"created": True})  # not even our key
    with pytest.raises(OutcomeUnknown):
        await SENT[operation](configured.port)
    await configured.port.aclose()


async def test_its_desk_lists_tickets_as_it_reads_one(outside: Outside) -> None:
    (integration,) = (each for each in SANDBOX if each.capability is Capability.TICKETING)
    shown = {"id": "T-1", "key": KEY, "status": "solved", "assignee": "Ola", "answered_at": "2026-03-04T11:00:00.000Z"}
    outside.answers(200, [shown, {**shown, "id": "T-2", "status": "moved", "assignee": None, "answered_at": None}])
    configured = serving(integration, outside.url)
    assert isinstance(configured.port, TicketList)
    listed = await configured.port.list_tickets(since=datetime(2026, 3, 4, 10, tzinfo=UTC), limit=7)
    await configured.port.aclose()
    assert dict(outside.requests[0].query) == {"at": "2026-03-04T10:00:00", "limit": "7"}
    assert listed == [
        TicketState(KEY, "T-1", TicketStatus.SOLVED, "Ola", datetime(2026, 3, 4, 11, tzinfo=UTC)),
        TicketState(KEY, "T-2", TicketStatus.UNKNOWN, None, None),
    ]


@pytest.mark.parametrize(("integration", "operation"), CREATES, ids=named)
async def test_what_was_made_has_a_page_for_people(integration: Integration[Any], operation: str) -> None:
    configured = serving(integration, "http://127.0.0.1:9")
    shown = configured.port.page_of(operation, "T-1", key="case/C ż/1/ticket")
    await configured.port.aclose()
    words = {
        "open_ticket": "ticket",
        "upsert_task": "task",
        "send_mail": "mail",
        "send_sms": "sms",
        "place_call": "call",
        "send_push": "push",
    }
    if operation in words:
        assert shown == f"http://127.0.0.1:9/#{words[operation]}=case/C%20%C5%BC/1/ticket"
    else:
        assert shown is None, "it is shown with something else"
