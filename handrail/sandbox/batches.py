"""Batches: many writes in one request, each item with its manner and its answer of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, TypeVar

from aiohttp import web

from handrail.sandbox import bodies
from handrail.sandbox.effects import Collection
from handrail.sandbox.modes import Mode
from handrail.sandbox.vendor import Answer, Manner, Vendor

MOST_ITEMS = 100

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One item of a batch, read; `problem` says why it is refused with `status`, and is empty when it is not."""

    key: str | None
    payload: Mapping[str, Any]
    manner: Manner
    problem: str = ""
    status: HTTPStatus = HTTPStatus.UNPROCESSABLE_ENTITY


def read_batch(collection: Collection, body: Mapping[str, Any], *, upsert: bool) -> list[Entry]:
    """The items of `{"items": […]}`. Answers 400 when it is no batch; a bad item spoils only itself."""
    items = body.get("items")
    if not isinstance(items, list) or len(body) != 1:
        bodies.refuse('a batch is {"items": […]}: send a list of items and nothing beside it')
    if not 1 <= len(items) <= MOST_ITEMS:
        bodies.refuse(f"a batch has {len(items)} items: send 1 to {MOST_ITEMS}")
    return [_read_item(collection, item, upsert=upsert) for item in items]


async def write_batch(vendor: Vendor, collection: Collection, entries: Sequence[Entry]) -> Answer:
    """Write the good items, all of them on disk before the answer; 200 with one result per item, in order."""
    good = [(entry.key or "", entry.payload, entry.manner) for entry in entries if not entry.problem]
    written = iter(await vendor.write_all(collection, good))
    results = [_refused(entry) if entry.problem else _result(entry, next(written)) for entry in entries]
    return Answer(HTTPStatus.OK, {"results": results})


_REFUSED: Mapping[Mode, HTTPStatus] = {
    Mode.BATCH_SOME_REFUSED: HTTPStatus.UNPROCESSABLE_ENTITY,
    Mode.BATCH_SOME_LIMITED: HTTPStatus.TOO_MANY_REQUESTS,
    Mode.BATCH_SOME_FAILED_BEFORE: HTTPStatus.INTERNAL_SERVER_ERROR,
}


async def write_partly(vendor: Vendor, collection: Collection, entries: Sequence[Entry], mode: Mode) -> Answer:
    """Write a batch as `mode` wants it, which spoils the first item, the third, and so on."""
    asked = "as POST /faults asked"
    if mode in _REFUSED:
        spoilt = [replace(entry, problem=asked, status=_REFUSED[mode]) for entry in entries[::2]]
        return await write_batch(vendor, collection, _every_other(entries, spoilt))
    results = list((await write_batch(vendor, collection, entries)).body["results"])
    if mode is Mode.BATCH_CUT:
        return Answer(HTTPStatus.OK, {"results": results[: len(results) // 2]})
    failed = [{"status": 500, "key": entry.key, "error": asked} for entry in entries[::2]]
    return Answer(HTTPStatus.OK, {"results": _every_other(results, failed)})


def spoilt_keys(entries: Sequence[Entry], mode: Mode) -> list[str]:
    """Those whose answers `mode` spoils."""
    spoilt = entries[len(entries) // 2 :] if mode is Mode.BATCH_CUT else entries[::2]
    return [entry.key for entry in spoilt if entry.key is not None]


def _every_other(all_of_them: Sequence[T], instead: Sequence[T]) -> list[T]:
    """Each second one kept, from the second on; the others are those of `instead`."""
    mixed = list(all_of_them)
    mixed[::2] = instead
    return mixed


def _read_item(collection: Collection, item: object, *, upsert: bool) -> Entry:
    if not isinstance(item, dict):
        return Entry(None, {}, Manner.PLAIN, "an item is no object: send the fields of a single write, and its key")
    manner = Manner.UPSERT if upsert else Manner.ONCE if item.get("once") else Manner.PLAIN
    told = item.get("key")
    key = told if isinstance(told, str) else None
    fields = {name: value for name, value in item.items() if name != "once"}
    try:
        bodies.text(fields, "key")
        payload = bodies.item_payload(collection, fields)
        if not isinstance(item.get("once", False), bool):
            bodies.refuse("once is neither true nor false: send true for an item that is made once per key")
        if upsert and item.get("once"):
            bodies.refuse("once and PUT contradict each other: POST the item, or leave out once")
    except web.HTTPBadRequest as refusal:
        return Entry(key, {}, manner, refusal.text or refusal.reason)
    return Entry(key, payload, manner)


def _result(entry: Entry, answer: Answer) -> dict[str, Any]:
    if answer.status >= HTTPStatus.BAD_REQUEST:
        return _refused(replace(entry, problem=str(answer.body["error"])))
    return {"status": int(answer.status), **answer.body}


def _refused(entry: Entry) -> dict[str, Any]:
    return {"status": int(entry.status), "key": entry.key, "error": entry.problem}
