"""Who is looking: a signed-in operator or reviewer, or whoever sits at this machine when nobody needs to sign in.

A browser is known by one random token in a cookie. Signed in, its hash is in the database, so that signing out ends it
at once and nothing has to be signed with a key that gateways would share. A page's forms carry a token made of it.
"""

import asyncio
import hashlib
import hmac
import secrets
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response

from domain.controls import Stop
from gateway.pages.forms import Form, read_form
from integrations.errors import ConfigurationError
from services import reviewers
from services.controls import standing
from services.operators import Operators
from services.reviewers import Voter
from services.settings import Settings
from services.wiring import Handrail

COOKIE = "handrail"
_TOKEN_BYTES = 32


@dataclass(frozen=True, slots=True)
class Visitor:
    """One browser. `name` is None where nobody signs in: whoever decides says who they are."""

    token: str = field(repr=False)
    name: str | None
    is_new: bool = False
    """The browser has not got its cookie yet."""
    reviewer: Voter | None = None
    """Who signed in with a one-time code, with the roles they have at this request."""
    must_sign_in: bool = False
    """There are people who can: nobody else sees the pages."""
    stops: tuple[Stop, ...] = ()
    """What is stopped, which every page says."""

    @property
    def form_token(self) -> str:
        """What each of its forms must bring back; another site cannot know it."""
        return hashlib.sha256(b"form of " + self.token.encode()).hexdigest()


class SignInNeeded(Exception):
    """A page for operators, and nobody has signed in."""


class NotFromHere(Exception):
    """Pages without sign-in are for the machine itself; this request came another way."""


class NotFromOurPage(Exception):
    """A form without the token of a page of ours: nothing was changed."""


async def anybody(request: Request) -> Visitor:
    """The browser, signed in or not. Raises NotFromHere where nobody can sign in and the request is not local."""
    handrail: Handrail = request.app.state.handrail
    token = request.cookies.get(COOKIE, "")
    found = await asyncio.to_thread(_known, handrail, request.app.state.operators, token)
    if not found.must_sign_in and not _is_local(request):
        raise NotFromHere
    return found


def _known(handrail: Handrail, operators: Operators, token: str) -> Visitor:
    """The browser with this token; none yet: a new one."""
    database, now = handrail.database, handrail.clock()
    must_sign_in = bool(operators) or reviewers.is_there_any(database)
    if not token:
        return Visitor(new_token(), None, is_new=True, must_sign_in=must_sign_in)
    name = operators.signed_in(database, token, now) if must_sign_in else None
    reviewer = reviewers.signed_in(database, token, now) if must_sign_in and name is None else None
    return Visitor(token, reviewer.name if reviewer else name, reviewer=reviewer, must_sign_in=must_sign_in)


async def visitor(request: Request, found: Annotated[Visitor, Depends(anybody)]) -> Visitor:
    """Somebody who may see and decide. Raises SignInNeeded."""
    if found.must_sign_in and found.name is None:
        raise SignInNeeded
    handrail: Handrail = request.app.state.handrail
    return replace(found, stops=await asyncio.to_thread(standing, handrail.database))


async def sent_form(request: Request, found: Annotated[Visitor, Depends(visitor)]) -> Form:
    """What an operator's form says. Raises NotFromOurPage."""
    return await genuine_form(request, found)


async def genuine_form(request: Request, found: Visitor) -> Form:
    """The form that was sent, when it is one of ours. Raises NotFromOurPage."""
    form = await read_form(request)
    came_from = request.headers.get("sec-fetch-site", "same-origin")
    if came_from != "same-origin" or not hmac.compare_digest(form.one("token").encode(), found.form_token.encode()):
        raise NotFromOurPage
    return form


Seeing = Annotated[Visitor, Depends(visitor)]
Anybody = Annotated[Visitor, Depends(anybody)]
Sent = Annotated[Form, Depends(sent_form)]


def remember(request: Request, response: Response, token: str) -> None:
    """Give the browser its cookie, for as long as the browser runs; how long it counts, the database says."""
    settings = request.app.state.handrail.settings
    response.set_cookie(
        COOKIE,
        token,
        path=str(request.scope.get("root_path", "")).rstrip("/") or "/",
        secure=urlsplit(settings.gateway_url).scheme == "https",
        httponly=True,
        samesite="strict",
    )


def new_token() -> str:
    """For a browser that has none, and for whoever has just signed in: the one from before may be known to others."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


def is_local_name(host: str) -> bool:
    """True for the names by which a machine calls itself."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def refuse_open_pages(settings: Settings, *, must_sign_in: bool) -> None:
    """Raises ConfigurationError when others could come here, and nobody would have to sign in."""
    if must_sign_in:
        return
    for name, host in (
        ("HANDRAIL_GATEWAY_HOST", settings.gateway_host),
        ("HANDRAIL_GATEWAY_URL", urlsplit(settings.gateway_url).hostname or ""),
    ):
        if host and not is_local_name(host):
            raise ConfigurationError(
                [
                    f"{name} is {host}, so others reach the pages, and nobody would have to sign in: "
                    f"add an operator with `handrail operators add NAME` (kept in {settings.operators_file}), "
                    "or a reviewer with `handrail reviewers add NAME`"
                ]
            )


def _is_local(request: Request) -> bool:
    """By the name that was asked for, so that no other name can be made to lead here, and past no proxy."""
    if "x-forwarded-for" in request.headers or "forwarded" in request.headers:
        return False
    return is_local_name(request.url.hostname or "")
