"""Answer times count staffed minutes only, whatever clocks and calendars do."""

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from domain.hours import UnknownZone
from domain.staffing import (
    OpenHours,
    Staffing,
    Weekday,
    answer_by,
    closes_at,
    is_open,
    minutes_before,
    next_open,
    unstaffed_by,
)

OFFICE = OpenHours(time(8), time(18))
WEEK = dict.fromkeys(list(Weekday)[:5], (OFFICE,))
WARSAW = Staffing("Europe/Warsaw", WEEK, frozenset({date(2026, 4, 6)}), frozenset({"12-24", "12-25", "12-26"}))
ALWAYS = Staffing("Europe/Warsaw", dict.fromkeys(Weekday, (OpenHours(time(0), time(0)),)))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize(
    ("start", "minutes", "by"),
    [
        ("2026-03-02T09:00+01:00", 60, "2026-03-02T10:00+01:00"),  # a Monday
        ("2026-03-02T17:30+01:00", 60, "2026-03-03T08:30+01:00"),  # over the night
        ("2026-03-02T17:00+01:00", 60, "2026-03-02T18:00+01:00"),  # exactly until closing
        ("2026-03-06T17:59+01:00", 2, "2026-03-09T08:01+01:00"),  # over the weekend
        ("2026-03-07T12:00+01:00", 60, "2026-03-09T09:00+01:00"),  # a Saturday
        ("2026-04-03T17:30+02:00", 60, "2026-04-07T08:30+02:00"),  # over Easter Monday
        ("2026-12-23T17:30+01:00", 60, "2026-12-28T08:30+01:00"),  # over Christmas and a weekend
        ("2026-03-27T17:30+01:00", 60, "2026-03-30T08:30+02:00"),  # over the change to summer time
        ("2026-03-02T09:00+01:00", 1200, "2026-03-04T09:00+01:00"),  # two whole days
        ("2026-03-02T03:00+01:00", 0, "2026-03-02T08:00+01:00"),
        ("2026-03-02T09:00+01:00", 0, "2026-03-02T09:00+01:00"),
    ],
)
def test_answer_is_due(start: str, minutes: int, by: str) -> None:
    due = answer_by(WARSAW, at(start), minutes)
    assert due == at(by)
    assert due.tzinfo is UTC


def test_round_the_clock_hours_have_as_many_minutes_as_the_day() -> None:
    assert answer_by(ALWAYS, at("2026-03-29T00:00+01:00"), 23 * 60) == at("2026-03-30T00:00+02:00")
    assert answer_by(ALWAYS, at("2026-10-25T00:00+02:00"), 25 * 60) == at("2026-10-26T00:00+01:00")


def test_several_stretches_a_day() -> None:
    lunch = Staffing("UTC", {Weekday.MONDAY: (OpenHours(time(8), time(12)), OpenHours(time(13), time(17)))})
    assert answer_by(lunch, at("2026-03-02T11:30+00:00"), 60) == at("2026-03-02T13:30+00:00")
    assert not is_open(lunch, at("2026-03-02T12:00+00:00"))


@pytest.mark.parametrize(
    ("now", "open_now", "opens"),
    [
        ("2026-03-02T08:00+01:00", True, "2026-03-02T08:00+01:00"),
        ("2026-03-02T17:59+01:00", True, "2026-03-02T17:59+01:00"),
        ("2026-03-02T18:00+01:00", False, "2026-03-03T08:00+01:00"),
        ("2026-12-24T10:00+01:00", False, "2026-12-28T08:00+01:00"),
    ],
)
def test_open_and_next_open(now: str, open_now: bool, opens: str) -> None:
    assert is_open(WARSAW, at(now)) is open_now
    assert next_open(WARSAW, at(now)) == at(opens)


def test_day_that_a_zone_skips_has_no_hours() -> None:
    apia = Staffing("Pacific/Apia", {Weekday.FRIDAY: (OFFICE,), Weekday.MONDAY: (OFFICE,)})
    thursday_night = at("2011-12-29T23:00-10:00")  # Friday the 30th never came
    assert next_open(apia, thursday_night) == at("2012-01-02T08:00+14:00")


times = st.times().map(lambda wall: wall.replace(second=0, microsecond=0, fold=0))


ODD_ZONES = ("Europe/Warsaw", "Australia/Lord_Howe", "Africa/Casablanca", "America/Sao_Paulo", "Pacific/Apia")


@st.composite
def calendars(draw: st.DrawFn, *places: str) -> Staffing:
    """Any calendar with hours on at least one weekday."""
    hours: dict[Weekday, tuple[OpenHours, ...]] = {}
    for weekday in draw(st.sets(st.sampled_from(list(Weekday)), min_size=1)):
        edges = sorted(draw(st.sets(times, min_size=2, max_size=4)))
        pairs = zip(edges[::2], edges[1::2], strict=False)
        hours[weekday] = tuple(OpenHours(opens, closes) for opens, closes in pairs)
    holidays = draw(st.frozensets(st.dates(date(2017, 1, 1), date(2018, 12, 31)), max_size=5))
    return Staffing(
        draw(st.sampled_from(places)), hours, holidays, draw(st.frozensets(st.sampled_from(["02-29", "10-25"])))
    )


starts = st.datetimes(datetime(2017, 1, 1), datetime(2018, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
amounts = st.integers(0, 3000)


@given(calendars("Asia/Kathmandu"), starts, st.integers(1, 600))
@settings(max_examples=30, deadline=None)
def test_exactly_the_staffed_minutes_lie_between(staffing: Staffing, start: datetime, minutes: int) -> None:
    """Judged by reading a clock that never leaps, minute by minute."""
    start = start.replace(second=0, microsecond=0)
    due = answer_by(staffing, start, minutes)
    assume(due - start < timedelta(days=4))
    local = (start + timedelta(hours=5, minutes=45)).replace(tzinfo=None)
    until = (due + timedelta(hours=5, minutes=45)).replace(tzinfo=None)
    minute, counted = timedelta(minutes=1), 0
    while local < until:
        counted += _is_staffed(staffing, local)
        local += minute
    assert counted == minutes
    assert _is_staffed(staffing, until - minute)  # in staffed hours, or at their end


def _is_staffed(staffing: Staffing, local: datetime) -> bool:
    if local.date() in staffing.holidays or local.strftime("%m-%d") in staffing.yearly_holidays:
        return False
    today = staffing.hours.get(Weekday(local.strftime("%A").lower()), ())
    return any(stretch.opens <= local.time() < stretch.closes for stretch in today)


@given(calendars(*ODD_ZONES), starts, amounts)
@settings(max_examples=50, deadline=None)
def test_answer_is_due_in_staffed_hours_or_at_their_end(staffing: Staffing, start: datetime, minutes: int) -> None:
    due = answer_by(staffing, start, minutes)
    assert due >= start
    assert is_open(staffing, due) or is_open(staffing, due - timedelta(microseconds=1))
    if minutes == 0:
        assert due == next_open(staffing, start)


@given(calendars(*ODD_ZONES), starts, starts, amounts, amounts)
@settings(max_examples=50, deadline=None)
def test_later_starts_and_more_minutes_are_never_due_earlier(
    staffing: Staffing, one: datetime, other: datetime, few: int, many: int
) -> None:
    (early, late), (less, more) = sorted([one, other]), sorted([few, many])
    assert answer_by(staffing, early, less) <= answer_by(staffing, late, less)
    assert answer_by(staffing, early, less) <= answer_by(staffing, early, more)


def test_naive_start_and_negative_minutes_are_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        answer_by(WARSAW, datetime(2026, 1, 1), 1)  # noqa: DTZ001 - what is refused
    with pytest.raises(ValueError, match="minutes ago"):
        answer_by(WARSAW, at("2026-01-01T00:00+00:00"), -1)


@pytest.mark.parametrize("hours", [{}, {Weekday.MONDAY: ()}])
def test_calendar_without_hours_is_refused(hours: dict[Weekday, tuple[OpenHours, ...]]) -> None:
    with pytest.raises(ValueError, match="nobody is ever at work"):
        Staffing("Europe/Warsaw", hours)


def test_calendar_that_runs_out_of_days_says_so() -> None:
    every_day = frozenset(f"{date(2000, 1, 1) + timedelta(days=day):%m-%d}" for day in range(366))
    closed = Staffing("Europe/Warsaw", WEEK, yearly_holidays=every_day)
    with pytest.raises(ValueError, match="look at the holidays"):
        next_open(closed, at("2026-01-01T00:00+00:00"))


@pytest.mark.parametrize("day", ["12-32", "2-9", "25.12.", "1225", "", "12-25-"])
def test_yearly_holiday_must_be_a_day(day: str) -> None:
    with pytest.raises(ValueError, match="write MM-DD"):
        Staffing("Europe/Warsaw", WEEK, yearly_holidays=frozenset({day}))


def test_unknown_zone_is_refused() -> None:
    with pytest.raises(UnknownZone):
        Staffing("Europe/Warsav", WEEK)


@pytest.mark.parametrize(("opens", "closes"), [(time(18), time(8)), (time(8), time(8)), (time(8, tzinfo=UTC), time(9))])
def test_hours_that_make_no_sense_are_refused(opens: time, closes: time) -> None:
    with pytest.raises(ValueError, match=r"closes at|no zone"):
        OpenHours(opens, closes)


@pytest.mark.parametrize("later", [OpenHours(time(17), time(19)), OpenHours(time(6), time(7))])
def test_hours_that_overlap_or_go_back_are_refused(later: OpenHours) -> None:
    with pytest.raises(ValueError, match="monday: hours must follow"):
        Staffing("Europe/Warsaw", {Weekday.MONDAY: (OFFICE, later)})


def test_nothing_follows_midnight() -> None:
    with pytest.raises(ValueError, match="must follow"):
        Staffing("Europe/Warsaw", {Weekday.MONDAY: (OpenHours(time(8), time(0)), OpenHours(time(9), time(10)))})


@pytest.mark.parametrize("minutes", [0, 1, 599, 600, 601, 3000, 12345])
def test_minutes_before_is_answer_by_backwards(minutes: int) -> None:
    end = datetime(2026, 3, 31, 10, 30, tzinfo=UTC)  # two days after the clocks went forward
    start = minutes_before(WARSAW, end, minutes)
    assert answer_by(WARSAW, start, minutes) == end
    if minutes:
        assert answer_by(WARSAW, start - timedelta(seconds=1), minutes) < end


def test_night_minutes_are_those_nobody_works() -> None:
    evening = datetime(2026, 3, 6, 16, 50, tzinfo=UTC)  # Friday, ten minutes before closing
    assert unstaffed_by(WARSAW, evening, 30) == datetime(2026, 3, 6, 17, 30, tzinfo=UTC)
    whole_weekend = 62 * 60
    assert unstaffed_by(WARSAW, evening, whole_weekend) == datetime(2026, 3, 9, 7, tzinfo=UTC)
    assert unstaffed_by(WARSAW, evening, whole_weekend + 1) == datetime(2026, 3, 9, 17, 1, tzinfo=UTC)


def test_closing_time_is_told_while_somebody_is_there() -> None:
    assert closes_at(WARSAW, datetime(2026, 3, 6, 16, 50, tzinfo=UTC)) == datetime(2026, 3, 6, 17, tzinfo=UTC)
    assert closes_at(WARSAW, datetime(2026, 3, 6, 17, tzinfo=UTC)) is None


@pytest.mark.parametrize("count", [minutes_before, unstaffed_by])
def test_negative_minutes_are_refused(count: Callable[..., datetime]) -> None:
    with pytest.raises(ValueError, match=r"\d+ minutes"):
        count(WARSAW, datetime(2026, 3, 6, tzinfo=UTC), -3)
