"""The gateway fetches answers that a survey tool only tells of: right after the commit, and again when due."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from domain.actions import Capability
from services.asking import fetch_announced
from services.wiring import Handrail
from store.database import in_short

_log = logging.getLogger("services.fetching")


class Fetching:
    """Runs inside the gateway. `nudge()` after each commit; retries that are due it finds by itself."""

    def __init__(self, handrail: Handrail, *, tell: Callable[[Iterable[Capability]], None]) -> None:
        self._handrail = handrail
        self._tell = tell
        self._bell = asyncio.Event()
        self._is_stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, if any source has something to fetch; call it inside the event loop."""
        if self._handrail.roster.archives():
            self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End, when what is under way has been written down."""
        self._is_stopping = True
        self._bell.set()
        if self._task is not None:
            await self._task

    def nudge(self) -> None:
        """There is an answer to fetch."""
        self._bell.set()

    async def _run(self) -> None:
        while not self._is_stopping:
            self._bell.clear()
            try:
                came, urgent = await fetch_announced(self._handrail, run="gateway")
            except Exception as problem:
                if isinstance(problem, SQLAlchemyError):
                    _log.error("answers could not be fetched; it is tried again: %s", in_short(problem))
                else:
                    _log.error("answers could not be fetched; it is tried again", exc_info=problem)
            else:
                self._tell(urgent)
                if urgent:
                    await self._handrail.announce_critical_answer(f"{came} fetched")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._bell.wait(), self._handrail.settings.sweep_seconds)
