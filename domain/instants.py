"""Instants and how long something took, as everybody is told of them."""

from datetime import datetime


def iso(at: datetime | None) -> str | None:
    """An instant for machines and people alike: UTC, milliseconds."""
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def lasted(seconds: float) -> str:
    """How long something has taken, as one says it: `40 s`, `12 min`, `3 h`, `5 days`."""
    for unit, size, most in (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48)):
        if seconds < size * most:
            return f"{int(seconds // size)} {unit}"
    return f"{int(seconds // 86_400)} days"
