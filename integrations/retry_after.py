"""The Retry-After header (RFC 9110 §10.2.3): seconds or an HTTP date, kept within reason."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 3600.0
"""Seconds. A vendor that asks for more is asked again after this long."""

_SECONDS = re.compile(r"-?[0-9]{1,64}(\.[0-9]{1,64})?")
_LONGEST_TEXT = 64


def retry_after(value: str | None, now: datetime) -> float | None:
    """Seconds to wait from `now` (aware), 0 to `LONGEST`; None when there is nothing one can use.

    >>> retry_after("120", datetime(2026, 1, 1, tzinfo=UTC))
    120.0
    >>> retry_after("soon", datetime(2026, 1, 1, tzinfo=UTC)) is None
    True
    """
    if value is None or len(value) > _LONGEST_TEXT:
        return None
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return _bounded(float(text))
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if at.tzinfo is None:  # "-0000": in UTC, but says nothing about where it was made
        at = at.replace(tzinfo=UTC)
    return _bounded((at - now).total_seconds())


def _bounded(seconds: float) -> float:
    return min(max(seconds, 0.0), LONGEST)
