"""Waking Prefect: an event over HTTP, as a hint that shortens a wait. Nothing depends on its arrival."""

import asyncio
import logging
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import httpx

from integrations.prefect_client import prefect_client

_log = logging.getLogger("integrations.prefect_events")

CRITICAL_ANSWER = "handrail.answer.critical"
"""A critical answer was stored with its actions; prefect.yaml starts survey-escalation on it."""

CUSTOMER_ACTIVATED = "handrail.customer.activated"
"""A customer was activated, and perhaps a welcome is due; prefect.yaml starts onboarding-drip on it."""

_SECONDS = 2.0
"""Longer than this nobody waits for Prefect."""

_EVERY = 10.0
"""Seconds between two events of one name: ten thousand answers in a minute are six events."""


class PrefectEvents:
    """Announces to one Prefect server. `announce` returns at once, never raises, and forgets what could not be told.

    Of a burst the first event goes out right away and the last one `every` seconds later; those between are dropped.
    Belongs to one event loop.
    """

    def __init__(
        self,
        api_url: str,
        *,
        auth: str | None = None,
        seconds: float = _SECONDS,
        every: float = _EVERY,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`api_url` as in http://127.0.0.1:4200/api; `auth` is Prefect's basic auth, `user:password`."""
        self._client = prefect_client(api_url, auth=auth, seconds=seconds, transport=transport)
        self._every = every
        self._latest: dict[str, dict[str, Any]] = {}
        self._speaking: dict[str, asyncio.Task[None]] = {}

    async def announce(self, event: str, subject: str, payload: Mapping[str, Any]) -> None:
        """Say that `event` happened to `subject` (a key of ours); `payload` carries ids and counts alone."""
        self._latest[event] = as_event(event, subject, payload, occurred=datetime.now(UTC))
        if event not in self._speaking:
            self._speaking[event] = asyncio.create_task(self._speak(event))

    async def aclose(self) -> None:
        """Stop. What was not told yet is found by the next scheduled run."""
        for task in list(self._speaking.values()):
            task.cancel()
        await asyncio.gather(*self._speaking.values(), return_exceptions=True)
        await self._client.aclose()

    async def _speak(self, event: str) -> None:
        try:
            while (latest := self._latest.pop(event, None)) is not None:
                await self._post(latest)
                await asyncio.sleep(self._every)
        finally:
            del self._speaking[event]

    async def _post(self, event: Mapping[str, Any]) -> None:
        try:
            (await self._client.post("/events", json=[event])).raise_for_status()
        except httpx.HTTPError as problem:
            _log.info("Prefect was not told of %s (%s): its schedule will do", event["event"], type(problem).__name__)


def as_event(event: str, subject: str, payload: Mapping[str, Any], *, occurred: datetime) -> dict[str, Any]:
    """One element of the list that Prefect's `POST /events` takes. The id is new each time: Prefect drops repeats."""
    return {
        "id": str(uuid.uuid4()),
        "occurred": occurred.isoformat(),
        "event": event,
        "resource": {"prefect.resource.id": f"handrail.{subject}", "prefect.resource.name": subject},
        "related": [],
        "payload": dict(payload),
    }
