"""Who lives where it is noon in the demo stays there, also when it plays across a full hour."""

import csv
from collections.abc import Iterator
from datetime import UTC, datetime, time, tzinfo
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from handrail import demo_night
from handrail.demo_night import noon_zone
from handrail.demo_onboarding_data import WRITES, tomorrow_morning
from handrail.demo_reviews_data import MOVED, write_valued

BEFORE, AFTER = datetime(2026, 12, 1, 2, 58, tzinfo=UTC), datetime(2026, 12, 1, 3, 2, tzinfo=UTC)


@pytest.fixture
def wall(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[datetime]]:
    """What the clock says: its last."""
    said = [BEFORE]

    class Clock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return said[-1].astimezone(tz)

    monkeypatch.setattr(demo_night, "datetime", Clock)
    noon_zone.cache_clear()
    yield said
    noon_zone.cache_clear()


def rows(file: Path) -> dict[str, dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as read:
        return {row["ref"]: row for row in csv.DictReader(read)}


def test_a_file_written_again_after_a_full_hour_moves_nobody_else(wall: list[datetime], tmp_path: Path) -> None:
    first = rows(write_valued(tmp_path))
    wall.append(AFTER)
    second = rows(write_valued(tmp_path, moved_to="elsewhere@example.com"))
    assert second.pop(MOVED.ref) == first.pop(MOVED.ref) | {"email": "elsewhere@example.com"}
    assert second == first


def test_it_is_about_noon_where_they_live_and_tomorrow_there_is_theirs(wall: list[datetime]) -> None:
    place = ZoneInfo(WRITES.as_told()["time_zone"])
    assert time(11, 55) < BEFORE.astimezone(place).time() < time(13, 5)
    wall.append(AFTER)
    assert tomorrow_morning(AFTER).astimezone(place).time() == time(10, 5)
