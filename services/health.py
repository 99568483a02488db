"""Integration health: ask each one, remember the answer, open and close the breaker that arming reads."""

import asyncio
import logging
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from integrations.ports import Health
from integrations.registry import Configured
from services.wiring import Handrail
from store import integrations as store
from store.crash_points import reached

_log = logging.getLogger("services.health")


@dataclass(frozen=True, slots=True)
class HealthRow:
    """One integration, as operators see it."""

    name: str
    capability: str
    vendor: str
    ok: bool
    latency_ms: int
    breaker: str
    since: datetime
    waiting: int  # actions that are ready or under way
    problem: str

    def as_json(self) -> dict[str, Any]:
        """For a table or a machine."""
        return {**asdict(self), "since": f"{self.since:%Y-%m-%dT%H:%M:%SZ}"}


async def check_integrations(handrail: Handrail, *, run: str, names: list[str] | None = None) -> list[HealthRow]:
    """Check all integrations (or those named) side by side; the state of each afterwards."""
    chosen = [configured for configured in handrail.roster if names is None or configured.name in names]
    await asyncio.gather(*(_check(handrail, configured) for configured in chosen))
    return await asyncio.to_thread(_rows, handrail, {configured.name for configured in chosen})


async def probe_open_breakers(handrail: Handrail) -> None:
    """Check only what is held back by an open breaker and due for a probe."""
    due = await asyncio.to_thread(_due, handrail)
    if due:
        await check_integrations(handrail, run="gateway", names=due)


async def _check(handrail: Handrail, configured: Configured) -> None:
    health: Health = await configured.port.check()
    reached("probe.answered")
    before, after = await asyncio.to_thread(
        store.note_check,
        handrail.database,
        configured.name,
        ok=health.ok,
        latency_ms=health.latency_ms,
        problem=health.problem,
        rules=handrail.policy.breaker,
        now=handrail.clock(),
    )
    if before.is_open != after.is_open:
        _log.warning(
            "%s via %s: breaker %s%s",
            configured.capability,
            configured.vendor,
            "opened: " if after.is_open else "closed: it answers again",
            after.reason or "",
        )


def _due(handrail: Handrail) -> list[str]:
    with handrail.database.read() as connection:
        return store.open_breakers_due(connection, handrail.clock())


def _rows(handrail: Handrail, names: set[str]) -> list[HealthRow]:
    with handrail.database.read() as connection:
        waiting = store.waiting(connection)
        return [
            HealthRow(
                name=row.name,
                capability=row.capability,
                vendor=row.vendor,
                ok=bool(row.ok),
                latency_ms=row.latency_ms or 0,
                breaker=row.breaker,
                since=row.since,
                waiting=waiting.get(row.capability, 0),
                problem=row.problem or row.reason or "",
            )
            for row in store.states(connection)
            if row.name in names
        ]
