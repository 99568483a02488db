"""What was held together goes out over a while, never outside the hours it was held for."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.actions import Basis, Capability
from domain.contact import hours_hold
from domain.hours import ContactWindow, QuietHours, instant_of
from domain.spreading import fraction_of, spread

QUIET = QuietHours(time(20), time(8))
HOUR = timedelta(hours=1)
ODD_ZONES = ["Europe/Warsaw", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "America/Sao_Paulo"]
days = st.dates(date(2010, 1, 1), date(2030, 12, 31)) | st.sampled_from([date(2011, 12, 30), date(2026, 3, 29)])
walls = st.times().map(lambda at: at.replace(second=0, microsecond=0))
windows = st.none() | st.tuples(walls, walls).filter(lambda it: it[0] != it[1]).map(lambda it: ContactWindow(*it))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def test_a_key_has_one_place_and_many_keys_are_even() -> None:
    places = [fraction_of(f"journey/onboarding/C-{number}/1/guide") for number in range(10_000)]
    assert places == [fraction_of(f"journey/onboarding/C-{number}/1/guide") for number in range(10_000)]
    assert all(0 <= place < 1 for place in places)
    tenths = [sum(int(place * 10) == tenth for place in places) for tenth in range(10)]
    assert min(tenths) > 850
    assert max(tenths) < 1150


@pytest.mark.parametrize(
    ("opening", "over", "window", "ends"),
    [
        ("2026-03-02T08:00+01:00", HOUR, None, "2026-03-02T09:00+01:00"),
        ("2026-03-02T17:00+01:00", 3 * HOUR, ContactWindow(time(17), time(19)), "2026-03-02T19:00+01:00"),
        ("2026-03-02T19:30+01:00", HOUR, None, "2026-03-02T20:00+01:00"),  # the next night
        ("2026-03-02T08:00+01:00", HOUR, ContactWindow(time(22), time(23)), "2026-03-02T09:00+01:00"),  # cannot be kept
    ],
)
def test_the_spread_ends_where_the_hours_do(
    opening: str, over: timedelta, window: ContactWindow | None, ends: str
) -> None:
    moments = [
        spread(f"k{number}", at(opening), over, window=window, quiet=QUIET, time_zone="Europe/Warsaw")
        for number in range(500)
    ]
    assert at(opening) <= min(moments) < at(opening) + (at(ends) - at(opening)) / 20
    assert at(ends) - (at(ends) - at(opening)) / 20 < max(moments) < at(ends)


@given(st.text(max_size=20), days, walls, windows, st.none() | st.just(QUIET), st.sampled_from(ODD_ZONES))
@settings(max_examples=150, deadline=None)
def test_nothing_is_spread_into_hours_that_hold_it(
    key: str, day: date, wall: time, window: ContactWindow | None, quiet: QuietHours | None, place: str
) -> None:
    opening = instant_of(day, wall, ZoneInfo(place))
    hours = (window, quiet, place)
    hold = hours_hold(Basis.PROACTIVE, Capability.MAIL, *hours, opening)
    opening = opening if hold is None else hold.until
    moment = spread(key, opening, 5 * HOUR, window=window, quiet=quiet, time_zone=place)
    assert opening <= moment < opening + 5 * HOUR
    assert hours_hold(Basis.PROACTIVE, Capability.MAIL, *hours, moment) is None
