"""The two files that pages need beside themselves, read once."""

from pathlib import Path

from fastapi import APIRouter, Response

from gateway.pages.rendering import HEADERS

router = APIRouter(include_in_schema=False)

_DIRECTORY = Path(__file__).parent
_HEADERS = {**HEADERS, "Cache-Control": "no-cache"}
_STYLE = (_DIRECTORY / "style.css").read_bytes()
_ICON = (_DIRECTORY / "icon.svg").read_bytes()


@router.api_route("/assets/style.css", methods=["GET", "HEAD"])
async def style() -> Response:
    """How pages look."""
    return Response(_STYLE, media_type="text/css", headers=_HEADERS)


@router.api_route("/assets/icon.svg", methods=["GET", "HEAD"])
async def icon() -> Response:
    """What a tab shows."""
    return Response(_ICON, media_type="image/svg+xml", headers=_HEADERS)
