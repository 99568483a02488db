"""`/sign-in` and `/sign-out`, where operators have names."""

import asyncio
import logging

from fastapi import APIRouter, Request, Response

from gateway.pages.rendering import elsewhere, page
from gateway.pages.visitors import Anybody, Visitor, genuine_form, new_token, remember
from services.operators import Operators, TooManyTries
from services.wiring import Handrail

router = APIRouter(include_in_schema=False)
_log = logging.getLogger("gateway.pages")

_WRONG = "Name or password is wrong."
_TOO_MANY = "Too many wrong passwords from here. Try again in a quarter of an hour."


@router.api_route("/sign-in", methods=["GET", "HEAD"])
async def ask(request: Request, visitor: Anybody, to: str = "/") -> Response:
    """The form."""
    if visitor.name is not None or not request.app.state.operators:
        return elsewhere(request, _ours(to))
    return _form(request, visitor, to)


@router.post("/sign-in")
async def sign_in(request: Request, visitor: Anybody) -> Response:
    """Begin a session, under a new token."""
    handrail: Handrail = request.app.state.handrail
    operators: Operators = request.app.state.operators
    form = await genuine_form(request, visitor)
    name, token, to = form.line("name"), new_token(), form.one("to")
    address = request.client.host if request.client else ""
    try:
        is_right = await operators.sign_in(
            handrail.database, name, form.one("password"), token, address=address, now=handrail.clock()
        )
    except TooManyTries:
        _log.warning("sign-in: too many wrong passwords from %s", address)
        return _form(request, visitor, to, name=name, problem=_TOO_MANY, status=429)
    if not is_right:
        _log.warning("sign-in: a wrong name or password from %s", address)
        return _form(request, visitor, to, name=name, problem=_WRONG, status=403)
    _log.info("sign-in: %s", name)
    answer = elsewhere(request, _ours(to))
    remember(request, answer, token)
    return answer


@router.post("/sign-out")
async def sign_out(request: Request, visitor: Anybody) -> Response:
    """End the session, here and for whoever may have its token."""
    handrail: Handrail = request.app.state.handrail
    await genuine_form(request, visitor)
    operators: Operators = request.app.state.operators
    await asyncio.to_thread(operators.sign_out, handrail.database, visitor.token)
    answer = elsewhere(request, "/sign-in")
    remember(request, answer, new_token())
    return answer


def _form(
    request: Request, visitor: Visitor, to: str, *, name: str = "", problem: str = "", status: int = 200
) -> Response:
    token = visitor.form_token
    answer = page(request, "sign-in.html", status=status, form_token=token, to=to, name=name, problem=problem)
    if visitor.is_new:
        remember(request, answer, visitor.token)
    return answer


def _ours(to: str) -> str:
    """A path of ours, whatever a link asked for: `//evil.example` and `/\\evil.example` lead elsewhere."""
    return to if to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable() else "/"
