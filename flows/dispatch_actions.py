"""`dispatch-actions`: send whatever is due and nobody has sent yet."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from domain.actions import Capability
from flows.outcomes import all_of, counted, finish
from flows.run_names import about
from tasks.dispatch import dispatch, ready, take_stock, waiting_by_themselves, waiting_for_people
from tasks.retrying import FLOW_SECONDS

Limit = Annotated[int, Field(ge=1, le=100_000)]


@flow(name="dispatch-actions", flow_run_name=about("what is due"), timeout_seconds=FLOW_SECONDS)
async def dispatch_actions(capability: Capability | None = None, limit: Limit = 500) -> State[Any]:
    """Send what is due, integration by integration. Beside other runs and the gateway it takes only what is free.

    Args:
        capability: Send through this capability alone. Left empty: through all of them.
        limit: How many actions at most, for each capability.
    """
    stands = await take_stock()
    reports = []
    if due := [capability] if capability else ready(stands):
        reports = [await dispatch(each, limit=limit) for each in due]
        stands = await take_stock()
    return await finish(
        "; ".join(report.words() for report in reports) or "nothing was ready",
        needs_people=all_of(
            counted(waiting_for_people(stands), "waits for a person", "wait for a person"),
            counted(stands.reviews.waiting, "review waits for a decision", "reviews wait for a decision"),
            counted(len(stands.reviews.halted), "review has stopped itself", "reviews have stopped themselves"),
        ),
        waiting=counted(
            waiting_by_themselves(stands), "waits for a vendor or its hour", "wait for a vendor or their hour"
        ),
    )
