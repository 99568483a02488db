"""A worker process: expiry detection, sending and recovery, again and again. Until all is calm it may die at any point.

`python tests/prove/ending_kills_worker.py NAME CHANCE CALM`: it kills itself at a named crash point with this chance,
until the file CALM is there.
"""

import asyncio
import logging
import os
import random
import signal
import sys
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from services.ending_report import run_detection
from services.recovery import sweep
from services.wiring import Handrail
from store import crash_points
from store.database import in_short

PAUSE = 0.2
"""Seconds between two rounds."""

_log = logging.getLogger("worker")


async def work(name: str) -> None:
    """What the flow does, and what recovery does beside it."""
    async with Handrail.from_environment() as handrail:
        while True:
            try:
                await asyncio.to_thread(run_detection, handrail, at=None, run=name, dry_run=False)
                for configured in handrail.roster:
                    await handrail.dispatcher.run_once(capability=configured.capability, run=name)
                await sweep(handrail, run=name)
            except SQLAlchemyError as problem:
                _log.error("a round failed, the next one tries again: %s", in_short(problem))
            await asyncio.sleep(PAUSE)


def dying(chance: float, calm: Path) -> None:
    """Die at crash points from now on."""

    def reached(point: str) -> None:
        if random.random() < chance and not calm.exists():
            sys.stderr.write(f"died at {point}\n")
            sys.stderr.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    crash_points.watch(reached)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    dying(float(sys.argv[2]), Path(sys.argv[3]))
    asyncio.run(work(sys.argv[1]))
