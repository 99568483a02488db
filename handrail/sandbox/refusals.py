"""Refusals: the answers of modes that apply nothing, as a table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime

from aiohttp import web

from handrail.sandbox.faults import Fault
from handrail.sandbox.modes import Mode

SOMEBODY_ELSES = "somebody-elses/key"
PAGE = "<!doctype html><html><body><h1>We will be back soon</h1></body></html>"

_CENTURY = timedelta(days=36_525)
_LONG_AGO = "Sun, 06 Nov 1994 08:49:37 GMT"  # the example of RFC 9110


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is answered instead of applying a write."""

    status: int
    error: str = "as POST /faults asked"
    more: Mapping[str, str] | None = None  # further fields of the JSON body
    is_html: bool = False


REFUSALS: Mapping[Mode, Refusal] = {
    Mode.STATUS_503: Refusal(503, "unavailable, as POST /faults asked"),
    Mode.STATUS_500: Refusal(500, "internal error, as POST /faults asked"),
    Mode.STATUS_502: Refusal(502, is_html=True),
    Mode.STATUS_504: Refusal(504, is_html=True),
    Mode.STATUS_401: Refusal(401, "the token has expired, as POST /faults asked"),
    Mode.STATUS_403: Refusal(403, "the token may not do this any more, as POST /faults asked"),
    Mode.HTML_BEFORE: Refusal(200, is_html=True),
    Mode.CONFLICT_OTHER: Refusal(409, "there is one already", {"code": "exists", "key": SOMEBODY_ELSES, "id": "X-1"}),
    Mode.CONFLICT_BUSY: Refusal(409, "somebody else is changing it: nothing was done, try again", {"code": "busy"}),
}

RETRY_AFTER: Mapping[Mode, Callable[[float, datetime], str | None]] = {
    Mode.STATUS_429: lambda seconds, _now: f"{seconds:g}",
    Mode.RETRY_AFTER_DATE: lambda seconds, now: format_datetime(_whole_second(now, seconds), usegmt=True),
    Mode.RETRY_AFTER_ABSENT: lambda _seconds, _now: None,
    Mode.RETRY_AFTER_NEGATIVE: lambda _seconds, _now: "-60",
    Mode.RETRY_AFTER_HUGE: lambda _seconds, _now: "1000000000000",
    Mode.RETRY_AFTER_GARBAGE: lambda _seconds, _now: "soon(ish)",
    Mode.RETRY_AFTER_PAST: lambda _seconds, _now: _LONG_AGO,
    Mode.RETRY_AFTER_CENTURY: lambda _seconds, now: format_datetime(now + _CENTURY, usegmt=True),
}
"""What the Retry-After of a 429 says."""


def refused(fault: Fault, now: datetime) -> web.Response:
    """The answer to a write that is not applied. KeyError when the mode is no refusal."""
    if fault.mode in RETRY_AFTER:
        told = RETRY_AFTER[fault.mode](fault.seconds, now)
        headers = {} if told is None else {"Retry-After": told}
        return web.json_response({"error": "too many, as POST /faults asked"}, status=429, headers=headers)
    refusal = REFUSALS[fault.mode]
    if refusal.is_html:
        return web.Response(text=PAGE, content_type="text/html", status=refusal.status)
    return web.json_response({"error": refusal.error, **(refusal.more or {})}, status=refusal.status)


def _whole_second(now: datetime, seconds: float) -> datetime:
    """An HTTP date knows no parts of a second; rounded up, so that it asks for no less than was wanted."""
    then = now + timedelta(seconds=seconds)
    return then.replace(microsecond=0) + timedelta(seconds=bool(then.microsecond))
