"""Zendesk: our words in its words, a note written once, a priority never lowered."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from aiohttp import web
from outside_vendor import Outside, answer
from published_specs import hold
from vendor_specimens import KEY, SECRET, recorded, serving

from domain.actions import WriteClass
from integrations.errors import Busy, ContractViolation, NotSent, OutcomeUnknown, Rejected
from integrations.ports import Pages, Ticket, TicketList, TicketNote, TicketState, TicketStatus
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
    assert time.monotonic() - began < 2
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


class Conversation:
    """A ticket with its comments, some a page, the newest first."""

    def __init__(self, *comments: dict[str, Any], requester: int = 500, **ticket: Any) -> None:
        self.ticket = {
            "id": 7,
            "external_id": KEY,
            "status": "open",
            "assignee_id": 3,
            "submitter_id": 1,
            "requester_id": requester,
        } | ticket
        self.comments = list(comments)[::-1]
        self.asked: list[str] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        users = [
            {"id": 1, "name": "Handrail", "role": "admin"},
            {"id": 3, "name": "Ola", "role": "agent"},
            {"id": 500, "name": "Jana", "role": "end-user"},
        ]
        if not request.path.endswith("/comments"):
            return web.json_response({"tickets": [self.ticket], "users": users})
        assert request.query["sort"] == "-created_at"
        page = int(request.query.get("page[after]", "0"))
        meta = {"has_more": page + 1 < len(self.comments), "after_cursor": str(page + 1)}
        return web.json_response({"comments": self.comments[page : page + 1], "users": users, "meta": meta})


def comment(minute: int, author: int, *, public: bool = True) -> dict[str, Any]:
    return {
        "id": 1000 + minute,
        "type": "Comment",
        "author_id": author,
        "public": public,
        "body": "Dobrý den, paní Jano.",
        "created_at": f"2026-03-01T10:{minute:02d}:00Z",
    }


async def answered(conversation: Conversation, outside: Outside) -> datetime | None:
    outside.replies(conversation.serve)
    port = serving(INTEGRATION, outside.url).port
    state = await port.read_ticket(KEY)
    await port.aclose()
    at: datetime | None = state.answered_at
    return at


async def test_the_last_public_word_of_a_colleague_is_an_answer(outside: Outside) -> None:
    told = Conversation(
        comment(0, 1, public=False), comment(5, 3), comment(9, 3), comment(12, 500), comment(15, 3, public=False)
    )
    assert await answered(told, outside) == datetime(2026, 3, 1, 10, 9, tzinfo=UTC)
    hold(SPEC, "components schemas TicketCommentsResponse", {"comments": told.comments})


@pytest.mark.parametrize(
    "said",
    [
        comment(1, 1),  # our own
        comment(1, 3, public=False),  # to colleagues
        comment(1, 500),  # the customer's
        comment(1, 77),  # whose role nobody told us
    ],
)
async def test_nothing_else_is(said: dict[str, Any], outside: Outside) -> None:
    assert await answered(Conversation(comment(0, 1, public=False), said), outside) is None


async def test_what_is_public_while_we_are_the_requester_reaches_no_customer(outside: Outside) -> None:
    told = Conversation(comment(5, 3), requester=1)
    assert await answered(told, outside) is None
    assert told.asked == ["/api/v2/tickets"]
    del told.ticket["submitter_id"]
    assert await answered(told, outside) is None


async def test_comments_of_another_shape_are_no_answer(outside: Outside) -> None:
    for missing in ("public", "author_id", "created_at"):
        said = comment(5, 3)
        del said[missing]
        with pytest.raises(ContractViolation):
            await answered(Conversation(said), outside)


async def test_our_tickets_are_listed_page_by_page_oldest_first(outside: Outside) -> None:
    shown = [
        {
            "id": number,
            "external_id": f"case/C-{number}/1/ticket" if number != 3 else None,
            "status": "solved" if number == 2 else "new",
            "assignee_id": None,
            "result_type": "ticket",
        }
        for number in range(1, 8)
    ]
    pages: list[str] = []

    async def search(request: web.Request) -> web.StreamResponse:
        page = int(request.query["page"])
        pages.append(request.query["query"])
        some = shown[3 * (page - 1) : 3 * page] + ([] if page == 1 else [shown[0]])  # pages may repeat
        is_last = 3 * page >= len(shown)
        return web.json_response({"results": some, "count": len(shown), "next_page": None if is_last else "…"})

    outside.replies(search)
    port = serving(INTEGRATION, outside.url).port
    assert isinstance(port, TicketList)
    zone = timezone(timedelta(hours=2))
    listed = await port.list_tickets(since=datetime(2026, 3, 1, 2, tzinfo=zone), limit=500)
    assert [state.external_id for state in listed] == ["1", "2", "4", "5", "6", "7"]
    assert listed[1] == TicketState("case/C-2/1/ticket", "2", TicketStatus.SOLVED, None)
    assert pages == ["type:ticket tags:handrail created>=2026-03-01T00:00:00Z"] * 3
    asked = outside.requests[0].query
    assert (asked["sort_by"], asked["sort_order"]) == ("created_at", "asc")
    assert [state.external_id for state in await port.list_tickets(since=datetime.now(UTC), limit=2)] == ["1", "2"]
    outside.answers(200, {"results": [{"id": 1}], "next_page": None})
    with pytest.raises(ContractViolation):
        await port.list_tickets(since=datetime.now(UTC), limit=2)
    await port.aclose()


async def test_a_ticket_has_a_page_and_a_note_has_none(outside: Outside) -> None:
    port = serving(INTEGRATION, outside.url).port
    assert isinstance(port, Pages)
    assert port.page_of("open_ticket", "35436", key=KEY) == f"{outside.url}/agent/tickets/35436"
    assert port.page_of("add_note", "74077", key=NOTE_KEY) is None
    await port.aclose()


async def test_credentials_are_an_agents_token_or_an_oauth_token(outside: Outside) -> None:
    for email, wanted in (("", f"Bearer {SECRET}"), ("a@b.cz", "Basic YUBiLmN6L3Rva2VuOmNhbmFyeXNlY3JldDdmM2E5MQ==")):
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
    jobs = recorded(INTEGRATION)["found"]["reads"]["/api/v2/job_statuses"]
    hold(SPEC, "components schemas JobStatusesResponse", jobs)
