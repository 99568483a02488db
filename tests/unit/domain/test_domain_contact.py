"""The table "what holds back which basis", cell by cell, and the hours it speaks of in every zone."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.actions import Basis, Capability
from domain.contact import (
    FrequencyCap,
    NoChannel,
    ReplyChannel,
    cap_holds,
    choose_reply_channel,
    consent_holds,
    hours_hold,
    lock_holds,
    suppression_holds,
)
from domain.customers import Customer
from domain.hours import ContactWindow, QuietHours, instant_of

REPLY, SERVICE, PROACTIVE, INTERNAL = Basis.REPLY, Basis.SERVICE, Basis.PROACTIVE, Basis.INTERNAL
MAIL, SMS, VOICE, PUSH = Capability.MAIL, Capability.SMS, Capability.VOICE, Capability.PUSH
QUIET = QuietHours(time(20), time(8))
EVENING = ContactWindow(time(17), time(19))
WARSAW = "Europe/Warsaw"
NIGHT, NOON, DUSK = (datetime.fromisoformat(f"2026-03-02T{hour}:00+01:00") for hour in ("23", "12", "18"))


@pytest.mark.parametrize(
    ("basis", "suppressed", "refused", "locked", "capped"),
    [
        (REPLY, True, False, False, False),
        (SERVICE, True, False, True, False),
        (PROACTIVE, True, True, True, True),
        (INTERNAL, False, False, False, False),
    ],
)
def test_what_holds_back_which_basis(basis: Basis, suppressed: bool, refused: bool, locked: bool, capped: bool) -> None:
    assert suppression_holds(basis) is suppressed
    assert consent_holds(basis, granted=False) is refused
    assert consent_holds(basis, granted=None) is refused  # never asked is never yes
    assert not consent_holds(basis, granted=True)
    assert lock_holds(basis) is locked
    assert cap_holds(basis, sent_in_window=3, cap=3) is capped
    assert cap_holds(basis, sent_in_window=4, cap=3) is capped
    assert not cap_holds(basis, sent_in_window=2, cap=3)


@pytest.mark.parametrize(
    ("basis", "capability", "at_night", "outside_window"),
    [
        (REPLY, MAIL, False, False),
        (REPLY, SMS, True, False),
        (REPLY, VOICE, True, False),
        (REPLY, PUSH, True, False),
        (SERVICE, MAIL, True, True),
        (SERVICE, SMS, True, True),
        (SERVICE, VOICE, True, True),
        (PROACTIVE, MAIL, True, True),
        (PROACTIVE, SMS, True, True),
        (PROACTIVE, PUSH, True, True),
        (INTERNAL, MAIL, False, False),
        (INTERNAL, SMS, False, False),
        (SERVICE, Capability.CRM, False, False),  # rings at nobody's
        (PROACTIVE, Capability.TICKETING, False, False),
    ],
)
def test_which_hours_hold_what(basis: Basis, capability: Capability, at_night: bool, outside_window: bool) -> None:
    night = hours_hold(basis, capability, None, QUIET, WARSAW, NIGHT)
    assert (night is not None) is at_night
    if night:
        assert night.until == datetime.fromisoformat("2026-03-03T08:00+01:00")
        assert night.until.tzinfo is UTC
        assert night.reason == "quiet hours until 08:00 (Europe/Warsaw)"
    noon = hours_hold(basis, capability, EVENING, QUIET, WARSAW, NOON)
    assert (noon is not None) is outside_window
    if noon:
        assert noon.until == datetime.fromisoformat("2026-03-02T17:00+01:00")
        assert noon.reason == "outside the contact window until 17:00 (Europe/Warsaw)"
    assert hours_hold(basis, capability, EVENING, QUIET, WARSAW, DUSK) is None


def test_edges_of_the_night() -> None:
    def is_held(moment: str) -> bool:
        return hours_hold(REPLY, SMS, None, QUIET, WARSAW, datetime.fromisoformat(moment)) is not None

    assert not is_held("2026-03-02T19:59:59.999999+01:00")
    assert is_held("2026-03-02T20:00+01:00")
    assert is_held("2026-03-03T07:59:59.999999+01:00")
    assert not is_held("2026-03-03T08:00+01:00")


def test_customers_zone_decides_not_the_servers() -> None:
    noon = datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert hours_hold(PROACTIVE, SMS, None, QUIET, "Europe/London", noon) is None
    assert hours_hold(PROACTIVE, SMS, None, QUIET, "Pacific/Auckland", noon) is not None


def test_end_of_the_night_outside_the_window_waits_for_the_window() -> None:
    hold = hours_hold(PROACTIVE, SMS, EVENING, QUIET, WARSAW, NIGHT)
    assert hold is not None
    assert hold.until == datetime.fromisoformat("2026-03-03T17:00+01:00")


def test_window_wholly_at_night_is_left_out_and_nobody_waits_for_ever() -> None:
    at_night = ContactWindow(time(22), time(5))
    assert hours_hold(PROACTIVE, MAIL, at_night, QUIET, WARSAW, NOON) is None
    hold = hours_hold(PROACTIVE, MAIL, at_night, QUIET, WARSAW, NIGHT)
    assert hold is not None
    assert hold.until == datetime.fromisoformat("2026-03-03T08:00+01:00")


def test_nothing_is_held_without_quiet_hours_and_window() -> None:
    assert hours_hold(PROACTIVE, SMS, None, None, WARSAW, NIGHT) is None


def test_naive_time_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        hours_hold(REPLY, SMS, None, QUIET, WARSAW, datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused


walls = st.times().map(lambda wall: wall.replace(second=0, microsecond=0, fold=0))
places = st.sampled_from(
    [WARSAW, "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca", "America/Sao_Paulo", "Asia/Kathmandu"]
)
moments = st.datetimes(datetime(2010, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)) | st.sampled_from(  # noqa: DTZ001 - bounds
    [
        datetime(2011, 12, 30, 9, 30, tzinfo=UTC),  # Apia, before the day that never came
        datetime(2026, 3, 29, 0, 30, tzinfo=UTC),  # Warsaw, before the leap
        datetime(2026, 10, 25, 0, 30, tzinfo=UTC),  # Warsaw, the hour that comes twice
        datetime(2026, 10, 3, 15, 15, tzinfo=UTC),  # Lord Howe, before the leap
        datetime(2026, 2, 15, 1, 30, tzinfo=UTC),  # Casablanca, around the beginning of Ramadan
    ]
)


@st.composite
def spans(draw: st.DrawFn, kind: type[QuietHours] | type[ContactWindow]) -> QuietHours | ContactWindow:
    starts = draw(walls)
    return kind(starts, draw(walls.filter(lambda ends: ends != starts)))


@given(spans(QuietHours), st.none() | spans(ContactWindow), places, moments, st.sampled_from([SERVICE, PROACTIVE]))
@settings(max_examples=80, deadline=None)
def test_hold_ends_when_nothing_holds_and_not_sooner(
    quiet: QuietHours, window: ContactWindow | None, place: str, now: datetime, basis: Basis
) -> None:
    def is_free(moment: datetime) -> bool:
        return hours_hold(basis, SMS, window, quiet, place, moment) is None

    hold = hours_hold(basis, SMS, window, quiet, place, now)
    if hold is None:
        return
    assert now < hold.until < now + timedelta(days=4)
    assert is_free(hold.until)
    waited = hold.until - now
    assert not any(is_free(now + waited * part / 20) for part in range(20))


@given(spans(QuietHours), places, st.dates(date(2010, 1, 1), date(2027, 1, 1)), walls)
@settings(max_examples=80, deadline=None)
def test_nothing_goes_at_an_hour_the_clock_calls_quiet(quiet: QuietHours, place: str, day: date, wall: time) -> None:
    """The first time that the customer's clock shows an hour of the night, a reply by SMS is held."""
    now = instant_of(day, wall, ZoneInfo(place))
    shown = now.astimezone(ZoneInfo(place)).time().replace(fold=0)
    if quiet.starts < quiet.ends:
        is_quiet = quiet.starts <= shown < quiet.ends
    else:
        is_quiet = shown >= quiet.starts or shown < quiet.ends
    steady = {(now + timedelta(hours=hours)).astimezone(ZoneInfo(place)).utcoffset() for hours in (-30, 0, 30)}
    if len(steady) == 1:
        assert (hours_hold(REPLY, SMS, None, quiet, place, now) is not None) is is_quiet


BOTH = Customer("C-1", email="anna@example.com", phone="+48601234567")
PHONE = Customer("C-2", phone="+48601234567")
MAIL_ONLY = Customer("C-3", email="anna@example.com")


def prefers(channel: Capability, customer: Customer = BOTH) -> Customer:
    return Customer(customer.ref, email=customer.email, phone=customer.phone, preferred_channel=channel)


@pytest.mark.parametrize(
    ("customer", "by_day", "by_night"),
    [
        (BOTH, MAIL, MAIL),
        (prefers(SMS), SMS, MAIL),
        (prefers(VOICE), VOICE, MAIL),
        (prefers(MAIL), MAIL, MAIL),
        (prefers(PUSH), MAIL, MAIL),  # there is no address for it
        (PHONE, SMS, SMS),  # in the morning: a hold, not another channel
        (prefers(VOICE, PHONE), VOICE, VOICE),
        (prefers(MAIL, PHONE), SMS, SMS),
        (MAIL_ONLY, MAIL, MAIL),
        (prefers(SMS, MAIL_ONLY), MAIL, MAIL),
    ],
)
def test_reply_goes_out_by(customer: Customer, by_day: Capability, by_night: Capability) -> None:
    for now, expected in ((NOON, by_day), (NIGHT, by_night)):
        assert choose_reply_channel(customer, QUIET, now, default_time_zone=WARSAW) == ReplyChannel(expected)


def test_suppressed_address_is_not_chosen() -> None:
    def choose(customer: Customer, *suppressed: Capability) -> ReplyChannel | NoChannel:
        return choose_reply_channel(customer, QUIET, NIGHT, default_time_zone=WARSAW, suppressed=suppressed)

    assert choose(BOTH, MAIL) == ReplyChannel(SMS)
    assert choose(prefers(SMS), SMS) == ReplyChannel(MAIL)
    assert choose(MAIL_ONLY, MAIL) == NoChannel("every address on file is suppressed")


def test_customers_own_zone_says_when_it_is_night() -> None:
    in_auckland = replace(prefers(SMS), time_zone="Pacific/Auckland")
    assert choose_reply_channel(in_auckland, QUIET, NOON, default_time_zone=WARSAW) == ReplyChannel(MAIL)
    assert choose_reply_channel(in_auckland, None, NOON, default_time_zone=WARSAW) == ReplyChannel(SMS)


@pytest.mark.parametrize(
    ("customer", "reason"),
    [
        (Customer("C"), "no address on file"),
        (prefers(SMS, Customer("C")), "no address on file"),
        (Customer("C", email="a@example.com", erased=True), "the customer was erased"),
    ],
)
def test_nobody_to_write_to(customer: Customer, reason: str) -> None:
    assert choose_reply_channel(customer, QUIET, NOON, default_time_zone=WARSAW) == NoChannel(reason)


@pytest.mark.parametrize(("contacts", "days"), [(0, 7), (3, 0), (-1, 7)])
def test_cap_without_sense_is_refused(contacts: int, days: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        FrequencyCap(contacts, days)
