"""Dates and times as a letter says them: in words, absolute, on the customer's clock, in the right grammatical case.

Polish and Czech want the weekday in the accusative after a preposition that depends on it ("we wtorek", "ve středu")
and the month in the genitive ("24 listopada"). Locale libraries know the month's case but not the weekday's, so both
stand here as small tables; the tests compare the months with pendulum's.
"""

from collections.abc import Mapping
from datetime import date as calendar_date
from datetime import datetime, time
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from templates.zones import zone_name

LANGUAGES = ("pl", "cs", "en")

_ON_WEEKDAY = {  # Monday first, as datetime.weekday() counts
    "pl": ("w_poniedziałek", "we wtorek", "w_środę", "w_czwartek", "w_piątek", "w_sobotę", "w_niedzielę"),
    "cs": ("v_pondělí", "v_úterý", "ve středu", "ve čtvrtek", "v_pátek", "v_sobotu", "v_neděli"),
    "en": ("on Monday", "on Tuesday", "on Wednesday", "on Thursday", "on Friday", "on Saturday", "on Sunday"),
}
_SHORT_WEEKDAY = {
    "pl": ("pon.", "wt.", "śr.", "czw.", "pt.", "sob.", "nd."),
    "cs": ("po", "út", "st", "čt", "pá", "so", "ne"),
    "en": ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"),
}
_OF_MONTH = {
    "pl": (
        "stycznia",
        "lutego",
        "marca",
        "kwietnia",
        "maja",
        "czerwca",
        "lipca",
        "sierpnia",
        "września",
        "października",
        "listopada",
        "grudnia",
    ),
    "cs": (
        "ledna",
        "února",
        "března",
        "dubna",
        "května",
        "června",
        "července",
        "srpna",
        "září",
        "října",
        "listopadu",
        "prosince",
    ),
    "en": (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
}
_DAY = {"pl": "{day}_{month}", "cs": "{day}._{month}", "en": "{day}_{month}"}
_SHORT_DAY = {"pl": "{day}.{number:02}", "cs": "{day}.{number}.", "en": "{day} {short}"}

_TIME = {"pl": "{0.hour}:{0.minute:02}", "cs": "{0.hour}:{0.minute:02}", "en": "{0:%H:%M}"}
_ZONE = {"pl": " (czas: {})", "cs": " (čas: {})", "en": " {} time"}
_SHORT_ZONE = {"pl": " ({})", "cs": " ({})", "en": " {} time"}

_DEADLINE = {
    "pl": "{weekday} {day} do_godz._{time}{zone}",
    "cs": "{weekday} {day} do_{time}{zone}",
    "en": "by {time}{zone} {weekday} {day}",
}
_SHORT_DEADLINE = {
    "pl": "do {weekday} {day} g. {time}{zone}",
    "cs": "do {weekday} {day} {time}{zone}",
    "en": "by {time}{zone} on {weekday} {day}",
}

_remembered = lru_cache(maxsize=1024)
"""Text and HTML of a message say the same times, and messages of one day the same days."""


@_remembered
def day(instant: str, time_zone: str, language: str) -> str:
    """The local date of an ISO 8601 instant: "24 listopada", "24. listopadu", "24 November".

    Raises ValueError for an instant without an offset, an unknown zone or an unknown language, as all here do.
    """
    local = _local(instant, time_zone, language)
    return _unbroken(_day(local, language))


@_remembered
def short_day(instant: str, time_zone: str, language: str) -> str:
    """The same for a text message: "24.11", "24.11.", "24 Nov"."""
    return _short_day(_local(instant, time_zone, language), language)


@_remembered
def on_day(date: str, language: str) -> str:
    """A day of the calendar with its weekday, as one says it: "we wtorek 24 listopada", "on Tuesday 24 November".

    Raises ValueError for what is no ISO 8601 date, or an unknown language.
    """
    if language not in LANGUAGES:
        raise ValueError(f"no dates in {language!r}, only in {', '.join(LANGUAGES)}")
    try:
        midnight = datetime.combine(calendar_date.fromisoformat(date), time())
    except (TypeError, ValueError) as malformed:
        raise ValueError("a day is not ISO 8601 such as 2026-11-24") from malformed
    return _unbroken(f"{_ON_WEEKDAY[language][midnight.weekday()]} {_day(midnight, language)}")


@_remembered
def deadline(instant: str, time_zone: str, language: str) -> str:
    """By when, with weekday: "we wtorek 24 listopada do godz. 16:00", "by 16:00 London time on Tuesday 24 November".

    The time is cut to the minute, never rounded up: a promise may be kept early, not late.
    """
    local = _local(instant, time_zone, language)
    words = _DEADLINE[language].format(
        weekday=_ON_WEEKDAY[language][local.weekday()],
        day=_day(local, language),
        time=_TIME[language].format(local),
        zone=_zone(local, language, _ZONE),
    )
    return _unbroken(words)


@_remembered
def short_deadline(instant: str, time_zone: str, language: str) -> str:
    """The same for a text message: "do wt. 24.11 g. 16:00", "do út 24.11. 16:00"."""
    local = _local(instant, time_zone, language)
    return _SHORT_DEADLINE[language].format(
        weekday=_SHORT_WEEKDAY[language][local.weekday()],
        day=_short_day(local, language),
        time=_TIME[language].format(local),
        zone=_zone(local, language, _SHORT_ZONE),
    )


def _day(local: datetime, language: str) -> str:
    return _DAY[language].format(day=local.day, month=_OF_MONTH[language][local.month - 1])


def _short_day(local: datetime, language: str) -> str:
    return _SHORT_DAY[language].format(day=local.day, number=local.month, short=_OF_MONTH["en"][local.month - 1][:3])


def _zone(local: datetime, language: str, form: Mapping[str, str]) -> str:
    name = zone_name(local, language)
    return form[language].format(name) if name else ""


def _unbroken(words: str) -> str:
    """A day stays on one line with its month, an hour with its "do": `_` in the tables is a no-break space."""
    return words.replace("_", "\N{NO-BREAK SPACE}")


def _local(instant: str, time_zone: str, language: str) -> datetime:
    """Errors do not repeat the value: they are logged, and it may have come from a customer."""
    if language not in LANGUAGES:
        raise ValueError(f"no dates in {language!r}, only in {', '.join(LANGUAGES)}")
    try:
        moment = datetime.fromisoformat(instant)
    except (TypeError, ValueError) as malformed:
        raise ValueError("an instant is not ISO 8601 such as 2026-11-24T15:00:00Z") from malformed
    if moment.tzinfo is None:
        raise ValueError("an instant has no offset: 2026-11-24T15:00:00Z has one")
    try:
        return moment.astimezone(ZoneInfo(time_zone))
    except OverflowError as beyond:
        raise ValueError("an instant is beyond the calendar") from beyond
    except (ZoneInfoNotFoundError, OSError, TypeError, ValueError) as unknown:
        raise ValueError("a time zone is not an IANA name such as Europe/Warsaw") from unknown
