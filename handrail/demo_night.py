"""Where it is which hour now: scenes of the demo play at 22:40 or at noon, whenever somebody starts it."""

from datetime import UTC, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

WANTED, _NOON = time(22, 40), time(12, 30)

_PLACES = (
    *("Pacific/Honolulu", "America/Anchorage", "America/Los_Angeles", "America/Denver", "America/Chicago"),
    *("America/New_York", "America/Halifax", "America/Sao_Paulo", "America/Noronha", "Atlantic/Azores"),
    *("Europe/London", "Europe/Warsaw", "Europe/Athens", "Europe/Istanbul", "Asia/Dubai", "Asia/Tashkent"),
    *("Asia/Dhaka", "Asia/Bangkok", "Asia/Singapore", "Asia/Tokyo", "Australia/Brisbane", "Pacific/Noumea"),
    *("Pacific/Auckland", "Pacific/Tongatapu"),
)
"""One for every hour of the day, so that somewhere among them it is the wanted one, give or take an hour."""

_DAY = timedelta(days=1)


def night_zone(now: datetime) -> str:
    """The time zone of a place where it is about 22:40 now."""
    return _place_where(WANTED, now)


@cache
def noon_zone() -> str:
    """The time zone of a place where it was about half past twelve when the demo first asked.

    One answer for as long as it plays: who moves at every full hour is planned, and asked about, anew.
    """
    return _place_where(_NOON, datetime.now(UTC))


def _place_where(wanted: time, now: datetime) -> str:
    """The time zone of a place where it is about `wanted` now, give or take an hour."""
    return min(_PLACES, key=lambda name: _away(now.astimezone(ZoneInfo(name)), wanted))


def _away(local: datetime, wanted: time) -> timedelta:
    """How far the wall clock is from the wanted hour, either way round."""
    clock = timedelta(hours=local.hour, minutes=local.minute)
    between = abs(clock - timedelta(hours=wanted.hour, minutes=wanted.minute))
    return min(between, _DAY - between)
