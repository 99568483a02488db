"""Misbehaviour: what a fault does to the write that meets it, down to the connection."""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable

from aiohttp import web

from handrail.sandbox.faults import Fault, Mode

_DISCARD_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: the peer gets RST, not FIN


async def answered_under(
    fault: Fault, request: web.Request, perform: Callable[[], Awaitable[web.Response]]
) -> web.Response:
    """Answer a write as the fault wants it; `perform` applies the write and gives the answer it deserves."""
    match fault.mode:
        case Mode.STATUS_503:
            return web.json_response({"error": "unavailable, as POST /faults asked"}, status=503)
        case Mode.STATUS_429:
            headers = {"Retry-After": f"{fault.seconds:g}"}
            return web.json_response({"error": "too many, as POST /faults asked"}, status=429, headers=headers)
        case Mode.TIMEOUT_BEFORE:
            await asyncio.sleep(fault.seconds)
            return _closed(request)
        case Mode.TIMEOUT_AFTER:
            await perform()
            await asyncio.sleep(fault.seconds)
            return _closed(request)
        case Mode.RESET_AFTER:
            await perform()
            return _reset(request)
        case Mode.BAD_JSON:
            await perform()
            return web.Response(body=b'{"id": "T-', content_type="application/json")
        case Mode.SLOW:
            await asyncio.sleep(fault.seconds)
            return await perform()


def _closed(request: web.Request) -> web.Response:
    """Close the connection; the response returned goes nowhere."""
    if request.transport is not None:
        request.transport.close()
    return web.Response()


def _reset(request: web.Request) -> web.Response:
    """Reset the connection; the response returned goes nowhere."""
    if request.transport is not None:
        request.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD_ON_CLOSE)
        request.transport.abort()
    return web.Response()
