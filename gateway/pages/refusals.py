"""What a page says when it cannot do what was asked: a page of its own, with what to do."""

import logging
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from sqlalchemy.exc import SQLAlchemyError

from gateway.pages.forms import FORM_CAP, NotAForm
from gateway.pages.rendering import elsewhere, page, path_of
from gateway.pages.visitors import COOKIE, NotFromHere, NotFromOurPage, SignInNeeded
from store.database import in_short

_log = logging.getLogger("gateway.pages")


def install(app: FastAPI) -> None:
    """Have the application answer so."""
    app.add_exception_handler(SignInNeeded, _sign_in)
    app.add_exception_handler(NotFromHere, _not_from_here)
    app.add_exception_handler(NotFromOurPage, _not_from_our_page)
    app.add_exception_handler(NotAForm, _not_a_form)
    app.add_exception_handler(SQLAlchemyError, _no_database)


def refusal(request: Request, status: int, title: str, words: str) -> HTMLResponse:
    """A page that says no, and what to do."""
    return page(request, "refusal.html", status=status, title=title, words=words)


async def _sign_in(request: Request, _problem: Exception) -> Response:
    if request.method not in {"GET", "HEAD"}:
        return refusal(request, 401, "You are signed out", "Nothing was changed. Sign in, then do it once more.")
    if request.headers.get("sec-fetch-site") == "cross-site" and COOKIE not in request.cookies:
        # Somebody followed a link in an alert. The cookie does not come along with such a request (SameSite=Strict);
        # with the one that this page makes by itself it does.
        return page(request, "again.html")
    wanted = quote(path_of(request), safe="/") + (f"?{request.url.query}" if request.url.query else "")
    return elsewhere(request, f"/sign-in?to={quote(wanted, safe='')}")


async def _not_from_here(request: Request, _problem: Exception) -> Response:
    words = (
        "Nobody can sign in yet, so these pages are shown to the machine itself only. Add there who decides, "
        "handrail reviewers add NAME, or who looks after it, handrail operators add NAME; then restart the gateway."
    )
    return refusal(request, 403, "These pages are for operators", words)


async def _not_from_our_page(request: Request, _problem: Exception) -> Response:
    words = "The form did not come from a page of this session. Nothing was changed. Load the page anew and try again."
    return refusal(request, 403, "Nothing was changed", words)


async def _not_a_form(request: Request, _problem: Exception) -> Response:
    words = f"What was sent is no form, or is longer than {FORM_CAP // 1024} kB."
    return refusal(request, 400, "Nothing was changed", words)


async def _no_database(request: Request, problem: Exception) -> Response:
    _log.error("%s: the database: %s", request.scope["route"].path, in_short(problem))  # the path may name somebody
    words = "The database does not answer. Webhooks are answered 503 meanwhile, so that senders try again."
    return refusal(request, 503, "Not now", words)
