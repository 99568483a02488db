"""The floor: a bare handler that answers and makes the same two calls; a process of its own.

It records nothing, or (`--commit URL`) one committed row an answer, before it answers.
"""

import argparse
import asyncio
import json
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import aiohttp
import psycopg
from aiohttp import web

_PADDING = "x" * 1500
"""With it a mail weighs about what a real one does, as text and as HTML."""


class Floor:
    """Takes any delivery for a good one."""

    def __init__(self, sandbox: str, token: str, commit: Callable[[bytes], None] | None) -> None:
        self._sandbox = sandbox
        self._commit = commit
        self._disk = ThreadPoolExecutor(max_workers=1)  # one connection, as one answer after the other is committed
        self._headers = {"Authorization": f"Bearer {token}"}
        self._calls: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession

    async def open(self, _app: web.Application) -> None:
        """Called when the server starts."""
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=64))

    async def close(self, _app: web.Application) -> None:
        """Called when it stops."""
        await asyncio.gather(*self._calls)
        await self._session.close()

    async def deliver(self, request: web.Request) -> web.Response:
        """Answer; the calls go on."""
        body = await request.read()
        if self._commit is not None:
            await asyncio.get_running_loop().run_in_executor(self._disk, self._commit, body)
        data = json.loads(body)["data"]
        ref = data["customer"]["ref"]
        for call in (self._ticket(ref, data), self._mail(ref, data)):
            task = asyncio.create_task(call)
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
        return web.json_response({"status": "accepted"}, status=202)

    async def _ticket(self, ref: str, data: dict[str, Any]) -> None:
        ticket = {
            "key": f"case/{ref}/1/ticket",
            "customer_ref": ref,
            "subject": f"{ref}: unhappy",
            "body": data["comment"],
            "priority": "critical",
            "team": "Customer Retention",
            "language": data["language"],
            "context": {"customer": data["customer"], "said": [data], "earlier": _PADDING[:500]},
        }
        await self._call("PUT", "tickets", ticket)

    async def _mail(self, ref: str, data: dict[str, Any]) -> None:
        mail = {
            "key": f"survey/standard/{ref}/acknowledgement",
            "customer_ref": ref,
            "to": data["customer"]["email"],
            "subject": "We have your answer",
            "text": _PADDING[:700],
            "html": _PADDING,
            "language": data["language"],
        }
        await self._call("POST", "mail", mail)

    async def _call(self, method: str, collection: str, body: dict[str, Any]) -> None:
        url = f"{self._sandbox}/api/{collection}"
        async with self._session.request(method, url, json=body, headers=self._headers) as response:
            await response.read()
            response.raise_for_status()


def committer(url: str) -> Callable[[bytes], None]:
    """What commits one row, durably, in the database of this address (`sqlite:///FILE` or PostgreSQL's)."""
    if url.startswith("sqlite:///"):
        file = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None, check_same_thread=False)
        file.execute("PRAGMA journal_mode = WAL")
        file.execute("PRAGMA synchronous = FULL")
        file.execute("CREATE TABLE IF NOT EXISTS floor (id INTEGER PRIMARY KEY, body BLOB)")
        return lambda body: file.execute("INSERT INTO floor (body) VALUES (?)", (body,)) and None
    server = psycopg.connect(url, autocommit=True)
    server.execute("CREATE TABLE IF NOT EXISTS floor (id bigserial PRIMARY KEY, body bytea)")
    return lambda body: server.execute("INSERT INTO floor (body) VALUES (%s)", (body,)) and None


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--sandbox", required=True)
    parser.add_argument("--commit", metavar="URL", help="commit a row an answer in this database")
    options = parser.parse_args()
    commit = committer(options.commit) if options.commit else None
    floor = Floor(options.sandbox, os.environ["HANDRAIL_SANDBOX_TOKEN"], commit)
    app = web.Application()
    app.on_startup.append(floor.open)
    app.on_cleanup.append(floor.close)
    app.router.add_post("/webhooks/standard", floor.deliver)
    web.run_app(app, host="127.0.0.1", port=options.port, access_log=None, print=None)


if __name__ == "__main__":
    main()
