"""When colleagues are at work: the answer times we may promise."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import pairwise

from domain.hours import instant_of, require_aware, zone

_DAY = timedelta(days=1)
_MIDNIGHT = time(0)
_LONGEST_CLOSURE = 1000
"""Days without a staffed minute after which the calendar is taken to be wrong."""


class Weekday(StrEnum):
    """The days as policy names them, in the order of `date.weekday()`."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


_WEEK = tuple(Weekday)


@dataclass(frozen=True, slots=True)
class OpenHours:
    """One stretch of a day, on the staff's wall clock. `closes` at 00:00 is midnight at the day's end."""

    opens: time
    closes: time

    def __post_init__(self) -> None:
        if self.opens.tzinfo is not None or self.closes.tzinfo is not None:
            raise ValueError("times of a day have no zone of their own; write 08:00")
        if self.closes != _MIDNIGHT and self.opens >= self.closes:
            raise ValueError(
                f"opens at {self.opens:%H:%M} and closes at {self.closes:%H:%M}: a night shift is two stretches, "
                "one until 00:00 and one of the next day"
            )


@dataclass(frozen=True, slots=True)
class Staffing:
    """The calendar of the people who answer. Raises ValueError when they are never there."""

    time_zone: str
    hours: Mapping[Weekday, tuple[OpenHours, ...]]
    holidays: frozenset[date] = frozenset()
    yearly_holidays: frozenset[str] = frozenset()
    """Closed every year: "MM-DD"."""

    def __post_init__(self) -> None:
        zone(self.time_zone)
        if not any(self.hours.values()):
            raise ValueError("nobody is ever at work: give at least one weekday its hours")
        for day in self.yearly_holidays:
            _check_yearly(day)
        for weekday, stretches in self.hours.items():
            _check_order(weekday, stretches)

    def is_closed_on(self, day: date) -> bool:
        """True on holidays, whatever the weekday."""
        return day in self.holidays or f"{day:%m-%d}" in self.yearly_holidays


def _check_yearly(day: str) -> None:
    try:
        if len(day) == len("MM-DD"):
            date.fromisoformat(f"2000-{day}")
            return
    except ValueError:
        pass
    raise ValueError(f'"{day}" is no day of the year: write MM-DD, as in "12-25"')


def _check_order(weekday: Weekday, stretches: tuple[OpenHours, ...]) -> None:
    for earlier, later in pairwise(stretches):
        if earlier.closes == _MIDNIGHT or later.opens < earlier.closes:
            raise ValueError(f"{weekday}: hours must follow one another without overlap")


def is_open(staffing: Staffing, at: datetime) -> bool:
    """True while somebody is at work. The instant of closing is not."""
    at = require_aware(at)
    opens, _ = next(_stretches(staffing, at))
    return opens <= at


def next_open(staffing: Staffing, at: datetime) -> datetime:
    """The first instant (UTC) from `at` on when somebody is at work: `at` itself while they are."""
    at = require_aware(at)
    opens, _ = next(_stretches(staffing, at))
    return max(opens, at)


def answer_by(staffing: Staffing, start: datetime, minutes: int) -> datetime:
    """The instant (UTC) by which `minutes` staffed minutes have passed since `start`.

    Only time when somebody is at work counts, so the result lies in staffed hours or at their end.
    Raises ValueError for negative minutes, and for a calendar that has no more hours (all days are holidays).
    """
    if minutes < 0:
        raise ValueError(f"an answer cannot be due {-minutes} minutes ago")
    start = require_aware(start)
    left = timedelta(minutes=minutes)
    for opens, closes in _stretches(staffing, start):
        begins = max(opens, start)
        if begins + left <= closes:
            return begins + left
        left -= closes - begins
    raise AssertionError("stretches never end")  # pragma: no cover


def closes_at(staffing: Staffing, at: datetime) -> datetime | None:
    """The end (UTC) of the staffed stretch that `at` lies in; None while nobody is at work."""
    at = require_aware(at)
    opens, closes = next(_stretches(staffing, at))
    return closes if opens <= at else None


def minutes_before(staffing: Staffing, end: datetime, minutes: int) -> datetime:
    """The instant (UTC) from which `minutes` staffed minutes are left until `end`: the evening before, if need be.

    Raises ValueError as `answer_by` does.
    """
    if minutes < 0:
        raise ValueError(f"{-minutes} minutes after the end is not before it")
    end = require_aware(end)
    left = timedelta(minutes=minutes)
    for opens, closes in _stretches_back(staffing, end):
        ends = min(closes, end)
        if ends - left >= opens:
            return ends - left
        left -= ends - opens
    raise AssertionError("stretches never end")  # pragma: no cover


def part_way(staffing: Staffing, start: datetime, end: datetime, percent: int) -> datetime:
    """The instant (UTC) by which so many per cent of the staffed time between two instants have passed.

    0: the first of it. Where nobody is at work between them, all of the time counts.
    """
    start, end = require_aware(start), require_aware(end)
    spans = staffed_between(staffing, start, end) or [(start, end)]
    left = sum((ends - begins for begins, ends in spans), timedelta()) * percent / 100
    for begins, ends in spans:
        if begins + left <= ends:
            return begins + left
        left -= ends - begins
    return end


def staffed_between(staffing: Staffing, start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """When (UTC) somebody is at work between two instants, in order; the end of each is not of it."""
    spans = []
    for opens, closes in _stretches(staffing, require_aware(start)):
        if opens >= end:
            break
        spans.append((max(opens, start), min(closes, end)))
    return spans


def unstaffed_by(staffing: Staffing, start: datetime, minutes: int) -> datetime:
    """The instant (UTC) by which `minutes` minutes of night, weekend and holidays have passed since `start`.

    Raises ValueError for negative minutes.
    """
    if minutes < 0:
        raise ValueError(f"{-minutes} minutes ago nobody was waiting")
    reached = require_aware(start)
    left = timedelta(minutes=minutes)
    for opens, closes in _stretches(staffing, reached):
        gap = max(opens - reached, timedelta())
        if gap and left <= gap:
            return reached + left
        left -= gap
        reached = closes
    raise AssertionError("stretches never end")  # pragma: no cover


def _stretches(staffing: Staffing, start: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The staffed stretches (UTC) that end after `start`, in order, without overlap."""
    place = zone(staffing.time_zone)
    day = last = start.astimezone(place).date()
    while (day - last).days <= _LONGEST_CLOSURE:
        for opens, closes in _stretches_of(staffing, day):
            first = instant_of(day, opens, place)
            end = instant_of(day + _DAY if closes == _MIDNIGHT else day, closes, place)
            if end > max(start, first):
                yield first, end
                last = day
        day += _DAY
    raise ValueError(f"nobody is at work for {_LONGEST_CLOSURE} days: look at the holidays")


def _stretches_back(staffing: Staffing, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The staffed stretches (UTC) that begin before `end`, the last one first."""
    place = zone(staffing.time_zone)
    day = last = end.astimezone(place).date()
    while (last - day).days <= _LONGEST_CLOSURE:
        for opens, closes in reversed(list(_stretches_of(staffing, day))):
            first = instant_of(day, opens, place)
            if first < end:
                yield first, instant_of(day + _DAY if closes == _MIDNIGHT else day, closes, place)
                last = day
        day -= _DAY
    raise ValueError(f"nobody was at work for {_LONGEST_CLOSURE} days: look at the holidays")


def _stretches_of(staffing: Staffing, day: date) -> Iterator[tuple[time, time]]:
    if staffing.is_closed_on(day):
        return
    for stretch in staffing.hours.get(_WEEK[day.weekday()], ()):
        yield stretch.opens, stretch.closes
