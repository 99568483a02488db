"""The health of the outside systems, as operators see it."""

from prefect import task

from services.health import HealthRow, check_integrations
from services.wiring import Handrail
from tasks.retrying import DELAYS_SECONDS, RETRIES, if_retryable
from tasks.run_names import run_id, say_how_it_went


@task(
    name="check-integrations",
    task_run_name="ask each integration",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def ask_each_integration() -> list[HealthRow]:
    """Reachable, credentials accepted, how fast. Opens and closes the breakers that sending obeys."""
    async with Handrail.from_environment() as handrail:
        rows = await check_integrations(handrail, run=run_id())
    ill = [f"{row.name}: {row.problem or row.breaker}" for row in rows if not is_well(row)]
    say_how_it_went(f"{len(rows) - len(ill)} of {len(rows)} answer{''.join(f'; {words}' for words in ill)}")
    return rows


def is_well(row: HealthRow) -> bool:
    """True when it answers and we send to it."""
    return row.ok and row.breaker == "closed"
