"""Sending what is due, as operators see it: one task run an integration."""

import asyncio
from datetime import timedelta

from prefect import task

from domain.actions import Capability, State
from services.dispatch import GATEWAYS
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
async def dispatch(
    capability: Capability, *, urgent_only: bool = False, limit: int = 500, has_planned: bool = False
) -> DispatchReport:
    """Send up to `limit` due actions of one capability. Any number of these may run side by side.

    What is urgent is taken if the gateway has not; at once by a run that `has_planned` it, as the gateway was told
    nothing.
    """
    async with Handrail.from_environment() as handrail:
        report = await handrail.dispatcher.run_once(
            capability=capability,
            run=run_id(),
            urgent_only=urgent_only,
            limit=limit,
            gateways=timedelta(0) if has_planned else GATEWAYS,
        )
    say_how_it_went(report.words())
    return report


def ready(stands: Standing) -> list[Capability]:
    """The capabilities for which something is ready, now or later."""
    return sorted({Capability(capability) for capability, state in stands.actions if state == State.READY})


def left_by_gateway(stands: Standing) -> list[Capability]:
    """Those of them, if anything urgent is due for longer than the gateway leaves it."""
    return ready(stands) if stands.oldest_urgent_seconds >= GATEWAYS.total_seconds() else []


def waiting_for_people(stands: Standing) -> int:
    """Actions that a named person must settle or review."""
    return sum(count for (_, state), count in stands.actions.items() if state in _FOR_PEOPLE)


def waiting_by_themselves(stands: Standing) -> int:
    """Actions that go on without anybody: for an hour, for a vendor, or this very moment."""
    return sum(stands.actions.values()) - waiting_for_people(stands)
