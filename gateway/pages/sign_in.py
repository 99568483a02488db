"""`/sign-in` and `/sign-out`: operators have passwords, reviewers one-time codes."""

import asyncio
import logging

from fastapi import APIRouter, Request, Response

from gateway.pages.forms import Form
from gateway.pages.rendering import elsewhere, page
from gateway.pages.visitors import Anybody, Visitor, genuine_form, new_token, remember
from services import reviewers
from services.operators import Operators
from services.reviewers import WrongCode
from services.tries import TooManyTries
from services.wiring import Handrail

router = APIRouter(include_in_schema=False)
_log = logging.getLogger("gateway.pages")

_WRONG = "Name or password is wrong."
_TOO_MANY = "Too many wrong passwords from here. Try again in a quarter of an hour."
_TOO_MANY_CODES = "Too many wrong codes from here. Try again in a quarter of an hour."
_NO_CODE = "Type the six digits that your phone shows for Handrail."


@router.api_route("/sign-in", methods=["GET", "HEAD"])
async def ask(request: Request, visitor: Anybody, to: str = "/") -> Response:
    """The form."""
    if visitor.name is not None or not visitor.must_sign_in:
        return elsewhere(request, _ours(to))
    return await _form(request, visitor, to)


@router.post("/sign-in")
async def sign_in(request: Request, visitor: Anybody) -> Response:
    """Begin a session, under a new token: with a password, or with a one-time code."""
    form = await genuine_form(request, visitor)
    name, token, to = form.line("name"), new_token(), form.one("to")
    address = request.client.host if request.client else ""
    is_password = "password" in form.fields
    try:
        problem = await (_by_password if is_password else _by_code)(request, form, token, address)
    except TooManyTries as refused:
        _log.warning("sign-in: too many wrong passwords or codes from %s", address)
        told = _in_a_sentence(str(refused)) or (_TOO_MANY if is_password else _TOO_MANY_CODES)
        return await _form(request, visitor, to, name=name, problem=told, by_password=is_password, status=429)
    if problem:
        return await _form(request, visitor, to, name=name, problem=problem, by_password=is_password, status=403)
    _log.info("sign-in: %s", name)
    answer = elsewhere(request, _ours(to))
    remember(request, answer, token)
    return answer


async def _by_password(request: Request, form: Form, token: str, address: str) -> str:
    """Begin an operator's session; else what is wrong. Raises TooManyTries."""
    handrail: Handrail = request.app.state.handrail
    operators: Operators = request.app.state.operators
    name, password, now = form.line("name"), form.one("password"), handrail.clock()
    if await operators.sign_in(handrail.database, name, password, token, address=address, now=now):
        return ""
    _log.warning("sign-in: a wrong name or password from %s", address)
    return _WRONG


async def _by_code(request: Request, form: Form, token: str, address: str) -> str:
    """Begin a reviewer's session; else what is wrong. Raises TooManyTries."""
    handrail: Handrail = request.app.state.handrail
    tries = request.app.state.operators.tries
    code, now = form.line("code") or form.line("recovery"), handrail.clock()
    if not code:
        return _NO_CODE
    tries.refuse_guessers(address, now=now)
    try:
        await asyncio.to_thread(reviewers.sign_in, handrail.database, form.line("name"), code, token, now=now)
    except WrongCode as problem:
        tries.count(address, now=now)
        _log.warning("sign-in: a wrong name or code from %s", address)
        return _in_a_sentence(str(problem))
    return ""


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


async def _form(
    request: Request,
    visitor: Visitor,
    to: str,
    *,
    name: str = "",
    problem: str = "",
    by_password: bool = False,
    status: int = 200,
) -> Response:
    """With the ways in which somebody can sign in here; `by_password`: the way that was tried."""
    handrail: Handrail = request.app.state.handrail
    has_operators = bool(request.app.state.operators)
    has_reviewers = not has_operators or await asyncio.to_thread(reviewers.is_there_any, handrail.database)
    answer = page(
        request,
        "sign-in.html",
        status=status,
        form_token=visitor.form_token,
        to=to,
        name=name,
        problem=problem,
        has_operators=has_operators,
        has_reviewers=has_reviewers,
        by_password=by_password or not has_reviewers,
    )
    if visitor.is_new:
        remember(request, answer, visitor.token)
    return answer


def _in_a_sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}." if words else ""


def _ours(to: str) -> str:
    """A path of ours, whatever a link asked for: `//evil.example` and `/\\evil.example` lead elsewhere."""
    return to if to.startswith("/") and not to.startswith(("//", "/\\")) and to.isprintable() else "/"
