"""`/trace/{subject}`: the story of one answer, ending, customer, case or action."""

import asyncio
from urllib.parse import quote

from fastapi import APIRouter, Request, Response

from gateway.pages.forms import plain
from gateway.pages.rendering import elsewhere, page
from gateway.pages.visitors import Seeing
from services.places import Places
from services.tracing import SUBJECTS, nearest_known, trace
from services.wiring import Handrail

router = APIRouter(include_in_schema=False)


@router.api_route("/trace", methods=["GET", "HEAD"])
async def search(request: Request, visitor: Seeing, subject: str = "") -> Response:
    """To the story of what was typed; without anything typed, what can be asked for."""
    if subject := plain(subject).strip():
        return elsewhere(request, f"/trace/{quote(subject, safe='/')}")
    return page(request, "trace-search.html", visitor, subjects=SUBJECTS)


@router.api_route("/trace/{subject:path}", methods=["GET", "HEAD"])
async def show(request: Request, visitor: Seeing, subject: str) -> Response:
    """What happened, in order; 404 with the nearest known for a subject nobody knows."""
    handrail: Handrail = request.app.state.handrail
    places = Places(handrail.roster, handrail.settings.prefect_ui)
    subject = plain(subject)
    story = await asyncio.to_thread(trace, handrail.database, subject, places)
    if story is None:
        near = await asyncio.to_thread(nearest_known, handrail.database, subject)
        return page(request, "trace-unknown.html", visitor, status=404, subject=subject, near=near, subjects=SUBJECTS)
    return page(request, "trace.html", visitor, story=story)
