"""`/templates`: the words customers read, in every language, as they look on their screens."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from domain.actions import Capability
from gateway.pages.refusals import refusal
from gateway.pages.rendering import MAIL_HEADERS, as_file, page, root_of, with_frames
from gateway.pages.visitors import Seeing
from services.previewing import Shown, by_light, links_of, shown
from services.wiring import Handrail
from services.wordings import Wording, Wordings, read_wordings
from templates.library import Template

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _Card:
    """One wording, and what each channel makes of it."""

    wording: Wording
    by: Mapping[str, Shown]


@router.api_route("/templates", methods=["GET", "HEAD"])
async def show_all(request: Request, visitor: Seeing) -> Response:
    """Every message in every language."""
    handrail: Handrail = request.app.state.handrail
    found = await asyncio.to_thread(read_wordings, handrail.database)
    cards = [_card(handrail, found, wording) for wording in found.rows]
    names = dict.fromkeys(card.wording.template.name for card in cards)
    by_name = {name: [card for card in cards if card.wording.template.name == name] for name in names}
    return with_frames(page(request, "wordings.html", visitor, messages=by_name, frame=_frames(request)))


@router.api_route("/templates/{name}/{language}", methods=["GET", "HEAD"])
async def show_one(request: Request, visitor: Seeing, name: str, language: str, waiting: bool = False) -> Response:
    """One message in one language, on a phone and on a desk, by day and at night."""
    card = await _found(request, name, language, waiting)
    if card is None:
        return _unknown(request)
    return with_frames(page(request, "wording.html", visitor, card=card, frame=_frames(request)))


@router.api_route("/templates/{name}/{language}/mail", methods=["GET", "HEAD"])
async def show_mail(
    request: Request, visitor: Seeing, name: str, language: str, waiting: bool = False, dark: bool = False
) -> Response:
    """What a frame of those pages holds."""
    card = await _found(request, name, language, waiting)
    if card is None or Capability.MAIL not in card.by:
        return _unknown(request)
    return HTMLResponse(by_light(card.by[Capability.MAIL].words.html, dark=dark), headers=dict(MAIL_HEADERS))


def preview_file(template: Template, by: Sequence[Shown]) -> str:
    """The same previews as one HTML file that needs nothing beside it."""

    def frame(card: Mapping[str, Any], *, dark: bool) -> Markup:
        return Markup('srcdoc="{}"').format(by_light(card["by"][Capability.MAIL].words.html, dark=dark))

    card = {"wording": {"template": template}, "by": {one.channel.value: one for one in by}}
    return as_file("wording-file.html", card=card, frame=frame)


async def _found(request: Request, name: str, language: str, waiting: bool) -> _Card | None:
    handrail: Handrail = request.app.state.handrail
    found = await asyncio.to_thread(read_wordings, handrail.database, (name,))
    its = [one for one in found.rows if one.template.language == language]
    chosen = next((one for one in its if one.is_in_use is not waiting), its[0] if its else None)
    return None if chosen is None else _card(handrail, found, chosen)


def _card(handrail: Handrail, found: Wordings, wording: Wording) -> _Card:
    links = links_of(wording.template.name, found.journeys)
    return _Card(wording, {one.channel.value: one for one in shown(wording.template, handrail.policy, links)})


def _frames(request: Request) -> Callable[..., Markup]:
    def frame(card: _Card, *, dark: bool) -> Markup:
        template, root = card.wording.template, root_of(request)
        how = f"?dark={int(dark)}&waiting={int(not card.wording.is_in_use)}"
        return Markup('src="{}/templates/{}/{}/mail{}"').format(root, template.name, template.language, how)

    return frame


def _unknown(request: Request) -> Response:
    return refusal(request, 404, "No such wording", "The page of all wordings has those that there are.")
