"""The sandbox as one aiohttp application: its routes, its doorkeeper, its errors as JSON."""

import hmac
from collections.abc import AsyncIterator

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from handrail.sandbox.faults import Faults
from handrail.sandbox.operator_api import OperatorApi
from handrail.sandbox.page import page_routes
from handrail.sandbox.record import RecordProblem
from handrail.sandbox.telling import Telling
from handrail.sandbox.vendor import HALF_A_PAIR, Vendor, now
from handrail.sandbox.vendor_api import VendorApi

BIGGEST_BODY = 4 * 1024 * 1024  # bytes; a mail with a long context is a few hundred kilobytes

_READING = frozenset({"GET", "HEAD"})


def build_app(vendor: Vendor, *, token: str | None = None, telling: Telling | None = None) -> web.Application:
    """The application over `vendor`. With a token, /api asks for `Authorization: Bearer <token>`.

    With `telling`, the end of a call is told as a telephone vendor tells it.

    The application closes the vendor when it stops.
    """
    app = web.Application(middlewares=[errors_as_json, _doorkeeper(token)], client_max_size=BIGGEST_BODY)
    faults = Faults(now)
    app.add_routes(
        [*VendorApi(vendor, faults).routes(), *OperatorApi(vendor, faults, telling).routes(), *page_routes()]
    )

    async def with_vendor(_app: web.Application) -> AsyncIterator[None]:
        yield
        await vendor.close()

    app.cleanup_ctx.append(with_vendor)
    return app


@web.middleware
async def errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every refusal as `{"error": …}`: what is wrong, and what to do about it."""
    try:
        return await handler(request)
    except web.HTTPException as refusal:
        headers = {name: refusal.headers[name] for name in ("Allow", "WWW-Authenticate") if name in refusal.headers}
        problem = refusal.text or refusal.reason
        return web.json_response({"error": problem}, status=refusal.status, headers=headers)
    except UnicodeEncodeError:
        return web.json_response({"error": HALF_A_PAIR}, status=400)
    except RecordProblem as problem:
        return web.json_response({"error": str(problem)}, status=500)


def _doorkeeper(token: str | None) -> Middleware:
    expected = None if token is None else f"Bearer {token}".encode()

    @web.middleware
    async def doorkeeper(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let in those with the token, and no other site's page that a browser here happens to show."""
        if request.path.startswith("/api/") and expected is not None:
            told = request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
            if not hmac.compare_digest(told, expected):
                challenge = {"WWW-Authenticate": "Bearer"}
                raise web.HTTPUnauthorized(
                    text="send Authorization: Bearer with the sandbox's token", headers=challenge
                )
        if request.method not in _READING and request.headers.get("Sec-Fetch-Site") == "cross-site":
            raise web.HTTPForbidden(text="another site's page may change nothing here: use the sandbox's own page")
        return await handler(request)

    return doorkeeper
