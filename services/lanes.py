"""Sends side by side: as many as there are connections, the others when it is their turn."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

Send = Callable[[], Awaitable[None]]


@dataclass(slots=True, eq=False)
class _Sends:
    """Those of one window."""

    left: int
    over: asyncio.Event = field(default_factory=asyncio.Event)
    trouble: BaseException | None = None


class Lanes:
    """Lanes of one dispatch. A send without a connection would only wait for one, as a task and with an alarm clock."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._waiting: deque[tuple[Send, _Sends]] = deque()
        self._lanes: set[asyncio.Task[None]] = set()

    async def through(self, sends: Sequence[Send]) -> None:
        """Make all of them, behind those that wait already; raises what one of them raised.

        Cancelled, it takes every lane of the dispatch with it: what is under way is left to recovery.
        """
        if not sends:
            return
        ours = _Sends(len(sends))
        self._waiting += [(send, ours) for send in sends]
        for _ in range(min(len(sends), self._count - len(self._lanes))):
            lane = asyncio.create_task(self._lane())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        try:
            await ours.over.wait()
        except asyncio.CancelledError:
            self._waiting.clear()
            for lane in self._lanes:
                lane.cancel()
            raise
        if ours.trouble is not None:
            raise ours.trouble

    async def _lane(self) -> None:
        while self._waiting:
            send, its = self._waiting.popleft()
            try:
                await send()
            except BaseException as trouble:
                its.trouble = trouble
                its.over.set()
                if not isinstance(trouble, Exception):
                    raise
            its.left -= 1
            if not its.left:
                its.over.set()
