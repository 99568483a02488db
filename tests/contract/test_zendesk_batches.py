"""Zendesk's `create_many`: a job followed to its end, proven by the tickets themselves; queued is never "not done"."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from outside_vendor import Outside, answer
from published_specs import hold
from test_batches import items
from vendor_specimens import ADDRESS, KEY, PERSON, PHONE, SECRET, WORDS, serving
from zendesk_account import Account

import integrations.zendesk_jobs
from integrations.errors import IntegrationError, OutcomeUnknown, RateLimited, Rejected, Unavailable, Unsupported
from integrations.ports import Receipt, TicketNote
from integrations.ticketing.zendesk import INTEGRATION

SPEC = "zendesk_tickets_subset.json"
KEYS = ["k/1", "k/2", "k/3"]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(integrations.zendesk_jobs, "FIRST_PAUSE", 0.01)


async def opened(account: Account, outside: Outside, keys: list[str] | None = None, **settings: Any) -> Any:
    outside.replies(account.serve)
    port = serving(INTEGRATION, outside.url, **settings).port
    try:
        return await port.write_batch("open_ticket", await items("open_ticket", keys or KEYS))
    finally:
        await port.aclose()


async def found(account: Account, outside: Outside, key: str) -> Any:
    outside.replies(account.serve)
    port = serving(INTEGRATION, outside.url).port
    try:
        return await port.find("open_ticket", key)
    finally:
        await port.aclose()


async def test_every_key_is_sent_once_in_order_and_each_has_its_receipt(outside: Outside) -> None:
    account = Account()
    ends = await opened(account, outside)
    assert [end.external_id for end in ends] == ["35436", "35437", "35438"]
    assert account.keys == KEYS
    assert [one for one in account.asked if one.startswith("POST")] == ["POST tickets/create_many"]
    assert account.asked[-1] == "GET tickets/show_many"


async def test_a_receipt_is_proven_by_its_ticket_not_by_a_results_place(outside: Outside) -> None:
    account = Account()
    account.shuffles = True
    ends = await opened(account, outside)
    assert [end.external_id for end in ends] == ["35436", "35437", "35438"]


async def test_each_item_ends_by_itself(outside: Outside) -> None:
    account = Account()
    account.refuses = {
        "k/2": {"error": "TicketCreateFailed", "details": "Description: cannot be blank"},
        "k/3": {"error": "DatabaseConflict", "details": "try again"},  # not what says that nothing was created
    }
    ends = await opened(account, outside)
    assert [type(end) for end in ends] == [Receipt, Rejected, OutcomeUnknown]
    assert "cannot be blank" in str(ends[1])
    assert account.keys == ["k/1"]


@pytest.mark.parametrize("results", [None, [], {"success": True}, ["nonsense"], [{"index": 0}], [{"id": "35436"}]])
async def test_a_job_that_says_nothing_about_an_item_leaves_it_open(results: Any, outside: Outside) -> None:
    over = {"job_status": {"id": "8b72", "status": "failed", "results": results}}
    outside.replies(answer(200, {"job_status": {"id": "8b72", "status": "queued"}}), answer(200, over))
    port = serving(INTEGRATION, outside.url).port
    ends = await port.write_batch("open_ticket", await items("open_ticket", KEYS))
    await port.aclose()
    assert [type(end) for end in ends] == [OutcomeUnknown] * 3


async def test_a_job_that_is_not_over_in_time_is_not_known_yet(outside: Outside) -> None:
    account = Account(looks=10_000)
    with pytest.raises(OutcomeUnknown, match="not known yet"):
        await opened(account, outside, timeout_seconds=0.4)
    with pytest.raises(Unavailable, match="may yet open it"):
        await found(account, outside, "k/1")
    account.work(account.jobs[0])
    assert (await found(account, outside, "k/1")).external_id == "35436"


async def test_a_job_of_an_unknown_word_is_not_over(outside: Outside) -> None:
    account = Account(looks=10_000)
    account.jobs = [{"id": "a", "status": "paused"}]
    with pytest.raises(Unavailable):
        await found(account, outside, "k/1")


async def test_a_lost_call_is_looked_up_and_believed_absent_only_when_no_job_is_left(outside: Outside) -> None:
    """The case that would have been a second ticket: the answer is lost, the job is queued, a search finds nothing."""
    account = Account()
    account.loses = {"tickets/create_many"}
    with pytest.raises(OutcomeUnknown):
        await opened(account, outside)
    account.loses = set()
    assert account.keys == []
    for _ in range(3):
        with pytest.raises(Unavailable):
            await found(account, outside, "k/2")
    account.refuses = {"k/3": {"error": "TicketCreateFailed", "details": "no"}}
    account.work(account.jobs[0])
    assert (await found(account, outside, "k/2")).external_id == "35437"
    assert await found(account, outside, "k/3") is None
    assert account.keys == ["k/1", "k/2"]


async def test_a_job_that_ends_between_the_looks_is_not_missed(outside: Outside) -> None:
    account = Account()
    account.loses = {"tickets/create_many"}
    with pytest.raises(OutcomeUnknown):
        await opened(account, outside)
    account.loses = set()

    async def meanwhile(request: web.Request) -> web.StreamResponse:
        if request.path.endswith("/job_statuses"):
            account.work(account.jobs[0])
        return await account.serve(request)

    outside.replies(meanwhile)
    port = serving(INTEGRATION, outside.url).port
    assert (await port.find("open_ticket", "k/1")).external_id == "35436"
    await port.aclose()


async def test_every_page_of_jobs_is_looked_at(outside: Outside) -> None:
    account = Account()
    account.pages = 2
    account.jobs = [{"id": str(number), "status": "completed"} for number in range(5)]
    assert await found(account, outside, "k/1") is None
    account.jobs[-1]["status"] = "working"
    with pytest.raises(Unavailable):
        await found(account, outside, "k/1")
    account.jobs = [{"id": str(number), "status": "completed"} for number in range(60)]
    with pytest.raises(Unavailable, match="more than"):
        await found(account, outside, "k/1")


async def test_a_status_that_is_kept_from_us_is_asked_again(outside: Outside) -> None:
    account = Account(looks=1)
    refusals = [
        answer(429, "", {"Retry-After": "0"}),
        answer(503),
        answer(404),
        answer(200, {"job_status": {"id": "x"}}),
    ]

    async def stumbling(request: web.Request) -> web.StreamResponse:
        if "/job_statuses/" in request.path and refusals:
            return await refusals.pop()(request)
        return await account.serve(request)

    outside.replies(stumbling)
    port = serving(INTEGRATION, outside.url).port
    ends = await port.write_batch("open_ticket", await items("open_ticket", KEYS))
    await port.aclose()
    assert [end.external_id for end in ends] == ["35436", "35437", "35438"]


@pytest.mark.parametrize("lost", ["job_statuses", "tickets/show_many"])
async def test_what_is_lost_after_the_job_was_queued_never_says_that_nothing_was_sent(
    lost: str, outside: Outside
) -> None:
    account = Account(looks=1)
    account.loses = {lost}
    with pytest.raises(OutcomeUnknown):
        await opened(account, outside, timeout_seconds=0.5)


async def test_too_many_jobs_is_a_limit_and_nothing_was_queued(outside: Outside) -> None:
    outside.answers(429, {"error": "TooManyJobs"}, {"Retry-After": "30"})
    port = serving(INTEGRATION, outside.url).port
    with pytest.raises(RateLimited) as limit:
        await port.write_batch("open_ticket", await items("open_ticket", KEYS))
    await port.aclose()
    assert limit.value.retry_after == 30


async def test_notes_are_not_taken_together(outside: Outside) -> None:
    port = serving(INTEGRATION, outside.url).port
    with pytest.raises(Unsupported):
        await port.write_batch("add_note", [(KEY, TicketNote(KEY, "C-1042", WORDS, "high"))])
    assert not outside.requests
    await port.aclose()


async def test_no_items_error_carries_a_secret_or_a_customer(outside: Outside) -> None:
    account = Account()
    said = f"Bearer {SECRET} {PERSON} {ADDRESS} {PHONE} {WORDS}"
    account.refuses = {KEY: {"error": "TicketCreateFailed", "details": said}}
    ends = await opened(account, outside, [KEY])
    assert all(isinstance(end, IntegrationError) for end in ends)
    shown = "".join(f"{end} {end!r} {vars(end)}" for end in ends)
    for hidden in (SECRET, PERSON, ADDRESS, PHONE, *WORDS.split()):
        assert hidden not in shown


async def test_several_jobs_side_by_side_do_not_mix(outside: Outside) -> None:
    account = Account(looks=4)
    outside.replies(account.serve)
    port = serving(INTEGRATION, outside.url).port
    both = [await items("open_ticket", [f"{name}/1", f"{name}/2"]) for name in ("a", "b")]
    ends = await asyncio.gather(*(port.write_batch("open_ticket", some) for some in both))
    await port.aclose()
    for pairs, receipts in zip(both, ends, strict=True):
        assert [account.tickets[int(end.external_id)]["external_id"] for end in receipts] == [key for key, _ in pairs]


async def test_it_is_as_zendesk_publishes_it(outside: Outside) -> None:
    account = Account()
    await opened(account, outside)
    hold(SPEC, "components schemas TicketsCreateRequest", json.loads(outside.bodies[0]))
    job = {name: value for name, value in account.jobs[0].items() if name != "tickets"}
    hold(SPEC, "components schemas JobStatusResponse", {"job_status": job})
    hold(SPEC, "components schemas JobStatusesResponse", {"job_statuses": [job]})
