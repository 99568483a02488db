"""HubSpot: our words in its words, a note written once, a priority never lowered, waits by what its limits mean."""

import asyncio
import json
import time
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hubspot_portal import CONTACTS, TASKS, Portal
from outside_vendor import Outside
from published_specs import hold
from vendor_specimens import KEY, SECRET, TASK_KEY, recorded, serving

from domain.actions import WriteClass
from integrations import hubspot_changes
from integrations.crm.hubspot import INTEGRATION
from integrations.errors import Busy, NotSent, OutcomeUnknown, RateLimited, Unsupported
from integrations.hubspot_words import WAITS
from integrations.ports import WRITES, Pages, Receipt, Task, TaskClosing, TaskNote

UPDATE = f"{TASKS}/batch/update"
NOTE_KEY, CLOSE_KEY = f"{TASK_KEY}/3", f"{TASK_KEY}/close"
DUE = datetime(2026, 3, 1, 10, 30, tzinfo=timezone(timedelta(hours=1)))
TASK = Task("C-1042", "Ends on 1 March", "Třetí rok s námi.\n<b>Sleva</b> & klid?", "agent-7", "critical", DUE, "Jana")
TASKS_SPEC, CONTACTS_SPEC = "hubspot_crm_tasks_v3.json", "hubspot_crm_contacts_v3.json"


def note(priority: str = "high", text: str = "3 days left.\nZavolejte.") -> TaskNote:
    return TaskNote(TASK_KEY, "C-1042", text, priority)


async def asked(portal: Portal, outside: Outside, *writes: tuple[str, Any, str], **settings: Any) -> Any:
    """What the last of these writes (operation, value, key) returned."""
    outside.replies(portal.serve)
    port = serving(INTEGRATION, outside.url, **settings).port
    try:
        for operation, value, key in writes:
            receipt = await getattr(port, operation)(value, key=key)
        return receipt
    finally:
        await port.aclose()


def noted(value: TaskNote | None = None, key: str = NOTE_KEY) -> tuple[str, Any, str]:
    return "add_task_note", value or note(), key


def closed(key: str = CLOSE_KEY) -> tuple[str, Any, str]:
    return "close_task", TaskClosing(TASK_KEY, "renewed"), key


def with_task(**properties: str) -> Portal:
    portal = Portal()
    portal.tasks["7"] = {"handrail_key": TASK_KEY, "hs_task_body": "Ends.", "hs_task_priority": "MEDIUM"} | properties
    return portal


async def test_a_task_is_told_in_its_words(outside: Outside) -> None:
    portal = Portal()
    receipt = await asked(portal, outside, ("upsert_task", TASK, KEY))
    assert portal.tasks[receipt.external_id] == {
        "handrail_key": KEY,
        "hs_task_subject": "Ends on 1 March",
        "hs_task_body": "Třetí rok s námi.<br>&lt;b&gt;Sleva&lt;/b&gt; &amp; klid?",
        "hs_task_status": "NOT_STARTED",
        "hs_task_priority": "HIGH",
        "hs_task_type": "TODO",
        "hs_timestamp": "2026-03-01T09:30:00.000Z",
        "hubspot_owner_id": "64492917",
    }
    assert set(portal.contacts["18512"]) == {"handrail_ref", "lastname"}  # and no address of theirs


@pytest.mark.parametrize(
    ("ours", "theirs"), [("low", "LOW"), ("normal", "MEDIUM"), ("high", "HIGH"), ("urgent", "HIGH"), ("?", "MEDIUM")]
)
async def test_every_priority_has_its_word(ours: str, theirs: str, outside: Outside) -> None:
    portal = Portal()
    receipt = await asked(portal, outside, ("upsert_task", Task("C-1", "…", "…", "agent-7", ours, DUE), KEY))
    assert portal.tasks[receipt.external_id]["hs_task_priority"] == theirs


async def test_a_task_for_somebody_hubspot_does_not_know_has_no_owner_and_says_for_whom(outside: Outside) -> None:
    portal = Portal()
    receipt = await asked(portal, outside, ("upsert_task", TASK, KEY), owners={"agent-8": 1})
    told = portal.tasks[receipt.external_id]
    assert "hubspot_owner_id" not in told
    assert told["hs_task_body"].endswith("<br><br>For agent-7, whom HubSpot's settings in Handrail do not name.")


async def test_a_task_without_a_date_is_due_at_once(outside: Outside) -> None:
    portal = Portal()
    receipt = await asked(portal, outside, ("upsert_task", Task("C-1", "…", "…", "agent-7", "low", None), KEY))
    due = datetime.fromisoformat(portal.tasks[receipt.external_id]["hs_timestamp"])
    assert abs(datetime.now(UTC) - due) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("is_now", "wanted", "becomes"),
    [
        ("LOW", "high", "HIGH"),
        ("MEDIUM", "critical", "HIGH"),
        ("", "low", "LOW"),
        ("NONE", "normal", "MEDIUM"),
        ("MEDIUM", "normal", "MEDIUM"),
        ("HIGH", "low", "HIGH"),
        ("LOW", "unheard of", "MEDIUM"),
        ("UNHEARD_OF", "critical", "UNHEARD_OF"),
    ],
)
async def test_a_note_raises_the_priority_and_never_lowers_it(
    is_now: str, wanted: str, becomes: str, outside: Outside
) -> None:
    portal = with_task(hs_task_priority=is_now)
    await asked(portal, outside, noted(note(wanted)))
    assert portal.tasks["7"]["hs_task_priority"] == becomes


async def test_a_note_is_read_beneath_what_was_there_and_leaves_a_completed_task_completed(outside: Outside) -> None:
    portal = with_task(hs_task_status="COMPLETED")
    receipt = await asked(portal, outside, noted(note(text="<i>3 days left.\nZavolejte.")))
    assert portal.tasks["7"]["hs_task_body"] == f"Ends.<br><br>&lt;i&gt;3 days left.<br>Zavolejte.<br>[{NOTE_KEY}]"
    assert portal.tasks["7"]["hs_task_status"] == "COMPLETED"
    assert receipt.external_id == "7"


async def test_a_task_without_a_body_gets_one(outside: Outside) -> None:
    portal = with_task()
    del portal.tasks["7"]["hs_task_body"]
    await asked(portal, outside, noted())
    assert portal.tasks["7"]["hs_task_body"].startswith("3 days left.")


async def test_a_note_whose_answer_was_lost_is_found_when_it_is_repeated(outside: Outside) -> None:
    portal = with_task()
    portal.loses = {UPDATE}
    with pytest.raises(OutcomeUnknown):
        await asked(portal, outside, noted())
    portal.loses = set()
    told = portal.tasks["7"]
    told["hs_task_body"] = f"<div><p>{told['hs_task_body'].replace('/', '&#x2F;')}</p></div>"  # as an editor leaves it
    told["hs_task_priority"] = "LOW"  # a colleague's, since
    receipt = await asked(portal, outside, noted())
    assert (receipt.external_id, receipt.detail) == ("7", {"created": False})
    assert portal.paths.count(f"POST {UPDATE}") == 1
    assert portal.tasks["7"]["hs_task_priority"] == "LOW"


async def test_notes_and_closings_go_together_each_with_its_end(outside: Outside) -> None:
    portal = with_task()
    keys = [f"expiry/p-{number}/2026-03-01/task" for number in range(2, 13)]
    portal.tasks |= {str(number): {"handrail_key": key} for number, key in enumerate(keys, start=20)}
    outside.replies(portal.serve)
    port = serving(INTEGRATION, outside.url).port
    notes = [(f"{key}/3", TaskNote(key, "C-1", f"{key}: 3 days.", "high")) for key in (*keys, "expiry/gone/x/task")]
    twice = [(f"{TASK_KEY}/{days}", note(text=f"{days} days.")) for days in (14, 3)]
    ends = await port.write_batch("add_task_note", [*notes, *twice])
    assert [getattr(end, "external_id", "") for end in ends] == [*map(str, range(20, 31)), "", "7", "7"]
    assert type(ends[11]) is Busy
    assert portal.tasks["7"]["hs_task_body"].count("days.") == 2
    assert all(portal.tasks[str(number)]["hs_task_priority"] == "HIGH" for number in range(20, 31))
    assert portal.paths == [*[f"POST {TASKS}/search"] * 3, f"POST {TASKS}/batch/read", f"POST {UPDATE}"]
    portal.deleted, portal.forgets = {"20"}, {"21"}
    closings = [(f"{key}/close", TaskClosing(key, "renewed")) for key in keys[:4]]
    ends = await port.write_batch("close_task", closings)
    assert [type(end) for end in ends] == [OutcomeUnknown, OutcomeUnknown, Receipt, Receipt]
    ends = await port.write_batch("close_task", closings[1:2])
    await port.aclose()
    assert (ends[0].external_id, ends[0].detail) == ("21", {"created": False})  # it was done


async def test_searches_keep_their_distance(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hubspot_changes, "SPACING", 0.1)
    portal = with_task()
    outside.replies(portal.serve)
    port = serving(INTEGRATION, outside.url).port
    began = time.monotonic()
    await asyncio.gather(*(port.add_task_note(note(), key=f"{TASK_KEY}/{number}") for number in range(4)))
    await port.aclose()
    assert time.monotonic() - began >= 0.3


async def test_a_key_that_begins_like_another_is_another(outside: Outside) -> None:
    portal = with_task()
    await asked(portal, outside, noted(key=f"{TASK_KEY}/30"), noted(key=f"{TASK_KEY}/3"))
    assert portal.tasks["7"]["hs_task_body"].count("3 days left.") == 2


async def test_a_note_or_closing_of_a_task_the_search_does_not_show_comes_again_later(outside: Outside) -> None:
    portal = with_task()
    portal.is_blind = True
    for write in (noted(), closed()):
        with pytest.raises(Busy, match="was the task deleted"):
            await asked(portal, outside, write)
    portal.is_blind = False
    portal.tasks["7"]["handrail_key"] = TASK_KEY.upper()  # a search that ignores case finds it, and it is not ours
    with pytest.raises(Busy):
        await asked(portal, outside, noted())
    assert f"POST {UPDATE}" not in portal.paths


async def test_a_task_is_closed_once_with_the_reason_and_so_is_its_twin(outside: Outside) -> None:
    portal = with_task()
    portal.tasks["8"] = dict(portal.tasks["7"])
    receipt = await asked(portal, outside, closed(), closed(), closed(f"{TASK_KEY}/close/again"))
    assert receipt.external_id == "7"
    for task in ("7", "8"):
        assert portal.tasks[task]["hs_task_status"] == "COMPLETED"
        assert portal.tasks[task]["hs_task_body"] == f"Ends.<br><br>Closed: renewed<br>[{CLOSE_KEY}]"
    assert portal.paths.count(f"POST {UPDATE}") == 1


async def test_a_task_that_was_opened_again_is_closed_again_and_says_so_once(outside: Outside) -> None:
    portal = with_task()
    await asked(portal, outside, closed())
    portal.tasks["7"]["hs_task_status"] = "WAITING"
    await asked(portal, outside, closed())
    assert portal.tasks["7"]["hs_task_status"] == "COMPLETED"
    assert portal.tasks["7"]["hs_task_body"].count("Closed") == 1


def limited(policy: str) -> dict[str, str]:
    message = f"You have reached your {policy.lower()} limit."
    return {"status": "error", "message": message, "errorType": "RATE_LIMIT", "policyName": policy}


@pytest.mark.parametrize(("policy", "wait"), [("SECONDLY", 1), ("TEN_SECONDLY_ROLLING", 10), ("DAILY", 3600)])
async def test_a_limit_is_waited_out_as_its_name_means(policy: str, wait: float, outside: Outside) -> None:
    assert WAITS[policy] == wait
    port = serving(INTEGRATION, outside.url).port
    outside.answers(429, limited(policy))
    for ask in (
        port.upsert_task(TASK, key=KEY),
        port.add_task_note(note(), key=NOTE_KEY),
        port.find("upsert_task", KEY),
    ):
        with pytest.raises(RateLimited, match=policy) as problem:
            await ask
        assert problem.value.retry_after == wait
    assert policy in (await port.check()).problem
    outside.reads = recorded(INTEGRATION)["writes"]["upsert_task"]["reads"]
    with pytest.raises(RateLimited) as problem:
        await port.upsert_task(TASK, key=KEY)
    assert problem.value.retry_after == wait
    outside.answers(429, limited(policy), {"Retry-After": "7"})
    with pytest.raises(RateLimited) as problem:
        await port.upsert_task(TASK, key=KEY)
    assert problem.value.retry_after == 7
    await port.aclose()


async def test_a_limit_of_a_name_we_have_not_met_says_no_time(outside: Outside) -> None:
    port = serving(INTEGRATION, outside.url).port
    for said in (limited("WEEKLY"), {"message": "slow down"}, "<html>", ""):
        outside.answers(429, said)
        with pytest.raises(RateLimited) as problem:
            await port.find("upsert_task", KEY)
        assert problem.value.retry_after is None
    await port.aclose()


async def test_a_locked_record_comes_again_and_an_account_that_moves_is_waited_for(outside: Outside) -> None:
    outside.reads = recorded(INTEGRATION)["writes"]["add_task_note"]["reads"]
    port = serving(INTEGRATION, outside.url).port
    outside.answers(423, {"status": "error"})
    with pytest.raises(Busy):
        await port.add_task_note(note(), key=NOTE_KEY)
    outside.answers(477, "", {"Retry-After": "1800"})
    with pytest.raises(RateLimited) as problem:
        await port.add_task_note(note(), key=NOTE_KEY)
    await port.aclose()
    assert problem.value.retry_after == 1800


async def test_another_task_than_was_asked_for_is_not_written_to(outside: Outside) -> None:
    outside.reads = dict(recorded(INTEGRATION)["writes"]["add_task_note"]["reads"])
    read = outside.reads[f"POST {TASKS}/batch/read"]
    outside.reads[f"POST {TASKS}/batch/read"] = read | {"results": [read["results"][0] | {"id": "1"}]}
    port = serving(INTEGRATION, outside.url).port
    with pytest.raises(NotSent):
        await port.add_task_note(note(), key=NOTE_KEY)
    await port.aclose()
    assert not outside.requests


async def test_notes_and_closings_look_for_themselves(outside: Outside) -> None:
    port = serving(INTEGRATION, outside.url).port
    classes = {operation: INTEGRATION.write_class(None, operation) for operation in WRITES[INTEGRATION.capability]}
    assert classes == {"upsert_task": WriteClass.C, "add_task_note": WriteClass.B, "close_task": WriteClass.B}
    for operation in ("add_task_note", "close_task"):
        with pytest.raises(Unsupported):
            await port.find(operation, KEY)
    await port.aclose()


async def test_a_task_has_a_page_where_the_account_is_named(outside: Outside) -> None:
    port = serving(INTEGRATION, outside.url, app_url="https://app-eu1.hubspot.com").port
    unnamed = serving(INTEGRATION, outside.url, portal=None).port
    assert isinstance(port, Pages)
    for operation in WRITES[INTEGRATION.capability]:
        page = port.page_of(operation, "18512", key=KEY)
        assert page == "https://app-eu1.hubspot.com/contacts/2519445/record/0-27/18512"
        assert unnamed.page_of(operation, "18512", key=KEY) is None
    await port.aclose()
    await unnamed.aclose()


async def test_the_token_goes_in_a_header_and_the_check_reads_a_task(outside: Outside) -> None:
    outside.answers(200, recorded(INTEGRATION)["health"])
    port = serving(INTEGRATION, outside.url).port
    assert (await port.check()).ok
    await port.aclose()
    assert outside.requests[0].headers["Authorization"] == f"Bearer {SECRET}"
    assert outside.requests[0].path_qs == f"{TASKS}?limit=1"


async def test_it_is_as_hubspot_publishes_it(outside: Outside) -> None:
    portal = Portal()
    await asked(portal, outside, ("upsert_task", TASK, TASK_KEY), noted(), closed())
    said = {
        request.path: json.loads(body) for request, body in zip(outside.requests, outside.bodies, strict=True) if body
    }
    assert set(said) == {
        f"{CONTACTS}/batch/read",
        f"{CONTACTS}/batch/upsert",
        f"{TASKS}/batch/create",
        f"{TASKS}/search",
        f"{TASKS}/batch/read",
        UPDATE,
    }
    for spec, path, place in (
        (CONTACTS_SPEC, f"{CONTACTS}/batch/read", "BatchReadInputSimplePublicObjectId"),
        (CONTACTS_SPEC, f"{CONTACTS}/batch/upsert", "BatchInputSimplePublicObjectBatchInputUpsert"),
        (TASKS_SPEC, f"{TASKS}/batch/create", "BatchInputSimplePublicObjectBatchInputForCreate"),
        (TASKS_SPEC, f"{TASKS}/search", "PublicObjectSearchRequest"),
        (TASKS_SPEC, f"{TASKS}/batch/read", "BatchReadInputSimplePublicObjectId"),
        (TASKS_SPEC, UPDATE, "BatchInputSimplePublicObjectBatchInput"),
    ):
        hold(spec, f"components schemas {place}", said[path])


def test_what_was_recorded_is_as_hubspot_publishes_it() -> None:
    record = recorded(INTEGRATION)
    listed = "CollectionResponseSimplePublicObjectWithAssociationsForwardPaging"
    hold(TASKS_SPEC, f"components schemas {listed}", record["health"])
    hold(TASKS_SPEC, "components schemas CollectionResponseWithTotalSimplePublicObject", record["found"]["body"])
    writes = record["writes"]
    hold(TASKS_SPEC, "components schemas BatchResponseSimplePublicObject", writes["upsert_task"]["body"])
    reads = writes["upsert_task"]["reads"][f"POST {CONTACTS}/batch/read"]
    hold(CONTACTS_SPEC, "components schemas BatchResponseSimplePublicObject", reads)
    for operation in ("add_task_note", "close_task"):
        read = writes[operation]["reads"][f"POST {TASKS}/batch/read"]
        for said in (read, writes[operation]["body"]):
            hold(TASKS_SPEC, "components schemas BatchResponseSimplePublicObject", said)
