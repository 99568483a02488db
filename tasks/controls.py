"""The kill switch, as operators see it."""

import asyncio
from datetime import UTC, datetime

from prefect import task

from services.controls import set_stopped
from services.settings import load_settings
from store.database import Database
from tasks.retrying import DELAYS_SECONDS, RETRIES, if_retryable
from tasks.run_names import say_how_it_went


@task(
    name="flip-kill-switch",
    task_run_name="the kill switch",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def flip_kill_switch(stopped: bool, *, by: str, reason: str) -> str:
    """Flip it; how it stands now, in words. Needs the database alone, whatever else of the installation is broken."""
    database = Database(load_settings()[0].database)
    try:
        changed = await asyncio.to_thread(set_stopped, database, stopped, by=by, reason=reason, now=datetime.now(UTC))
    finally:
        database.close()
    words = _WORDS[stopped, changed]
    say_how_it_went(words)
    return words


_WORDS = {
    (True, True): "stopped: nothing more is sent until it is started again",
    (True, False): "it was stopped already",
    (False, True): "started: what is due goes out",
    (False, False): "it was not stopped",
}
"""(stopped, changed) → what is said."""
