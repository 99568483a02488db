"""Dates in words: grammar in each language, the customer's clock, and zones named only where needed."""

from datetime import UTC, datetime, timedelta

import pendulum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from templates.dates import LANGUAGES, day, deadline, on_day, short_day, short_deadline

HOME = {"pl": "Europe/Warsaw", "cs": "Europe/Prague", "en": "Europe/London"}
WEEKDAYS = {
    "pl": ["w poniedziałek", "we wtorek", "w środę", "w czwartek", "w piątek", "w sobotę", "w niedzielę"],
    "cs": ["v pondělí", "v úterý", "ve středu", "ve čtvrtek", "v pátek", "v sobotu", "v neděli"],
    "en": ["on Monday", "on Tuesday", "on Wednesday", "on Thursday", "on Friday", "on Saturday", "on Sunday"],
}
SENTENCE = {
    "pl": "{weekday} {day} {month} do godz. 15:30",
    "cs": "{weekday} {day}. {month} do 15:30",
    "en": "by 15:30 London time {weekday} {day} {month}",
}
ZONES = [
    "Europe/Warsaw",
    "Europe/London",
    "America/New_York",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
]


def plain(words: str) -> str:
    return words.replace("\u00a0", " ")


def every_weekday_of_every_month() -> list[datetime]:
    found: dict[tuple[int, int], datetime] = {}
    moment = datetime(2027, 1, 1, 12, tzinfo=UTC)
    while moment.year == 2027:
        found.setdefault((moment.month, moment.weekday()), moment)
        moment += timedelta(days=1)
    return list(found.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_weekday_and_month_takes_its_case(language: str) -> None:
    moments = every_weekday_of_every_month()
    assert len(moments) == 7 * 12
    for moment in moments:
        local = pendulum.datetime(moment.year, moment.month, moment.day, 15, 30, tz=HOME[language])
        expected = SENTENCE[language].format(
            weekday=WEEKDAYS[language][local.weekday()],
            day=local.day,
            month=local.format("MMMM", locale=language),  # pendulum's locales hold the month in the genitive
        )
        assert plain(deadline(local.in_tz("UTC").isoformat(), HOME[language], language)) == expected
        assert plain(day(local.isoformat(), HOME[language], language)) in expected


@pytest.mark.parametrize(
    ("language", "long", "short", "date", "short_date"),
    [
        ("pl", "we wtorek 24 listopada do godz. 9:05", "do wt. 24.11 g. 9:05", "24 listopada", "24.11"),
        ("cs", "v úterý 24. listopadu do 9:05", "do út 24.11. 9:05", "24. listopadu", "24.11."),
        (
            "en",
            "by 09:05 Prague time on Tuesday 24 November",
            "by 09:05 Prague time on Tue 24 Nov",
            "24 November",
            "24 Nov",
        ),
    ],
)
def test_the_forms_of_one_date(language: str, long: str, short: str, date: str, short_date: str) -> None:
    instant, zone = "2026-11-24T08:05:59Z", "Europe/Prague"
    assert plain(deadline(instant, zone, language)) == long
    assert short_deadline(instant, zone, language) == short
    assert plain(day(instant, zone, language)) == date
    assert short_day(instant, zone, language) == short_date


def test_a_day_never_parts_from_its_month_nor_an_hour_from_its_word() -> None:
    instant = "2026-11-24T15:00:00Z"
    assert "24\u00a0listopada" in deadline(instant, "Europe/Warsaw", "pl")
    assert "do\u00a0godz.\u00a016:00" in deadline(instant, "Europe/Warsaw", "pl")
    assert "do\u00a016:00" in deadline(instant, "Europe/Prague", "cs")
    assert "w\u00a0środę" in deadline("2026-03-04T12:00:00Z", "Europe/Warsaw", "pl")
    assert "v\u00a0pátek" in deadline("2026-03-06T12:00:00Z", "Europe/Prague", "cs")
    assert "24\u00a0November" in day(instant, "Europe/London", "en")


@pytest.mark.parametrize(
    ("instant", "zone", "expected"),
    [
        ("2026-10-24T14:00:00Z", "Europe/Warsaw", "w sobotę 24 października do godz. 16:00"),
        ("2026-10-26T14:00:00Z", "Europe/Warsaw", "w poniedziałek 26 października do godz. 15:00"),
        ("2026-03-29T00:59:00Z", "Europe/Warsaw", "w niedzielę 29 marca do godz. 1:59"),
        ("2026-03-29T01:00:00Z", "Europe/Warsaw", "w niedzielę 29 marca do godz. 3:00"),
        ("2026-12-31T23:30:00Z", "Europe/Warsaw", "w piątek 1 stycznia do godz. 0:30"),
        ("2026-04-04T15:00:00Z", "Australia/Lord_Howe", "w niedzielę 5 kwietnia do godz. 1:30 (czas: Lord Howe)"),
        ("2011-12-30T10:30:00Z", "Pacific/Apia", "w sobotę 31 grudnia do godz. 0:30 (czas: Apia)"),
        ("2026-02-14T12:00:00Z", "Africa/Casablanca", "w sobotę 14 lutego do godz. 13:00"),
        ("2026-03-01T12:00:00Z", "Africa/Casablanca", "w niedzielę 1 marca do godz. 12:00 (czas: Casablanca)"),
    ],
)
def test_the_customers_clock_across_changes_of_time(instant: str, zone: str, expected: str) -> None:
    assert plain(deadline(instant, zone, "pl")) == expected


@given(st.integers(800_000_000, 2_200_000_000), st.sampled_from(ZONES))
def test_conversion_agrees_with_pendulum(seconds: int, zone: str) -> None:
    instant = datetime.fromtimestamp(seconds, UTC)
    local = pendulum.instance(instant).in_timezone(zone)
    assert short_day(instant.isoformat(), zone, "en") == local.format("D MMM", locale="en")
    assert f"by {local:%H:%M} " in deadline(instant.isoformat(), zone, "en")


@pytest.mark.parametrize(
    ("language", "zone", "suffix"),
    [
        ("pl", "Europe/Warsaw", "16:00"),
        ("pl", "Europe/Berlin", "16:00"),  # shows what clocks show at home
        ("pl", "Europe/London", "15:00 (czas: Londyn)"),
        ("pl", "America/New_York", "10:00 (czas: Nowy Jork)"),
        ("pl", "America/Argentina/Buenos_Aires", "12:00 (czas: Buenos Aires)"),
        ("cs", "Europe/Bratislava", "16:00"),
        ("cs", "Europe/London", "15:00 (čas: Londýn)"),
        ("cs", "UTC", "15:00 (čas: UTC)"),
        ("pl", "Etc/GMT+5", "10:00 (czas: UTC-5)"),
        ("pl", "EST", "10:00 (czas: UTC-5)"),
    ],
)
def test_a_zone_is_named_where_its_clock_differs_from_home(language: str, zone: str, suffix: str) -> None:
    assert plain(deadline("2026-11-24T15:00:00Z", zone, language)).endswith(f" {suffix}")


def test_english_always_names_the_zone() -> None:
    assert deadline("2026-11-24T15:00:00Z", "Europe/London", "en").startswith("by 15:00 London time on Tuesday")


@pytest.mark.parametrize(
    ("instant", "zone", "language", "what"),
    [
        ("Anna", "Europe/Warsaw", "pl", "not ISO 8601"),
        (None, "Europe/Warsaw", "pl", "not ISO 8601"),
        ("2026-11-24T15:00:00", "Europe/Warsaw", "pl", "no offset"),
        ("0001-01-01T00:00:00Z", "America/New_York", "pl", "beyond the calendar"),
        ("2026-11-24T15:00:00Z", "Europe/Warszawa", "pl", "not an IANA name"),
        ("2026-11-24T15:00:00Z", "", "pl", "not an IANA name"),
        ("2026-11-24T15:00:00Z", "../../etc/passwd", "pl", "not an IANA name"),
        ("2026-11-24T15:00:00Z", None, "pl", "not an IANA name"),
        ("2026-11-24T15:00:00Z", "Europe/Warsaw", "de", "no dates in 'de'"),
    ],
)
def test_bad_values_are_said_without_repeating_them(instant: str, zone: str, language: str, what: str) -> None:
    with pytest.raises(ValueError, match=what) as caught:
        deadline(instant, zone, language)
    assert "Anna" not in str(caught.value)
    assert "Warszawa" not in str(caught.value)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_day_of_the_calendar_is_said_as_in_a_deadline(language: str) -> None:
    for moment in every_weekday_of_every_month():
        said = on_day(moment.date().isoformat(), language)
        assert plain(said) in plain(deadline(moment.isoformat(), "UTC", language))


@pytest.mark.parametrize(
    ("date", "language"), [("2026-02-30", "pl"), ("soon", "pl"), (None, "en"), ("2026-11-24", "de")]
)
def test_what_is_no_day_is_refused(date: str, language: str) -> None:
    with pytest.raises(ValueError, match=r"not ISO 8601|no dates in"):
        on_day(date, language)
