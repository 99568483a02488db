"""`/`: what waits, in numbers, and where to look."""

import asyncio

from fastapi import APIRouter, Request, Response

from domain.actions import State
from domain.instants import lasted
from gateway.pages.rendering import page
from gateway.pages.visitors import Seeing
from services.open_cases import Wanted, open_cases
from services.places import Places
from services.reporting import LATE_FETCH_SECONDS, standing
from services.tracing import SUBJECTS
from services.wiring import Handrail

router = APIRouter(include_in_schema=False)


@router.api_route("/", methods=["GET", "HEAD"])
async def show(request: Request, visitor: Seeing) -> Response:
    """The first page."""
    handrail: Handrail = request.app.state.handrail
    now = handrail.clock()
    stands = await asyncio.to_thread(standing, handrail.database, now=now)
    cases = await asyncio.to_thread(open_cases, handrail.database, Wanted(), Places(), now=now, limit=0)
    counts = {state: 0 for state in State}
    for (_, state), count in stands.actions.items():
        counts[State(state)] += count
    return page(
        request,
        "front.html",
        visitor,
        stands=stands,
        cases=cases,
        breakers=sorted(name for name, is_open in stands.breakers.items() if is_open),
        states=[(state.value, state.words, count) for state, count in counts.items() if count],
        lasted=lasted,
        late_fetch_seconds=LATE_FETCH_SECONDS,
        prefect_ui=handrail.settings.prefect_ui,
        subjects=SUBJECTS,
    )
