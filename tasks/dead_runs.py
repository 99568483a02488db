"""Runs whose process is gone: Prefect would show them as running, and count them, for ever."""

from datetime import UTC, datetime, timedelta

from prefect import task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Crashed

from tasks.retrying import DEAD_AFTER_SECONDS
from tasks.run_names import say_how_it_went

_UNDER_WAY = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
_OURS = "handrail"


@task(name="end-dead-runs", task_run_name="runs that died")
async def end_dead_runs() -> int:
    """Mark as Crashed those of our runs that are under way longer than any may be; how many there were.

    What they held was taken over when their lease ended: this is for those who look, and for the slots that runs take.
    """
    before = datetime.now(UTC) - timedelta(seconds=DEAD_AFTER_SECONDS)
    async with get_client() as client:
        under_way = await client.read_flow_runs(
            flow_run_filter=FlowRunFilter(
                tags=FlowRunFilterTags(all_=[_OURS]),
                state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNDER_WAY)),
                expected_start_time=FlowRunFilterExpectedStartTime(before_=before),
            )
        )
        dead = [run for run in under_way if is_dead(run, before)]
        for run in dead:
            message = f"Nothing was heard of it for {DEAD_AFTER_SECONDS // 60} minutes: its process is gone"
            await client.set_flow_run_state(run.id, Crashed(message=message), force=True)
    say_how_it_went(f"runs that died: {len(dead) or 'none'}")
    return len(dead)


def is_dead(run: FlowRun, before: datetime) -> bool:
    """True when its last state is older than `before`: one that waited long for a worker has only just begun."""
    return run.state is not None and run.state.timestamp < before
