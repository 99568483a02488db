"""The vendor's API under /api: what Handrail's adapters talk to."""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial

from aiohttp import web

from domain.actions import Capability
from domain.words import did_you_mean, one_of
from handrail.sandbox import bodies
from handrail.sandbox.batches import read_batch, spoilt_keys, write_batch, write_partly
from handrail.sandbox.effects import CAPABILITIES, COLLECTIONS, Collection
from handrail.sandbox.faults import Faults
from handrail.sandbox.misbehaviour import answered_under
from handrail.sandbox.modes import Meets
from handrail.sandbox.vendor import Answer, Manner, Vendor


class VendorApi:
    """Writes, batches and searches, which meet the faults; other reads, which do not."""

    def __init__(self, vendor: Vendor, faults: Faults) -> None:
        """Over this vendor, misbehaving as these faults say."""
        self._vendor = vendor
        self._faults = faults

    def routes(self) -> Iterable[web.RouteDef]:
        """Every route of the API."""
        for collection in COLLECTIONS.values():
            path = f"/api/{collection.name}"
            yield web.post(path, partial(self._write, collection))
            yield web.put(path, partial(self._write, collection))
            yield web.post(f"{path}/batch", partial(self._write_batch, collection))
            yield web.put(f"{path}/batch", partial(self._write_batch, collection))
            yield web.get(f"{path}/search", partial(self._search, collection))
        yield web.get("/api/tickets/by-key", self._ticket_by_key)
        yield web.get("/api/tickets/since", self._tickets_since)
        yield web.post("/api/tasks/close", self._close_task)
        for capability in CAPABILITIES:
            yield web.post(f"/api/{capability}/erase", partial(self._erase, capability))
        yield web.get("/api/health", _health)

    async def _write(self, collection: Collection, request: web.Request) -> web.StreamResponse:
        body = await bodies.read_object(request)
        key = bodies.write_key(request, body)
        payload = bodies.item_payload(collection, body)
        perform = partial(self._vendor.write, collection, key, payload, _manner(request))
        return await self._answer(collection.capability, request, perform, [key])

    async def _write_batch(self, collection: Collection, request: web.Request) -> web.StreamResponse:
        body = await bodies.read_object(request)
        entries = read_batch(collection, body, upsert=request.method == "PUT")
        keys = [entry.key for entry in entries if entry.key is not None]
        partly = self._faults.take(collection.capability, Meets.BATCHES)
        if partly is not None:
            self._faults.met(partly, spoilt_keys(entries, partly.mode))
            return _response(await write_partly(self._vendor, collection, entries, partly.mode))
        perform = partial(write_batch, self._vendor, collection, entries)
        return await self._answer(collection.capability, request, perform, keys)

    async def _close_task(self, request: web.Request) -> web.StreamResponse:
        body = await bodies.read_object(request)
        key = bodies.text(body, "key")
        perform = partial(self._vendor.close_task, key, bodies.text(body, "task_key"), bodies.text(body, "reason"))
        return await self._answer(Capability.CRM, request, perform, [key])

    async def _erase(self, capability: Capability, request: web.Request) -> web.StreamResponse:
        body = await bodies.read_object(request)
        key = bodies.text(body, "key")
        perform = partial(self._vendor.erase, capability, key, bodies.text(body, "customer_ref"))
        return await self._answer(capability, request, perform, [key])

    async def _answer(
        self,
        capability: Capability,
        request: web.Request,
        perform: Callable[[], Awaitable[Answer]],
        keys: Sequence[str],
    ) -> web.StreamResponse:
        async def respond() -> web.Response:
            return _response(await perform())

        fault = self._faults.take(capability)
        if fault is None:
            return await respond()
        self._faults.met(fault, keys)
        return await answered_under(fault, request, respond)

    async def _search(self, collection: Collection, request: web.Request) -> web.Response:
        key = bodies.asked_key(request)
        found = await self._vendor.search(collection.name, key)
        blind = self._faults.take(collection.capability, Meets.SEARCHES)
        if blind is not None:
            seen = await self._vendor.search(collection.name, key, lag=blind.seconds)
            if seen != found:
                self._faults.met(blind, [key])
            found = seen
        return items_response(found)

    async def _ticket_by_key(self, request: web.Request) -> web.Response:
        key = bodies.asked_key(request)
        for ticket in await self._vendor.with_key("tickets", key):
            return web.json_response(text=ticket)
        return _response(Answer.unknown("ticket", key))

    async def _tickets_since(self, request: web.Request) -> web.Response:
        limit = bodies.text(request.query, "limit")
        if not (limit.isascii() and limit.isdigit()):
            bodies.refuse(f'limit is "{limit[:20]}": send how many tickets you want, a whole number')
        return items_response(await self._vendor.opened_since(bodies.text(request.query, "at"), int(limit)))


def _response(answer: Answer) -> web.Response:
    return web.json_response(answer.body, status=answer.status)


def items_response(items: Iterable[str]) -> web.Response:
    """A JSON array of items that are JSON already."""
    return web.json_response(text=f"[{','.join(items)}]")


def _manner(request: web.Request) -> Manner:
    if request.method == "PUT":
        return Manner.UPSERT
    return Manner.ONCE if "Idempotency-Key" in request.headers else Manner.PLAIN


async def _health(request: web.Request) -> web.Response:
    capability = bodies.text(request.query, "capability")
    if capability not in CAPABILITIES:
        bodies.refuse(
            f'there is no "{capability}" here{did_you_mean(capability, CAPABILITIES)}: ask for {one_of(CAPABILITIES)}'
        )
    return web.json_response({"status": "ok"})
