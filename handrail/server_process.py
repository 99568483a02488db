"""The process of Prefect's server, as `handrail up` starts it: Prefect's own application, three habits of it changed.

On SQLite most of its transactions read first and write later. Such a one fails at once, however patient, when another
commits in between: late runs are not marked as late, a worker's silence is not noticed, a worker is refused in the
middle of taking a run and waits up to a minute with the run's slot. Here each asks for the lock before it reads.

An event that names the one before it waits a quarter of an hour for that, if the triggers have not seen it. What they
had seen dies with the server: a worker lost within ten minutes of its coming would be told of that much later. Here it
waits some seconds, as one process gets its events in their order.

On SQLite the server hangs for up to a minute now and then: the garbage collector, in the thread of the event loop,
closes a cursor that a failed statement left behind, and waits for its connection, which waits for a lock, whose owner
waits for the event loop. A thread of its own may wait without harm: it lets go of the interpreter while it does.
"""

import argparse
import gc
import threading
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import uvicorn
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.events.ordering import memory
from sqlalchemy.ext.asyncio import AsyncSession, AsyncSessionTransaction

_SETTLED = 30.0
"""Seconds after which what there is belongs to the server for good, and is not looked at any more."""

_EVERY = 5.0
"""Seconds between two collections."""

_OUT_OF_ORDER = timedelta(seconds=15)
"""How much later than its follower an event may come."""


def main() -> None:
    """Serve until SIGTERM, at the address the command line gives; everything else is said by PREFECT_ variables."""
    options = _parser().parse_args()
    write_in_turn()
    wait_less_for_lost_events()
    gc.disable()
    threading.Thread(target=_collect, name="garbage", daemon=True).start()
    uvicorn.run(
        "prefect.server.api.server:create_app",
        factory=True,
        host=options.host,
        port=options.port,
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=3,
    )


def write_in_turn() -> None:
    """From here on Prefect's transactions on SQLite begin with the lock for writing, and wait for it up to a minute."""
    begin = AioSqliteConfiguration.begin_transaction

    @asynccontextmanager
    async def begin_to_write(
        self: AioSqliteConfiguration, session: AsyncSession, with_for_update: bool = False
    ) -> AsyncGenerator[AsyncSessionTransaction, None]:
        async with begin(self, session, with_for_update=True) as transaction:
            yield transaction

    AioSqliteConfiguration.begin_transaction = begin_to_write  # type: ignore[method-assign]


def wait_less_for_lost_events() -> None:
    """From here on triggers look at an event some seconds after it came, although the one it names never did."""
    memory.PRECEDING_EVENT_LOOKBACK = _OUT_OF_ORDER  # type: ignore[attr-defined]


def _collect() -> None:
    time.sleep(_SETTLED)
    gc.collect()
    gc.freeze()
    while True:
        time.sleep(_EVERY)
        gc.collect()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m handrail.server_process", description="Prefect's server.")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen")
    parser.add_argument("--port", type=int, required=True, help="where to listen")
    return parser


if __name__ == "__main__":
    main()
