"""When a task is tried again, in one place: seconds belong to the integrations, minutes to the ledger, these to us.

What a vendor does never gets here: it is a row in the ledger with its next try. Left is our own database, busy or
being restarted. Every task may run twice: claims and states in the ledger make the second time harmless.
"""

from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task
from sqlalchemy.exc import InterfaceError, OperationalError

RETRIES = 2
DELAYS_SECONDS = [2.0, 8.0]
"""Together with the ledger's own waits still within the minute after which the next run begins."""

FLOW_SECONDS = 300
"""A run that takes longer hangs: it is ended, and what it held is taken over when its lease ends."""

DEAD_AFTER_SECONDS = 2 * FLOW_SECONDS
"""A run of ours that has said nothing for longer has no process any more."""

_OURS = (OperationalError, InterfaceError, ConnectionError, TimeoutError)


async def if_retryable(task: Task[..., object], run: TaskRun, state: State[object]) -> bool:
    """True when the database did not answer. Anything else fails again in the same way."""
    problem = await state.aresult(raise_on_failure=False)
    return isinstance(problem, _OURS)
