"""Sending what is due, as operators see it: one task run an integration."""

import asyncio

from prefect import task

from domain.actions import Capability, State
from services.dispatch_report import DispatchReport
from services.reporting import Standing, standing
from services.wiring import Handrail
from tasks.retrying import DELAYS_SECONDS, RETRIES, if_retryable
from tasks.run_names import run_id, say_how_it_went

_FOR_PEOPLE = frozenset({State.NEEDS_HUMAN, State.FAILED, State.AWAITING_REVIEW})


@task(
    name="take-stock",
    task_run_name="what waits",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def take_stock() -> Standing:
    """How many actions stand in which state, by capability."""
    async with Handrail.from_environment() as handrail:
        stands = await asyncio.to_thread(standing, handrail.database, now=handrail.clock())
    words = [f"{count} {capability} {state}" for (capability, state), count in sorted(stands.actions.items())]
    stopped = "".join(f"stopped: {stop.part.words}; " for stop in stands.stops)
    say_how_it_went(f"{stopped}waits: {', '.join(words) or 'nothing'}")
    return stands


@task(
    name="dispatch",
    task_run_name="{capability}",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def dispatch(capability: Capability, *, urgent_only: bool = False, limit: int = 500) -> DispatchReport:
    """Send up to `limit` due actions of one capability. Any number of these may run side by side."""
    async with Handrail.from_environment() as handrail:
        report = await handrail.dispatcher.run_once(
            capability=capability, run=run_id(), urgent_only=urgent_only, limit=limit
        )
    say_how_it_went(report.words())
    return report


def ready(stands: Standing) -> list[Capability]:
    """The capabilities for which something is ready, now or later."""
    return sorted({Capability(capability) for capability, state in stands.actions if state == State.READY})


def waiting_for_people(stands: Standing) -> int:
    """Actions that a named person must settle or review."""
    return sum(count for (_, state), count in stands.actions.items() if state in _FOR_PEOPLE)


def waiting_by_themselves(stands: Standing) -> int:
    """Actions that go on without anybody: for an hour, for a vendor, or this very moment."""
    return sum(stands.actions.values()) - waiting_for_people(stands)
