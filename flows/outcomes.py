"""How a run ends, so that its state is the truth for people: done, waiting, needing people, or a promise broken."""

from typing import Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.runtime import flow_run
from prefect.states import Completed, Failed

NEEDS_PEOPLE = "NeedsPeople"
"""Completed for Prefect, but somebody must decide or repair something."""

WAITING = "Waiting"
"""Completed for Prefect; something waits for an hour or for a vendor, and goes by itself."""

TAG = "needs-people"


async def finish(done: str, *, late: str = "", needs_people: str = "", waiting: str = "") -> State[Any]:
    """The final state, the gravest of what is said: `late`, then `needs_people`, then `waiting`, else `done`.

    Words carry counts and ids only. A run that needs people is tagged as well, so that a view can show those alone.
    """
    if needs_people:
        await _tag(TAG)
    if late:
        return Failed(message=all_of(late, needs_people, waiting, done))
    if needs_people:
        return Completed(name=NEEDS_PEOPLE, message=all_of(needs_people, waiting, done))
    if waiting:
        return Completed(name=WAITING, message=f"{waiting}; {done}")
    return Completed(message=done)


def counted(count: int, one: str, more: str) -> str:
    """`1 waits for a person`, `3 wait for a person`; nothing when there is none."""
    return f"{count} {one if count == 1 else more}" if count else ""


def all_of(*words: str) -> str:
    """What is said of these, side by side; nothing when none says anything."""
    return "; ".join(filter(None, words))


async def _tag(tag: str) -> None:
    run = flow_run.get_id()
    if run is not None:
        async with get_client() as client:
            await client.update_flow_run(UUID(run), tags={*flow_run.get_tags(), tag})
