"""`recovery-sweep`: take over from the dead, settle lost answers."""

from typing import Any

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State

from flows.outcomes import counted, finish
from flows.run_names import about
from tasks.dead_runs import end_dead_runs
from tasks.recovery import sweep_leftovers
from tasks.retrying import FLOW_SECONDS


@flow(name="recovery-sweep", flow_run_name=about("leftovers"), timeout_seconds=FLOW_SECONDS)
async def recovery_sweep() -> State[Any]:
    """Return what dead workers held, settle lost answers by what each vendor allows, plan anew what has changed."""
    swept = await sweep_leftovers()
    if swept.lines:
        await acreate_table_artifact(swept.lines, key="recovery-sweep", description=f"{len(swept.lines)} actions swept")
    died = await end_dead_runs()
    return await finish(
        "; ".join(filter(None, (f"swept: {len(swept.lines) or 'nothing'}", counted(died, "runs had died")))),
        needs_people=counted(swept.waiting_for_people, "wait for a person"),
    )
