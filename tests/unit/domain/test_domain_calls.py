"""Calls: what follows each outcome, and when the next window opens."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ledger_world import POLICY

from domain.calls import UNREACHED, CallAgain, CallOutcome, Step, Stop, ToColleague, follow, next_window, window_of
from domain.customers import Customer, Tier
from domain.hours import ContactWindow, QuietHours, instant_of

RULES = POLICY.expiry.calls
QUIET = POLICY.contact.quiet
OPENS = datetime(2026, 3, 5, 15, tzinfo=UTC)
WARSAW = ZoneInfo("Europe/Warsaw")


def step(outcome: CallOutcome, number: int = 1, over: str | None = None, again: datetime | None = OPENS) -> Step:
    return follow(outcome, number, over=over, attempts=3, next_window=again)


@pytest.mark.parametrize(
    ("outcome", "number", "again", "over"),
    list(itertools.product(CallOutcome, (1, 2, 3, 4), (OPENS, None), (None, "it was renewed"))),
)
def test_every_outcome_at_every_attempt_with_and_without_time_left(
    outcome: CallOutcome, number: int, again: datetime | None, over: str | None
) -> None:
    """The whole table: which of three things follows, for each outcome, attempt, time left, and ending."""
    found = step(outcome, number, over, again)
    if outcome is CallOutcome.ANSWERED_WANTS_PERSON:
        assert isinstance(found, ToColleague)
        assert found.is_asked_for
    elif outcome is CallOutcome.ANSWERED_DECLINED:
        assert isinstance(found, Stop)
        assert found.is_refusal
    elif outcome is CallOutcome.ANSWERED_DONE or over:
        assert isinstance(found, Stop)
        assert not found.is_refusal
    elif outcome in UNREACHED and number < 3 and again is not None:
        assert found == CallAgain(number + 1, OPENS)
    else:
        assert isinstance(found, ToColleague)
        assert not found.is_asked_for
    if not isinstance(found, CallAgain):
        assert found.why


def test_nothing_is_tried_for_ever() -> None:
    for outcome in CallOutcome:
        number, tried = 1, 0
        while isinstance(found := step(outcome, number), CallAgain):
            assert found.number == number + 1
            number, tried = found.number, tried + 1
        assert tried <= 2


def test_whoever_stated_hours_is_called_in_them_others_in_their_tiers() -> None:
    own = ContactWindow(time(9), time(11))
    assert window_of(Customer("C-1", window=own), RULES) == own
    assert window_of(Customer("C-1", tier=Tier.CORE), RULES) == RULES.windows[Tier.CORE]


def opening(window: ContactWindow, place: str, after: datetime, ends: datetime | None = None) -> datetime | None:
    customer = Customer("C-1", window=window)
    ends = ends or after + timedelta(days=9)
    return next_window(customer, RULES, QUIET, ZoneInfo(place), after=after, ends=ends)


def local(place: str, *when: int) -> datetime:
    day, hour = date(*when[:3]), when[3]
    return instant_of(day, time(hour), ZoneInfo(place))


def test_from_within_a_window_it_is_the_next_ones_turn() -> None:
    evening = ContactWindow(time(16), time(19))
    for hour, day in ((9, 4), (15, 4), (16, 5), (18, 5), (19, 5), (23, 5)):
        found = opening(evening, "Europe/Warsaw", local("Europe/Warsaw", 2026, 3, 4, hour))
        assert found == local("Europe/Warsaw", 2026, 3, day, 16), hour


def test_not_before_the_end_is_not_at_all() -> None:
    evening, after = ContactWindow(time(16), time(19)), local("Europe/Warsaw", 2026, 3, 4, 17)
    opens = local("Europe/Warsaw", 2026, 3, 5, 16)
    assert opening(evening, "Europe/Warsaw", after, opens) is None
    assert opening(evening, "Europe/Warsaw", after, opens + timedelta(seconds=1)) == opens


def test_a_window_that_begins_at_night_opens_in_the_morning() -> None:
    early = ContactWindow(time(7), time(10))
    found = opening(early, "Europe/Prague", local("Europe/Prague", 2026, 3, 4, 12))
    assert found == local("Europe/Prague", 2026, 3, 5, 8)


@pytest.mark.parametrize(
    ("place", "window", "after", "opens"),
    [
        ("Europe/Warsaw", (time(16), time(19)), (2026, 3, 28, 17), (2026, 3, 29, 16)),
        ("Europe/Prague", (time(16), time(19)), (2026, 10, 24, 17), (2026, 10, 25, 16)),
        ("Australia/Lord_Howe", (time(9), time(11)), (2026, 4, 4, 10), (2026, 4, 5, 9)),
        ("Australia/Lord_Howe", (time(9), time(11)), (2026, 10, 3, 10), (2026, 10, 4, 9)),
        ("Africa/Casablanca", (time(9), time(11)), (2026, 2, 14, 10), (2026, 2, 15, 9)),
        ("Pacific/Apia", (time(9), time(11)), (2011, 12, 29, 10), (2011, 12, 31, 9)),  # the 30th was left out
    ],
)
def test_the_next_window_is_on_the_customers_own_clock(
    place: str, window: tuple[time, time], after: tuple[int, ...], opens: tuple[int, ...]
) -> None:
    assert opening(ContactWindow(*window), place, local(place, *after)) == local(place, *opens)


def test_a_window_in_a_leap_of_the_clocks_opens_after_it() -> None:
    small_hours = ContactWindow(time(2, 15), time(4))
    noon = QuietHours(time(12), time(13))
    customer = Customer("C-1", window=small_hours)
    after = local("Europe/Warsaw", 2026, 3, 28, 12)
    found = next_window(customer, RULES, noon, WARSAW, after=after, ends=after + timedelta(days=3))
    assert found == local("Europe/Warsaw", 2026, 3, 29, 3)


@given(
    st.integers(0, 365 * 24 * 60).map(lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)),
    st.sampled_from(["Europe/Warsaw", "Europe/Prague", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia"]),
    st.integers(8, 17),
    st.integers(1, 3),
)
def test_it_opens_later_inside_the_window_and_never_at_night(
    after: datetime, place: str, starts: int, hours: int
) -> None:
    window = ContactWindow(time(starts), time(starts + hours))
    found = opening(window, place, after)
    assert found is not None
    assert after < found <= after + timedelta(days=2)
    here = ZoneInfo(place)
    assert window.around(found, here)
    assert not QUIET.around(found, here)
    day: date = found.astimezone(here).date()
    assert found == instant_of(day, time(starts), here)
