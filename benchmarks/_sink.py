"""A vendor that takes everything at once and answers as the sandbox does; a process of its own, and little work in it.

Prints its port, then serves until SIGTERM. `GET /count` says how many writes came in, and how many of them were new.
"""

import asyncio
import re
import sys
from contextlib import suppress
from typing import cast

import uvloop

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_KEY = re.compile(rb'"key": ?("[^"]*")')
_END = b"\r\n\r\n"


class Sink(asyncio.Protocol):
    """One connection: whatever is written to it was done, and is answered in order."""

    writes = 0
    keys: set[bytes] = set()  # noqa: RUF012 - what the whole process received

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop."""
        self._transport = cast(asyncio.Transport, transport)
        self._received = bytearray()

    def data_received(self, data: bytes) -> None:
        """Called by the loop."""
        self._received += data
        while (end := self._received.find(_END)) >= 0:
            head = bytes(self._received[:end])
            length = int(found[1]) if (found := _LENGTH.search(head)) else 0
            whole = end + len(_END) + length
            if len(self._received) < whole:
                return
            body = bytes(self._received[end + len(_END) : whole])
            del self._received[:whole]
            self._transport.write(self._answer(head, body))

    def _answer(self, head: bytes, body: bytes) -> bytes:
        if head.startswith(b"GET"):
            said = b'{"writes": %d, "keys": %d}' % (Sink.writes, len(Sink.keys))
            return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
                len(said),
                said,
            )
        keys = _KEY.findall(body)
        Sink.writes += len(keys)
        Sink.keys.update(keys)
        if head.split(b" ", 2)[1].endswith(b"/batch"):
            results = (b'{"status": 201, "id": "s", "key": %s, "created": true}' % key for key in keys)
            said = b'{"results": [%s]}' % b", ".join(results)
        else:
            said = b'{"id": "s", "key": %s, "created": true}' % keys[-1]
        return b"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
            len(said),
            said,
        )


async def _serve() -> None:
    server = await asyncio.get_running_loop().create_server(Sink, "127.0.0.1", 0, backlog=1024)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        uvloop.run(_serve())
