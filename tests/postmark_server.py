"""As much of Postmark as batches of mail meet: it delivers, refuses some in a 200, and loses answers after the deed."""

import json
from typing import Any

from aiohttp import web


class PostmarkServer:
    """A server with what was delivered through it, by our keys."""

    def __init__(self) -> None:
        self.delivered: list[str] = []
        self.batches: list[list[str]] = []
        """The keys of each batch call."""
        self.inactive: set[str] = set()
        """Addresses that it sends nothing to any more."""
        self.loses = ""
        """A key: the answer to the batch that carries it is lost, after all was done."""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        said = json.loads(await request.read())
        messages = said if request.path == "/email/batch" else [said]
        assert 1 <= len(messages) <= 500
        keys = [one["Metadata"]["handrail-key"] for one in messages]
        results = [self._result(one, key) for one, key in zip(messages, keys, strict=True)]
        if messages is said:
            self.batches.append(keys)
            if self.loses in keys:
                request.transport.abort()
        return web.json_response(results if messages is said else results[0])

    def _result(self, message: dict[str, Any], key: str) -> dict[str, Any]:
        if message["To"] in self.inactive:
            return {"ErrorCode": 406, "Message": f"Found inactive addresses: {message['To']}."}
        self.delivered.append(key)
        taken = {"ErrorCode": 0, "Message": "OK", "To": message["To"], "MessageID": f"m-{len(self.delivered)}"}
        return taken | {"SubmittedAt": "2026-03-04T11:00:00Z"}
