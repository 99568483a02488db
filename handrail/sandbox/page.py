"""The page: static files that show the lists; its scripts poll them."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

from aiohttp import web

_DIRECTORY = Path(__file__).with_name("page")
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

_HEADERS = {
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Nothing from elsewhere, no inline script. Mails bring inline styles and are shown in a sandboxed frame that
    # inherits this policy.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
}


def page_routes() -> Iterable[web.RouteDef]:
    """`/` and the files it needs, read once."""
    for file in sorted(_DIRECTORY.iterdir()):
        if file.suffix not in _TYPES:
            continue
        path = "/" if file.name == "index.html" else f"/page/{file.name}"
        yield web.get(path, partial(_serve, file.read_bytes(), _TYPES[file.suffix]))


async def _serve(content: bytes, content_type: str, _request: web.Request) -> web.Response:
    return web.Response(body=content, content_type=content_type, charset="utf-8", headers=_HEADERS)
