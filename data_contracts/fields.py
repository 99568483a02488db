"""The fields that several contracts share: how one value is read, and what is said when it cannot be.

Readers take any JSON value. They raise pydantic errors that carry a problem in words and, where the field's own
description would not do, a fix; `data_contracts.explain` makes `Problem`s of them.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from email_validator import EmailNotValidError, validate_email
from pydantic import PlainValidator
from pydantic_core import PydanticCustomError

from domain.currencies import decimals_of
from domain.hours import UnknownZone, zone
from domain.words import did_you_mean, one_of

LONGEST_LINE = 200  # characters
LONGEST_COMMENT = 262_144  # characters; no webhook body is longer, a runaway cell of an import is

Word = TypeVar("Word", bound=StrEnum)


def refusal(problem: str, fix: str = "") -> PydanticCustomError:
    """The error for a value; an empty `fix` stands for "send" and the field's description."""
    return PydanticCustomError("contract", "{problem}", {"problem": problem, "fix": fix})


def in_words(value: object) -> str:
    """What kind of JSON value this is."""
    if value is None:
        return "null"
    names = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), "something else")


def is_blank(value: object) -> bool:
    """True for what counts as absent in an optional field: null, and text without a visible character."""
    return value is None or (isinstance(value, str) and not value.strip())


def read_text(value: object, longest: int) -> str:
    """Any text of up to `longest` characters without zero characters, which databases cannot keep."""
    if not isinstance(value, str):
        raise refusal(f"is {in_words(value)}, not text")
    if len(value) > longest:
        raise refusal(f"is {len(value)} characters long; at most {longest} are taken")
    if "\0" in value:
        raise refusal("contains a zero character (U+0000)", "send the text without it")
    return value


def read_line(value: object) -> str:
    """Text on one line: no control characters or line separators, blanks around it taken off, never empty."""
    text = read_text(value, LONGEST_LINE)
    if not text.isprintable():  # nothing of these is; nor are a few that we take
        odd = next((character for character in text if unicodedata.category(character) in {"Cc", "Zl", "Zp"}), None)
        if odd is not None:
            raise refusal(f"contains a control character (U+{ord(odd):04X})", "send one line of plain text")
    if not text.strip():
        raise refusal("is empty")
    return text.strip()


def read_instant(value: object) -> datetime:
    """An ISO 8601 instant with an offset, in UTC."""
    text = read_line(value)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise refusal("is not an ISO 8601 time") from None
    if instant.tzinfo is None:
        raise refusal("does not say its offset from UTC, so it could mean any of several instants")
    try:
        return instant.astimezone(UTC)
    except OverflowError:
        raise refusal("lies outside the calendar") from None


def read_email(value: object) -> str:
    """One deliverable-looking address. Nobody is asked whether it exists; the reserved domain `test` is let through."""
    text = read_line(value)
    try:
        return validate_email(text, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        raise refusal("is not a valid email address") from None


_PHONE_DECORATION = re.compile(r"\(0\)|[\s.()/\u2010-\u2015-]")  # "(0)": the trunk prefix, not dialled from abroad
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def read_phone(value: object) -> str:
    """A number in E.164: `+`, country code, up to 15 digits. Spaces and the like are taken off, 00 is read as `+`."""
    number = re.sub(r"\A00", "+", _PHONE_DECORATION.sub("", read_line(value)))
    if not _E164.fullmatch(number):
        raise refusal("is not a phone number in international form")
    return number


def read_time_zone(value: object) -> str:
    """The name of an IANA time zone."""
    try:
        return zone(read_line(value)).key
    except UnknownZone as error:
        raise refusal(f"is an {error}") from None


_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8}){0,4}")


def read_language(value: object) -> str:
    """A language tag by its shape (BCP 47, also with underscores); whether we write in it is decided later."""
    text = read_line(value)
    if not _LANGUAGE_TAG.fullmatch(text):
        raise refusal("is not a language tag")
    return text.replace("_", "-")


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
EARLIEST_DAY, LATEST_DAY = date(1970, 1, 1), date(2100, 12, 31)
"""What lies outside is a slip of the pen, or a spreadsheet's way to say "never"."""


def read_day(value: object) -> date:
    """A calendar day as YYYY-MM-DD, from 1970 to 2100."""
    text = read_line(value)
    if not _DAY.fullmatch(text):
        raise refusal("is not a date")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise refusal("is not on the calendar") from None
    if not EARLIEST_DAY <= day <= LATEST_DAY:
        raise refusal(f"lies outside {EARLIEST_DAY.year} to {LATEST_DAY.year}")
    return day


_DECIMAL = re.compile(r"-?\d{1,12}(?:\.\d{1,12})?", re.ASCII)
_LIKE_A_DECIMAL = re.compile(r"-?[\d., \u00a0\u202f']+", re.ASCII)


def written_out(number: float) -> str:
    """A number of JSON as plain digits."""
    return format(Decimal(str(number)), "f")


def read_decimal(value: object) -> Decimal:
    """A plain decimal: digits and a point. JSON may give it as a number."""
    text = read_line(written_out(value) if isinstance(value, int | float) and not isinstance(value, bool) else value)
    if _DECIMAL.fullmatch(text):
        return Decimal(text)
    if _LIKE_A_DECIMAL.fullmatch(text):
        raise refusal("is not a plain number", "write it with a point and without separators, as 1234.50")
    raise refusal("is not a number")


def read_quantity(value: object) -> float:
    """How many: more than nothing, up to a million."""
    number = read_decimal(value)
    if not 0 < number <= LARGEST_QUANTITY:
        raise refusal(f"is not more than 0 and at most {LARGEST_QUANTITY}")
    return float(number)


LARGEST_QUANTITY = 1_000_000


def minor_units(amount: Decimal, currency: str) -> int:
    """An amount in major units as minor ones; raises where the currency has not so many decimals."""
    try:
        minor = amount.scaleb(decimals_of(currency))
    except InvalidOperation:  # pragma: no cover - twelve digits fit
        raise refusal("is too long a number") from None
    if minor != minor.to_integral_value():
        decimals = decimals_of(currency)
        words = f"at most {decimals} decimals" if decimals else "no decimals"
        raise refusal(f"has more decimals than {currency}", f"write it with {words}")
    return int(minor)


_CURRENCY = re.compile(r"[A-Z]{3}")


def read_currency(value: object) -> str:
    """A currency's code by its shape (ISO 4217); whether we take it, the policy says."""
    text = read_line(value)
    if not _CURRENCY.fullmatch(text):
        raise refusal("is not a currency's code of three capital letters")
    return text


_ANSWERS = {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}


def read_answer(value: object) -> bool:
    """Yes or no, in one of the ways spreadsheets write them."""
    if isinstance(value, bool):
        return value
    said = _ANSWERS.get(read_line(str(value) if isinstance(value, int) else value).lower())
    if said is None:
        raise refusal("is neither yes nor no", "write yes or no")
    return said


def word_reader(words: type[Word]) -> Callable[[object], Word]:
    """A reader of one of a fixed set of words, written exactly; the nearest one is suggested."""

    def read_word(value: object) -> Word:
        text = read_line(value)
        try:
            return words(text)
        except ValueError:
            raise refusal(f'is "{text[:40]}"{did_you_mean(text, words)}', f"send {one_of(words)}") from None

    return read_word


def _optional(read: Any) -> Any:
    return PlainValidator(lambda value: None if is_blank(value) else read(value), json_schema_input_type=str | None)


Line = Annotated[str, PlainValidator(read_line, json_schema_input_type=str)]
Instant = Annotated[datetime, PlainValidator(read_instant, json_schema_input_type=datetime)]
OptionalInstant = Annotated[datetime | None, _optional(read_instant)]
OptionalLine = Annotated[str | None, _optional(read_line)]
OptionalComment = Annotated[str | None, _optional(lambda value: read_text(value, LONGEST_COMMENT))]
OptionalEmail = Annotated[str | None, _optional(read_email)]
OptionalPhone = Annotated[str | None, _optional(read_phone)]
OptionalTimeZone = Annotated[str | None, _optional(read_time_zone)]
OptionalLanguage = Annotated[str | None, _optional(read_language)]
Day = Annotated[date, PlainValidator(read_day, json_schema_input_type=date)]
OptionalDay = Annotated[date | None, _optional(read_day)]
Quantity = Annotated[float, PlainValidator(read_quantity, json_schema_input_type=float)]
Currency = Annotated[str, PlainValidator(read_currency, json_schema_input_type=str)]
OptionalCurrency = Annotated[str | None, _optional(read_currency)]
OptionalAnswer = Annotated[bool | None, _optional(read_answer)]
