"""Batches: many writes in one request, an answer for each item, in order."""

import json
from typing import Any

import pytest
from sandbox_world import MAIL, TICKET, RunningSandbox


async def batch(sandbox: RunningSandbox, collection: str, *items: object, method: str = "POST") -> list[dict[str, Any]]:
    status, answer = await sandbox.send(method, f"/api/{collection}/batch", {"items": list(items)})
    assert status == 200, answer
    results: list[dict[str, Any]] = answer["results"]
    return results


def mail(key: str, **more: object) -> dict[str, object]:
    return {**MAIL, "key": key, **more}


async def test_every_item_is_answered_in_order_and_on_record(sandbox: RunningSandbox) -> None:
    assert await batch(sandbox, "mail", mail("a"), mail("b"), mail("c")) == [
        {"status": 201, "id": "M-1", "key": "a", "created": True},
        {"status": 201, "id": "M-2", "key": "b", "created": True},
        {"status": 201, "id": "M-3", "key": "c", "created": True},
    ]
    assert sandbox.effects() == ["created M-1", "created M-2", "created M-3"]
    assert (await sandbox.shown("/mail"))[1]["to"] == MAIL["to"]


async def test_a_batch_is_on_disk_with_one_fsync(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    import handrail.sandbox.record as on_disk

    synced: list[int] = []
    really = on_disk.os.fsync
    monkeypatch.setattr(on_disk.os, "fsync", lambda file: (synced.append(file), really(file))[1])
    await batch(sandbox, "sms", *(mail(f"s{number}") for number in range(100)))
    assert len(synced) == 1
    assert len(sandbox.record.read_bytes().splitlines()) == 100


async def test_a_plain_item_makes_another_one_and_a_once_item_does_not(sandbox: RunningSandbox) -> None:
    items = [mail("p"), mail("o", once=True)]
    first, again = await batch(sandbox, "mail", *items), await batch(sandbox, "mail", *items)
    assert [result["id"] for result in first + again] == ["M-1", "M-2", "M-3", "M-2"]
    assert first[1] == again[1] == {"status": 201, "id": "M-2", "key": "o", "created": True}
    record = [json.loads(line) for line in sandbox.record.read_text().splitlines()]
    assert [(line["key"], line["once"], "once" in line["payload"]) for line in record] == [
        ("p", False, False),
        ("o", True, False),
        ("p", False, False),
    ]


async def test_put_writes_over_the_one_item_of_each_key(sandbox: RunningSandbox) -> None:
    items = [{**TICKET, "key": "t1"}, {**TICKET, "key": "t2"}]
    assert [result["status"] for result in await batch(sandbox, "tickets", *items, method="PUT")] == [201, 201]
    items[1]["subject"] = "More is known"
    assert [result["status"] for result in await batch(sandbox, "tickets", *items, method="PUT")] == [200, 200]
    assert sandbox.effects() == ["created T-1", "created T-2", "updated T-2"]


async def test_a_bad_item_spoils_only_itself(sandbox: RunningSandbox) -> None:
    bad = [{"key": "b", "customer_ref": "C-1"}, mail(" "), {**MAIL}, 7, mail("x", once="yes"), mail("h", text="\ud800")]
    results = await batch(sandbox, "mail", mail("a"), *bad, mail("z"))
    assert [(result["status"], result["key"]) for result in results] == [
        (201, "a"),
        (422, "b"),
        (422, " "),
        (422, None),
        (422, None),
        (422, "x"),
        (422, "h"),
        (201, "z"),
    ]
    assert [result["error"].split(":")[0] for result in results[1:-1]] == [
        "to is missing",
        "key is not a text that says something",
        "key is missing",
        "an item is no object",
        "once is neither true nor false",
        "there is half a surrogate pair in it",
    ]
    assert sandbox.effects() == ["created M-1", "created M-2"]


async def test_once_and_put_contradict_each_other(sandbox: RunningSandbox) -> None:
    results = await batch(sandbox, "tasks", mail("a", once=True), mail("b", once=False), method="PUT")
    assert [result["status"] for result in results] == [422, 201]


@pytest.mark.parametrize(
    ("on", "notes", "on_key"), [("tickets", "notes", "ticket_key"), ("tasks", "task_notes", "task_key")]
)
async def test_a_note_on_nothing_is_refused_alone(sandbox: RunningSandbox, on: str, notes: str, on_key: str) -> None:
    await sandbox.put(on, "t", **TICKET)
    note = {"customer_ref": "C-1", "text": "…"}
    results = await batch(sandbox, notes, {**note, "key": "n1", on_key: "t"}, {**note, "key": "n2", on_key: "?"})
    assert [(result["status"], result["key"]) for result in results] == [(201, "n1"), (422, "n2")]


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({}, 'a batch is {"items": […]}'),
        ({"items": {}}, 'a batch is {"items": […]}'),
        ({"items": [mail("a")], "once": True}, 'a batch is {"items": […]}'),
        ({"items": []}, "a batch has 0 items: send 1 to 100"),
        ({"items": [mail("a")] * 101}, "a batch has 101 items: send 1 to 100"),
    ],
)
async def test_what_is_no_batch_is_refused_whole(sandbox: RunningSandbox, body: object, problem: str) -> None:
    status, answer = await sandbox.send("POST", "/api/mail/batch", body)
    assert status == 400
    assert answer["error"].startswith(problem)
    assert sandbox.effects() == []


async def test_a_batch_meets_one_fault(sandbox: RunningSandbox) -> None:
    await sandbox.send("POST", "/faults", {"capability": "mail", "mode": "status_503", "count": 1})
    status, _ = await sandbox.send("POST", "/api/mail/batch", {"items": [mail("a"), mail("b")]})
    assert (status, sandbox.effects()) == (503, [])
    assert [result["status"] for result in await batch(sandbox, "mail", mail("a"), mail("b"))] == [201, 201]


async def test_the_token_is_asked_for(start: Any) -> None:
    sandbox = await start(token="s3cret")
    assert (await sandbox.send("POST", "/api/mail/batch", {"items": [mail("a")]}))[0] == 401
