"""Expiry detection, as operators see it: gate, look, close, plan."""

import asyncio
from datetime import datetime

from prefect import task

from data_contracts.policy import load_policy
from services.ending_closing import Closing, close_needless
from services.ending_report import EndingReport
from services.expiry import Detection, GateReport, Planning, detect, look_at_gates, plan_endings
from services.settings import load_settings
from services.wiring import Handrail
from tasks.retrying import DELAYS_SECONDS, RETRIES, if_retryable
from tasks.run_names import run_id, say_how_it_went


@task(
    name="check-gates",
    task_run_name="gates of the data",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def check_gates(at: datetime | None = None) -> GateReport:
    """Which data passed a gate lately enough to act on it."""
    async with Handrail.from_environment() as handrail:
        gates = await asyncio.to_thread(look_at_gates, handrail.database, handrail.policy, now=at or handrail.clock())
    say_how_it_went(f"gates: {'; '.join(gates.problems) or 'the data may be acted on'}")
    return gates


@task(
    name="detect-endings",
    task_run_name="what is about to end",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def detect_endings(at: datetime | None = None) -> Detection:
    """Count what has reached a horizon, and say what is to be looked at."""
    async with Handrail.from_environment() as handrail:
        detection = await asyncio.to_thread(detect, handrail.database, handrail.policy, now=at or handrail.clock())
    counts = ", ".join(f"{sum(each.values())} of kind {kind}" for kind, each in detection.found.items())
    say_how_it_went(f"about to end: {counts}")
    return detection


@task(
    name="close-endings",
    task_run_name="what is needed no more",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def close_endings(detection: Detection, *, dry_run: bool = False) -> Closing:
    """Take back, or have closed, what was planned about endings that need it no more."""
    async with Handrail.from_environment() as handrail:
        closing = await asyncio.to_thread(
            close_needless, handrail.database, handrail.policy, detection, run=run_id(), dry_run=dry_run
        )
    say_how_it_went(f"needed no more: {closing.taken_back.total()} taken back, {closing.closed.total()} to be closed")
    return closing


@task(
    name="plan-endings",
    task_run_name="plan what is new",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def plan_new_endings(detection: Detection, gates: GateReport, *, dry_run: bool = False) -> Planning:
    """One task or call for each ending that nothing was planned about; twice is once."""
    async with Handrail.from_environment() as handrail:
        planning = await asyncio.to_thread(
            plan_endings, handrail.database, handrail.policy, detection, gates, run=run_id(), dry_run=dry_run
        )
        report = EndingReport(handrail.policy, gates, detection, planning=planning, dry_run=dry_run)
    say_how_it_went(report.words())
    return planning


def tell(
    gates: GateReport, detection: Detection, closing: Closing, planning: Planning, *, dry_run: bool
) -> EndingReport:
    """The run in words, tables and a chart."""
    settings, _ = load_settings()
    policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
    return EndingReport(policy, gates, detection, closing, planning, dry_run)
