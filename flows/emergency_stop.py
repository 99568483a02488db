"""`emergency-stop`: the kill switch as a button; `start` is the way back."""

from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.outcomes import finish
from flows.run_names import about
from tasks.controls import flip_kill_switch
from tasks.retrying import FLOW_SECONDS

Name = Annotated[str, Field(min_length=2, max_length=200)]
Why = Annotated[str, Field(min_length=3, max_length=500)]


@flow(name="emergency-stop", flow_run_name=about("kill switch"), timeout_seconds=FLOW_SECONDS)
async def emergency_stop(reason: Why, by: Name, start: bool = False) -> State[Any]:
    """Stop whatever we do to the outside world, or let it go on. Webhooks are accepted all the while.

    When this run is over, nothing more is armed anywhere; what was armed already is finished. A run takes seconds to
    begin: at a shell `handrail stop` is at once.

    Args:
        reason: Why, in your words; no customer's name or words, since everybody who asks is told.
        by: Your name. It is kept.
        start: Let everything go on again, instead of stopping it.
    """
    return await finish(await flip_kill_switch(not start, by=by, reason=reason))
