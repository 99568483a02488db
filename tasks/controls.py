"""The kill switch, as operators see it."""

import asyncio
from datetime import UTC, datetime

from prefect import task

from data_contracts.policy import load_policy
from domain.controls import Scope
from services.controls import named_part, start, stop
from services.settings import load_settings
from services.starting import WouldGo, what_would_go
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
async def flip_kill_switch(scope: Scope, name: str, stopped: bool, *, by: str, reason: str) -> str:
    """Stop or start it; how it stands now, in words. Needs the database alone, whatever else is broken.

    Raises ValueError for a name that nothing has.
    """

    def flip(database: Database) -> str:
        part = named_part(database, scope, name)
        return (stop if stopped else start)(database, part, by=by, reason=reason, now=datetime.now(UTC)).words

    database = Database(load_settings()[0].database)
    try:
        words = await asyncio.to_thread(flip, database)
    finally:
        database.close()
    say_how_it_went(words)
    return words


@task(
    name="show-what-would-go",
    task_run_name="what would go out",
    retries=RETRIES,
    retry_delay_seconds=DELAYS_SECONDS,
    retry_condition_fn=if_retryable,
)
async def show_what_would_go(scope: Scope, name: str) -> WouldGo:
    """What a start would let go now; nothing is changed. Raises ValueError for a name that nothing has."""
    settings = load_settings()[0]

    def look(database: Database) -> WouldGo:
        policy = load_policy(settings.policy.read_text(encoding="utf-8"), str(settings.policy))
        return what_would_go(database, policy, named_part(database, scope, name), now=datetime.now(UTC))

    database = Database(settings.database)
    try:
        found = await asyncio.to_thread(look, database)
    finally:
        database.close()
    say_how_it_went(f"{found.count} due")
    return found
