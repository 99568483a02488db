"""Replaying what waits in quarantine, as operators see it."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from prefect import task

from services.quarantine import ReplayReport, Who, replay_many
from services.wiring import Handrail
from store.quarantine import Chosen
from tasks.retrying import DELAYS_SECONDS, RETRIES, if_retryable
from tasks.run_names import say_how_it_went


@task(
    name="replay-rows",
    task_run_name="what waits in quarantine",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def replay_rows(
    by: str,
    reason: str,
    *,
    ids: Sequence[int],
    source: str,
    since: datetime | None,
    until: datetime | None,
    dry_run: bool,
) -> ReplayReport:
    """Take what fits into the books, each row once and by itself; or say what would happen."""
    chosen, who = Chosen(ids=ids, source=source, since=since, until=until), Who(by, reason)
    async with Handrail.from_environment() as handrail:
        report = await asyncio.to_thread(replay_many, handrail, chosen, who, rehearse=dry_run)
    say_how_it_went(f"{'would be: ' if dry_run else ''}{report.words()}")
    return report


def still_waiting(report: ReplayReport) -> int:
    """Rows that their contract refuses, so that somebody must repair or discard them."""
    return sum(row.verdict == "refused" for row in report.rows)
