"""Runs whose process is gone: Prefect would show them as running, and count them, for ever."""

from collections.abc import Container
from datetime import UTC, datetime, timedelta

from prefect import task
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.states import Crashed

from services.lifelines import lifelines_of_runs
from services.settings import load_settings
from tasks.retrying import DEAD_AFTER_SECONDS
from tasks.run_names import run_id, say_how_it_went

_UNDER_WAY = [StateType.PENDING, StateType.RUNNING, StateType.CANCELLING]
_OURS = "handrail"


@task(name="end-dead-runs", task_run_name="runs that died")
async def end_dead_runs() -> int:
    """Mark as Crashed those of our runs whose process is gone: by proof, or because no run may take so long.

    What they held was taken over when their lease ended: this is for those who look, and for the slots that runs take.
    Returns how many there were.
    """
    before = datetime.now(UTC) - timedelta(seconds=DEAD_AFTER_SECONDS)
    with lifelines_of_runs(load_settings()[0].data, run_id()).dead() as proven:
        async with get_client() as client:
            under_way = await client.read_flow_runs(
                flow_run_filter=FlowRunFilter(
                    tags=FlowRunFilterTags(all_=[_OURS]),
                    state=FlowRunFilterState(type=FlowRunFilterStateType(any_=_UNDER_WAY)),
                )
            )
            dead = [run for run in under_way if is_dead(run, before, proven)]
            for run in dead:
                await client.set_flow_run_state(run.id, Crashed(message="Its process is gone"), force=True)
    say_how_it_went(f"runs that died: {len(dead) or 'none'}")
    return len(dead)


def is_dead(run: FlowRun, before: datetime, proven: Container[str]) -> bool:
    """True when its last state is older than `before`, or its process is proven dead, which only one that ran has.

    One that waited long for a worker has only just begun; one that is tried again waits for its next process while the
    file of the last still lies there.
    """
    if run.state is None:
        return False
    return run.state.timestamp < before or (run.state.type is StateType.RUNNING and str(run.id) in proven)
