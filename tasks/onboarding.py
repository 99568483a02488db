"""The onboarding drip, as operators see it: plan what is due, count how far customers come."""

import asyncio
from datetime import datetime

from prefect import task

from services.drip_report import DripStory, DropOff, run_onboarding
from services.drip_report import count_drop_off as counted_drop_off
from services.wiring import Handrail
from tasks.retrying import DELAYS_SECONDS, RETRIES, if_retryable
from tasks.run_names import run_id, say_how_it_went


@task(
    name="plan-steps",
    task_run_name="steps that are due",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def plan_steps(at: datetime | None = None, *, dry_run: bool = False) -> DripStory:
    """Let those go on whose step is over, and plan what is due; twice is once."""
    async with Handrail.from_environment() as handrail:
        story = await asyncio.to_thread(run_onboarding, handrail, at=at, run=run_id(), dry_run=dry_run)
    say_how_it_went(story.words())
    return story


@task(
    name="count-drop-off",
    task_run_name="how far customers come",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def count_drop_off(at: datetime | None = None) -> list[DropOff]:
    """How many came to each step, and what became of it."""
    async with Handrail.from_environment() as handrail:
        found = await asyncio.to_thread(counted_drop_off, handrail.database, now=at or handrail.clock())
    say_how_it_went("; ".join(f"{one.journey}: {one.entered} entered" for one in found) or "nobody entered lately")
    return found
