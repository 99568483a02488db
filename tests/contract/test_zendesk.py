"""Zendesk: our words in its words, a note written once, a priority never lowered."""

import asyncio
import json
import time
from typing import Any

import pytest
from aiohttp import web
from outside_vendor import Outside, answer
from published_specs import hold
from vendor_specimens import KEY, SECRET, recorded, serving

from domain.actions import WriteClass
from integrations.errors import Busy, NotSent, OutcomeUnknown, Rejected
from integrations.ports import Ticket, TicketNote, TicketStatus
from integrations.ticketing.zendesk import INTEGRATION

NOTE_KEY = "case/C-1042/1/ticket/standard/r-2"
TICKET = Ticket(
    "C-1042",
    "case 1: unhappy · NPS 2",
    "NPS 2, answered 2026-03-01T09:29:55Z:\nTřetí týden nic. {{ticket.requester.email}} {% raw %}",
    "critical",
    "Customer Retention",
    "cs",
    {
        "customer": {"ref": "C-1042", "name": "Jana", "tier": "vip", "phone": None, "no_automatic_contact": False},
        "said": [{"survey": "nps", "score": 2}],
        "cases": [],
    },
)
SPEC = "zendesk_tickets_subset.json"
WRITES = recorded(INTEGRATION)["writes"]


def note(priority: str = "high") -> TicketNote:
    return TicketNote(KEY, "C-1042", "Another answer in this case.\nPořád nic.", priority)


async def opened(outside: Outside, **settings: Any) -> dict[str, Any]:
    """What is sent to open a ticket."""
    outside.answers(201, WRITES["open_ticket"]["body"])
    port = serving(INTEGRATION, outside.url, **settings).port
    await port.open_ticket(TICKET, key=KEY)
    await port.aclose()
    sent: dict[str, Any] = json.loads(outside.bodies[0])["ticket"]
    return sent


class Desk:
    """As much of Zendesk as a note meets: one ticket, its history, and updates of what one has not seen refused."""

    def __init__(self, **ticket: Any) -> None:
        self.ticket = {"id": 7, "external_id": KEY, "status": "open", "priority": "normal", "updated_at": "T0"} | ticket
        self.audits: list[dict[str, Any]] = [{"id": 70, "metadata": {"system": {}, "custom": {}}}]
        self.loses_answers = False

    async def serve(self, request: web.Request) -> web.StreamResponse:
        if request.method == "PUT":
            return self._update(request, (await request.json())["ticket"])
        if request.path.endswith("/audits"):
            page = int(request.query.get("page[after]", "0"))
            more = page + 1 < len(self.audits)
            meta = {"has_more": more, "after_cursor": str(page + 1)}
            return web.json_response({"audits": self.audits[page : page + 1], "meta": meta})
        return web.json_response({"tickets": [self.ticket]})

    def _update(self, request: web.Request, update: dict[str, Any]) -> web.StreamResponse:
        if update["safe_update"] is True and update["updated_stamp"] != self.ticket["updated_at"]:
            return web.json_response({"error": "UpdateConflict"}, status=409)
        audit = {"id": 70 + len(self.audits), "metadata": {"custom": update["metadata"]}, "comment": update["comment"]}
        self.audits.append(audit)
        self.ticket |= {name: update[name] for name in ("priority", "status") if name in update}
        self.ticket["updated_at"] = f"T{len(self.audits)}"
        if self.loses_answers:
            request.transport.abort()
        return web.json_response({"ticket": self.ticket, "audit": audit})


async def noted(desk: Desk, outside: Outside, priority: str = "high") -> Any:
    outside.replies(desk.serve)
    port = serving(INTEGRATION, outside.url).port
    try:
        return await port.add_note(note(priority), key=NOTE_KEY)
    finally:
        await port.aclose()


async def test_a_ticket_is_told_in_its_words_and_only_to_colleagues(outside: Outside) -> None:
    sent = await opened(outside, groups={"Customer Retention": 98738}, custom_fields={"tier": 11, "customer_ref": 12})
    assert outside.requests[0].headers["Idempotency-Key"] == KEY
    assert (sent["external_id"], sent["priority"], sent["group_id"]) == (KEY, "urgent", 98738)
    assert sent["tags"] == ["handrail", "team-customer-retention", "tier-vip"]
    assert sent["custom_fields"] == [{"id": 12, "value": "C-1042"}, {"id": 11, "value": "vip"}]
    assert sent["comment"]["public"] is False
    assert not {"requester", "requester_id", "collaborators", "email_ccs"} & set(sent)


async def test_a_colleague_reads_what_the_customer_said_and_who_they_are(outside: Outside) -> None:
    body = (await opened(outside))["comment"]["body"]
    assert "Třetí týden nic." in body
    assert "customer\n  ref: C-1042\n  name: Jana\n  tier: vip\n  no automatic contact: no" in body
    assert "phone" not in body
    assert "cases" not in body


async def test_what_a_customer_writes_fills_no_placeholder(outside: Outside) -> None:
    body = (await opened(outside))["comment"]["body"]
    assert "ticket.requester.email" in body
    assert "{{" not in body
    assert "{%" not in body


async def test_a_repeat_within_two_hours_is_told_as_one(outside: Outside) -> None:
    outside.answers(201, WRITES["open_ticket"]["body"], {"x-idempotency-lookup": "hit"})
    port = serving(INTEGRATION, outside.url).port
    receipt = await port.open_ticket(TICKET, key=KEY)
    await port.aclose()
    assert receipt.detail == {"created": False}


async def test_our_key_with_other_words_proves_a_ticket_that_is_looked_up(outside: Outside) -> None:
    port = serving(INTEGRATION, outside.url).port
    outside.answers(400, {"error": "IdempotentRequestError", "description": "Request parameters don't match"})
    with pytest.raises(OutcomeUnknown, match="it has had our key with another text"):
        await port.open_ticket(TICKET, key=KEY)
    outside.answers(400, {"error": "Unprocessable"})
    with pytest.raises(Rejected):
        await port.open_ticket(TICKET, key=KEY)
    await port.aclose()
    assert INTEGRATION.write_class(None, "open_ticket") is WriteClass.C


@pytest.mark.parametrize(
    ("is_now", "asked", "becomes"),
    [
        ("low", "high", "high"),
        ("normal", "critical", "urgent"),
        (None, "low", "low"),
        ("high", "high", "high"),
        ("urgent", "critical", "urgent"),
        ("urgent", "low", "urgent"),
        ("high", "unheard of", "high"),
        ("unheard of", "critical", "unheard of"),
    ],
)
async def test_a_note_raises_the_priority_and_never_lowers_it(
    is_now: str | None, asked: str, becomes: str, outside: Outside
) -> None:
    desk = Desk(priority=is_now)
    await noted(desk, outside, asked)
    assert desk.ticket["priority"] == becomes


@pytest.mark.parametrize(("before", "after"), [("solved", "open"), ("pending", "pending"), ("new", "new")])
async def test_a_note_opens_a_solved_ticket_again(before: str, after: str, outside: Outside) -> None:
    desk = Desk(status=before)
    await noted(desk, outside)
    assert desk.ticket["status"] == after
    assert desk.audits[-1]["comment"]["public"] is False


async def test_a_note_whose_answer_was_lost_is_found_when_it_is_repeated(outside: Outside) -> None:
    desk = Desk()
    desk.audits *= 3  # the history has several pages
    desk.loses_answers = True
    with pytest.raises(OutcomeUnknown):
        await noted(desk, outside)
    desk.loses_answers = False
    receipt = await noted(desk, outside)
    assert (receipt.external_id, receipt.detail) == ("73", {"created": False})
    assert len(desk.audits) == 4


async def test_a_note_is_not_added_to_what_changed_since_it_was_looked_at(outside: Outside) -> None:
    """Also when it is our own lost update that arrives late."""
    desk = Desk()

    async def changed_meanwhile(request: web.Request) -> web.StreamResponse:
        said = await desk.serve(request)
        if request.path.endswith("/audits"):
            desk.ticket["updated_at"] = "meanwhile"
        return said

    outside.replies(changed_meanwhile)
    port = serving(INTEGRATION, outside.url).port
    with pytest.raises(Busy):
        await port.add_note(note(), key=NOTE_KEY)
    await port.aclose()
    assert len(desk.audits) == 1


async def test_a_note_without_its_ticket_is_refused(outside: Outside) -> None:
    with pytest.raises(Rejected, match="no ticket of this case") as refusal:
        await noted(Desk(external_id="case/C-9/1/ticket"), outside)
    assert refusal.value.status == 404
    assert {request.method for request in outside.requests} == {"GET"}


async def test_a_ticket_of_another_shape_gets_no_note(outside: Outside) -> None:
    for missing in ("id", "updated_at", "priority", "status"):
        desk = Desk()
        del desk.ticket[missing]
        with pytest.raises(NotSent, match="do not understand"):
            await noted(desk, outside)
    assert {request.method for request in outside.requests} == {"GET"}


async def test_all_calls_of_a_note_share_one_timeout(outside: Outside) -> None:
    desk = Desk()

    async def slowly(request: web.Request) -> web.StreamResponse:
        await asyncio.wait([asyncio.ensure_future(outside.over.wait())], timeout=0.3)
        return await desk.serve(request)

    outside.replies(slowly)
    port = serving(INTEGRATION, outside.url, timeout_seconds=0.5).port
    began = time.monotonic()
    with pytest.raises(NotSent):
        await port.add_note(note(), key=NOTE_KEY)
    assert time.monotonic() - began < 0.9
    await port.aclose()
    assert len(desk.audits) == 1


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("new", "open"),
        ("open", "open"),
        ("pending", "pending"),
        ("hold", "pending"),
        ("solved", "solved"),
        ("closed", "solved"),
        ("deleted", "unknown"),
    ],
)
async def test_every_status_has_our_word(word: str, status: str, outside: Outside) -> None:
    ticket = {"id": 7, "external_id": KEY, "status": word, "assignee_id": 3}
    outside.answers(200, {"tickets": [ticket], "users": []})
    port = serving(INTEGRATION, outside.url).port
    state = await port.read_ticket(KEY)
    await port.aclose()
    assert (state.status, state.assignee) == (TicketStatus(status), "agent 3")


async def test_credentials_are_an_agents_token_or_an_oauth_token(outside: Outside) -> None:
    for email, wanted in (("", f"Bearer {SECRET}"), ("a@b.cz", "Basic YUBiLmN6L3Rva2VuOmNhbmFyeS1zZWNyZXQtN2YzYTkx")):
        outside.replies(answer(200, recorded(INTEGRATION)["health"]))
        port = serving(INTEGRATION, outside.url, email=email).port
        assert (await port.check()).ok
        await port.aclose()
        assert outside.requests[-1].headers["Authorization"] == wanted


async def test_an_anonymous_visitor_is_not_signed_in(outside: Outside) -> None:
    outside.answers(200, {"user": {"id": None, "name": "Anonymous user"}})
    port = serving(INTEGRATION, outside.url).port
    assert not (await port.check()).ok
    await port.aclose()


async def test_it_is_as_zendesk_publishes_it(outside: Outside) -> None:
    """Custom fields are left out: the document asks of their values what it means for their definitions."""
    hold(SPEC, "components schemas TicketCreateRequest", {"ticket": await opened(outside)})
    outside.bodies.clear()
    await noted(Desk(), outside)
    hold(SPEC, "components schemas TicketUpdateRequest", json.loads(outside.bodies[-1]))
    for operation, schema in (("open_ticket", "TicketResponse"), ("add_note", "TicketUpdateResponse")):
        body = json.loads(json.dumps(WRITES[operation]["body"]).replace('"assignee_id": null, ', ""))
        hold(SPEC, f"components schemas {schema}", body)
    hold(SPEC, "components schemas TicketsResponse", recorded(INTEGRATION)["found"]["body"])
