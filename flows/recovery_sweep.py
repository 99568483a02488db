"""`recovery-sweep`: take over from the dead, settle lost answers, have open reviews asked."""

from typing import Any

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State

from domain.words import how_many
from flows.outcomes import all_of, counted, finish
from flows.run_names import about
from tasks.dead_runs import end_dead_runs
from tasks.recovery import reconcile_review_runs, sweep_leftovers
from tasks.retrying import FLOW_SECONDS


@flow(name="recovery-sweep", flow_run_name=about("leftovers"), timeout_seconds=FLOW_SECONDS)
async def recovery_sweep() -> State[Any]:
    """Return what dead workers held, settle lost answers by what each vendor allows, plan anew what has changed."""
    swept = await sweep_leftovers()
    if swept.lines:
        swept_words = f"{how_many(len(swept.lines), 'action')} swept"
        await acreate_table_artifact(swept.lines, key="recovery-sweep", description=swept_words)
    died = await end_dead_runs()
    asked = await reconcile_review_runs()
    if asked:
        rows = [{"review": deed.review, "what": deed.words} for deed in asked]
        runs = f"{how_many(len(rows), 'run')} of reviews begun or ended"
        await acreate_table_artifact(rows, key="review-runs", description=runs)
    return await finish(
        all_of(
            f"swept: {len(swept.lines) or 'nothing'}",
            counted(died, "run had died", "runs had died"),
            counted(len(asked), "run of a review begun or ended", "runs of reviews begun or ended"),
        ),
        needs_people=counted(swept.waiting_for_people, "waits for a person", "wait for a person"),
    )
