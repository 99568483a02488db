"""`/cases`: whom we owe an answer, the late ones first."""

import asyncio

from fastapi import APIRouter, Request, Response

from domain.customers import Tier
from gateway.pages.forms import plain
from gateway.pages.rendering import page
from gateway.pages.visitors import Seeing
from services.open_cases import Wanted, open_cases
from services.places import Places
from services.wiring import Handrail

router = APIRouter(include_in_schema=False)
_ON_A_PAGE = 50
_LAST_PAGE = 100_000


@router.api_route("/cases", methods=["GET", "HEAD"])
async def show(
    request: Request,
    visitor: Seeing,
    team: str = "",
    tier: str = "",
    owner: str = "",
    late: str = "",
    page_number: str = "1",
) -> Response:
    """Open cases by promised time."""
    handrail: Handrail = request.app.state.handrail
    wanted = Wanted(plain(team), plain(tier), plain(owner), is_late=bool(late))
    number = min(int(page_number), _LAST_PAGE) if page_number.isascii() and page_number.isdigit() else 1
    found = await asyncio.to_thread(
        open_cases,
        handrail.database,
        wanted,
        Places(handrail.roster),
        now=handrail.clock(),
        offset=_ON_A_PAGE * (max(number, 1) - 1),
        limit=_ON_A_PAGE,
    )
    return page(
        request,
        "cases.html",
        visitor,
        found=found,
        wanted=wanted,
        tiers=[each.value for each in Tier],
        number=max(number, 1),
        is_last=len(found.rows) + _ON_A_PAGE * (max(number, 1) - 1) >= found.total,
    )
