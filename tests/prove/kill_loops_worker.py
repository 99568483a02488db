"""A worker process: what `dispatch-actions` and `recovery-sweep` do, again and again, until it is killed.

`python tests/prove/kill_loops_worker.py NAME`. It goes on when the database is away; anything else ends it, in words.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from services.recovery import sweep
from services.wiring import Handrail
from store.database import in_short

PAUSE = 0.2
"""Seconds between two rounds."""

_log = logging.getLogger("worker")


async def work(name: str) -> None:
    """Both jobs side by side. `name` stands in the audit, so that it shows whose word moved a row."""
    while True:
        try:
            async with Handrail.from_environment() as handrail:
                await asyncio.gather(
                    _again(lambda: _dispatch(handrail, name)), _again(lambda: sweep(handrail, run=name))
                )
        except OperationalError as problem:  # it could not even begin
            _log.error("the database is away: %s", in_short(problem))
            await asyncio.sleep(PAUSE)


async def _dispatch(handrail: Handrail, name: str) -> None:
    for configured in handrail.roster:
        await handrail.dispatcher.run_once(capability=configured.capability, run=name)


async def _again(job: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await job()
        except SQLAlchemyError as problem:
            _log.error("a round failed, the next one tries again: %s", in_short(problem))
        await asyncio.sleep(PAUSE)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    asyncio.run(work(sys.argv[1]))
