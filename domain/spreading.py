"""What was held together does not go out together: each has its own moment after the opening, the same one always."""

from datetime import datetime, timedelta
from hashlib import sha256

from domain.hours import ContactWindow, QuietHours, zone

_PARTS = 1 << 32


def fraction_of(key: str) -> float:
    """Where in a stretch of time an action has its moment: 0 or more, below 1, by its key alone."""
    return int.from_bytes(sha256(key.encode()).digest()[:4]) / _PARTS


def spread(
    key: str,
    opening: datetime,
    over: timedelta,
    *,
    window: ContactWindow | None,
    quiet: QuietHours | None,
    time_zone: str,
) -> datetime:
    """The moment of the action with this key, to the second, within `over` from the opening (UTC).

    At the opening the hour holds nothing back, nor does it at that moment: neither the window's end nor the next quiet
    hours are reached. A window that does not hold at the opening could not be kept, and does not count.
    """
    place = zone(time_zone)
    ends = opening + over
    if quiet is not None:
        ends = min(ends, quiet.next_start(opening, place))
    if window is not None and (occurrence := window.around(opening, place)):
        ends = min(ends, occurrence[1])
    return opening + timedelta(seconds=int((ends - opening).total_seconds() * fraction_of(key)))
