"""Processes below this one, orphans included. Linux only; elsewhere none is found."""

import ctypes
import os
import sys
from contextlib import suppress
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """From now on a process whose parent died becomes our child, not that of process 1."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants() -> set[int]:
    """The process ids of our children, their children, and so on."""
    children: dict[int, list[int]] = {}
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError, ValueError, IndexError):
            after_name = (process / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            children.setdefault(int(after_name[1]), []).append(int(process.name))
    found: set[int] = set()
    look_at = [os.getpid()]
    while look_at:
        below = children.get(look_at.pop(), [])
        found.update(below)
        look_at.extend(below)
    return found
