"""As much of a HubSpot account as tasks meet: contacts, tasks, a search that lags, and batches that fail in part."""

import json
from collections.abc import Callable, Collection
from typing import Any

from aiohttp import web

TASKS, CONTACTS = "/crm/v3/objects/tasks", "/crm/v3/objects/contacts"
AT = "2026-02-01T09:00:00.000Z"


class Portal:
    """An account with what was written to it. Every batch answers in the reverse of what it was asked."""

    def __init__(self) -> None:
        self.contacts: dict[str, dict[str, str]] = {}
        self.tasks: dict[str, dict[str, str]] = {}
        self.associations: dict[str, Any] = {}
        self.paths: list[str] = []
        self.refuses: dict[str, str] = {}
        """The category of the error for an input that carries this value of our property."""
        self.forgets: set[str] = set()
        """Inputs that are written, and that the answer is silent about."""
        self.loses: set[str] = set()
        """Paths whose answers are lost, after all was done."""
        self.deleted: set[str] = set()
        """Tasks that are gone, while searches and reads still show them."""
        self.is_blind = False
        """The search does not know yet of anything."""
        self.names_traces = True

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(f"{request.method} {request.path}")
        said = json.loads(await request.read() or b"{}")
        body, status = self._answer(request, said)
        if request.path in self.loses:
            request.transport.abort()
        return web.Response(status=204) if status == 204 else web.json_response(body, status=status)

    def _answer(self, request: web.Request, said: dict[str, Any]) -> tuple[dict[str, Any], int]:
        if request.path == f"{CONTACTS}/batch/read":
            return self._read(said)
        if request.path == f"{CONTACTS}/gdpr-delete":
            assert set(said) == {"objectId"}, "by a property that is not found, its value is kept on a list"
            return ({}, 204) if self.contacts.pop(said["objectId"], None) else ({}, 404)
        if request.path == f"{CONTACTS}/batch/upsert":
            return self._batch(said, self.contacts, "handrail_ref")
        if request.path == f"{TASKS}/batch/create":
            return self._batch(said, self.tasks, "handrail_key")
        if request.path == f"{TASKS}/search":
            assert 1 <= len(said["filterGroups"]) <= 5
            wanted = {group["filters"][0]["value"].casefold() for group in said["filterGroups"]}
            found = {} if self.is_blind else self.tasks
            same = [one for one in found if found[one]["handrail_key"].casefold() in wanted]
            return {"total": len(same), "results": [shown(one, self.tasks[one]) for one in reversed(same)]}, 200
        if request.path == f"{TASKS}/batch/read":
            return self._partly([one["id"] for one in said["inputs"]], self.tasks, lambda one: self.tasks[one])
        assert request.path == f"{TASKS}/batch/update", request.path
        updates = {one["id"]: one["properties"] for one in said["inputs"]}
        assert len(updates) == len(said["inputs"]), "one task twice in a batch"
        for task in updates.keys() & self.tasks.keys() - self.deleted:
            self.tasks[task] |= updates[task]
        there = self.tasks.keys() - self.deleted - self.forgets
        return self._partly(list(updates), there, lambda one: updates[one])

    def _partly(
        self, ids: list[str], there: Collection[str], told: Callable[[str], dict[str, str]]
    ) -> tuple[dict[str, Any], int]:
        """What is told of those that are there, and one error about all that are not."""
        body = answered([shown(one, told(one)) for one in reversed(ids) if one in there])
        absent = [one for one in ids if one not in there]
        error = {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "Could not get some objects"}
        return (
            (body | {"numErrors": 1, "errors": [error | {"context": {"ids": absent}}]}, 207) if absent else (body, 200)
        )

    def _read(self, said: dict[str, Any]) -> tuple[dict[str, Any], int]:
        assert (said["idProperty"], said["properties"]) == ("handrail_ref", ["handrail_ref"])
        by_ref = {contact["handrail_ref"]: number for number, contact in self.contacts.items()}
        wanted = [one["id"] for one in said["inputs"]]
        return self._partly([by_ref.get(ref, ref) for ref in wanted], self.contacts, lambda one: self.contacts[one])

    def _batch(self, said: dict[str, Any], kept: dict[str, dict[str, str]], prop: str) -> tuple[dict[str, Any], int]:
        results, errors = [], []
        for one in said["inputs"]:
            value, trace = one["properties"][prop], one["objectWriteTraceId"]
            if value in self.refuses:
                context = {"objectWriteTraceId": [trace]} if self.names_traces else {}
                errors.append(
                    {
                        "status": "error",
                        "category": self.refuses[value],
                        "message": f"Property values were not valid: {one['properties']}",
                        "context": context,
                        "errors": [],
                        "links": {},
                    }
                )
                continue
            known = [number for number in kept if kept[number][prop] == value] if "idProperty" in one else []
            number = known[0] if known else str(18512 + len(kept))
            kept[number] = one["properties"]
            self.associations[number] = one.get("associations")
            if value not in self.forgets:
                results.append(shown(number, one["properties"]) | {"objectWriteTraceId": trace})
        body = answered(results[::-1])
        return (body | {"numErrors": len(errors), "errors": errors}, 207) if errors else (body, 201)


def shown(number: str, properties: dict[str, str]) -> dict[str, Any]:
    return {"id": number, "properties": dict(properties), "createdAt": AT, "updatedAt": AT, "archived": False}


def answered(results: list[dict[str, Any]]) -> dict[str, Any]:
    return {"status": "COMPLETE", "results": results, "startedAt": AT, "completedAt": AT}
