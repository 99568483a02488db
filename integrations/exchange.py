"""One HTTP exchange, and what is known of it at any moment: an interrupted one must still be judged."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from integrations.aiohttp_transport import Reply, Request
from integrations.connections import Connections, NoFreeConnection
from integrations.redaction import EXCERPT_BYTES

LARGEST_ANSWER = 1_000_000
"""Bytes. A longer answer is not read to its end."""

_WORDS: Mapping[type[httpx.HTTPError], str] = {
    httpx.ConnectError: "cannot connect (refused, name unknown or TLS failed)",
    httpx.ConnectTimeout: "no connection in time",
    httpx.PoolTimeout: "no connection was free in time",
    httpx.ReadTimeout: "no answer in time",
    httpx.WriteTimeout: "the vendor stopped taking our request",
    httpx.ReadError: "the connection broke before the answer was whole",
    httpx.WriteError: "the connection broke while we were sending",
    httpx.RemoteProtocolError: "the connection was closed before the answer was whole, or it was not HTTP",
}

_NEVER_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


@dataclass(slots=True)
class Exchange:
    """One request and what came back of it so far."""

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes = b""
    problem: str = ""
    """Why there is no whole answer, in words; empty when there is one."""
    is_too_long: bool = False
    """The answer went on after `LARGEST_ANSWER` bytes and was left unread."""
    is_surely_unsent: bool = False
    """With a problem: not one byte of the request can have reached the vendor."""
    _has_begun: bool = False

    async def run(self, request: Request, connections: Connections, *, deadline: float) -> None:
        """Sends and receives until the event loop's clock shows `deadline`. Failures are noted, not raised."""
        try:
            async with asyncio.timeout_at(deadline):
                await self._exchange(request, connections)
        except NoFreeConnection as error:
            self._failed(str(error), never_connected=True)
        except TimeoutError:
            self._failed("no answer in time", never_connected=True)
        except httpx.HTTPError as error:
            words = _WORDS.get(type(error), f"the exchange failed ({type(error).__name__})")
            self._failed(words, never_connected=isinstance(error, _NEVER_CONNECTED))

    @property
    def is_refusal(self) -> bool:
        """An answer, whole or not, that is no 2xx."""
        return self.status is not None and not 200 <= self.status < 300

    async def _exchange(self, request: Request, connections: Connections) -> None:
        async with connections.lend() as connection:
            reply = await connection.send(request, begins=self._begins)
            try:
                self.status, self.headers = reply.status, reply.headers
                await self._receive(reply)
            finally:
                reply.close()

    async def _receive(self, reply: Reply) -> None:
        """The body as sent: decoding would let a small answer grow past any limit."""
        limit = EXCERPT_BYTES if self.is_refusal else LARGEST_ANSWER
        chunks, size = [], 0
        async for chunk in reply.chunks():
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                self.is_too_long = True
                break
        self.content = b"".join(chunks)[:limit]

    def _begins(self) -> None:
        """Called by the transport before the first byte may leave; from then on it may have arrived."""
        self._has_begun = True

    def _failed(self, words: str, *, never_connected: bool) -> None:
        self.problem = words
        self.is_surely_unsent = never_connected and not self._has_begun
