"""Every mode of fault beyond the first ones: what comes back, and whether the write was applied."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from sandbox_world import MAIL, TICKET, RunningSandbox, StartSandbox, inject, keys, raw_write, split

from handrail.sandbox.modes import MODES, Meets, Mode

OLD = {"status_503", "status_429", "timeout_before", "timeout_after", "reset_after", "bad_json", "slow"}
"""Those of test_sandbox_faults.py."""

GOOD = {"id": "M-1", "key": "m", "created": True}
BODIES: dict[str, tuple[int, bool, Callable[[Any], bool]]] = {
    "status_500": (500, False, lambda told: "internal error" in told["error"]),
    "status_500_after": (500, True, lambda told: told == {"error": "internal error"}),
    "status_401": (401, False, lambda told: "expired" in told["error"]),
    "status_403": (403, False, lambda told: "may not" in told["error"]),
    "retry_after_absent": (429, False, lambda told: "too many" in told["error"]),
    "wrong_id": (201, True, lambda told: told == {**GOOD, "id": "X-1"}),
    "other_key": (201, True, lambda told: told == {**GOOD, "key": "somebody-elses/key"}),
    "no_id": (201, True, lambda told: told == {"key": "m", "created": True}),
    "conflict_exists": (409, True, lambda told: (told["code"], told["key"], told["id"]) == ("exists", "m", "M-1")),
    "conflict_other": (409, False, lambda told: (told["code"], told["key"]) == ("exists", "somebody-elses/key")),
    "conflict_busy": (409, False, lambda told: (told["code"], "key" in told) == ("busy", False)),
    "conflict_unclear": (409, True, lambda told: told == {"error": "conflict"}),
}
PAGES = {
    "status_502": (502, False),
    "status_504": (504, False),
    "html_before": (200, False),
    "html_after": (200, True),
}
TOLD = {
    "retry_after_absent": None,
    "retry_after_negative": "-60",
    "retry_after_huge": "1000000000000",
    "retry_after_garbage": "soon(ish)",
    "retry_after_past": "Sun, 06 Nov 1994 08:49:37 GMT",
}
OF_THEIR_OWN = {
    "retry_after_date",
    "retry_after_century",
    "reset_before",
    "reset_mid_answer",
    "truncated",
    "empty",
    "late",
}


def test_every_mode_is_tested_and_explained() -> None:
    tested = OLD | set(BODIES) | set(PAGES) | set(TOLD) | OF_THEIR_OWN
    assert tested == {mode for mode in Mode if MODES[mode].meets is Meets.WRITES}
    assert set(MODES) == set(Mode)
    assert all(behaviour.long.endswith(".") for behaviour in MODES.values())


async def applied(sandbox: RunningSandbox) -> bool:
    found = (await keys(sandbox), sandbox.effects())
    assert found in (([], []), (["m"], ["created M-1"]))
    return found[0] == ["m"]


def header(head: str, name: str) -> str | None:
    lines = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    return lines.get(name)


@pytest.mark.parametrize("mode", BODIES)
async def test_what_is_answered_in_json(sandbox: RunningSandbox, mode: str) -> None:
    await inject(sandbox, mode)
    wanted, is_applied, says = BODIES[mode]
    status, _, body = split((await raw_write(sandbox))[0])
    assert status == wanted
    assert says(json.loads(body)), body
    assert await applied(sandbox) is is_applied


@pytest.mark.parametrize("mode", PAGES)
async def test_what_is_answered_with_a_web_page(sandbox: RunningSandbox, mode: str) -> None:
    await inject(sandbox, mode)
    status, head, body = split((await raw_write(sandbox))[0])
    assert (status, await applied(sandbox)) == PAGES[mode]
    assert "text/html" in head
    assert body.startswith(b"<!doctype html>")


@pytest.mark.parametrize("mode", TOLD)
async def test_retry_after_of_every_sort_is_not_applied(sandbox: RunningSandbox, mode: str) -> None:
    await inject(sandbox, mode)
    status, head, _ = split((await raw_write(sandbox))[0])
    assert (status, header(head, "Retry-After")) == (429, TOLD[mode])
    assert not await applied(sandbox)


@pytest.mark.parametrize(
    ("mode", "wait"), [("retry_after_date", timedelta(seconds=90)), ("retry_after_century", timedelta(days=36_525))]
)
async def test_retry_after_as_a_date(sandbox: RunningSandbox, mode: str, wait: timedelta) -> None:
    await inject(sandbox, mode, seconds=90)
    asked = datetime.now(UTC)
    status, head, _ = split((await raw_write(sandbox))[0])
    told = parsedate_to_datetime(header(head, "Retry-After") or "")
    assert status == 429
    assert timedelta(seconds=-1) <= told - asked - wait <= timedelta(seconds=6)
    assert mode == "retry_after_century" or told - asked >= wait  # rounded up: never sooner than wanted
    assert not await applied(sandbox)


async def test_reset_before_resets_without_an_effect(sandbox: RunningSandbox) -> None:
    await inject(sandbox, "reset_before")
    with pytest.raises(ConnectionResetError):
        await raw_write(sandbox)
    assert not await applied(sandbox)


async def read_as_it_comes(sandbox: RunningSandbox) -> tuple[bytes, bool]:
    """What came back of a write of "m", byte by byte; and whether the connection was reset."""
    body = json.dumps(MAIL | {"key": "m"}).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.client.port)
    writer.write(f"PUT /api/mail HTTP/1.1\r\nHost: s\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    came = b""
    try:
        while byte := await reader.read(1):
            came += byte
    except ConnectionResetError:
        return came, True
    finally:
        writer.close()
    return came, False


@pytest.mark.parametrize(("mode", "is_reset"), [("truncated", False), ("reset_mid_answer", True)])
async def test_an_answer_that_breaks_off_is_applied(sandbox: RunningSandbox, mode: str, is_reset: bool) -> None:
    await inject(sandbox, mode)
    came, was_reset = await read_as_it_comes(sandbox)
    assert was_reset is is_reset
    if came:  # a reset may overtake what was on its way
        status, head, body = split(came)
        assert status == 201
        assert len(body) < int(header(head, "Content-Length") or 0)
    assert came or is_reset
    assert await applied(sandbox)


async def test_empty_is_applied_and_says_nothing(sandbox: RunningSandbox) -> None:
    await inject(sandbox, "empty")
    status, _, body = split((await raw_write(sandbox))[0])
    assert (status, body, await applied(sandbox)) == (200, b"", True)


async def test_late_resets_at_once_and_applies_after_its_seconds(sandbox: RunningSandbox) -> None:
    await inject(sandbox, "late", seconds=1)
    began = datetime.now(UTC)
    with pytest.raises(ConnectionResetError):
        await raw_write(sandbox)
    reset = datetime.now(UTC)
    async with asyncio.timeout(5):
        while not await keys(sandbox):
            await asyncio.sleep(0.01)
    assert await applied(sandbox)
    [mail] = await sandbox.shown("/mail")
    received = datetime.fromisoformat(mail["received_at"])
    assert received > reset, "it was not applied yet when the line broke"
    assert received - began >= timedelta(seconds=0.999)


async def test_a_search_lags_as_long_as_asked_and_counts_only_when_it_hides_something(start: StartSandbox) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    sandbox = await start(clock=lambda: now, search_lag=1.0)
    await inject(sandbox, "search_lag", count=3, seconds=10)
    await sandbox.post("mail", "m", **MAIL)
    assert await sandbox.shown("/api/mail/search?key=nothing") == []
    now += timedelta(seconds=5)
    assert await sandbox.shown("/api/mail/search?key=m") == []
    now += timedelta(seconds=5)
    assert [mail["id"] for mail in await sandbox.shown("/api/mail/search?key=m")] == ["M-1"]
    assert await sandbox.shown("/faults") == []
    assert await counts(sandbox) == {"mail": {"search_lag": 1}}


async def test_a_search_fault_does_not_wait_for_writes(sandbox: RunningSandbox) -> None:
    await inject(sandbox, "status_503")
    await inject(sandbox, "search_lag", seconds=60)
    await sandbox.post("sms", "other", **MAIL)
    await sandbox.shown("/api/mail/search?key=m")
    assert [fault["mode"] for fault in await sandbox.shown("/faults")] == ["status_503"]


def batch(*names: str) -> dict[str, Any]:
    return {"items": [MAIL | {"key": name} for name in names]}


@pytest.mark.parametrize(
    ("mode", "statuses", "made"),
    [
        ("batch_some_refused", [422, 201, 422], ["b"]),
        ("batch_some_limited", [429, 201, 429], ["b"]),
        ("batch_some_failed_before", [500, 201, 500], ["b"]),
        ("batch_some_failed_after", [500, 201, 500], ["a", "b", "c"]),
        ("batch_cut", [201], ["a", "b", "c"]),
    ],
)
async def test_a_batch_succeeds_in_part(
    sandbox: RunningSandbox, mode: str, statuses: list[int], made: list[str]
) -> None:
    await inject(sandbox, mode)
    assert (await sandbox.post("mail", "single", **MAIL))[0] == 201  # a single write does not meet it
    status, answer = await sandbox.send("POST", "/api/mail/batch", batch("a", "b", "c"))
    assert (status, [result["status"] for result in answer["results"]]) == (200, statuses)
    assert [result["key"] for result in answer["results"]] == ["a", "b", "c"][: len(statuses)]
    assert await keys(sandbox) == ["single", *made]
    assert await counts(sandbox) == {"mail": {mode: 1}}
    [met] = await sandbox.shown("/faults/met/log")
    assert met["keys"] == (["b", "c"] if mode == "batch_cut" else ["a", "c"])


@pytest.mark.parametrize(("mode", "field"), [("wrong_id", "id"), ("other_key", "key"), ("no_id", "id")])
async def test_every_result_of_a_batch_is_spoilt(sandbox: RunningSandbox, mode: str, field: str) -> None:
    good = (await sandbox.send("PUT", "/api/mail/batch", batch("a", "b")))[1]["results"]
    await inject(sandbox, mode)
    bad = (await sandbox.send("PUT", "/api/mail/batch", batch("a", "b")))[1]["results"]
    assert all(one.get(field) != other[field] for one, other in zip(bad, good, strict=True))


async def test_a_batch_that_exists_already_proves_no_key(sandbox: RunningSandbox) -> None:
    await inject(sandbox, "conflict_exists")
    status, answer = await sandbox.send("POST", "/api/mail/batch", batch("a", "b"))
    assert (status, answer) == (409, {"error": "there is one already", "code": "exists"})
    assert await keys(sandbox) == ["a", "b"]


async def counts(sandbox: RunningSandbox) -> dict[str, dict[str, int]]:
    async with sandbox.client.get("/faults/met") as answer:
        counted: dict[str, dict[str, int]] = await answer.json()
        return counted


async def test_only_what_was_met_is_counted_and_logged(sandbox: RunningSandbox) -> None:
    await inject(sandbox, "status_503", count=5)
    await inject(sandbox, "conflict_busy", capability="ticketing", seconds=3)
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    for name in ("a", "b"):
        await sandbox.post("mail", name, **MAIL)
    await sandbox.put("tickets", "t", **TICKET)
    await sandbox.put("tickets", "t", **TICKET)
    assert await counts(sandbox) == {"mail": {"status_503": 2}, "ticketing": {"conflict_busy": 1}}
    log = await sandbox.shown("/faults/met/log")
    assert [(met["capability"], met["mode"], met["seconds"], met["keys"]) for met in log] == [
        ("mail", "status_503", 1.0, ["a"]),
        ("mail", "status_503", 1.0, ["b"]),
        ("ticketing", "conflict_busy", 3.0, ["t"]),
    ]
    assert all(before <= datetime.fromisoformat(met["at"]) <= datetime.now(UTC) for met in log)
    await sandbox.send("DELETE", "/faults", {})
    assert (await counts(sandbox))["mail"] == {"status_503": 2}
    await sandbox.send("POST", "/reset", {})
    assert (await counts(sandbox), await sandbox.shown("/faults/met/log")) == ({}, [])
