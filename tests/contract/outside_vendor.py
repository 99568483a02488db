"""An outside system under the test's control."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from integrations.exchange import LARGEST_ANSWER

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Outside:
    """A vendor on a port of its own: keeps every request, answers as told (the last reply again and again).

    What `reads` names, a path ("/x", to GET) or one to POST to ("POST /x"), is what a write begins with: it is answered
    with that, and not kept.
    """

    url: str = ""
    reads: Mapping[str, Any] = field(default_factory=dict)
    requests: list[web.Request] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    peers: set[Any] = field(default_factory=set)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _replies: list[Reply] = field(default_factory=list)

    def replies(self, *replies: Reply) -> None:
        self._replies = list(replies)

    def answers(self, status: int, body: Any = "", headers: Mapping[str, str] | None = None) -> None:
        """One plain answer to everything; a body that is no text is sent as JSON."""
        self.replies(answer(status, body, headers))

    def seen(self, number: int = -1) -> str:
        """Everything of one request that a vendor could find our key in."""
        request, body = self.requests[number], self.bodies[number]
        return f"{request.path_qs}\n{dict(request.headers)}\n{body.decode()}"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        asked = request.path if request.method == "GET" else f"{request.method} {request.path}"
        if asked in self.reads:
            return web.json_response(self.reads[asked])
        self.requests.append(request)
        self.peers.add(request.transport.get_extra_info("peername"))
        self.bodies.append(await request.read())
        reply = self._replies[0] if len(self._replies) == 1 else self._replies.pop(0)
        return await reply(request)

    async def silence(self, request: web.Request) -> web.StreamResponse:
        """Takes the request and never answers."""
        await self.over.wait()
        return web.Response()


def answer(status: int, body: Any = "", headers: Mapping[str, str] | None = None) -> Reply:
    text = body if isinstance(body, str) else json.dumps(body)

    async def reply(request: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text=text, headers=headers, content_type="application/json")

    return reply


async def reset(request: web.Request) -> web.StreamResponse:
    """Takes the request, then resets the connection."""
    request.transport.abort()
    return web.Response()


async def hang_up(request: web.Request) -> web.StreamResponse:
    """Takes the request, then closes the connection as servers close idle ones."""
    request.transport.close()
    return web.Response()


async def truncated(request: web.Request) -> web.StreamResponse:
    """Promises more bytes than come."""
    request.transport.write(b'HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{"id": "T-1", ')
    request.transport.close()
    return web.Response()


async def broken_off(request: web.Request) -> web.StreamResponse:
    """Begins a good answer, then resets the connection."""
    answering = web.StreamResponse(status=201, headers={"Content-Type": "application/json", "Content-Length": "100"})
    await answering.prepare(request)
    await answering.write(b'{"id": "T-1", ')
    request.transport.abort()
    return answering


async def gibberish(request: web.Request) -> web.StreamResponse:
    """Answers something that is not HTTP."""
    request.transport.write(b"220 mail.example ESMTP\r\n\r\n")
    request.transport.close()
    return web.Response()


async def endless(request: web.Request) -> web.StreamResponse:
    """Answers 201 and, though all of it is well-formed, more than anybody should read."""
    answered = {"id": "T-1", "key": "case/C-1042/1/ticket", "created": True, "padding": "x" * LARGEST_ANSWER}
    return web.json_response(answered, status=201)
