"""The vendor's API under /api: what Handrail's adapters talk to."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial

from aiohttp import web

from domain.actions import Capability
from domain.words import did_you_mean, one_of
from handrail.sandbox import bodies
from handrail.sandbox.batches import read_batch, write_batch
from handrail.sandbox.effects import CAPABILITIES, COLLECTIONS, Collection
from handrail.sandbox.faults import Faults
from handrail.sandbox.misbehaviour import answered_under
from handrail.sandbox.vendor import Answer, Manner, Vendor


class VendorApi:
    """Writes (which meet the faults) and reads (which do not)."""

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
        yield web.post("/api/tasks/close", self._close_task)
        yield web.get("/api/health", _health)

    async def _write(self, collection: Collection, request: web.Request) -> web.Response:
        body = await bodies.read_object(request)
        key = bodies.write_key(request, body)
        payload = bodies.item_payload(collection, body)
        perform = partial(self._vendor.write, collection, key, payload, _manner(request))
        return await self._answer(collection.capability, request, perform)

    async def _write_batch(self, collection: Collection, request: web.Request) -> web.Response:
        body = await bodies.read_object(request)
        entries = read_batch(collection, body, upsert=request.method == "PUT")
        perform = partial(write_batch, self._vendor, collection, entries)
        return await self._answer(collection.capability, request, perform)

    async def _close_task(self, request: web.Request) -> web.Response:
        body = await bodies.read_object(request)
        perform = partial(self._vendor.close_task, bodies.text(body, "key"), bodies.text(body, "reason"))
        return await self._answer(Capability.CRM, request, perform)

    async def _answer(
        self, capability: Capability, request: web.Request, perform: Callable[[], Awaitable[Answer]]
    ) -> web.Response:
        async def respond() -> web.Response:
            answer = await perform()
            return web.json_response(answer.body, status=answer.status)

        fault = self._faults.take(capability)
        return await respond() if fault is None else await answered_under(fault, request, respond)

    async def _search(self, collection: Collection, request: web.Request) -> web.Response:
        return items_response(await self._vendor.search(collection.name, bodies.asked_key(request)))

    async def _ticket_by_key(self, request: web.Request) -> web.Response:
        key = bodies.asked_key(request)
        for ticket in await self._vendor.with_key("tickets", key):
            return web.json_response(text=ticket)
        answer = Answer.unknown("ticket", key)
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
