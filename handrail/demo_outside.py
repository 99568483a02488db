"""What the outside received during the demo, as the sandbox tells it, and as it keeps it on record."""

import json
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from domain.actions import acknowledgement_key
from handrail.demo_story import Found

T = TypeVar("T")

_ONE_OF = {"tickets": "ticket", "mail": "mail", "sms": "sms", "tasks": "task", "calls": "call", "push": "push"}
"""List → the word of its items in the sandbox's links."""


class Outside:
    """The sandbox, seen by somebody who stands before it."""

    def __init__(self, address: str, record: Path) -> None:
        self.address = address
        self._record = record
        self._http = httpx.Client(base_url=address, trust_env=False, timeout=10.0)

    def find(self, listed: str, key: str, seconds: float) -> Found | None:
        """The item with this key, as soon as the sandbox has it; None when it does not get it in time."""
        return poll(lambda: self._find(listed, key), seconds)

    def find_acknowledgement(self, source: str, response: str, seconds: float) -> Found | None:
        """The message that acknowledges an answer, by whichever channel it went."""
        key = acknowledgement_key(source, response)
        return poll(lambda: self._find("mail", key) or self._find("sms", key), seconds)

    def find_note(self, ticket: str, key: str, seconds: float) -> Found | None:
        """The note with this key on a ticket."""

        def find() -> Found | None:
            found = self._find("tickets", ticket)
            notes = [] if found is None else [note for note in found.item["notes"] if note["key"] == key]
            if found is None or not notes:
                return None
            item = {**notes[0], "customer_ref": found.item["customer_ref"]}
            return Found(key, datetime.fromisoformat(notes[0]["at"]), found.link, item)

        return poll(find, seconds)

    def break_vendor(self, capability: str, mode: str, *, count: int) -> None:
        """The next writes of a capability misbehave."""
        fault = {"capability": capability, "mode": mode, "count": count}
        self._http.post("/faults", json=fault).raise_for_status()

    def misbehaved(self, key: str) -> list[str]:
        """The modes of misbehaviour that writes of this key really met."""
        return [met["mode"] for met in self._get("/faults/met/log") if key in met["keys"]]

    def written(self) -> Counter[tuple[str, str]]:
        """How often each key was created, updated, … by the sandbox's own record on disk."""
        lines = self._record.read_text(encoding="utf-8").splitlines()
        return Counter((effect["key"], effect["effect"]) for effect in map(json.loads, lines))

    def alerts(self, begin: str) -> list[str]:
        """The keys of alerts that begin so, by the sandbox's own record."""
        return sorted(key for key, change in self.written() if change == "created" and key.startswith(begin))

    def surprises(self, expected: list[str]) -> list[str]:
        """What the outside received and no story accounts for, or received more than once."""
        received: Counter[str] = Counter()
        for (key, change), count in self.written().items():
            received[key] += count if change == "created" else 0
        return [f"{key}, {count} times" for key, count in sorted((received - Counter(expected)).items())]

    def _find(self, listed: str, key: str) -> Found | None:
        for item in self._get(f"/{listed}", key=key):
            link = f"{self.address}/#{_ONE_OF[listed]}={quote(key, safe='/')}"
            return Found(key, datetime.fromisoformat(item["received_at"]), link, item)
        return None

    def _get(self, path: str, **query: str) -> list[dict[str, Any]]:
        answered = self._http.get(path, params=query)
        answered.raise_for_status()
        items: list[dict[str, Any]] = answered.json()
        return items


def poll(look: Callable[[], T | None], seconds: float, *, every: float = 0.05) -> T | None:
    """What `look` finds, as soon as it does; None when it does not in time."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None and time.monotonic() < deadline:
        time.sleep(every)
    return found
