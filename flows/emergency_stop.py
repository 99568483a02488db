"""`emergency-stop`: the kill switch as a button, of everything or of a part; `start` is the way back."""

from typing import Annotated, Any

from prefect import flow
from prefect.artifacts import acreate_table_artifact
from prefect.client.schemas.objects import State
from pydantic import Field

from domain.controls import Scope
from flows.outcomes import all_of, finish
from flows.run_names import about
from tasks.controls import flip_kill_switch, show_what_would_go
from tasks.retrying import FLOW_SECONDS

Name = Annotated[str, Field(min_length=2, max_length=200)]
PartName = Annotated[str, Field(max_length=200)]
Why = Annotated[str, Field(min_length=3, max_length=500)]


@flow(name="emergency-stop", flow_run_name=about("kill switch"), timeout_seconds=FLOW_SECONDS)
async def emergency_stop(
    reason: Why, by: Name, scope: Scope = Scope.ALL, name: PartName = "", start: bool = False, dry_run: bool = True
) -> State[Any]:
    """Stop whatever we do to the outside world, or a part of it; or let it go on. Webhooks are accepted all the while.

    When this run is over, nothing more of it is armed anywhere; what was armed already is finished. A run takes seconds
    to begin: at a shell `handrail stop`, and on the page /controls, it is at once.

    Args:
        reason: Why, in your words; no customer's name or words, since everybody who asks is told.
        by: Your name. It is kept.
        scope: How much: all, or one job, one kind of action, one integration.
        name: Which job (`expiry-detection`), kind (`call`) or integration (`mail`); empty for all.
        start: Let it go on again, instead of stopping it. What is stopped otherwise stays stopped.
        dry_run: Of a start: only show what would go out (it stands in the run's artifact). A stop is never a rehearsal.
    """
    if not start:
        return await finish(await flip_kill_switch(scope, name, True, by=by, reason=reason))
    found = await show_what_would_go(scope, name)
    told = "; ".join(found.words)
    if found.waiting:
        await acreate_table_artifact(found.as_json()["waiting"], key="would-go-out", description=told)
    if dry_run:
        return await finish(f"nothing was started; would be: {told}")
    return await finish(all_of(await flip_kill_switch(scope, name, False, by=by, reason=reason), told))
