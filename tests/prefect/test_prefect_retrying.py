"""Tasks are tried again for what gets better by waiting, and for nothing else."""

import pytest
from prefect import task
from prefect_stage import Server
from sqlalchemy.exc import IntegrityError, OperationalError

from integrations.errors import ConfigurationError
from tasks.retrying import RETRIES, if_retryable

pytestmark = pytest.mark.prefect

LOCKED = OperationalError("SELECT 1", {}, Exception("database is locked"))
BROKEN = IntegrityError("INSERT", {}, Exception("illegal move of an action"))


@pytest.mark.parametrize(
    ("problem", "times"),
    [
        (LOCKED, 1 + RETRIES),
        (ConnectionRefusedError(), 1 + RETRIES),
        (BROKEN, 1),
        (ConfigurationError(["integrations.yaml line 7: ticketing.url is missing"]), 1),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_only_a_database_that_does_not_answer(server: Server, problem: Exception, times: int) -> None:
    tried: list[int] = []

    @task(retries=RETRIES, retry_delay_seconds=0, retry_condition_fn=if_retryable)
    async def fails() -> None:
        tried.append(1)
        raise problem

    state = await fails(return_state=True)

    assert state.is_failed()
    assert len(tried) == times
