"""`integration-health`: ask every outside system how it is."""

from typing import Any

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State

from flows.outcomes import finish
from flows.run_names import about
from tasks.health import ask_each_integration, is_well
from tasks.retrying import FLOW_SECONDS


@flow(name="integration-health", flow_run_name=about("integrations"), timeout_seconds=FLOW_SECONDS)
async def integration_health() -> State[Any]:
    """Check each configured integration; the breaker that sending obeys opens and closes here."""
    rows = await ask_each_integration()
    ill = [row for row in rows if not is_well(row)]
    await acreate_table_artifact([row.as_json() for row in rows], key="integration-health", description="Now")
    return await finish(
        f"{len(rows) - len(ill)} of {len(rows)} integrations answer",
        needs_people=f"not well: {', '.join(row.name for row in ill)}" if ill else "",
    )
