"""The gateway's pages as a browser without scripts sees them."""

import html
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html.parser import HTMLParser
from typing import Any

import httpx
import yaml

from gateway.app import create_app
from services.operators import hashed_password

EWA, PASSWORD = "Ewa Lis", "correct horse battery"
HERE = "http://127.0.0.1:8100"


class Site:
    """One browser."""

    def __init__(self, client: httpx.AsyncClient, app: Any) -> None:
        self.client = client
        self.app = app

    async def get(self, path: str, **how: Any) -> httpx.Response:
        """GET, following nothing."""
        return await self.client.get(path, **how)

    async def post(self, path: str, shown: httpx.Response, /, **fields: Any) -> httpx.Response:
        """Send a form of the page that was shown: its hidden fields, and these."""
        return await self.client.post(path, data={**hidden(shown), **fields})

    async def sign_in(self, name: str = EWA, password: str = PASSWORD, to: str = "/") -> httpx.Response:
        """As a person does."""
        shown = await self.get("/sign-in", params={"to": to})
        return await self.post("/sign-in", shown, name=name, password=password)


@asynccontextmanager
async def site_of(
    installation: Any, *, base_url: str = HERE, root_path: str = "", **settings: Any
) -> AsyncIterator[Site]:
    """A gateway's pages for as long as that lasts."""
    app = create_app(lambda: installation.handrail(**settings))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, root_path=root_path)
    at = base_url + root_path  # ASGI has a path come with what was before it
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=at) as client:
        yield Site(client, app)


def let_in(installation: Any, **operators: str) -> None:
    """Write the file of operators; EWA alone unless told otherwise."""
    hashes = {name: hashed_password(password) for name, password in (operators or {EWA: PASSWORD}).items()}
    (installation.directory / "operators.yaml").write_text(yaml.safe_dump(hashes), encoding="utf-8")


def hidden(shown: httpx.Response) -> dict[str, str]:
    """The hidden fields of a page's forms; all of its forms have the same ones."""
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)"', shown.text)
    return {html.unescape(name): html.unescape(value) for name, value in found}


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def read(shown: httpx.Response) -> tuple[str, set[str]]:
    """The words of a page as a person reads them, and the elements it is made of."""
    parser = _Text()
    parser.feed(shown.text)
    return " ".join(" ".join(parser.words).split()), set(parser.tags)
