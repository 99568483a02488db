"""Retry-After: seconds and dates, and the absurd values that vendors and proxies send."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.retry_after import LONGEST, retry_after

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("0", 0),
        ("17", 17),
        (" 17 ", 17),
        ("1.5", 1.5),
        ("-5", 0),
        ("3600", 3600),
        ("86400", LONGEST),
        ("9" * 60, LONGEST),
        ("Sun, 01 Mar 2026 12:01:00 GMT", 60),
        ("Sunday, 01-Mar-26 12:01:00 GMT", 60),
        ("Sun Mar  1 12:01:00 2026", 60),
        ("Sun, 01 Mar 2026 12:01:00 -0000", 60),
        ("Sun, 01 Mar 2026 13:01:00 +0100", 60),
        ("Sun, 01 Mar 2020 12:00:00 GMT", 0),
        ("Sun, 01 Mar 2099 12:00:00 GMT", LONGEST),
    ],
)
def test_what_can_be_used(said: str, seconds: float) -> None:
    assert retry_after(said, NOW) == seconds


@pytest.mark.parametrize(
    "said",
    [
        None,
        "",
        " ",
        "nan",
        "NaN",
        "inf",
        "-inf",
        "1e9",
        "soon",
        "1, 2",
        "١٢",
        "0x10",
        "+5",
        "9" * 65,
        "Sun, 99 Mar 2026",
    ],
)
def test_what_cannot_be_used_is_nothing_said(said: str | None) -> None:
    assert retry_after(said, NOW) is None


@given(st.text(max_size=80))
def test_anything_at_all_is_nothing_or_within_reason(said: str) -> None:
    seconds = retry_after(said, NOW)
    assert seconds is None or 0 <= seconds <= LONGEST


@given(st.integers(min_value=-(10**6), max_value=10**6))
def test_a_date_and_its_seconds_mean_the_same(seconds: int) -> None:
    date = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after(date, NOW) == retry_after(str(seconds), NOW)
