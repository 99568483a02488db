"""`/reviews/ID/link/TOKEN`: where an alert's signed link leads, for its reviewer. GET and HEAD only show.

The token says who decides; the form's own token, made of a cookie, that a browser sent what a person saw: a mail
scanner that follows the link, or even posts to it, decides nothing. No personal data is shown here.
"""

import asyncio
import logging

from fastapi import APIRouter, Request, Response

from domain.reviews import Decision, Reason
from gateway.pages.refusals import refusal
from gateway.pages.rendering import elsewhere, page
from gateway.pages.visitors import COOKIE, Anybody, Visitor, genuine_form, remember
from services.link_decisions import decide_by_link, open_link
from services.review_links import LinkEnded
from services.review_reading import ReviewSummary, UnknownReview
from services.reviews import ReviewProblem
from services.signed_tokens import NotOurLink
from services.wiring import Handrail

router = APIRouter(include_in_schema=False)
_log = logging.getLogger("gateway.pages")

_CHOOSE = "Choose a reason, then say yes or no. Nothing is decided yet."


@router.api_route("/reviews/{review_id:int}/link/{token}", methods=["GET", "HEAD"])
async def show(request: Request, visitor: Anybody, review_id: int, token: str) -> Response:
    """What is asked, in short."""
    if request.headers.get("sec-fetch-site") == "cross-site" and COOKIE not in request.cookies:
        return page(request, "again.html")  # so that the form knows the browser's cookie, and no session is lost
    return await _shown(request, visitor, review_id, token)


@router.post("/reviews/{review_id:int}/link/{token}")
async def decide(request: Request, visitor: Anybody, review_id: int, token: str) -> Response:
    """Decide; then show what came of it."""
    handrail: Handrail = request.app.state.handrail
    form = await genuine_form(request, visitor)
    try:
        decision, reason = Decision(form.one("decision")), Reason(form.one("reason"))
    except ValueError:
        return await _shown(request, visitor, review_id, token, problem=_CHOOSE, status=400)
    try:
        await asyncio.to_thread(
            decide_by_link,
            handrail.database,
            handrail.policy,
            handrail.review_links,
            review_id,
            token,
            decision=decision,
            reason=reason,
            now=handrail.clock(),
        )
    except ReviewProblem as problem:
        return await _shown(request, visitor, review_id, token, problem=_sentence(problem), status=409)
    except (NotOurLink, UnknownReview, LinkEnded):
        return await _shown(request, visitor, review_id, token)
    _log.info("review %s: %s by a link", review_id, decision)
    request.app.state.review_rounds.nudge()
    return elsewhere(request, f"/reviews/{review_id}/link/{token}")


async def _shown(
    request: Request, visitor: Visitor, review_id: int, token: str, *, problem: str = "", status: int = 200
) -> Response:
    handrail: Handrail = request.app.state.handrail
    now = handrail.clock()
    try:
        voter, its = await asyncio.to_thread(
            open_link, handrail.database, handrail.policy, handrail.review_links, review_id, token, now=now
        )
    except (NotOurLink, UnknownReview):
        address = request.client.host if request.client else ""
        is_too_many = request.app.state.guesses.is_too_many(address, now)
        words = "It may have been cut off on its way, or was signed with a secret that is believed no more."
        return refusal(request, 429 if is_too_many else 404, "This is no link of ours", words)
    except LinkEnded as ended:
        return _page(request, visitor, review_id, token, ended=_sentence(ended), problem=problem, status=status)
    return _page(request, visitor, review_id, token, who=voter.name, its=its, problem=problem, status=status)


def _page(
    request: Request,
    visitor: Visitor,
    review_id: int,
    token: str,
    *,
    who: str = "",
    its: ReviewSummary | None = None,
    ended: str = "",
    problem: str = "",
    status: int = 200,
) -> Response:
    answer = page(
        request,
        "review-link.html",
        status=status,
        form_token=visitor.form_token,
        reasons=list(Reason),
        review_id=review_id,
        token=token,
        who=who,
        its=its,
        ended=ended,
        problem=problem,
    )
    answer.headers["Referrer-Policy"] = "no-referrer"  # the address is what lets its reviewer decide
    answer.headers["X-Robots-Tag"] = "noindex, nofollow"
    if visitor.is_new:
        remember(request, answer, visitor.token)
    return answer


def _sentence(problem: Exception) -> str:
    words = str(problem)
    return f"{words[:1].upper()}{words[1:]}."
