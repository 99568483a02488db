"""HubSpot's batches: a hundred tasks in one call, of which some may fail, and contacts made where there are none."""

from collections.abc import Sequence
from typing import Any

import pytest
from hubspot_portal import CONTACTS, TASKS, Portal, answered
from outside_vendor import Outside, answer
from vendor_specimens import ADDRESS, PERSON, PHONE, SECRET, WORDS, serving

from integrations.crm.hubspot import INTEGRATION
from integrations.errors import AuthFailed, IntegrationError, NotSent, OutcomeUnknown, RateLimited, Rejected
from integrations.hubspot_batches import LARGEST_BATCH
from integrations.hubspot_words import trace_of
from integrations.ports import Receipt, Task

CREATE, READ, UPSERT = f"POST {TASKS}/batch/create", f"POST {CONTACTS}/batch/read", f"POST {CONTACTS}/batch/upsert"


def task(ref: str = "C-1042", name: str = PERSON) -> Task:
    return Task(ref, f"Call {name}", WORDS, "agent-7", "high", None, name)


async def sent(portal: Portal, outside: Outside, items: Sequence[tuple[str, Task]]) -> Sequence[Any]:
    outside.replies(portal.serve)
    port = serving(INTEGRATION, outside.url).port
    try:
        ends: Sequence[Any] = await port.write_batch("upsert_task", items)
        return ends
    finally:
        await port.aclose()


async def test_every_key_is_sent_once_in_order_and_each_has_its_receipt(outside: Outside) -> None:
    portal = Portal()
    keys = [f"expiry/p-{number}/2026-03-01/task" for number in range(LARGEST_BATCH)]
    ends = await sent(portal, outside, [(key, task(f"C-{place % 7}")) for place, key in enumerate(keys)])
    assert portal.paths == [READ, UPSERT, CREATE]
    assert [portal.tasks[end.external_id]["handrail_key"] for end in ends] == keys
    assert [one["handrail_key"] for one in portal.tasks.values()] == keys
    assert sorted(contact["handrail_ref"] for contact in portal.contacts.values()) == [f"C-{n}" for n in range(7)]


async def test_each_task_is_at_the_contact_of_its_customer(outside: Outside) -> None:
    portal = Portal()
    portal.contacts = {"7": {"handrail_ref": "C-1", "firstname": "Jana", "lastname": "Nováková"}}
    ends = await sent(portal, outside, [("k/1", task("C-1")), ("k/2", task("C-2", "Ola")), ("k/3", task("C-3", ""))])
    at = [portal.associations[end.external_id][0] for end in ends]
    assert {one["types"][0]["associationTypeId"] for one in at} == {204}
    assert [portal.contacts[one["to"]["id"]]["handrail_ref"] for one in at] == ["C-1", "C-2", "C-3"]
    assert portal.contacts["7"] == {"handrail_ref": "C-1", "firstname": "Jana", "lastname": "Nováková"}  # as it was
    assert [portal.contacts[one["to"]["id"]]["lastname"] for one in at[1:]] == ["Ola", "C-3"]


async def test_nobody_is_told_twice_who_a_customer_is(outside: Outside) -> None:
    portal = Portal()
    for key in ("k/1", "k/2"):
        await sent(portal, outside, [(key, task())])
    assert portal.paths == [READ, UPSERT, CREATE, READ, CREATE]
    assert PERSON not in "".join(outside.bodies[3].decode())


async def test_each_item_ends_by_itself(outside: Outside) -> None:
    portal = Portal()
    portal.refuses = {
        "k/2": "VALIDATION_ERROR",
        "k/3": "RATE_LIMITS",
        "k/4": "OBJECT_NOT_FOUND",
        "k/5": "CONFLICT",
        "k/6": "A WORD WE HAVE NOT MET",
    }
    portal.forgets = {"k/7"}
    ends = await sent(portal, outside, [(f"k/{number}", task()) for number in range(1, 9)])
    kinds = [Receipt, Rejected, RateLimited, Rejected, OutcomeUnknown, OutcomeUnknown, OutcomeUnknown, Receipt]
    assert [type(end) for end in ends] == kinds
    assert (ends[1].status, ends[3].status) == (400, 404)
    assert "Property values were not valid" in str(ends[1])
    assert [portal.tasks[end.external_id]["handrail_key"] for end in (ends[0], ends[7])] == ["k/1", "k/8"]


async def test_an_error_that_names_no_input_leaves_it_open(outside: Outside) -> None:
    portal = Portal()
    portal.refuses, portal.names_traces = {"k/2": "VALIDATION_ERROR"}, False
    ends = await sent(portal, outside, [("k/1", task()), ("k/2", task())])
    assert [type(end) for end in ends] == [Receipt, OutcomeUnknown]


async def test_what_was_written_counts_whatever_an_error_says_of_it_and_others_tasks_are_none_of_ours(
    outside: Outside,
) -> None:
    ours = {"id": "1", "properties": {"handrail_key": "k/1"}}
    twisted = {"id": "2", "properties": {"handrail_key": "k/2"}, "objectWriteTraceId": trace_of("k/3")}
    others = [{"id": "9", "properties": {"handrail_key": "k/9"}}, {"id": "8", "properties": {}}]
    error = {"category": "VALIDATION_ERROR", "context": {"objectWriteTraceId": [trace_of("k/1"), "x"]}}
    outside.reads = {READ: answered([{"id": "7", "properties": {"handrail_ref": "C-1042"}}])}
    outside.answers(207, {"results": [ours, twisted, *others], "errors": [error]})
    port = serving(INTEGRATION, outside.url).port
    ends = await port.write_batch("upsert_task", [(f"k/{number}", task()) for number in (1, 2, 3)])
    await port.aclose()
    assert [type(end) for end in ends] == [Receipt, OutcomeUnknown, OutcomeUnknown]
    assert ends[0].external_id == "1"


async def test_a_task_whose_contact_is_refused_is_not_begun(outside: Outside) -> None:
    portal = Portal()
    portal.refuses = {"C-2": "VALIDATION_ERROR", "C-3": "CONFLICT"}
    ends = await sent(portal, outside, [(f"k/{number}", task(f"C-{number}")) for number in (1, 2, 3)])
    assert [type(end) for end in ends] == [Receipt, Rejected, NotSent]
    assert [one["handrail_key"] for one in portal.tasks.values()] == ["k/1"]


async def test_without_any_contact_no_task_is_asked_for(outside: Outside) -> None:
    portal = Portal()
    portal.refuses = {"C-1042": "VALIDATION_ERROR"}
    (end,) = await sent(portal, outside, [("k/1", task())])
    assert type(end) is Rejected
    assert portal.paths == [READ, UPSERT]


async def test_a_lost_answer_about_contacts_has_begun_no_task(outside: Outside) -> None:
    for path in (f"{CONTACTS}/batch/read", f"{CONTACTS}/batch/upsert"):
        portal = Portal()
        portal.loses = {path}
        with pytest.raises(NotSent):
            await sent(portal, outside, [("k/1", task())])
        assert not portal.tasks
        portal.loses = set()
        await sent(portal, outside, [("k/1", task())])
        assert (len(portal.tasks), len(portal.contacts)) == (1, 1)


async def test_contacts_that_it_cannot_tell_of_are_not_made_anew(outside: Outside) -> None:
    error = {"category": "INTERNAL", "message": "…", "context": {}}
    outside.answers(207, answered([]) | {"errors": [error]})
    port = serving(INTEGRATION, outside.url).port
    with pytest.raises(NotSent):
        await port.write_batch("upsert_task", [("k/1", task())])
    await port.aclose()
    assert {request.path for request in outside.requests} == {f"{CONTACTS}/batch/read"}


async def test_a_lost_answer_leaves_all_open_and_each_is_found_later(outside: Outside) -> None:
    portal = Portal()
    portal.loses = {f"{TASKS}/batch/create"}
    with pytest.raises(OutcomeUnknown):
        await sent(portal, outside, [("k/1", task()), ("k/2", task())])
    port = serving(INTEGRATION, outside.url).port
    portal.is_blind = True
    assert await port.find("upsert_task", "k/2") is None
    portal.is_blind = False
    found = await port.find("upsert_task", "k/2")
    await port.aclose()
    assert portal.tasks[found.external_id]["handrail_key"] == "k/2"


async def test_no_items_error_carries_a_secret_or_a_customer(outside: Outside) -> None:
    async def echo(request: Any) -> Any:
        said = f"{request.headers} {outside.bodies[-1].decode()} {PERSON} {ADDRESS} {PHONE} {WORDS}"
        errors = [
            {"category": category, "message": said, "context": {"objectWriteTraceId": [trace_of(key)]}}
            for key, category in (("k/1", "VALIDATION_ERROR"), ("k/2", "RATE_LIMITS"), ("k/3", "INTERNAL"))
        ]
        return await answer(207, {"results": [], "errors": errors})(request)

    outside.reads = {READ: answered([{"id": "7", "properties": {"handrail_ref": "C-1042"}}])}
    outside.replies(echo)
    port = serving(INTEGRATION, outside.url).port
    ends = await port.write_batch("upsert_task", [(f"k/{number}", task()) for number in (1, 2, 3)])
    await port.aclose()
    assert all(isinstance(end, IntegrationError) for end in ends)
    shown = "".join(f"{end} {end!r} {vars(end)}" for end in ends)
    for hidden in (SECRET, PERSON, ADDRESS, PHONE, *WORDS.split()):
        assert hidden not in shown


async def test_credentials_refused_at_the_contacts_are_refused(outside: Outside) -> None:
    outside.answers(403, {"category": "MISSING_SCOPES"})
    port = serving(INTEGRATION, outside.url).port
    with pytest.raises(AuthFailed, match="KIT_TOKEN"):
        await port.write_batch("upsert_task", [("k/1", task())])
    await port.aclose()
