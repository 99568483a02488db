"""`onboarding-drip`: customers in journeys get the step that is due, at its time, over the right channel."""

from datetime import datetime
from typing import Any

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.schemas.objects import State

from flows.outcomes import all_of, counted, finish
from flows.run_names import about
from tasks.dispatch import dispatch
from tasks.onboarding import count_drop_off, plan_steps
from tasks.retrying import FLOW_SECONDS


@flow(name="onboarding-drip", flow_run_name=about("journeys"), timeout_seconds=2 * FLOW_SECONDS)
async def onboarding_drip(at: datetime | None = None, dry_run: bool = False, drop_off: bool = False) -> State[Any]:
    """Settle the steps that are over, plan those that are due, send what may go now.

    Run again, or beside another run, it plans nothing twice.

    Args:
        at: The time to plan for, with its zone. Left empty: now.
        dry_run: Only say what would be planned: nothing is written and nobody contacted.
        drop_off: Count how far customers come as well, of the latest who entered; the schedule does it once an hour.
    """
    story = await plan_steps(at, dry_run=dry_run)
    sent = [] if dry_run else [await dispatch(capability) for capability in story.sendable]
    for key, rows, about_them in (
        ("journey-steps-planned", story.planned(), "Steps planned, by channel"),
        ("journey-steps-skipped", story.skipped(), "Steps left out, and why"),
        ("journey-steps-later", story.deferred(), "Steps that were held, and until when"),
        ("journeys-waiting", story.waiting(), "Journeys that wait for a person"),
    ):
        if rows:
            await acreate_table_artifact(rows, key=key, description=about_them)
    await acreate_markdown_artifact(story.summary(), key="onboarding-drip", description="Journeys")
    for journey in await count_drop_off(at) if drop_off else ():
        await acreate_table_artifact(
            journey.rows(), key=f"drop-off-{journey.journey}", description="What became of steps"
        )
        await acreate_markdown_artifact(
            journey.chart(), key=f"drop-off-{journey.journey}-chart", description="Drop-off"
        )
    return await finish(
        story.words(),
        needs_people=all_of(
            counted(story.report.needs_people, "journey waits for a person", "journeys wait for a person"),
            counted(sum(one.waiting_for_people for one in sent), "waits for a person", "wait for a person"),
        ),
    )
