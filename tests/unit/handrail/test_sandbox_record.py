"""The record: on disk before the answer, and enough to bring everything back."""

import asyncio
import json
import os
import threading
from pathlib import Path

import pytest
from sandbox_world import ALERT, MAIL, TICKET, RunningSandbox, StartSandbox

from handrail.sandbox.effects import Change, Effect
from handrail.sandbox.record import Record, RecordProblem
from handrail.sandbox.vendor import Vendor

LISTS = ("/tickets", "/tasks", "/mail", "/sms", "/calls", "/push", "/alerts")


async def fill(sandbox: RunningSandbox) -> None:
    """One of everything, each changed once."""
    await sandbox.put("tickets", "t", **TICKET)
    await sandbox.put("tickets", "t", **TICKET | {"body": "Zażółć gęślą jaźń"})
    await sandbox.put("notes", "n", ticket_key="t", customer_ref="C-1", text="Znovu.", priority="critical")
    await sandbox.send("POST", "/tickets/status", {"key": "t", "status": "pending", "assignee": "Ola"})
    await sandbox.put("tasks", "k", customer_ref="C-1", title="…")
    await sandbox.put("task_notes", "kn", task_key="k", customer_ref="C-1", text="14 days left.", priority="high")
    await sandbox.post("tasks/close", "k/close", task_key="k", reason="renewed")
    await sandbox.send("POST", "/api/mail", MAIL | {"key": "m"}, Idempotency_Key="m")
    await sandbox.post("sms", "s", **MAIL)
    await sandbox.post("sms", "s", **MAIL)
    await sandbox.post("calls", "c", **MAIL)
    await sandbox.post("alerts", "a", **ALERT)


def copy(sandbox: RunningSandbox, name: str = "copy.jsonl", tail: bytes = b"") -> Path:
    """The record as a kill -9 now would leave it, with the torn `tail`."""
    record = sandbox.record.with_name(name)
    record.write_bytes(sandbox.record.read_bytes() + tail)
    return record


async def test_a_restart_brings_everything_back(sandbox: RunningSandbox, start: StartSandbox) -> None:
    await fill(sandbox)
    again = await start(copy(sandbox))
    for path in LISTS:
        assert await again.shown(path) == await sandbox.shown(path)
    assert [ticket["priority"] for ticket in await again.shown("/tickets")] == ["critical"]
    assert [(task["priority"], task["status"]) for task in await again.shown("/tasks")] == [("high", "closed")]


async def test_after_a_restart_keys_are_still_known_and_ids_go_on(sandbox: RunningSandbox, start: StartSandbox) -> None:
    await fill(sandbox)
    again = await start(copy(sandbox))
    before = again.effects()
    repeat = await again.send("POST", "/api/mail", MAIL | {"key": "m"}, Idempotency_Key="m")
    assert repeat == (201, {"id": "M-1", "key": "m", "created": True})
    assert (await again.put("tickets", "t", **TICKET | {"body": "Zażółć gęślą jaźń"}))[0] == 200
    assert again.effects() == before
    assert (await again.post("sms", "s", **MAIL))[1]["id"] == "S-3"


@pytest.mark.parametrize("tail", [b"{", b'{"at":"2026-01-01T00:00:00.000Z","effect":"created"', b"\x00\x00"])
async def test_a_torn_last_line_is_forgotten(sandbox: RunningSandbox, start: StartSandbox, tail: bytes) -> None:
    await fill(sandbox)
    again = await start(copy(sandbox, tail=tail))
    assert await again.shown("/sms") == await sandbox.shown("/sms")
    assert (await again.post("sms", "after", **MAIL))[0] == 201
    assert len(again.effects()) == len(sandbox.effects()) + 1
    third = await start(copy(again, name="third.jsonl"))
    assert [sms["key"] for sms in await third.shown("/sms")] == ["s", "s", "after"]


CHANGED_NOTHING = Effect(at="", change=Change.UPDATED, collection="mail", id="M-1", key="m").line()


@pytest.mark.parametrize("line", [b"nonsense\n", b"[]\n", b'{"effect":"exploded"}\n', b"\n", CHANGED_NOTHING])
def test_a_broken_line_stops_the_start_and_is_named(tmp_path: Path, line: bytes) -> None:
    record = tmp_path / "r.jsonl"
    record.write_bytes(line)
    with pytest.raises(RecordProblem, match=r"r\.jsonl, line 1: not an effect .*mend the line"):
        Vendor(record)
    assert record.read_bytes() == line


async def test_every_effect_is_recorded_with_its_key(sandbox: RunningSandbox) -> None:
    await fill(sandbox)
    lines = [json.loads(line) for line in sandbox.record.read_text().splitlines()]
    assert [line["key"] for line in lines] == ["t", "t", "n", "t", "k", "kn", "k", "m", "s", "s", "c", "a"]
    assert "Zażółć gęślą jaźń" in sandbox.record.read_text()


async def test_a_reset_forgets_but_the_record_does_not(sandbox: RunningSandbox, start: StartSandbox) -> None:
    await fill(sandbox)
    before = sandbox.effects()
    assert (await sandbox.send("POST", "/reset", None))[0] == 200
    assert sandbox.effects() == [*before, "reset "]
    for running in (sandbox, await start(copy(sandbox))):
        assert [await running.shown(path) for path in LISTS] == [[]] * len(LISTS)
    assert await sandbox.put("tickets", "t", **TICKET) == (201, {"id": "T-2", "key": "t", "created": True})
    assert (await sandbox.send("POST", "/api/mail", MAIL | {"key": "m"}, Idempotency_Key="m"))[1]["id"] == "M-2"


class SlowDisk:
    """An fsync that waits until it may go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.may_sync = threading.Event()
        self.synced = 0
        monkeypatch.setattr("handrail.sandbox.record.os.fsync", self._sync)

    def _sync(self, _file: int) -> None:
        assert self.may_sync.wait(timeout=10)
        self.synced += 1


async def test_nothing_is_answered_before_it_is_on_disk(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SlowDisk(monkeypatch)
    same = MAIL | {"key": "m"}
    waiting: set[asyncio.Task[object]] = {
        asyncio.create_task(sandbox.put("tickets", "t", **TICKET)),
        asyncio.create_task(sandbox.send("POST", "/api/mail", same, Idempotency_Key="m")),
        asyncio.create_task(sandbox.send("POST", "/api/mail", same, Idempotency_Key="m")),
    }
    async with asyncio.timeout(5):
        while len(sandbox.effects()) < 1:  # the first batch is written, its fsync pending
            await asyncio.sleep(0)
    waiting.add(asyncio.create_task(sandbox.shown("/tickets")))
    for _ in range(5):
        await sandbox.shown("/faults")  # the sandbox is awake and answers what needs no disk
    assert not [task for task in waiting if task.done()]
    disk.may_sync.set()
    await asyncio.gather(*waiting)


async def test_effects_that_wait_together_share_an_fsync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = Record(tmp_path / "r.jsonl")
    disk = SlowDisk(monkeypatch)
    record.append(Effect(at="", change=Change.RESET))
    first = asyncio.create_task(record.durable())
    async with asyncio.timeout(5):
        while record.path.stat().st_size == 0:  # written, its fsync pending
            await asyncio.sleep(0)
    for _ in range(500):
        record.append(Effect(at="", change=Change.RESET))
    disk.may_sync.set()
    await record.durable()
    await first
    await record.close()
    assert (disk.synced, len(record.path.read_text().splitlines())) == (2, 501)


async def test_a_full_disk_is_told_and_nothing_more_is_taken(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sandbox.post("sms", "before", **MAIL)

    def full(_file: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr("handrail.sandbox.record.os.fsync", full)
    for _ in range(2):
        status, answer = await sandbox.post("sms", "lost", **MAIL)
        assert status == 500
        assert "cannot be written (No space left on device); make room and start again" in answer["error"]
    monkeypatch.undo()
    before = sandbox.effects()
    assert (await sandbox.post("sms", "after", **MAIL))[0] == 500
    assert sandbox.effects() == before


async def test_two_sandboxes_do_not_share_a_record(sandbox: RunningSandbox) -> None:
    with pytest.raises(RecordProblem, match="another sandbox writes this record"):
        Record(sandbox.record)


def test_a_record_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordProblem, match=r"cannot be opened .*name a writable file"):
        Record(tmp_path)
