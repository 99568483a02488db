"""Named places where a process may die. In a process that ships nothing happens there; a test may watch them."""

from collections.abc import Callable

_watcher: Callable[[str], None] | None = None


def reached(name: str) -> None:
    """The process is at the place `name` ("arm.committed")."""
    if _watcher is not None:
        _watcher(name)


def watch(watcher: Callable[[str], None] | None) -> None:
    """Call `watcher` with the name of each place from now on; None: nobody watches."""
    global _watcher
    _watcher = watcher
