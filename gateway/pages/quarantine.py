"""`/quarantine`: what broke its contract; repair, replay, discard."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response

from gateway.pages.forms import Form, plain
from gateway.pages.refusals import refusal
from gateway.pages.rendering import elsewhere, page
from gateway.pages.visitors import Seeing, Sent, Visitor
from services.quarantine import (
    CannotDecide,
    Who,
    check,
    discard,
    list_quarantine,
    read_quarantined,
    repair,
    replay,
    replay_many,
)
from services.replaying import Replayed
from services.wiring import Handrail
from store.quarantine import STATES, WAITING, Chosen

router = APIRouter(include_in_schema=False)

_ON_A_PAGE = 50
_SHOWN = 20_000
"""Characters of a payload that a page shows."""


@router.api_route("/quarantine", methods=["GET", "HEAD"])
async def show(request: Request, visitor: Seeing, state: str = WAITING, source: str = "", before: str = "") -> Response:
    """What waits, the newest first."""
    handrail: Handrail = request.app.state.handrail
    chosen = Chosen(
        state=state if state in STATES else WAITING,
        source=plain(source),
        before_id=int(before) if before.isascii() and before.isdigit() and len(before) < 16 else None,
    )
    found = await asyncio.to_thread(list_quarantine, handrail.database, chosen, limit=_ON_A_PAGE)
    return page(request, "quarantine.html", visitor, found=found, chosen=chosen, states=STATES)


@router.post("/quarantine/replay")
async def replay_chosen(request: Request, visitor: Seeing, form: Sent) -> Response:
    """Replay those that were ticked."""
    ids = form.numbers("id")[:_ON_A_PAGE]
    if not ids:
        return refusal(request, 400, "Nothing was replayed", "Tick what is to be replayed.")
    handrail: Handrail = request.app.state.handrail
    try:
        chosen = Chosen(ids=ids)
        report = await asyncio.to_thread(replay_many, handrail, chosen, _who(visitor, form), limit=_ON_A_PAGE)
    except CannotDecide as problem:
        return refusal(request, 409, "Nothing was replayed", str(problem))
    for row in report.rows:
        await _announce(request, row)
    return page(request, "quarantine-replayed.html", visitor, report=report)


@router.api_route("/quarantine/{row_id:int}", methods=["GET", "HEAD"])
async def show_one(request: Request, visitor: Seeing, row_id: int) -> Response:
    """One of them: what came, what is wrong with it, what was decided."""
    try:
        return await _item(request, visitor, row_id)
    except CannotDecide as problem:
        return refusal(request, 404, "Not in quarantine", str(problem))


@router.post("/quarantine/{row_id:int}/repair")
async def repair_one(request: Request, visitor: Seeing, form: Sent, row_id: int) -> Response:
    """Check the corrected text, and keep it when there is nothing wrong with it."""
    handrail: Handrail = request.app.state.handrail
    text = form.one("text")
    typed: dict[str, Any] = {"text": text, "reason": form.one("reason"), "name": form.line("name")}
    try:
        if form.one("do") == "check":
            problems = await asyncio.to_thread(check, handrail, row_id, text)
            return await _item(request, visitor, row_id, typed=typed, checked=problems)
        seen = _seen(form)
        problems = await asyncio.to_thread(repair, handrail, row_id, text, _who(visitor, form), seen=seen)
    except CannotDecide as problem:
        return await _refused(request, visitor, row_id, str(problem), typed)
    if problems:
        return await _item(request, visitor, row_id, typed=typed, checked=problems, status=422)
    return elsewhere(request, f"/quarantine/{row_id}#decide")


@router.post("/quarantine/{row_id:int}/replay")
async def replay_one(request: Request, visitor: Seeing, form: Sent, row_id: int) -> Response:
    """Take it into the books, as it was shown."""
    handrail: Handrail = request.app.state.handrail
    try:
        ended = await asyncio.to_thread(replay, handrail, row_id, _who(visitor, form), seen=_seen(form))
    except CannotDecide as problem:
        return await _refused(request, visitor, row_id, str(problem), {})
    await _announce(request, ended)
    return elsewhere(request, f"/quarantine/{row_id}#decided")


@router.post("/quarantine/{row_id:int}/discard")
async def discard_one(request: Request, visitor: Seeing, form: Sent, row_id: int) -> Response:
    """Nothing is to come of it."""
    handrail: Handrail = request.app.state.handrail
    who, now = _who(visitor, form), handrail.clock()
    try:
        await asyncio.to_thread(discard, handrail.database, row_id, who, now=now, seen=_seen(form))
    except CannotDecide as problem:
        return await _refused(request, visitor, row_id, str(problem), {})
    return elsewhere(request, f"/quarantine/{row_id}#decided")


async def _item(
    request: Request,
    visitor: Visitor,
    row_id: int,
    *,
    typed: dict[str, Any] | None = None,
    checked: Any = None,
    problem: str = "",
    status: int = 200,
) -> Response:
    handrail: Handrail = request.app.state.handrail
    item = await asyncio.to_thread(read_quarantined, handrail.database, row_id)
    return page(
        request,
        "quarantine-item.html",
        visitor,
        status=status,
        item=item,
        shown=_SHOWN,
        typed={"text": item["editable"], "reason": "", "name": "", **(typed or {})},
        checked=checked,
        problem=problem,
    )


async def _refused(request: Request, visitor: Visitor, row_id: int, problem: str, typed: dict[str, Any]) -> Response:
    try:
        return await _item(request, visitor, row_id, typed=typed, problem=problem, status=409)
    except CannotDecide:
        return refusal(request, 404, "Not in quarantine", problem)


async def _announce(request: Request, ended: Replayed) -> None:
    """What is urgent leaves now, as when it comes in at the door."""
    request.app.state.urgent.nudge(ended.urgent)
    if ended.urgent and ended.subject:
        await request.app.state.handrail.announce_critical_answer(f"quarantine.{ended.id}")


def _who(visitor: Visitor, form: Form) -> Who:
    """The operator who signed in; where nobody does, the name that was typed."""
    return Who(visitor.name or form.line("name")[:200], form.one("reason").strip()[:2000])


def _seen(form: Form) -> int:
    """How many decisions the page showed; none that can be: whatever came in is refused."""
    return next(iter(form.numbers("seen")), -1)
