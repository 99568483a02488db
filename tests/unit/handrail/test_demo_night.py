"""Where the demo's first scene plays: at night, whatever time it is here."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest

from domain.hours import QuietHours
from handrail.demo_night import night_zone


@pytest.mark.parametrize("day", [datetime(2026, 1, 15, tzinfo=UTC), datetime(2026, 7, 15, tzinfo=UTC)])
def test_somewhere_it_is_about_22_40_and_stays_night_for_the_length_of_a_demo(day: datetime) -> None:
    quiet = QuietHours(time(20), time(8))
    for minutes in range(0, 24 * 60, 7):
        now = day + timedelta(minutes=minutes)
        place = ZoneInfo(night_zone(now))
        assert time(21, 30) < now.astimezone(place).time() < time(23, 50), f"{now:%H:%M} UTC in {place}"
        assert quiet.around(now, place)
        assert quiet.around(now + timedelta(minutes=30), place)
