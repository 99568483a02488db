"""`/unsubscribe/{token}`: where the links of our messages lead, for customers. GET and HEAD only show.

The token is the credential: no cookie, no form token, no redirect. A mail program's one-click (RFC 8058) acts at once.
Whoever has the link may be somebody a mail was forwarded to, so nothing here tells more than how we write.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, time
from email.parser import BytesParser
from email.policy import HTTP
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response
from sqlalchemy.exc import SQLAlchemyError

from domain.actions import Capability
from domain.customers import Customer, Purpose, choose_language
from domain.hours import ContactWindow, zone
from domain.policy import Policy
from domain.staffing import answer_by
from gateway.bodies import TooLarge, capped_body
from gateway.pages.forms import Form
from gateway.pages.rendering import customers_page
from gateway.pages.unsubscribe_words import WORDS, Words
from services.masking import masked_mail, masked_phone
from services.preferences import (
    Preferences,
    Wishes,
    ask_for_call,
    reachable_by,
    read_preferences,
    save_wishes,
    unsubscribe,
)
from services.signed_tokens import NotOurLink
from services.wiring import Handrail
from store.database import in_short
from templates.dates import deadline
from templates.zones import zone_name

router = APIRouter(include_in_schema=False)
_log = logging.getLogger("gateway.pages")

_CAP = 16 * 1024
_FIELDS = 50
_HALF_HOURS = [time(hour, minute) for hour in range(24) for minute in (0, 30)]


@dataclass(frozen=True, slots=True)
class _Notice:
    """What came of a form."""

    text: str
    is_right: bool = True
    more: str = ""


@router.api_route("/unsubscribe/{token}", methods=["GET", "HEAD"])
async def show(request: Request, token: str) -> Response:
    """The page; a mail scanner that follows the link changes nothing."""
    handrail: Handrail = request.app.state.handrail
    try:
        customer_id, purpose = handrail.links.read(token)
    except NotOurLink:
        return _no_page(request)
    return await _guarded(request, lambda: _shown(request, customer_id, purpose))


@router.post("/unsubscribe/{token}")
async def change(request: Request, token: str) -> Response:
    """What the customer decided, or their mail program's one click."""
    handrail: Handrail = request.app.state.handrail
    form = await _form(request)
    try:
        customer_id, purpose = handrail.links.read(token)
    except NotOurLink:
        return _no_page(request)
    if form.one("List-Unsubscribe") == "One-Click":
        return await _guarded(request, lambda: _one_click(handrail, customer_id, purpose))
    return await _guarded(request, lambda: _changed(request, customer_id, purpose, form))


def _one_click(handrail: Handrail, customer_id: int, purpose: Purpose) -> Response:
    unsubscribe(handrail, customer_id, [purpose])
    return Response("unsubscribed\n", media_type="text/plain", headers={"Cache-Control": "no-store"})


def _shown(
    request: Request,
    customer_id: int,
    purpose: Purpose,
    notice: _Notice | None = None,
    *,
    status: int = 200,
) -> Response:
    handrail: Handrail = request.app.state.handrail
    known = read_preferences(handrail, customer_id)
    if known is None:
        return _no_page(request, is_guess=False)
    language, policy = _language(request, known.customer.language), handrail.policy
    words = WORDS[language]
    return customers_page(
        request,
        "unsubscribe.html",
        language,
        status=status,
        company=policy.company,
        human=policy.human[language],
        words=words,
        notice=notice,
        purpose=purpose,
        allowed=[each for each in Purpose if each in known.allowed],
        channels=_channels(known.customer, words),
        preferred=known.customer.preferred_channel,
        hours=_hours(known.customer, policy),
        starts=_hour(known.customer, "starts"),
        ends=_hour(known.customer, "ends"),
        clock=_clock(known.customer, policy, language),
        languages={tag: WORDS[tag].language_name for tag in _languages(policy)},
        number=None if known.customer.phone is None else masked_phone(known.customer.phone),
        call_by=_told_by(handrail, known, language),
        is_call_asked=known.calls_by is not None,
    )


def _changed(request: Request, customer_id: int, purpose: Purpose, form: Form) -> Response:
    """One of the page's own forms. What is none of them changes nothing."""
    handrail: Handrail = request.app.state.handrail
    known = read_preferences(handrail, customer_id)
    if known is None:
        return _no_page(request, is_guess=False)
    words = WORDS[_language(request, known.customer.language)]
    match form.one("do"):
        case "stop-this":
            unsubscribe(handrail, customer_id, [purpose])
            return _shown(request, customer_id, purpose, _Notice(words.stopped_this[purpose], more=words.on_its_way))
        case "stop-all":
            unsubscribe(handrail, customer_id, list(Purpose))
            return _shown(request, customer_id, purpose, _Notice(words.stopped_all, more=words.on_its_way))
        case "wishes":
            return _wished(request, customer_id, purpose, known.customer, form)
        case "call-me":
            ask_for_call(handrail, customer_id)
            return _called(request, customer_id, purpose, words)
    return _shown(request, customer_id, purpose, status=400)


def _wished(request: Request, customer_id: int, purpose: Purpose, customer: Customer, form: Form) -> Response:
    handrail: Handrail = request.app.state.handrail
    words = WORDS[_language(request, customer.language)]
    starts, ends = (_time(form.one(name)) for name in ("starts", "ends"))
    problem = words.one_hour if (starts is None) != (ends is None) else ""
    if starts is not None and ends is not None and not _fits(starts, ends, customer):
        problem = words.no_span
    if problem:
        return _shown(request, customer_id, purpose, _Notice(problem, is_right=False), status=400)
    window = None if starts is None or ends is None else ContactWindow(starts, ends)
    language = form.one("language")
    if language not in _languages(handrail.policy):
        language = _language(request, customer.language)
    save_wishes(handrail, customer_id, Wishes(_channel(form.one("channel"), customer), window, language))
    return _shown(request, customer_id, purpose, _Notice(WORDS[language].saved))


def _called(request: Request, customer_id: int, purpose: Purpose, words: Words) -> Response:
    handrail: Handrail = request.app.state.handrail
    known = read_preferences(handrail, customer_id)
    if known is None:
        return _no_page(request, is_guess=False)
    if known.calls_by is None or known.customer.phone is None:
        return _shown(request, customer_id, purpose, _Notice(words.will_not_call, is_right=False))
    by = _told_by(handrail, known, _language(request, known.customer.language))
    told = words.will_call.format(number=masked_phone(known.customer.phone), by=by)
    return _shown(request, customer_id, purpose, _Notice(told))


async def _guarded(request: Request, work: Callable[[], Response]) -> Response:
    """In a thread; when the database does not answer, a page that says so, and later works (RFC 8058 tries again)."""
    try:
        return await asyncio.to_thread(work)
    except SQLAlchemyError as problem:
        _log.error("unsubscribe: the database: %s", in_short(problem))
        answer = _said(request, 503, "not_now")
        answer.headers["Retry-After"] = "60"
        return answer


def _no_page(request: Request, *, is_guess: bool = True) -> Response:
    """The same for a link that is none, one to nobody, and one to somebody who is not with us any more."""
    handrail: Handrail = request.app.state.handrail
    address = request.client.host if request.client else ""
    if is_guess and request.app.state.guesses.is_too_many(address, handrail.clock()):
        return _said(request, 429, "no_page")
    return _said(request, 404, "no_page")


def _said(request: Request, status: int, what: str) -> Response:
    handrail: Handrail = request.app.state.handrail
    language = _language(request, None)
    words = WORDS[language]
    return customers_page(
        request,
        "unsubscribe-said.html",
        language,
        status=status,
        company=handrail.policy.company,
        human=handrail.policy.human[language],
        words=words,
        title=getattr(words, what),
        text=getattr(words, f"{what}_words"),
    )


async def _form(request: Request) -> Form:
    """The fields that were sent, either way that RFC 8058 has them sent; nothing for what is no form."""
    try:
        body = await capped_body(request, _CAP)
    except TooLarge:
        return Form({})
    kind = request.headers.get("content-type", "")
    try:
        if kind.lower().startswith("multipart/form-data"):
            return Form(_parts(kind, body))
        return Form(parse_qs(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_FIELDS))
    except ValueError:
        return Form({})


def _parts(kind: str, body: bytes) -> dict[str, list[str]]:
    message = BytesParser(policy=HTTP).parsebytes(b"Content-Type: " + kind.encode("latin-1") + b"\r\n\r\n" + body)
    fields: dict[str, list[str]] = {}
    for part in message.iter_parts():
        name = part.get_param("name", header="content-disposition")
        if isinstance(name, str):
            said = part.get_payload(decode=True)
            fields.setdefault(name, []).append(said.decode("utf-8") if isinstance(said, bytes) else "")
    return fields


def _languages(policy: Policy) -> list[str]:
    return [tag for tag in policy.languages if tag in WORDS]


def _language(request: Request, own: str | None) -> str:
    """The customer's, else their browser's."""
    policy: Policy = request.app.state.handrail.policy
    asked = [word.partition(";")[0].strip() for word in request.headers.get("accept-language", "").split(",")[:10]]
    default = policy.default_language if policy.default_language in WORDS else _languages(policy)[0]
    return choose_language(own, *asked, supported=_languages(policy), default=default)


def _channels(customer: Customer, words: Words) -> dict[Capability, str]:
    """Those with an address on file, each with what its owner knows it by."""
    shown = {Capability.MAIL: masked_mail(customer.email or ""), Capability.PUSH: ""}
    number = masked_phone(customer.phone or "")
    return {
        channel: " ".join(word for word in (words.channels[channel], shown.get(channel, number)) if word)
        for channel in reachable_by(customer)
    }


def _channel(word: str, customer: Customer) -> Capability | None:
    return next((channel for channel in reachable_by(customer) if channel == word), None)


def _hours(customer: Customer, policy: Policy) -> list[str]:
    """Half hours of the day, and the hours that are on file whatever they are."""
    quiet = policy.contact.quiet
    by_day = [at for at in _HALF_HOURS if quiet is None or not _in_span(at, quiet.starts, quiet.ends)]
    own = [] if customer.window is None else [customer.window.starts, customer.window.ends]
    return [f"{at:%H:%M}" for at in sorted({*by_day, *own})]


def _in_span(at: time, starts: time, ends: time) -> bool:
    """Strictly within it: the hours at which a night begins and ends are of the day."""
    return starts < at < ends if starts < ends else at > starts or at < ends


def _fits(starts: time, ends: time, customer: Customer) -> bool:
    """A span of the day; what is on file already, over midnight perhaps, stays as it is."""
    own = customer.window
    return starts < ends or (own is not None and (own.starts, own.ends) == (starts, ends))


def _hour(customer: Customer, which: str) -> str:
    return "" if customer.window is None else f"{getattr(customer.window, which):%H:%M}"


def _time(word: str) -> time | None:
    try:
        return time.fromisoformat(word) if len(word) == len("09:00") else None
    except ValueError:
        return None


def _clock(customer: Customer, policy: Policy, language: str) -> str:
    """Whose clock the hours are on, where a reader would not know."""
    place = zone(customer.time_zone or policy.default_time_zone)
    name = zone_name(datetime.now(UTC).astimezone(place), language)
    return WORDS[language].clock.format(name) if name else ""


def _told_by(handrail: Handrail, known: Preferences, language: str) -> str:
    """By when somebody has called: as they were told today, else as they would be now."""
    policy = handrail.policy
    by = known.calls_by or answer_by(policy.staffing, handrail.clock(), policy.journeys.call_me_minutes)
    return deadline(by.isoformat(), known.customer.time_zone or policy.default_time_zone, language)
