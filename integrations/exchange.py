"""One HTTP exchange, and what is known of it at any moment: an interrupted one must still be judged."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

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
    _sending: bool = False

    async def run(self, request: httpx.Request, connections: Connections, *, deadline: float) -> None:
        """Sends and receives until the event loop's clock shows `deadline`. Failures are noted, not raised.

        They are noted because an httpx error carries the request with its credentials, and must not be chained.
        """
        request.extensions["trace"] = self._trace
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

    async def _exchange(self, request: httpx.Request, connections: Connections) -> None:
        async with connections.lend() as connection:
            response = await connection.handle_async_request(request)
            try:
                self.status, self.headers = response.status_code, response.headers
                await self._receive(response)
            finally:
                await response.aclose()

    async def _receive(self, response: httpx.Response) -> None:
        """The body as sent: decoding would let a small answer grow past any limit."""
        limit = EXCERPT_BYTES if self.is_refusal else LARGEST_ANSWER
        chunks, size = [], 0
        async for chunk in response.aiter_raw():
            chunks.append(chunk)
            size += len(chunk)
            if size > limit:
                self.is_too_long = True
                break
        self.content = b"".join(chunks)[:limit]

    async def _trace(self, event: str, _: Mapping[str, Any]) -> None:
        """Called by the transport at each step. All but connecting counts as sending, also a step we do not know."""
        if not event.startswith("connection."):
            self._sending = True

    def _failed(self, words: str, *, never_connected: bool) -> None:
        self.problem = words
        self.is_surely_unsent = never_connected and not self._sending
