"""Wall clocks and instants, where clocks leap and go back."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.hours import DailySpan, QuietHours, UnknownZone, instant_of, require_aware, zone

ODD_ZONES = [
    "Europe/Warsaw",
    "Australia/Lord_Howe",  # half an hour of summer time
    "Pacific/Apia",  # no 30 December 2011
    "Africa/Casablanca",  # winter time in Ramadan
    "America/Sao_Paulo",  # leapt at midnight
    "Asia/Kathmandu",
    "UTC",
]
zones = st.sampled_from(ODD_ZONES).map(ZoneInfo)
days = st.dates(date(2010, 1, 1), date(2030, 12, 31)) | st.sampled_from(
    [date(2011, 12, 29), date(2011, 12, 30), date(2011, 12, 31), date(2026, 3, 29), date(2026, 10, 25)]
)
minutes = st.times().map(lambda at: at.replace(second=0, microsecond=0))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("day", "wall", "place", "instant"),
    [
        ("2026-07-01", "08:00", "Europe/Warsaw", "2026-07-01T06:00+00:00"),
        ("2026-03-29", "02:00", "Europe/Warsaw", "2026-03-29T01:00+00:00"),  # leapt over: the instant after
        ("2026-03-29", "02:59", "Europe/Warsaw", "2026-03-29T01:00+00:00"),
        ("2026-03-29", "03:00", "Europe/Warsaw", "2026-03-29T01:00+00:00"),
        ("2026-10-25", "02:30", "Europe/Warsaw", "2026-10-25T00:30+00:00"),  # twice: the first
        ("2026-10-04", "02:10", "Australia/Lord_Howe", "2026-10-03T15:30+00:00"),  # clocks go from 2:00 to 2:30
        ("2011-12-30", "17:00", "Pacific/Apia", "2011-12-30T10:00+00:00"),  # the whole day is leapt over
        ("2011-12-31", "00:00", "Pacific/Apia", "2011-12-30T10:00+00:00"),
        ("2018-11-04", "00:30", "America/Sao_Paulo", "2018-11-04T03:00+00:00"),
    ],
)
def test_wall_time_is_this_instant(day: str, wall: str, place: str, instant: str) -> None:
    assert instant_of(date.fromisoformat(day), time.fromisoformat(wall), ZoneInfo(place)) == at(instant)


@given(days, minutes, days, minutes, zones)
@settings(max_examples=80, deadline=None)
def test_later_wall_time_is_never_an_earlier_instant(
    day: date, wall: time, other_day: date, other_wall: time, place: ZoneInfo
) -> None:
    first, second = sorted([(day, wall), (other_day, other_wall)])
    assert instant_of(*first, place) <= instant_of(*second, place)


@given(days, minutes, zones)
@settings(max_examples=80, deadline=None)
def test_clock_shows_the_wall_time_or_has_just_leapt(day: date, wall: time, place: ZoneInfo) -> None:
    instant = instant_of(day, wall, place)
    shown, asked = instant.astimezone(place).replace(tzinfo=None), datetime.combine(day, wall)
    if shown != asked:
        assert shown > asked
        just_before = (instant - timedelta(seconds=1)).astimezone(place).replace(tzinfo=None)
        assert just_before < asked


@given(minutes, minutes, days, minutes, zones)
@settings(max_examples=100, deadline=None)
def test_span_is_around_what_the_clock_says(starts: time, ends: time, day: date, wall: time, place: ZoneInfo) -> None:
    """On days when clocks neither leap nor go back, being inside is a matter of reading the clock."""
    if starts == ends:
        return
    span = DailySpan(starts, ends)
    now = instant_of(day, wall, place)
    offsets = {(now + timedelta(hours=hours)).astimezone(place).utcoffset() for hours in range(-50, 51)}
    if len(offsets) == 1:
        inside = starts <= wall < ends if starts < ends else wall >= starts or wall < ends
        assert (span.around(now, place) is not None) is inside
    found = span.around(now, place)
    if found:
        assert found[0] <= now < found[1]


@given(minutes, minutes, days, minutes, zones)
@settings(max_examples=80, deadline=None)
def test_next_start_begins_an_occurrence(starts: time, ends: time, day: date, wall: time, place: ZoneInfo) -> None:
    if starts == ends:
        return
    span = DailySpan(starts, ends)
    now = instant_of(day, wall, place)
    begins = span.next_start(now, place)
    assert now <= begins <= now + timedelta(days=3)
    found = span.around(begins, place)
    assert found is not None
    assert found[0] == begins


def test_occurrence_that_clocks_leap_over_is_left_out() -> None:
    before_dawn, place = DailySpan(time(2, 10), time(2, 40)), ZoneInfo("Europe/Warsaw")
    assert before_dawn.next_start(at("2026-03-28T12:00+01:00"), place) == at("2026-03-30T02:10+02:00")
    assert before_dawn.around(at("2026-03-29T01:00+00:00"), place) is None


def test_next_start_may_be_now() -> None:
    begins = at("2026-03-02T08:00+01:00")
    assert DailySpan(time(8), time(9)).next_start(begins, ZoneInfo("Europe/Warsaw")) == begins


def test_second_showing_of_a_wall_time_cannot_be_asked_for() -> None:
    twice = time(2, 30)
    day, place = date(2026, 10, 25), ZoneInfo("Europe/Warsaw")
    assert instant_of(day, twice.replace(fold=1), place) == instant_of(day, twice, place)


def test_hour_that_comes_twice_ends_the_night_once() -> None:
    night, place = QuietHours(time(22), time(2, 30)), ZoneInfo("Europe/Warsaw")
    assert night.around(at("2026-10-25T00:29+00:00"), place) is not None  # 2:29 the first time
    assert night.around(at("2026-10-25T00:30+00:00"), place) is None
    assert night.around(at("2026-10-25T01:29+00:00"), place) is None  # 2:29 the second time


@pytest.mark.parametrize(
    ("name", "meant"), [("Europe/Warsav", "Europe/Warsaw"), ("europe/warsaw", "Europe/Warsaw"), ("Utc", "UTC")]
)
def test_unknown_zone_names_the_nearest(name: str, meant: str) -> None:
    with pytest.raises(UnknownZone, match=f'did you mean "{meant}"'):
        zone(name)


@pytest.mark.parametrize("name", ["", "localtime", "Factory", "../../etc/passwd", "/etc/localtime", "\0", "x" * 10_000])
def test_name_that_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(UnknownZone, match="unknown time zone"):
        zone(name)


def test_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        require_aware(datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused
    assert require_aware(at("2026-01-01T01:00+01:00")).tzinfo is UTC


@pytest.mark.parametrize(
    ("starts", "ends", "reason"),
    [
        (time(8), time(8), "same time"),
        (time(8, tzinfo=UTC), time(9), "no zone"),
        (time(8), time(9, tzinfo=UTC), "no zone"),
    ],
)
def test_span_without_sense_is_refused(starts: time, ends: time, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        DailySpan(starts, ends)
