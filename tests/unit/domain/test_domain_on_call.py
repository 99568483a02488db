"""Who is on call: always exactly somebody, in order, whatever clocks, years and swaps do."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.hours import zone
from domain.on_call import next_after, turns, who
from domain.review_rules import OnCall, Swap
from domain.staffing import Weekday

ROTA = OnCall("Europe/Warsaw", ("Ewa", "Jan", "Ola"), date(2026, 1, 5), Weekday.MONDAY, time(9))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def swap(starts: str, ends: str, name: str) -> Swap:
    return Swap(datetime.fromisoformat(starts), datetime.fromisoformat(ends), name)


@pytest.mark.parametrize(
    ("instant", "name"),
    [
        ("2026-01-05T09:00+01:00", "Ewa"),
        ("2026-01-12T08:59:59+01:00", "Ewa"),
        ("2026-01-12T09:00+01:00", "Jan"),
        ("2026-01-25T23:00+01:00", "Ola"),
        ("2026-01-26T09:00+01:00", "Ewa"),
        ("2026-01-05T08:59+01:00", "Ola"),  # before the rota began, as it would have been
        ("2025-12-29T09:00+01:00", "Ola"),
        ("2026-03-30T08:59:59+02:00", "Ola"),  # the first Monday of summer time
        ("2026-03-30T09:00+02:00", "Ewa"),
        ("2026-10-26T08:59:59+01:00", "Ola"),  # the first of winter time
        ("2026-10-26T09:00+01:00", "Ewa"),
        ("2026-12-31T23:59:59+01:00", "Ewa"),  # the turn of 28 December goes on in the new year
        ("2027-01-04T08:59:59+01:00", "Ewa"),
        ("2027-01-04T09:00+01:00", "Jan"),
    ],
)
def test_a_turn_begins_when_the_clock_on_the_wall_says_so(instant: str, name: str) -> None:
    assert who(ROTA, at(instant)) == name


def test_a_turn_that_begins_in_the_hour_clocks_leap_over_begins_after_the_leap() -> None:
    rota = replace(ROTA, since=date(2026, 3, 1), turns_on=Weekday.SUNDAY, turns_at=time(2, 30))
    assert who(rota, at("2026-03-29T01:59:59+01:00")) == "Ewa"
    assert who(rota, at("2026-03-29T03:00+02:00")) == "Jan"


def test_a_turn_that_begins_in_the_hour_clocks_show_twice_begins_once() -> None:
    rota = replace(ROTA, since=date(2026, 10, 4), turns_on=Weekday.SUNDAY, turns_at=time(2, 30))
    assert who(rota, at("2026-10-25T02:29+02:00")) == "Ola"
    for instant in ("2026-10-25T02:30+02:00", "2026-10-25T02:00+01:00", "2026-10-25T02:30+01:00"):
        assert who(rota, at(instant)) == "Ewa"


def test_a_day_that_clocks_show_once_more_belongs_to_the_turn_that_has_begun() -> None:
    """In Newfoundland clocks went back from 00:01 to 23:01 of the day before, until 2011."""
    rota = OnCall("America/St_Johns", ("Ewa", "Jan"), date(2010, 10, 31), Weekday.SUNDAY, time(0))
    assert who(rota, at("2010-11-07T02:30:30+00:00")) == "Jan"  # 00:00:30 on Sunday, for the first time
    assert who(rota, at("2010-11-07T03:00+00:00")) == "Jan"  # 23:30 on Saturday, once more


def test_a_swap_is_somebody_else_for_a_while_by_the_clock_on_the_wall() -> None:
    rota = replace(ROTA, swaps=(swap("2026-12-24T09:00", "2026-12-27T09:00", "Zoe"),))
    assert who(rota, at("2026-12-24T08:59+01:00")) == "Ola"
    assert who(rota, at("2026-12-24T09:00+01:00")) == "Zoe"
    assert who(rota, at("2026-12-27T08:59+01:00")) == "Zoe"
    assert who(rota, at("2026-12-27T09:00+01:00")) == "Ola"


def test_of_swaps_that_overlap_the_one_that_begins_last_counts_and_then_the_one_written_last() -> None:
    long, short = (
        swap("2026-01-05T09:00", "2026-01-09T09:00", "Jan"),
        swap("2026-01-06T09:00", "2026-01-07T09:00", "Ola"),
    )
    again = replace(short, who="Zoe")
    for swaps, name in (
        ((long, short), "Ola"),
        ((short, long), "Ola"),
        ((short, again), "Zoe"),
        ((again, short), "Ola"),
    ):
        assert who(replace(ROTA, swaps=swaps), at("2026-01-06T12:00+01:00")) == name
    assert who(replace(ROTA, swaps=(short, long)), at("2026-01-08T12:00+01:00")) == "Jan"


@pytest.mark.parametrize(
    ("instant", "swaps", "first", "then"),
    [
        ("2026-01-06T12:00+01:00", (), "Ewa", "Jan"),
        ("2026-01-20T12:00+01:00", (), "Ola", "Ewa"),
        # Somebody covers a day: who covers is first, who gave the day away comes last.
        ("2026-01-06T12:00+01:00", (("2026-01-06T09:00", "2026-01-07T09:00", "Jan"),), "Jan", "Ola"),
        ("2026-01-06T12:00+01:00", (("2026-01-06T09:00", "2026-01-07T09:00", "Zoe"),), "Zoe", "Jan"),
        # The next week was swapped away: its new owner comes next; or, having this one too, the one after them.
        ("2026-01-06T12:00+01:00", (("2026-01-12T09:00", "2026-01-19T09:00", "Zoe"),), "Ewa", "Zoe"),
        ("2026-01-06T12:00+01:00", (("2026-01-12T09:00", "2026-01-19T09:00", "Ewa"),), "Ewa", "Ola"),
        # A swap that begins tomorrow counts, one that is over does not.
        ("2026-01-06T12:00+01:00", (("2026-01-07T09:00", "2026-01-07T18:00", "Ola"),), "Ewa", "Ola"),
        ("2026-01-08T12:00+01:00", (("2026-01-07T09:00", "2026-01-07T18:00", "Ola"),), "Ewa", "Jan"),
    ],
)
def test_who_comes_next_is_somebody_else(
    instant: str, swaps: tuple[tuple[str, str, str], ...], first: str, then: str
) -> None:
    rota = replace(ROTA, swaps=tuple(swap(*one) for one in swaps))
    assert (who(rota, at(instant)), next_after(rota, at(instant))) == (first, then)


def test_of_two_the_one_who_gave_their_turn_away_is_better_than_nobody() -> None:
    rota = replace(ROTA, people=("Ewa", "Jan"), swaps=(swap("2026-01-05T09:00", "2026-01-12T09:00", "Jan"),))
    assert next_after(rota, at("2026-01-06T12:00+01:00")) == "Ewa"


def test_one_alone_is_always_on_call_and_nobody_comes_next() -> None:
    alone = replace(ROTA, people=("Ewa",))
    assert {who(alone, at("2026-01-06T12:00+01:00") + timedelta(days=days)) for days in range(400)} == {"Ewa"}
    assert next_after(alone, at("2026-01-06T12:00+01:00")) is None
    assert next_after(replace(alone, people=("Ewa", "Ewa")), at("2026-01-06T12:00+01:00")) is None


def test_coming_turns_are_whole_and_say_whose_they_were() -> None:
    rota = replace(ROTA, swaps=(swap("2026-03-28T12:00", "2026-03-29T12:00", "Ewa"),))
    listed = list(turns(rota, at("2026-03-24T00:00+01:00"), until=at("2026-04-06T00:00+02:00")))
    assert [
        (turn.who, turn.instead_of, f"{turn.starts.astimezone(zone('Europe/Warsaw')):%d %b %H:%M}") for turn in listed
    ] == [
        ("Ola", None, "23 Mar 09:00"),
        ("Ewa", "Ola", "28 Mar 12:00"),
        ("Ola", None, "29 Mar 12:00"),
        ("Ewa", None, "30 Mar 09:00"),
    ]


INSTANTS = st.datetimes(at("2005-01-01"), at("2035-01-01"), timezones=st.just(UTC))
WALLS = st.datetimes(at("2024-01-01"), at("2028-01-01")).map(lambda wall: wall.replace(microsecond=0))
SWAPS = st.builds(
    lambda starts, length, name: Swap(starts, starts + length, name),
    WALLS,
    st.timedeltas(timedelta(minutes=1), timedelta(days=20)),
    st.sampled_from(["Ewa", "Jan", "Ola", "Zoe"]),
)


@st.composite
def rotas(draw: st.DrawFn) -> OnCall:
    since = draw(st.dates(date(2020, 1, 1), date(2027, 1, 1)))
    places = ["Europe/Warsaw", "Australia/Lord_Howe", "America/St_Johns", "Pacific/Apia", "Africa/Casablanca", "UTC"]
    return OnCall(
        draw(st.sampled_from(places)),
        tuple(draw(st.lists(st.sampled_from(["Ewa", "Jan", "Ola", "Ida"]), min_size=1, max_size=4))),
        since,
        list(Weekday)[since.weekday()],
        draw(st.times()).replace(microsecond=0),
        tuple(draw(st.lists(SWAPS, max_size=4))),
    )


@given(rotas(), INSTANTS)
def test_somebody_is_on_call_at_every_instant_and_turns_follow_one_another(rota: OnCall, instant: datetime) -> None:
    listed = list(turns(rota, instant, until=instant + timedelta(weeks=6)))
    assert listed[0].starts <= instant < listed[0].ends
    assert listed[0].who == who(rota, instant)
    for earlier, later in pairwise(listed):
        assert earlier.starts < earlier.ends == later.starts
    for turn in listed:
        assert {who(rota, moment) for moment in (turn.starts, turn.ends - timedelta(microseconds=1))} == {turn.who}


@given(rotas(), INSTANTS)
def test_without_swaps_everybody_has_their_turn_in_order_a_week_long_by_the_wall(
    rota: OnCall, instant: datetime
) -> None:
    listed = list(turns(replace(rota, swaps=()), instant, until=instant + timedelta(weeks=6)))
    people = rota.people * (len(listed) + 1)
    assert [turn.who for turn in listed] in [
        list(people[first : first + len(listed)]) for first in range(len(rota.people))
    ]
    place = zone(rota.time_zone)
    dates = [turn.starts.astimezone(place).date() for turn in listed[1:]]
    assert all(6 <= (later - earlier).days <= 8 for earlier, later in pairwise(dates))


@given(rotas(), INSTANTS)
def test_who_comes_next_is_never_who_is_on_call(rota: OnCall, instant: datetime) -> None:
    then = next_after(rota, instant)
    assert then != who(rota, instant)
    others = {*rota.people, *(one.who for one in rota.swaps)} - {who(rota, instant)}
    assert (then in others) if set(rota.people) - {who(rota, instant)} else (then is None or then in others)
