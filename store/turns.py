"""A lock that is handed on in the order it was asked for."""

from collections import deque
from threading import Lock
from types import TracebackType


class Turns:
    """Like `threading.Lock` in a `with` statement, but first come, first served.

    With a plain lock the thread that lets go may take it again before any that waits has woken up: under load the one
    that takes answers in would never let the others send them.
    """

    def __init__(self) -> None:
        self._gate = Lock()
        self._waiting: deque[Lock] = deque()
        self._is_taken = False

    def __enter__(self) -> None:
        with self._gate:
            if not self._is_taken:
                self._is_taken = True
                return
            mine = Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()  # let go by whoever has the turn before us

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._gate:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False
