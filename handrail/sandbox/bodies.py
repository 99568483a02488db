"""Bodies: what may be sent to the sandbox, and the clear refusal of everything else."""

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from aiohttp import web

from domain.calls import CallOutcome
from domain.words import did_you_mean, one_of
from handrail.sandbox.effects import Collection
from handrail.sandbox.items import STATUSES


def refuse(problem: str) -> NoReturn:
    """Answer 400 with what is wrong and what to do."""
    raise web.HTTPBadRequest(text=problem)


async def read_object(request: web.Request) -> dict[str, Any]:
    """The body as a JSON object. Answers 400 when it is none, 413 when it is too big."""
    raw = await request.read()
    try:
        body = json.loads(raw, parse_constant=_no_number)
    except (ValueError, RecursionError) as problem:
        refuse(f"the body is not JSON ({problem}): send a JSON object")
    if not isinstance(body, dict):
        refuse("the body is JSON but no object: send a JSON object")
    return body


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON number")


def text(body: Mapping[str, Any], name: str) -> str:
    """A text that must be there and must say something."""
    value = body.get(name)
    if not isinstance(value, str) or not value.strip():
        refuse(f"{name} is {'missing' if value is None else 'not a text that says something'}: send a text")
    return value


def write_key(request: web.Request, body: Mapping[str, Any]) -> str:
    """The key of a write: the body's, or the Idempotency-Key's when the body has none."""
    header = request.headers.get("Idempotency-Key")
    if header is None or "key" not in body:
        return text({"key": header} | dict(body), "key")
    if header != body["key"]:
        refuse("the Idempotency-Key and the body's key differ: send the same key in both")
    return text(body, "key")


def item_payload(collection: Collection, body: Mapping[str, Any]) -> dict[str, Any]:
    """What a write says about an item, without its key."""
    for name in collection.needs:
        text(body, name)
    return {name: value for name, value in body.items() if name != "key"}


def status_changes(body: Mapping[str, Any]) -> dict[str, str | None]:
    """What an operator changes of a ticket: its status, its assignee (null: nobody), or both; or they only answer."""
    changes: dict[str, str | None] = {}
    if "status" in body or not {"assignee", "answered"} & body.keys():
        changes["status"] = text(body, "status")
        if changes["status"] not in STATUSES:
            status = str(changes["status"])
            refuse(f'status is "{status}"{did_you_mean(status, STATUSES)}: send {one_of(STATUSES)}')
    if "assignee" in body:
        changes["assignee"] = None if body["assignee"] is None else text(body, "assignee")
    return changes


def outcome(body: Mapping[str, Any]) -> str:
    """How a call is to end."""
    word = text(body, "outcome")
    if word not in set(CallOutcome):
        refuse(f'outcome is "{word}"{did_you_mean(word, CallOutcome)}: send {one_of(CallOutcome)}')
    return word


def asked_key(request: web.Request) -> str:
    """The key a reader asks for."""
    return text(request.query, "key")
