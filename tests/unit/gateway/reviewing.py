"""Reviewers with phones, each in a browser of their own."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import httpx
import pyotp
from pages_site import HERE, Site

from gateway.app import create_app
from services.reviewers import Credentials, add_reviewer, new_credentials

LEAD, ON_CALL = ("lead", "on_call"), ("on_call",)


def reviewer(installation: Any, name: str, roles: tuple[str, ...] = LEAD) -> Credentials:
    """Somebody may decide from now on."""
    made = new_credentials(name)
    add_reviewer(installation.database, made, roles, known_roles=LEAD, by="admin", now=installation.clock())
    return made


def code_of(made: Credentials, at: Any) -> str:
    """What their phone shows."""
    return pyotp.TOTP(made.secret).at(at)


async def enter(site: Site, installation: Any, made: Credentials) -> None:
    """Sign in by a one-time code."""
    shown = await site.get("/sign-in")
    code = code_of(made, installation.clock())
    entered = await site.post("/sign-in", shown, name=made.name, code=code)
    assert entered.status_code == 303, entered.text


@asynccontextmanager
async def browsers(installation: Any, count: int, **settings: Any) -> AsyncIterator[list[Site]]:
    """So many browsers of one gateway."""
    app = create_app(lambda: installation.handrail(**settings))
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(app.router.lifespan_context(app))
        made = []
        for _ in range(count):
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url=HERE))
            made.append(Site(client, app))
        yield made
