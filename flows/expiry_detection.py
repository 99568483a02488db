"""`expiry-detection`: what is about to end becomes one task or call, on data that passed its gate."""

from datetime import datetime
from typing import Any

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.schemas.objects import State

from domain.actions import Capability
from flows.outcomes import all_of, counted, finish
from flows.run_names import about
from tasks.dispatch import dispatch
from tasks.expiry import check_gates, close_endings, detect_endings, plan_new_endings, tell
from tasks.retrying import FLOW_SECONDS


@flow(name="expiry-detection", flow_run_name=about("endings"), timeout_seconds=2 * FLOW_SECONDS)
async def expiry_detection(at: datetime | None = None, dry_run: bool = False) -> State[Any]:
    """Find what is about to end, plan one task or call about each, send what is due.

    Run again it plans nothing twice.

    Args:
        at: The time to look from, with its zone. Left empty: now.
        dry_run: Only say what would be planned: nothing is written and nobody contacted.
    """
    gates = await check_gates(at)
    detection = await detect_endings(at)
    closing = await close_endings(detection, dry_run=dry_run)
    planning = await plan_new_endings(detection, gates, dry_run=dry_run)
    sent = []
    if not dry_run:
        sent = [await dispatch(capability) for capability in (Capability.CRM, Capability.VOICE)]
    report = tell(gates, detection, closing, planning, dry_run=dry_run)
    await acreate_table_artifact(report.found(), key="endings-found", description="What is about to end")
    await acreate_table_artifact(report.done(), key="endings-planned", description="What was planned")
    await acreate_markdown_artifact(report.chart(), key="endings-per-day", description="Endings of the next 30 days")
    await acreate_markdown_artifact(report.summary(), key="expiry-detection", description="Endings")
    return await finish(
        report.words(),
        late=report.late,
        needs_people=all_of(
            counted(report.needs_people, "ending waits for its gate", "endings wait for their gate"),
            counted(planning.reviewed, "call waits for a review", "calls wait for a review"),
            counted(
                len(closing.again),
                "ending is due again after its task was closed",
                "endings are due again after their task was closed",
            ),
            counted(sum(one.waiting_for_people for one in sent), "waits for a person", "wait for a person"),
        ),
    )
