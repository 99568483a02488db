"""Hours on a wall clock: which instant they are in a time zone, and spans of a day that come back every day."""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from zoneinfo import ZoneInfo, available_timezones

from domain.words import did_you_mean

_DAY = timedelta(days=1)
_LONGEST_SEARCH = 4
"""Days in which a daily span surely comes round again; a zone can lose one whole day (Apia, 30 December 2011)."""


class UnknownZone(ValueError):
    """The IANA database knows no such time zone. The message names the nearest one."""


@cache
def zone_names() -> frozenset[str]:
    """The time zones one may name: those of the IANA database that are the same on every machine."""
    return frozenset(available_timezones() - {"localtime", "Factory"})


def zone(name: str) -> ZoneInfo:
    """The time zone called `name` ("Europe/Warsaw"), or `UnknownZone`."""
    if name in zone_names():
        return ZoneInfo(name)
    raise UnknownZone(f'unknown time zone "{name[:60]}"{did_you_mean(name, zone_names())}')


def require_aware(instant: datetime) -> datetime:
    """`instant` in UTC; a naive one is refused, since it would be read in this machine's own zone."""
    if instant.tzinfo is None:
        raise ValueError("a time without a zone: pass an aware datetime")
    return instant.astimezone(UTC)


@lru_cache(maxsize=4096)  # a window's customers share a few zones, and all of them the same hours
def instant_of(day: date, wall: time, place: ZoneInfo) -> datetime:
    """The UTC instant when clocks at `place` show `wall` on `day`.

    A wall time that clocks leap over is the first instant after the leap; one they show twice is the first of the two.
    So a later wall time is never an earlier instant.
    """
    local = datetime.combine(day, wall.replace(fold=0), tzinfo=place)
    instant = local.astimezone(UTC)
    if instant.astimezone(place).replace(tzinfo=None) == local.replace(tzinfo=None):
        return instant
    return _end_of_leap(local.replace(fold=1).astimezone(UTC), instant, place)


def _end_of_leap(before: datetime, after: datetime, place: ZoneInfo) -> datetime:
    """The instant between two (in UTC) at which clocks at `place` leapt. Leaps happen on whole seconds."""
    leapt = after.astimezone(place).utcoffset()
    seconds = int((after - before).total_seconds())
    first = bisect_left(
        range(seconds),
        True,
        key=lambda second: (before + timedelta(seconds=second)).astimezone(place).utcoffset() == leapt,
    )
    return before + timedelta(seconds=first)


@dataclass(frozen=True, slots=True)
class DailySpan:
    """A part of every day, on the wall clock of whoever it concerns. The end is not part of it.

    `ends` before `starts` means on the day after. Raises ValueError for an empty or a zoned span.
    """

    starts: time
    ends: time

    def __post_init__(self) -> None:
        if self.starts == self.ends:
            raise ValueError("starts and ends at the same time; leave it out to have none")
        if self.starts.tzinfo is not None or self.ends.tzinfo is not None:
            raise ValueError("times of a day have no zone of their own; write 08:00")

    def around(self, instant: datetime, place: ZoneInfo) -> tuple[datetime, datetime] | None:
        """The occurrence (first instant, end; UTC) that `instant` lies in, or None."""
        today = instant.astimezone(place).date()
        for day in (today - _DAY, today):
            first, end = self._on(day, place)
            if first <= instant < end:
                return first, end
        return None

    def next_start(self, instant: datetime, place: ZoneInfo) -> datetime:
        """The first instant (UTC), not before `instant`, at which an occurrence begins."""
        today = instant.astimezone(place).date()
        for ahead in range(-1, _LONGEST_SEARCH):
            first, end = self._on(today + ahead * _DAY, place)
            if instant <= first < end:
                return first
        raise AssertionError(f"{self} does not come round in {place.key}")

    def _on(self, day: date, place: ZoneInfo) -> tuple[datetime, datetime]:
        last = day if self.starts < self.ends else day + _DAY
        return instant_of(day, self.starts, place), instant_of(last, self.ends, place)


@dataclass(frozen=True, slots=True)
class QuietHours(DailySpan):
    """When we do not disturb anybody: the night, on the customer's own clock."""


@dataclass(frozen=True, slots=True)
class ContactWindow(DailySpan):
    """When one customer prefers to be contacted, on their own clock."""
