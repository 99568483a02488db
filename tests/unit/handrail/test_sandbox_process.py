"""The sandbox as a process of its own: it starts, dies and comes back."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from sandbox_world import MAIL

pytestmark = pytest.mark.process


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Process:
    """A sandbox started as anybody would start it."""

    def __init__(self, record: Path, *options: str, port: int | None = None, **environment: str) -> None:
        self.port = port or free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        command = [
            sys.executable,
            "-m",
            "handrail.sandbox",
            "--port",
            str(self.port),
            "--record",
            str(record),
            *options,
        ]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=os.environ | environment)

    async def ready(self, session: aiohttp.ClientSession) -> None:
        async with asyncio.timeout(10):
            while True:
                try:
                    async with session.get(self.address) as answer:
                        assert answer.status == 200
                        return
                except aiohttp.ClientConnectionError:
                    assert self.process.poll() is None, self.process.communicate()[1]
                    await asyncio.sleep(0.01)

    def stop(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(timeout=10)


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    started: list[Process] = []
    yield started
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
        one.process.communicate()


async def test_it_serves_again_after_kill_9_and_stops_cleanly(tmp_path: Path, processes: list[Process]) -> None:
    record = tmp_path / "deep" / "record.jsonl"
    port = free_port()
    headers = {"Authorization": "Bearer s3cret"}
    async with aiohttp.ClientSession(headers=headers) as session:
        for count in (1, 2):
            processes.append(Process(record, port=port, HANDRAIL_SANDBOX_TOKEN="s3cret"))
            await processes[-1].ready(session)
            body = MAIL | {"key": f"m{count}"}
            async with session.post(f"{processes[-1].address}/api/mail", json=body) as answer:
                assert answer.status == 201, await answer.text()
            async with session.get(f"{processes[-1].address}/mail") as answer:
                assert [mail["key"] for mail in await answer.json()] == ["m1", "m2"][:count]
            assert processes[-1].stop([signal.SIGKILL, signal.SIGTERM][count - 1]) == [-signal.SIGKILL, 0][count - 1]


async def test_a_held_connection_does_not_hold_up_the_end(tmp_path: Path, processes: list[Process]) -> None:
    processes.append(Process(tmp_path / "r.jsonl"))
    async with aiohttp.ClientSession(processes[0].address) as session:
        await processes[0].ready(session)
        await session.post("/faults", json={"capability": "mail", "mode": "timeout_before", "count": 1, "seconds": 60})
        held = asyncio.create_task(session.post("/api/mail", json=MAIL | {"key": "m"}))
        async with asyncio.timeout(5):
            while True:
                async with session.get("/faults") as answer:
                    if await answer.json() == []:
                        break
        assert await asyncio.to_thread(processes[0].stop, signal.SIGTERM) == 0
        with pytest.raises(aiohttp.ClientConnectionError):
            await held


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--host", "0.0.0.0"], 2, "0.0.0.0 may be reached by others: choose 127.0.0.1"),  # noqa: S104
        (["--search-lag", "soon"], 2, "soon is no number of seconds from 0 to 3600"),
        (["--record", "/proc/nowhere/r.jsonl"], 1, "name a writable file"),
    ],
)
def test_wrong_use_is_explained(tmp_path: Path, options: list[str], code: int, words: str) -> None:
    ran = Process(tmp_path / "r.jsonl", *options).process
    assert words in ran.communicate(timeout=10)[1]
    assert ran.returncode == code


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ran = Process(tmp_path / "r.jsonl", port=port).process
        assert f"cannot serve on 127.0.0.1:{port}" in ran.communicate(timeout=10)[1]
    assert ran.returncode == 1
