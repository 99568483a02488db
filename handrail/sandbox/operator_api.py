"""The operator's door: the lists, the faults, a ticket's status, the end of a call, a fresh start. Open to this machine
only."""

from collections.abc import Iterable
from functools import partial

from aiohttp import web

from handrail.sandbox import bodies
from handrail.sandbox.faults import FaultProblem, Faults, read_fault
from handrail.sandbox.modes import MODES
from handrail.sandbox.telling import Telling
from handrail.sandbox.vendor import Answer, Vendor
from handrail.sandbox.vendor_api import items_response

LISTS = ("tickets", "tasks", "mail", "sms", "calls", "push", "alerts")


class OperatorApi:
    """What people and tests look at and turn."""

    def __init__(self, vendor: Vendor, faults: Faults, telling: Telling | None) -> None:
        """Over this vendor and these faults; without `telling` nobody hears how a call ended."""
        self._vendor = vendor
        self._faults = faults
        self._telling = telling

    def routes(self) -> Iterable[web.RouteDef]:
        """Every route of the door."""
        for name in LISTS:
            yield web.get(f"/{name}", partial(self._list, name))
        yield web.get("/faults", self._show_faults)
        yield web.post("/faults", self._add_fault)
        yield web.delete("/faults", self._clear_faults)
        yield web.get("/faults/modes", _show_modes)
        yield web.get("/faults/met", self._show_counts)
        yield web.get("/faults/met/log", self._show_met)
        yield web.post("/tickets/status", self._set_status)
        yield web.post("/calls/end", self._end_call)
        yield web.post("/reset", self._reset)

    async def _list(self, name: str, request: web.Request) -> web.Response:
        """The complete list; `?key=` only the items of that key, `?latest=` only so many of the newest.

        X-Total-Count says how many there are; with If-None-Match an unchanged list is answered 304.
        """
        version = self._vendor.version(name)
        if request.headers.get("If-None-Match") == version:
            return web.Response(status=304)
        if "key" in request.query:
            items = await self._vendor.with_key(name, bodies.asked_key(request))
        else:
            items = await self._vendor.items(name)
        answer = items_response(items[-_latest(request) :])
        answer.headers.update({"ETag": version, "X-Total-Count": str(len(items)), "Cache-Control": "no-cache"})
        return answer

    async def _set_status(self, request: web.Request) -> web.Response:
        body = await bodies.read_object(request)
        answer = await self._vendor.set_status(
            bodies.text(body, "key"), bodies.status_changes(body), answered=body.get("answered") is True
        )
        return web.json_response(answer.body, status=answer.status)

    async def _end_call(self, request: web.Request) -> web.Response:
        """End a call, and tell the gateway; ending it again changes nothing, and tells the same once more."""
        body = await bodies.read_object(request)
        key, outcome = bodies.text(body, "key"), bodies.outcome(body)
        said = bodies.text(body, "said") if body.get("said") else None
        call = await self._vendor.end_call(key, outcome, said)
        if call is None:
            answer = Answer.unknown("call", key)
            return web.json_response(answer.body, status=answer.status)
        told = None if self._telling is None else await self._telling.tell(call)
        return web.json_response({**call.fields(), "told": told})

    async def _show_faults(self, request: web.Request) -> web.Response:
        return web.json_response([fault.fields() for fault in self._faults.pending()])

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            self._faults.add(read_fault(await bodies.read_object(request)))
        except FaultProblem as problem:
            bodies.refuse(str(problem))
        return await self._show_faults(request)

    async def _clear_faults(self, request: web.Request) -> web.Response:
        self._faults.clear()
        return await self._show_faults(request)

    async def _show_counts(self, request: web.Request) -> web.Response:
        """How often each mode was really met, by capability; what was only queued does not count."""
        return web.json_response(self._faults.counts())

    async def _show_met(self, request: web.Request) -> web.Response:
        """Every fault that was met: when, and by which keys."""
        return web.json_response(self._faults.log())

    async def _reset(self, request: web.Request) -> web.Response:
        """Forget every item and every fault, met or not; the record keeps its past."""
        self._faults.forget()
        await self._vendor.reset()
        return web.json_response({"status": "empty"})


async def _show_modes(_request: web.Request) -> web.Response:
    """Every way to misbehave: what it does in words, what meets it, and whether its seconds matter."""
    return web.json_response({mode: behaviour.fields() for mode, behaviour in MODES.items()})


def _latest(request: web.Request) -> int:
    """How many items to show; 0 (as in `items[-0:]`) means all."""
    told = request.query.get("latest", "0")
    if not (told.isascii() and told.isdigit()):
        bodies.refuse(f'latest is "{told[:20]}": send how many items you want, a whole number')
    return int(told)
