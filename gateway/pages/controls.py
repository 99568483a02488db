"""`/controls`: stop everything or a part with one thumb; see what would go out, and let it go on."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response

from domain.actions import Kind
from domain.controls import JOBS, Part, Scope
from gateway.pages.forms import Form, plain
from gateway.pages.refusals import refusal
from gateway.pages.rendering import elsewhere, page
from gateway.pages.visitors import Seeing, Sent, Visitor
from services.controls import integrations, named_part, start, stop
from services.starting import what_would_go
from services.wiring import Handrail

router = APIRouter(include_in_schema=False)

_LONGEST_REASON = 500


@router.api_route("/controls", methods=["GET", "HEAD"])
async def show(request: Request, visitor: Seeing) -> Response:
    """What is stopped, and the form to stop."""
    return await _show(request, visitor)


@router.post("/controls/stop")
async def stop_part(request: Request, visitor: Seeing, form: Sent) -> Response:
    """Stop it, at once."""
    handrail: Handrail = request.app.state.handrail
    who, reason = _who(visitor, form), form.line("reason")[:_LONGEST_REASON]
    if not who or not reason:
        problem = "Say who you are and why: everybody who asks is told. Nothing was stopped."
        return await _show(request, visitor, problem=problem, chosen=form.line("part"), status=422)
    try:
        part = await _part(handrail, form.line("part"))
    except ValueError as problem:
        return await _show(request, visitor, problem=f"Nothing was stopped: {problem}.", status=422)
    await asyncio.to_thread(stop, handrail.database, part, by=who, reason=reason, now=handrail.clock())
    return elsewhere(request, "/controls")


@router.api_route("/controls/start", methods=["GET", "HEAD"])
async def show_start(request: Request, visitor: Seeing, part: str = "") -> Response:
    """What would go out, and the form to let it go."""
    return await _show_start(request, visitor, plain(part))


@router.post("/controls/start")
async def start_part(request: Request, visitor: Seeing, form: Sent) -> Response:
    """Let it go on."""
    handrail: Handrail = request.app.state.handrail
    who, reason = _who(visitor, form), form.line("reason")[:_LONGEST_REASON]
    if not who:
        problem = "Say who you are: it is kept. Nothing was started."
        return await _show_start(request, visitor, form.line("part"), problem=problem, status=422)
    try:
        part = await _part(handrail, form.line("part"))
    except ValueError as problem:
        return refusal(request, 404, "Nothing was started", f"{problem}.")
    await asyncio.to_thread(start, handrail.database, part, by=who, reason=reason, now=handrail.clock())
    return elsewhere(request, "/controls")


async def _show(
    request: Request, visitor: Visitor, *, problem: str = "", chosen: str = "", status: int = 200
) -> Response:
    handrail: Handrail = request.app.state.handrail
    named = await asyncio.to_thread(integrations, handrail.database)
    parts: dict[str, list[str]] = {
        Scope.JOB: sorted(set(JOBS.values())),
        Scope.KIND: [kind.value for kind in Kind],
        Scope.INTEGRATION: sorted(named.values()),
    }
    facts: dict[str, Any] = {"parts": parts, "problem": problem, "chosen": chosen}
    return page(request, "controls.html", visitor, status=status, **facts)


async def _show_start(
    request: Request, visitor: Visitor, said: str, *, problem: str = "", status: int = 200
) -> Response:
    handrail: Handrail = request.app.state.handrail
    try:
        part = await _part(handrail, said)
    except ValueError as wrong:
        return refusal(request, 404, "No such part", f"{wrong}.")
    found = await asyncio.to_thread(what_would_go, handrail.database, handrail.policy, part, now=handrail.clock())
    return page(request, "controls-start.html", visitor, status=status, found=found, said=said, problem=problem)


async def _part(handrail: Handrail, said: str) -> Part:
    """`job:expiry-detection`, as our forms say it. Raises ValueError."""
    scope, _, name = said.partition(":")
    if scope not in set(Scope):
        raise ValueError(f"{scope!r} is no part of what can be stopped")
    return await asyncio.to_thread(named_part, handrail.database, Scope(scope), name)


def _who(visitor: Visitor, form: Form) -> str:
    """Who signed in; where nobody does, the name that was typed."""
    return visitor.name or form.line("name")[:200]
