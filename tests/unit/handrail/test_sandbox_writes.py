"""What the sandbox does with writes, by write class, and with input it cannot take."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sandbox_world import ALERT, MAIL, TICKET, RunningSandbox, StartSandbox

KEY = "case/C-1042/1/ticket"


async def test_the_same_idempotency_key_gets_the_first_answer_and_no_second_effect(sandbox: RunningSandbox) -> None:
    first = await sandbox.send("POST", "/api/mail", MAIL | {"key": "m"}, Idempotency_Key="m")
    again = await sandbox.send("POST", "/api/mail", MAIL | {"key": "m", "text": "other words"}, Idempotency_Key="m")
    assert first == again == (201, {"id": "M-1", "key": "m", "created": True})
    assert sandbox.effects() == ["created M-1"]
    assert [mail["text"] for mail in await sandbox.shown("/mail")] == ["…"]


async def test_racing_repeats_of_one_idempotency_key_make_one_item(sandbox: RunningSandbox) -> None:
    answers = await asyncio.gather(
        *(sandbox.send("POST", "/api/sms", MAIL | {"key": "s"}, Idempotency_Key="s") for _ in range(20))
    )
    assert {answer["id"] for _, answer in answers} == {"S-1"}
    assert sandbox.effects() == ["created S-1"]


async def test_an_idempotency_key_alone_names_the_item(sandbox: RunningSandbox) -> None:
    assert (await sandbox.send("POST", "/api/mail", MAIL, Idempotency_Key="m"))[1]["key"] == "m"


async def test_an_idempotency_key_that_contradicts_the_body_is_refused(sandbox: RunningSandbox) -> None:
    status, answer = await sandbox.send("POST", "/api/mail", MAIL | {"key": "m"}, Idempotency_Key="n")
    assert (status, answer["error"]) == (
        400,
        "the Idempotency-Key and the body's key differ: send the same key in both",
    )


async def test_an_upsert_writes_over_the_one_item_of_its_key(sandbox: RunningSandbox) -> None:
    assert await sandbox.put("tickets", KEY, **TICKET) == (201, {"id": "T-1", "key": KEY, "created": True})
    assert await sandbox.put("tickets", KEY, **TICKET) == (200, {"id": "T-1", "key": KEY, "created": False})
    assert sandbox.effects() == ["created T-1"]
    changed = await sandbox.put("tickets", KEY, **TICKET | {"subject": "More is known"})
    assert changed == (200, {"id": "T-1", "key": KEY, "created": False})
    assert sandbox.effects() == ["created T-1", "updated T-1"]
    assert [ticket["subject"] for ticket in await sandbox.shown("/tickets")] == ["More is known"]


async def test_a_plain_write_always_makes_another_item(sandbox: RunningSandbox) -> None:
    assert [(await sandbox.post("calls", "c", **MAIL))[1]["id"] for _ in range(2)] == ["C-1", "C-2"]
    assert sandbox.effects() == ["created C-1", "created C-2"]


async def test_a_listed_item_tells_what_was_sent_and_when_it_came(sandbox: RunningSandbox) -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    await sandbox.put("tickets", KEY, **TICKET)
    [ticket] = await sandbox.shown("/tickets")
    assert {name: ticket[name] for name in TICKET} == TICKET
    assert (ticket["key"], ticket["status"], ticket["assignee"], ticket["notes"]) == (KEY, "open", None, [])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", ticket["received_at"])
    assert before <= datetime.fromisoformat(ticket["received_at"]) <= datetime.now(UTC)


async def test_an_updated_ticket_keeps_its_first_reception(start: StartSandbox) -> None:
    minutes = iter(range(60))
    sandbox = await start(clock=lambda: datetime(2026, 1, 1, 8, next(minutes), tzinfo=UTC))
    await sandbox.put("tickets", KEY, **TICKET)
    [first] = await sandbox.shown("/tickets")
    await sandbox.put("tickets", KEY, **TICKET | {"body": "…"})
    [later] = await sandbox.shown("/tickets")
    assert later["received_at"] == first["received_at"]
    assert later["updated_at"] > first["received_at"]


async def test_what_was_sent_cannot_pose_as_the_sandboxs_own_word(sandbox: RunningSandbox) -> None:
    await sandbox.put("tickets", KEY, **TICKET, status="solved", id="T-99", received_at="never", notes=["?"])
    [ticket] = await sandbox.shown("/tickets")
    assert (ticket["status"], ticket["id"], ticket["notes"]) == ("open", "T-1", [])
    assert ticket["received_at"] != "never"


async def test_a_note_raises_the_priority_and_nothing_lowers_it(sandbox: RunningSandbox) -> None:
    await sandbox.put("tickets", KEY, **TICKET)
    note = {"ticket_key": KEY, "customer_ref": "C-1042", "text": "Again."}
    assert (await sandbox.put("notes", "n1", **note, priority="critical"))[0] == 201
    assert (await sandbox.put("notes", "n1", **note, priority="critical"))[0] == 200
    assert (await sandbox.put("notes", "n2", **note, priority="low"))[0] == 201
    await sandbox.put("notes", "n1", **note, priority="normal")
    await sandbox.put("tickets", KEY, **TICKET | {"body": "…"})
    [ticket] = await sandbox.shown("/tickets")
    assert ticket["priority"] == "critical"
    assert [(n["key"], n["text"], n["priority"]) for n in ticket["notes"]] == [
        ("n1", "Again.", "normal"),
        ("n2", "Again.", "low"),
    ]
    assert all(n["at"].endswith("Z") for n in ticket["notes"])
    assert sandbox.effects() == ["created T-1", "created N-1", "created N-2", "updated N-1", "updated T-1"]


async def test_a_note_for_no_ticket_is_refused(sandbox: RunningSandbox) -> None:
    status, answer = await sandbox.put("notes", "n1", ticket_key="nope", customer_ref="C-1", text="…", priority="low")
    assert (status, answer) == (404, {"error": 'there is no ticket with the key "nope"'})
    assert sandbox.effects() == []


async def test_an_alert_is_about_no_customer_and_says_what_for(sandbox: RunningSandbox) -> None:
    assert await sandbox.put("alerts", "case/C-1/1/page", **ALERT) == (
        201,
        {"id": "A-1", "key": "case/C-1/1/page", "created": True},
    )
    [alert] = await sandbox.shown("/alerts")
    assert {name: alert[name] for name in ALERT} == ALERT
    for missing in ("summary", "severity"):
        status, answer = await sandbox.put("alerts", "a", **ALERT | {missing: ""})
        assert (status, answer["error"].split(":")[0]) == (400, f"{missing} is not a text that says something")
    assert sandbox.effects() == ["created A-1"]


async def test_a_task_is_closed_once_and_keeps_its_first_reason(sandbox: RunningSandbox) -> None:
    await sandbox.put("tasks", "t", customer_ref="C-1", title="Call before it ends")
    for reason in ("renewed", "renewed", "cancelled"):
        answer = await sandbox.post("tasks/close", "t/close", task_key="t", reason=reason)
        assert answer == (200, {"id": "K-1", "key": "t/close", "created": False})
    [task] = await sandbox.shown("/tasks")
    assert (task["status"], task["closed_reason"]) == ("closed", "renewed")
    assert sandbox.effects() == ["created K-1", "closed K-1"]
    status, answered = await sandbox.post("tasks/close", "t/close", task_key="nope", reason="renewed")
    assert (status, answered) == (404, {"error": 'there is no task with the key "nope"'})


async def test_a_note_on_a_task_raises_its_priority_and_nothing_lowers_it(sandbox: RunningSandbox) -> None:
    await sandbox.put("tasks", "t", customer_ref="C-1", title="Call before it ends", priority="normal", notes=["?"])
    note = {"task_key": "t", "customer_ref": "C-1", "text": "14 days left."}
    assert await sandbox.put("task_notes", "t/14", **note, priority="high") == (
        201,
        {"id": "KN-1", "key": "t/14", "created": True},
    )
    assert (await sandbox.put("task_notes", "t/14", **note, priority="high"))[0] == 200
    await sandbox.put("task_notes", "t/3", **note | {"text": "3 days left."}, priority="low")
    await sandbox.put("tasks", "t", customer_ref="C-1", title="Call before it ends", priority="low")
    [task] = await sandbox.shown("/tasks")
    assert (task["priority"], task["status"]) == ("high", "open")
    assert [(n["key"], n["text"], n["priority"]) for n in task["notes"]] == [
        ("t/14", "14 days left.", "high"),
        ("t/3", "3 days left.", "low"),
    ]
    assert task["updated_at"] >= task["notes"][1]["at"]
    assert sandbox.effects() == ["created K-1", "created KN-1", "created KN-2", "updated K-1"]
    status, answer = await sandbox.put("task_notes", "x", **note | {"task_key": "nope"})
    assert (status, answer) == (404, {"error": 'there is no task with the key "nope"'})


async def test_a_note_leaves_a_closed_task_closed(sandbox: RunningSandbox) -> None:
    await sandbox.put("tasks", "t", customer_ref="C-1", title="Call before it ends")
    await sandbox.post("tasks/close", "t/close", task_key="t", reason="renewed")
    assert (await sandbox.post("task_notes", "t/3", task_key="t", customer_ref="C-1", text="3 days left."))[0] == 201
    [task] = await sandbox.shown("/tasks")
    assert (task["status"], task["closed_reason"], len(task["notes"])) == ("closed", "renewed", 1)


async def test_the_notes_of_tasks_follow_the_write_classes(sandbox: RunningSandbox) -> None:
    note = {"task_key": "t", "customer_ref": "C-1", "text": "14 days left."}
    await sandbox.put("tasks", "t", customer_ref="C-1", title="Call before it ends")
    for _ in range(2):
        await sandbox.send("POST", "/api/task_notes", {"key": "once", **note}, Idempotency_Key="once")
        await sandbox.post("task_notes", "blind", **note)
    assert [one["id"] for one in await sandbox.shown("/api/task_notes/search?key=once")] == ["KN-1"]
    assert [one["id"] for one in await sandbox.shown("/api/task_notes/search?key=blind")] == ["KN-2", "KN-3"]
    [task] = await sandbox.shown("/tasks")
    assert [one["key"] for one in task["notes"]] == ["once", "blind", "blind"]


async def test_an_operator_sets_status_and_owner(sandbox: RunningSandbox) -> None:
    await sandbox.put("tickets", KEY, **TICKET)
    assert (await sandbox.send("POST", "/tickets/status", {"key": KEY, "status": "solved", "assignee": "Ola"}))[
        0
    ] == 200
    assert (await sandbox.send("POST", "/tickets/status", {"key": KEY, "status": "solved"}))[0] == 200
    async with sandbox.client.get("/api/tickets/by-key", params={"key": KEY}) as answer:
        ticket = await answer.json()
    assert (ticket["status"], ticket["assignee"]) == ("solved", "Ola")
    assert sandbox.effects() == ["created T-1", "status T-1"]
    status, answer_ = await sandbox.send("POST", "/tickets/status", {"key": KEY, "status": "solvd"})
    assert (status, answer_["error"]) == (
        400,
        'status is "solvd" (did you mean "solved"?): send open, pending or solved',
    )
    assert (await sandbox.send("POST", "/tickets/status", {"key": "nope", "status": "open"}))[0] == 404


async def test_a_note_opens_a_solved_ticket_again_and_its_repeat_does_not(sandbox: RunningSandbox) -> None:
    await sandbox.put("tickets", KEY, **TICKET)
    note = {"customer_ref": "C-1042", "ticket_key": KEY, "text": "Znowu."}
    for status in ("open", "solved"):
        await sandbox.send("POST", "/tickets/status", {"key": KEY, "status": "solved"})
        await sandbox.put("notes", "n", **note)
        assert [ticket["status"] for ticket in await sandbox.shown("/tickets")] == [status]


async def test_an_operator_answers_the_customer(sandbox: RunningSandbox) -> None:
    await sandbox.put("tickets", KEY, **TICKET)
    [before] = await sandbox.shown("/tickets")
    assert (await sandbox.send("POST", "/tickets/status", {"key": KEY, "answered": True}))[0] == 200
    [ticket] = await sandbox.shown("/tickets")
    assert (before["answered_at"], ticket["status"], ticket["assignee"]) == (None, "open", None)
    assert ticket["answered_at"] >= ticket["received_at"]
    await sandbox.send("POST", "/tickets/status", {"key": KEY, "status": "solved"})
    assert [one["answered_at"] for one in await sandbox.shown("/tickets")] == [ticket["answered_at"]]


async def test_tickets_are_listed_since_a_time(sandbox: RunningSandbox) -> None:
    for key in ("a", "b", "c"):
        await sandbox.put("tickets", key, **TICKET)
        await asyncio.sleep(0.002)  # the sandbox tells milliseconds apart
    [_, second, _] = await sandbox.shown("/tickets")
    since = second["received_at"]
    assert [one["key"] for one in await sandbox.shown(f"/api/tickets/since?at={since}&limit=9")] == ["b", "c"]
    assert [one["key"] for one in await sandbox.shown(f"/api/tickets/since?at={since}&limit=1")] == ["b"]
    async with sandbox.client.get("/api/tickets/since", params={"at": since, "limit": "many"}) as answer:
        assert answer.status == 400


async def test_a_search_finds_what_the_lag_lets_it(start: StartSandbox) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    sandbox = await start(clock=lambda: now, search_lag=5.0)
    await sandbox.post("mail", "m", **MAIL)
    assert await sandbox.shown("/api/mail/search?key=m") == []
    now += timedelta(seconds=5)
    assert [mail["id"] for mail in await sandbox.shown("/api/mail/search?key=m")] == ["M-1"]
    assert await sandbox.shown("/api/mail/search?key=other") == []


async def test_an_unknown_ticket_is_not_found_by_key(sandbox: RunningSandbox) -> None:
    async with sandbox.client.get("/api/tickets/by-key", params={"key": "nope"}) as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"", "the body is not JSON"),
        (b"{", "the body is not JSON"),
        (b"\xff\xfe", "the body is not JSON"),
        (b'{"key": NaN}', "NaN is no JSON number"),
        (b"[" * 100_000, "the body is not JSON"),
        (b'["key"]', "send a JSON object"),
        (b'{"customer_ref": "C-1", "to": "x"}', "key is missing"),
        (b'{"key": " ", "customer_ref": "C-1", "to": "x"}', "key is not a text that says something"),
        (b'{"key": 7, "customer_ref": "C-1", "to": "x"}', "key is not a text that says something"),
        (b'{"key": "k", "to": "x"}', "customer_ref is missing"),
        (b'{"key": "k", "customer_ref": "C-1", "to": ""}', "to is not a text that says something"),
        (rb'{"key": "k", "customer_ref": "C-1", "to": "x", "text": "\ud800"}', "half a surrogate pair"),
    ],
)
async def test_bad_bodies_are_refused_with_the_reason(sandbox: RunningSandbox, body: bytes, problem: str) -> None:
    for method in ("PUT", "POST"):
        async with sandbox.client.request(method, "/api/sms", data=body) as answer:
            assert answer.status == 400
            assert problem in (await answer.json())["error"]
    assert await sandbox.shown("/sms") == []
    assert sandbox.effects() == []


async def test_a_huge_body_is_refused(sandbox: RunningSandbox) -> None:
    async with sandbox.client.post("/api/mail", data=b" " * (5 * 1024 * 1024)) as answer:
        assert answer.status == 413


@pytest.mark.parametrize("told", [None, "Bearer wrong", "Basic s3cret", "Bearer s3crét"])
async def test_the_vendors_api_asks_for_the_token(start: StartSandbox, told: str | None) -> None:
    sandbox = await start(token="s3cret")
    headers: dict[str, Any] = {} if told is None else {"Authorization": told}
    for method, path in (
        ("PUT", "/api/tickets"),
        ("POST", "/api/mail"),
        ("POST", "/api/tasks/close"),
        ("GET", "/api/mail/search?key=k"),
        ("GET", "/api/health?capability=mail"),
        ("GET", "/api/unknown"),
    ):
        async with sandbox.client.request(method, path, headers=headers) as answer:
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert await sandbox.shown("/mail") == []


async def test_with_the_token_the_vendors_api_opens(start: StartSandbox) -> None:
    sandbox = await start(token="s3cret")
    assert (await sandbox.send("POST", "/api/mail", MAIL | {"key": "m"}, Authorization="Bearer s3cret"))[0] == 201


async def test_another_sites_page_changes_nothing(sandbox: RunningSandbox) -> None:
    assert (await sandbox.send("POST", "/reset", {}, Sec_Fetch_Site="cross-site"))[0] == 403
    assert (await sandbox.send("POST", "/reset", {}, Sec_Fetch_Site="same-origin"))[0] == 200


async def test_health_knows_its_capabilities(sandbox: RunningSandbox) -> None:
    async with sandbox.client.get("/api/health?capability=voice") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "ok"})
    async with sandbox.client.get("/api/health?capability=voise") as answer:
        assert answer.status == 400
        assert 'did you mean "voice"?' in (await answer.json())["error"]


async def test_unknown_paths_and_methods_are_refused_as_json(sandbox: RunningSandbox) -> None:
    async with sandbox.client.get("/nope") as answer:
        assert (answer.status, "error" in await answer.json()) == (404, True)
    async with sandbox.client.delete("/tickets") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")


async def test_a_reader_may_ask_for_the_newest_or_one_key_and_skip_what_is_unchanged(sandbox: RunningSandbox) -> None:
    for key in ("a", "b", "c"):
        await sandbox.post("sms", key, **MAIL)
    async with sandbox.client.get("/sms?latest=2") as answer:
        assert [item["key"] for item in await answer.json()] == ["b", "c"]
        assert answer.headers["X-Total-Count"] == "3"
        version = answer.headers["ETag"]
    assert [item["key"] for item in await sandbox.shown("/sms?key=a")] == ["a"]
    async with sandbox.client.get("/sms", headers={"If-None-Match": version}) as answer:
        assert answer.status == 304
    await sandbox.post("sms", "d", **MAIL)
    async with sandbox.client.get("/sms", headers={"If-None-Match": version}) as answer:
        assert len(await answer.json()) == 4
    async with sandbox.client.get("/sms?latest=-1") as answer:
        assert answer.status == 400


async def test_a_note_changes_the_version_of_the_list_of_what_it_is_on(sandbox: RunningSandbox) -> None:
    await sandbox.put("tickets", KEY, **TICKET)
    await sandbox.put("tasks", KEY, customer_ref="C-1042", title="Call")
    note = {"ticket_key": KEY, "task_key": KEY, "customer_ref": "C-1042", "text": "Again.", "priority": "low"}
    for path, notes in (("/tickets", "notes"), ("/tasks", "task_notes")):
        async with sandbox.client.get(path) as answer:
            version = answer.headers["ETag"]
        await sandbox.put(notes, "n", **note)
        async with sandbox.client.get(path, headers={"If-None-Match": version}) as answer:
            assert answer.status == 200


async def test_somebody_who_is_forgotten_leaves_items_without_words(sandbox: RunningSandbox) -> None:
    await sandbox.put("tickets", KEY, **TICKET)
    await sandbox.put("tickets", "another", **TICKET | {"customer_ref": "C-2"})
    await sandbox.post("notes", "n", customer_ref="C-1042", ticket_key=KEY, text="again", priority="high")
    await sandbox.put("mail", "m", **MAIL)
    asked = {"key": "e", "customer_ref": "C-1042"}

    first = await sandbox.send("POST", "/api/ticketing/erase", asked)
    again = await sandbox.send("POST", "/api/ticketing/erase", asked)

    assert first == again == (200, {"id": "erased-C-1042", "key": "e", "created": False})
    theirs, others = await sandbox.shown("/tickets")
    assert (theirs["subject"], theirs["body"], theirs["context"]) == ("", "", "")
    assert (theirs["key"], theirs["priority"], [note["text"] for note in theirs["notes"]]) == (KEY, "high", [""])
    assert others["body"] == TICKET["body"]
    assert [mail["to"] for mail in await sandbox.shown("/mail")] == [MAIL["to"]]  # asked of the mailbox by itself
    assert sandbox.effects()[-2:] == ["erased T-1", "erased N-1"]
