"""A running sandbox, talked to over real TCP, and what the tests send to it."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient

TICKET = {
    "customer_ref": "C-1042",
    "subject": "Anna Kowalska: 2 of 10",
    "body": "Trzeci raz nie działa.",
    "priority": "high",
    "team": "customer-retention",
    "language": "pl",
    "context": {"customer": {"name": "Anna Kowalska"}},
}
MAIL = {
    "customer_ref": "C-1042",
    "to": "anna@example.pl",
    "subject": "Mamy Pani sprawę",
    "text": "…",
    "html": "<p>…</p>",
}
ALERT = {
    "summary": "3 cases have no owner",
    "severity": "critical",
    "link": "http://127.0.0.1:8100/cases",
    "detail": {"cases": 3},
}


class RunningSandbox:
    """One sandbox, its record and shorthands for what tests ask of it."""

    def __init__(self, client: TestClient[Any, Any], record: Path) -> None:
        self.client = client
        self.record = record

    async def send(self, method: str, path: str, body: object, **headers: str) -> tuple[int, dict[str, Any]]:
        """Send JSON; the status and the JSON answered."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.client.request(method, path, json=body, headers=named) as answer:
            return answer.status, await answer.json()

    async def put(self, collection: str, key: str, **fields: object) -> tuple[int, dict[str, Any]]:
        """Upsert an item."""
        return await self.send("PUT", f"/api/{collection}", {"key": key, **fields})

    async def post(self, collection: str, key: str, **fields: object) -> tuple[int, dict[str, Any]]:
        """Create an item, blindly."""
        return await self.send("POST", f"/api/{collection}", {"key": key, **fields})

    async def shown(self, path: str) -> list[dict[str, Any]]:
        """A list, as anybody sees it."""
        async with self.client.get(path) as answer:
            assert answer.status == 200, await answer.text()
            items: list[dict[str, Any]] = await answer.json()
            return items

    def effects(self, *changes: str) -> list[str]:
        """What is on record, oldest first, as "change id"."""
        lines = [json.loads(line) for line in self.record.read_text().splitlines()]
        return [f"{line['effect']} {line['id']}" for line in lines if not changes or line["effect"] in changes]


StartSandbox = Callable[..., Awaitable[RunningSandbox]]


async def inject(sandbox: RunningSandbox, mode: str, count: int = 1, capability: str = "mail", **more: Any) -> None:
    """Queue a fault."""
    fault = {"capability": capability, "mode": mode, "count": count, **more}
    status, answer = await sandbox.send("POST", "/faults", fault)
    assert status == 200, answer


async def raw_write(sandbox: RunningSandbox, key: str = "m") -> tuple[bytes, float]:
    """Write a mail; the bytes that came back until the connection ended, and the seconds that took."""
    body = json.dumps(MAIL | {"key": key}).encode()
    head = f"PUT /api/mail HTTP/1.1\r\nHost: sandbox\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    started = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", sandbox.client.port)
    try:
        writer.write(head.encode() + body)
        return await reader.read(), time.monotonic() - started
    finally:
        writer.close()


async def keys(sandbox: RunningSandbox) -> list[str]:
    """The keys of every mail there is."""
    return [mail["key"] for mail in await sandbox.shown("/mail")]


def split(answer: bytes) -> tuple[int, str, bytes]:
    """Status, head and body of what came back."""
    head, body = answer.split(b"\r\n\r\n", 1)
    return int(head.split()[1]), head.decode(), body
