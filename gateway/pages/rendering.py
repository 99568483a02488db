"""From facts to a page: templates that escape everything, and the headers every page leaves with."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

import jinja2
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from markupsafe import Markup

from domain.hours import zone
from gateway.pages.visitors import Visitor, remember
from services.wiring import Handrail

_DIRECTORY = Path(__file__).parent

HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}

MAIL_HEADERS: Mapping[str, str] = {
    **HEADERS,
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'none'; base-uri 'none'; "
        "frame-ancestors 'self'; sandbox"
    ),
    "Referrer-Policy": "no-referrer",
}
"""A mail has its style in its elements. It runs nothing, loads nothing and leads nowhere."""

_PAGES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_DIRECTORY / "html"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)


def page(
    request: Request, template: str, visitor: Visitor | None = None, *, status: int = 200, **facts: Any
) -> HTMLResponse:
    """The template with these facts. Without a visitor it offers nothing that changes anything."""
    handrail: Handrail = request.app.state.handrail
    place = zone(handrail.policy.staffing.time_zone)
    root = root_of(request)
    words = _PAGES.get_template(template).render(
        root=root,
        here=path_of(request),
        visitor=visitor,
        zone=place.key,
        now=handrail.clock(),
        at=lambda instant: _time(instant, place),
        trace_of=lambda subject: f"{root}/trace/{quote(subject, safe='/')}",
        query=_query,
        outside=_outside,
        **facts,
    )
    answer = HTMLResponse(words, status_code=status, headers=dict(HEADERS))
    if visitor is not None and visitor.is_new:
        remember(request, answer, visitor.token)
    return answer


def customers_page(request: Request, template: str, language: str, *, status: int = 200, **facts: Any) -> HTMLResponse:
    """A page for customers. Whoever has its address may open it, so browsers pass it on to nobody."""
    words = _PAGES.get_template(template).render(root=root_of(request), language=language, **facts)
    headers = {**HEADERS, "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}
    return HTMLResponse(words, status_code=status, headers=headers)


def with_frames(answer: HTMLResponse) -> HTMLResponse:
    """The page, which may show other pages of ours in frames."""
    policy = answer.headers["Content-Security-Policy"]
    answer.headers["Content-Security-Policy"] = f"{policy}; frame-src 'self'"
    return answer


def as_file(template: str, **facts: Any) -> str:
    """A page that is one file: our style stands in it."""
    style = Markup((_DIRECTORY / "style.css").read_text(encoding="utf-8"))  # noqa: S704 - ours
    return _PAGES.get_template(template).render(style=style, **facts)


def elsewhere(request: Request, path: str) -> RedirectResponse:
    """To another page of ours, by GET."""
    return RedirectResponse(root_of(request) + path, status_code=303, headers=dict(HEADERS))


def root_of(request: Request) -> str:
    """What a proxy put before our paths; usually nothing."""
    return str(request.scope.get("root_path", "")).rstrip("/")


def path_of(request: Request) -> str:
    """The path that was asked for, without what a proxy put before it."""
    path, root = str(request.scope["path"]), root_of(request)
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


def _time(instant: datetime | str | None, place: ZoneInfo) -> Markup:
    """An instant on the wall clock of those who work here; as UTC when one points at it."""
    if instant is None:
        return Markup("–")
    moment = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    local = moment.astimezone(place)
    return Markup('<time datetime="{}" title="{} UTC">{} {}</time>').format(
        f"{moment:%Y-%m-%dT%H:%M:%SZ}",
        f"{moment:%Y-%m-%d %H:%M:%S}.{moment.microsecond // 1000:03d}",
        f"{local.day} {local:%b %Y}",
        f"{local:%H:%M:%S}",
    )


def _query(**words: Any) -> str:
    """`?a=b` of those words that say something."""
    told = {name: word for name, word in words.items() if word not in {None, ""}}
    return f"?{urlencode(told)}" if told else ""


def _outside(address: str | None) -> str | None:
    """An address that a vendor gave, when a browser may go there."""
    return address if address and address.startswith(("https://", "http://")) else None
