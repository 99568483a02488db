"""Misbehaviour: what a fault does to the write that meets it, down to the connection."""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from aiohttp import web

from handrail.sandbox.faults import Fault
from handrail.sandbox.modes import Mode
from handrail.sandbox.refusals import PAGE, REFUSALS, RETRY_AFTER, SOMEBODY_ELSES, refused
from handrail.sandbox.vendor import now

_DISCARD_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, zero seconds: the peer gets RST, not FIN

Perform = Callable[[], Awaitable[web.Response]]
"""Applies the write and gives the answer it deserves."""


async def answered_under(fault: Fault, request: web.Request, perform: Perform) -> web.StreamResponse:
    """Answer a write as the fault wants it."""
    if fault.mode in REFUSALS or fault.mode in RETRY_AFTER:
        return refused(fault, now())
    if fault.mode in _SPOILT:
        return _SPOILT[fault.mode](await perform())
    match fault.mode:
        case Mode.TIMEOUT_BEFORE:
            await asyncio.sleep(fault.seconds)
            return _closed(request)
        case Mode.TIMEOUT_AFTER:
            await perform()
            await asyncio.sleep(fault.seconds)
            return _closed(request)
        case Mode.RESET_BEFORE:
            return _reset(request)
        case Mode.RESET_AFTER:
            await perform()
            return _reset(request)
        case Mode.LATE:
            answer = _reset(request)
            await asyncio.shield(_later(fault.seconds, perform))  # nobody listens any more, and it happens all the same
            return answer
        case Mode.RESET_MID_ANSWER:
            await _half(request, await perform())
            return _reset(request)
        case Mode.TRUNCATED:
            await _half(request, await perform())
            return _closed(request)
        case Mode.SLOW:
            await asyncio.sleep(fault.seconds)
            return await perform()
    raise LookupError(f"nobody says how a single write meets {fault.mode}")


def _about_each(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[web.Response], web.Response]:
    """What `change` makes of a success; in a batch, of each."""

    def spoil(answer: web.Response) -> web.Response:
        told = json.loads(answer.text or "")
        changed = {"results": [change(one) for one in told["results"]]} if "results" in told else change(told)
        return web.json_response(changed, status=answer.status)

    return spoil


def _exists(answer: web.Response) -> web.Response:
    told = json.loads(answer.text or "")
    named = {name: told[name] for name in ("id", "key") if name in told}
    return web.json_response({"error": "there is one already", "code": "exists", **named}, status=409)


_SPOILT: Mapping[Mode, Callable[[web.Response], web.Response]] = {
    Mode.BAD_JSON: lambda _: web.Response(body=b'{"id": "T-', content_type="application/json"),
    Mode.STATUS_500_AFTER: lambda _: web.json_response({"error": "internal error"}, status=500),
    Mode.HTML_AFTER: lambda _: web.Response(text=PAGE, content_type="text/html"),
    Mode.EMPTY: lambda _: web.Response(),
    Mode.WRONG_ID: _about_each(lambda told: {**told, "id": "X-1"}),
    Mode.OTHER_KEY: _about_each(lambda told: {**told, "key": SOMEBODY_ELSES}),
    Mode.NO_ID: _about_each(lambda told: {name: value for name, value in told.items() if name != "id"}),
    Mode.CONFLICT_EXISTS: _exists,
    Mode.CONFLICT_UNCLEAR: lambda _: web.json_response({"error": "conflict"}, status=409),
}
"""What becomes of a good answer, once its write is applied."""


async def _later(seconds: float, perform: Perform) -> None:
    await asyncio.sleep(seconds)
    await perform()


async def _half(request: web.Request, answer: web.Response) -> None:
    """Send the head of an answer and the first half of its body."""
    body = (answer.text or "").encode()
    begun = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
    begun.content_length = len(body)
    await begun.prepare(request)
    await begun.write(body[: len(body) // 2])


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
