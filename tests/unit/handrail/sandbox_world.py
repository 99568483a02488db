"""A running sandbox, talked to over real TCP, and what the tests send to it."""

import json
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
