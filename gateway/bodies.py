"""Request bodies, read with a cap while they stream."""

from fastapi import Request

BODY_CAP = 256 * 1024
"""Bytes of a webhook's body (256 kB)."""

_DRAIN_CAP = 64 * 1024 * 1024
"""Bytes read and thrown away so that a sender can hear its 413; past that the connection is simply closed."""


class TooLarge(Exception):
    """The body is larger than the cap; what followed was read and thrown away."""


async def capped_body(request: Request, cap: int = BODY_CAP) -> bytes:
    """The raw bytes. Raises TooLarge, never holding more than the cap in memory."""
    kept, seen = bytearray(), 0
    async for chunk in request.stream():
        seen += len(chunk)
        if seen <= cap:
            kept += chunk
        elif seen > _DRAIN_CAP:
            break
    if seen > cap:
        raise TooLarge
    return bytes(kept)
