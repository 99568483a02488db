"""A lock that is handed on in the order it was asked for."""

from collections import deque
from threading import Lock, get_ident
from types import TracebackType


class Turns:
    """Like `threading.Lock` in a `with` statement, but first come, first served.

    With a plain lock the thread that lets go may take it again before any that waits has woken up: under load the one
    that takes answers in would never let the others send them.
    Raises RuntimeError for a thread that has its turn already: it would wait for itself for ever.
    """

    def __init__(self) -> None:
        self._gate = Lock()
        self._waiting: deque[Lock] = deque()
        self._is_taken = False
        self._whose: int | None = None  # the thread's id

    def __enter__(self) -> None:
        if self._whose == get_ident():  # only this thread itself could have written its own id there
            raise RuntimeError("a transaction was begun inside another of the same thread: end that one first")
        with self._gate:
            if not self._is_taken:
                self._is_taken = True
                self._whose = get_ident()
                return
            mine = Lock()
            mine.acquire()
            self._waiting.append(mine)
        mine.acquire()  # let go by whoever has the turn before us
        self._whose = get_ident()

    def __exit__(
        self, kind: type[BaseException] | None, problem: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._gate:
            self._whose = None
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False
