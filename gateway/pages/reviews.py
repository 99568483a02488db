"""`/reviews`: what waits for a person's decision; one review in full; one of its actions. GET and HEAD only show."""

import asyncio
from datetime import datetime
from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse

from domain.customers import Tier
from domain.instants import lasted
from domain.reviews import Reason
from gateway.pages.forms import plain
from gateway.pages.refusals import refusal
from gateway.pages.rendering import MAIL_HEADERS, page, with_frames
from gateway.pages.visitors import Seeing, Visitor
from services.places import Places
from services.previewing import by_light
from services.review_reading import UnknownReview, summary
from services.review_saying import Words
from services.review_showing import ReviewShown, read_mail_of_wording, read_member, read_queue, read_review
from services.wiring import Handrail
from store.review_pages import Chosen

router = APIRouter(include_in_schema=False)

_NOTHING_TYPED = {"reason": "", "comment": "", "refs": ""}
_FOR = (Reason.AS_INTENDED, Reason.CHECKED_WITH_THE_TEAM, Reason.OTHER)
_AGAINST = tuple(reason for reason in Reason if reason is not Reason.AS_INTENDED)
_MANY_DIGITS = 16
"""More than any of our ids has."""


@router.api_route("/reviews", methods=["GET", "HEAD"])
async def show_all(request: Request, visitor: Seeing) -> Response:
    """The queue: by deadline and value, those that stopped, those decided lately."""
    handrail: Handrail = request.app.state.handrail
    queue = await asyncio.to_thread(read_queue, handrail)
    return page(request, "reviews.html", visitor, queue=queue, left=left_until(handrail.clock()))


@router.api_route("/reviews/{review_id:int}", methods=["GET", "HEAD"])
async def show_one(
    request: Request,
    visitor: Seeing,
    review_id: int,
    language: str = "",
    tier: str = "",
    ref: str = "",
    after: str = "",
) -> Response:
    """One review with a page of its members."""
    after_id = int(after) if after.isascii() and after.isdigit() and len(after) < _MANY_DIGITS else 0
    chosen = Chosen(after_id, plain(language).lower(), plain(tier), plain(ref).strip())
    return await review_page(request, visitor, review_id, chosen)


@router.api_route("/reviews/{review_id:int}/actions/{key:path}", methods=["GET", "HEAD"])
async def show_member(request: Request, visitor: Seeing, review_id: int, key: str) -> Response:
    """One action of it: what its customer said and gets, and what it rests on."""
    handrail: Handrail = request.app.state.handrail
    try:
        review = await asyncio.to_thread(summary, handrail.database, handrail.policy, review_id)
    except UnknownReview as problem:
        return refusal(request, 404, "No such review", str(problem))
    member = await read_member(handrail, review_id, plain(key))
    if member is None:
        return refusal(request, 404, "Not in this review", f"Review {review_id} asks about no action {key[:200]}.")
    return with_frames(page(request, "review-member.html", visitor, review=review, member=member))


@router.api_route("/reviews/{review_id:int}/mail", methods=["GET", "HEAD"])
async def show_mail(
    request: Request, visitor: Seeing, review_id: int, key: str = "", wording: str = "", dark: str = "0"
) -> Response:
    """What a frame of those pages holds: the mail of one action, or a wording that is asked about."""
    handrail: Handrail = request.app.state.handrail
    if wording:
        html = await asyncio.to_thread(read_mail_of_wording, handrail, review_id, plain(wording))
    else:
        member = await read_member(handrail, review_id, plain(key))
        html = member.words.html if member is not None and isinstance(member.words, Words) else ""
    if not html:
        return refusal(request, 404, "No such mail", "The page of the review has those that there are.")
    return HTMLResponse(by_light(html, dark=dark == "1"), headers=dict(MAIL_HEADERS))


async def review_page(
    request: Request,
    visitor: Visitor,
    review_id: int,
    chosen: Chosen | None = None,
    *,
    problem: str = "",
    typed: dict[str, str] | None = None,
    status: int = 200,
) -> Response:
    """The page of one review; with a problem when something that was asked of it was not done."""
    handrail: Handrail = request.app.state.handrail
    places = Places(handrail.roster, handrail.settings.prefect_ui)
    try:
        shown: ReviewShown = await read_review(handrail, review_id, chosen or Chosen(), places)
    except UnknownReview as unknown:
        return refusal(request, 404, "No such review", str(unknown))
    facts: dict[str, Any] = {
        "shown": shown,
        "problem": problem,
        "typed": {**_NOTHING_TYPED, **(typed or {})},
        "reviewer": visitor.reviewer,
        "left": left_until(handrail.clock()),
        "first_stage": handrail.policy.reviews.canary.steps[0],
        "reasons_for": [reason.value for reason in _FOR],
        "reasons_against": [reason.value for reason in _AGAINST],
        "tiers": [tier.value for tier in Tier],
        "path": lambda key: quote(key, safe="/"),
    }
    return with_frames(page(request, "review.html", visitor, status=status, **facts))


def left_until(now: datetime) -> Any:
    """How long it is until an instant, as one says it."""
    return lambda at: lasted(max(0.0, (at - now).total_seconds()))
