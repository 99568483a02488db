"""Every fault, judged through a TCP connection of our own."""

import asyncio
import json
from datetime import UTC, datetime

import pytest
from sandbox_world import MAIL, RunningSandbox, inject, keys, raw_write, split

HOLD = 0.05  # seconds


async def test_status_503_is_not_applied(sandbox: RunningSandbox) -> None:
    await inject(sandbox, "status_503")
    status, _, body = split((await raw_write(sandbox))[0])
    assert (status, "error" in json.loads(body)) == (503, True)
    assert (await keys(sandbox), sandbox.effects()) == ([], [])


@pytest.mark.parametrize(("seconds", "header"), [(7, "7"), (0.05, "0.05"), (3600, "3600")])
async def test_status_429_says_when_to_come_back_and_is_not_applied(
    sandbox: RunningSandbox, seconds: float, header: str
) -> None:
    await inject(sandbox, "status_429", seconds=seconds)
    status, head, _ = split((await raw_write(sandbox))[0])
    assert status == 429
    assert f"\r\nRetry-After: {header}\r\n" in f"{head}\r\n"
    assert (await keys(sandbox), sandbox.effects()) == ([], [])


async def test_timeout_before_holds_and_closes_without_answer_or_effect(sandbox: RunningSandbox) -> None:
    await inject(sandbox, "timeout_before", seconds=HOLD)
    answer, took = await raw_write(sandbox)
    assert answer == b""
    assert took >= HOLD
    assert (await keys(sandbox), sandbox.effects()) == ([], [])


async def test_timeout_after_applies_at_once_then_holds_and_closes_without_answer(sandbox: RunningSandbox) -> None:
    await inject(sandbox, "timeout_after", seconds=0.4)
    write = asyncio.create_task(raw_write(sandbox))
    async with asyncio.timeout(5):
        while await keys(sandbox) != ["m"]:
            await asyncio.sleep(0)
    [mail] = await sandbox.shown("/mail")
    answer, took = await write
    applied_before_the_end = datetime.now(UTC) - datetime.fromisoformat(mail["received_at"])
    assert answer == b""
    assert took >= 0.4
    assert applied_before_the_end.total_seconds() >= 0.4
    assert sandbox.effects() == ["created M-1"]


async def test_reset_after_applies_and_resets_the_connection(sandbox: RunningSandbox) -> None:
    await inject(sandbox, "reset_after")
    with pytest.raises(ConnectionResetError):
        await raw_write(sandbox)
    assert (await keys(sandbox), sandbox.effects()) == (["m"], ["created M-1"])


async def test_bad_json_applies_and_answers_200_that_nobody_can_read(sandbox: RunningSandbox) -> None:
    await inject(sandbox, "bad_json")
    status, head, body = split((await raw_write(sandbox))[0])
    assert (status, "application/json" in head) == (200, True)
    with pytest.raises(json.JSONDecodeError):
        json.loads(body)
    assert (await keys(sandbox), sandbox.effects()) == (["m"], ["created M-1"])


async def test_slow_waits_then_answers_as_ever(sandbox: RunningSandbox) -> None:
    await inject(sandbox, "slow", seconds=HOLD)
    answer, took = await raw_write(sandbox)
    status, _, body = split(answer)
    assert (status, json.loads(body)) == (201, {"id": "M-1", "key": "m", "created": True})
    assert took >= HOLD
    assert sandbox.effects() == ["created M-1"]


async def test_the_connection_serves_on_after_a_fault_that_answers(sandbox: RunningSandbox) -> None:
    await inject(sandbox, "status_503")
    assert (await sandbox.put("mail", "m", **MAIL))[0] == 503
    assert (await sandbox.put("mail", "m", **MAIL))[0] == 201


async def test_faults_meet_the_next_writes_of_their_capability_in_order(sandbox: RunningSandbox) -> None:
    await inject(sandbox, "status_503", count=2)
    await inject(sandbox, "bad_json")
    await inject(sandbox, "status_429", capability="sms")
    assert await sandbox.shown("/faults") == [
        {"capability": "mail", "mode": "status_503", "count": 2, "seconds": 1.0},
        {"capability": "mail", "mode": "bad_json", "count": 1, "seconds": 1.0},
        {"capability": "sms", "mode": "status_429", "count": 1, "seconds": 1.0},
    ]
    statuses = [split((await raw_write(sandbox, f"m{number}"))[0])[0] for number in range(4)]
    assert statuses == [503, 503, 200, 201]
    assert await keys(sandbox) == ["m2", "m3"]
    assert (await sandbox.post("calls", "c", **MAIL))[0] == 201
    assert (await sandbox.post("sms", "s", **MAIL))[0] == 429
    assert await sandbox.shown("/faults") == []


async def test_racing_writes_use_up_exactly_the_count(sandbox: RunningSandbox) -> None:
    await inject(sandbox, "status_503", count=7)
    answers = await asyncio.gather(*(sandbox.put("mail", f"m{number}", **MAIL) for number in range(20)))
    assert sorted(status for status, _ in answers) == [201] * 13 + [503] * 7
    assert len(await keys(sandbox)) == 13


@pytest.mark.parametrize(
    ("path", "capability"),
    [
        ("tickets", "ticketing"),
        ("notes", "ticketing"),
        ("tasks", "crm"),
        ("task_notes", "crm"),
        ("tasks/close", "crm"),
        ("calls", "voice"),
        ("alerts", "alert"),
    ],
)
async def test_every_write_belongs_to_a_capability(sandbox: RunningSandbox, path: str, capability: str) -> None:
    await inject(sandbox, "status_503", capability=capability)
    fields = {
        "customer_ref": "C-1",
        "ticket_key": "t",
        "task_key": "t",
        "text": "…",
        "to": "+48 1",
        "reason": "renewed",
        "summary": "…",
        "severity": "info",
    }
    assert (await sandbox.post(path, "k", **fields))[0] == 503


async def test_a_lost_answer_about_an_unknown_ticket_is_lost_too(sandbox: RunningSandbox) -> None:
    await inject(sandbox, "bad_json", capability="ticketing")
    async with sandbox.client.put(
        "/api/notes", json={"key": "n", "customer_ref": "C-1", "ticket_key": "nope", "text": "…"}
    ) as answer:
        assert answer.status == 200
        assert await answer.read() == b'{"id": "T-'
    assert sandbox.effects() == []


async def test_refused_input_and_reads_use_up_no_fault(sandbox: RunningSandbox) -> None:
    await inject(sandbox, "status_503")
    assert (await sandbox.send("PUT", "/api/mail", {}))[0] == 400
    await sandbox.shown("/api/mail/search?key=m")
    assert (await sandbox.put("mail", "m", **MAIL))[0] == 503


async def test_faults_can_be_cleared(sandbox: RunningSandbox) -> None:
    for clear in (("DELETE", "/faults"), ("POST", "/reset")):
        await inject(sandbox, "status_503", count=5)
        assert (await sandbox.send(*clear, {}))[0] == 200
        assert await sandbox.shown("/faults") == []


GOOD = {"capability": "mail", "mode": "slow", "count": 1, "seconds": 1}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"capability": "ticketting"}, 'capability is "ticketting" (did you mean "ticketing"?): send'),
        ({"capability": None}, "capability is missing: send ticketing, crm, mail, sms, voice, push or alert"),
        ({"capability": "fax"}, 'capability is "fax": send'),
        ({"capability": ["mail"]}, 'capability is ["mail"]: send'),
        ({"mode": "time_out_after"}, 'mode is "time_out_after" (did you mean "timeout_after"?): send'),
        ({"mode": 503}, "mode is 503: send"),
        ({"count": -1}, "count is -1: send how many writes misbehave, a whole number from 1 to 1000000"),
        ({"count": 0}, "count is 0: send"),
        ({"count": 1.5}, "count is 1.5: send"),
        ({"count": True}, "count is true: send"),
        ({"count": "3"}, 'count is "3": send'),
        ({"count": None}, "count is missing: send"),
        ({"count": 10**9}, "count is 1000000000: send"),
        ({"seconds": -1}, "seconds is -1: send a number from 0 to 3600"),
        ({"seconds": "1"}, 'seconds is "1": send'),
        ({"seconds": 10**400}, "seconds is 1000"),
        ({"secondes": 1}, '"secondes" is no field of a fault (did you mean "seconds"?): send'),
    ],
)
async def test_a_fault_that_makes_no_sense_is_refused(
    sandbox: RunningSandbox, change: dict[str, object], problem: str
) -> None:
    status, answer = await sandbox.send("POST", "/faults", GOOD | change)
    assert status == 400
    assert answer["error"].startswith(problem)
    assert len(answer["error"]) < 300
    assert await sandbox.shown("/faults") == []
