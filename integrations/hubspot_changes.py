"""Notes and closings: HubSpot's tasks found by our key, read, and changed together.

The search takes five requests a second of a whole account, five keys in each
(https://developers.hubspot.com/docs/api-reference/latest/crm/search-the-crm), and misses what was written in the last
moments; so it is asked for ids alone, and what stands in a task is read from the task.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.answers import Answer
from integrations.errors import Busy, IntegrationError
from integrations.http import HttpIntegration
from integrations.hubspot_batches import record_id, those_there
from integrations.hubspot_words import DONE, added_to, is_in, raised, refusals, trace_of
from integrations.ports import Receipt

TASKS = "/crm/v3/objects/tasks"

LARGEST_CHANGE = 25
"""Notes or closings together: five searches, a read and an update."""

SPACING = 0.25
"""Seconds between two searches for them."""

_KEYS_A_SEARCH = 5
_READ = ("hs_task_body", "hs_task_priority", "hs_task_status")


@dataclass(slots=True)
class Draft:
    """A task as it was read, and what is to become of it."""

    body: str | None
    priority: str | None
    status: str | None
    update: dict[str, str] = field(default_factory=dict)
    keys: list[str] = field(default_factory=list)
    """Of what was added."""

    def add(self, text: str, key: str) -> bool:
        """Adds to the body, once; False when it is there."""
        if is_in(self.body, key):
            return False
        self.body = self.update["hs_task_body"] = added_to(self.body, text, key)
        self.keys.append(key)
        return True

    def raise_to(self, wanted: str) -> None:
        """Raises the priority, if that is one."""
        priority = raised(self.priority, wanted)
        if priority is not None:
            self.priority = self.update["hs_task_priority"] = priority

    def complete(self) -> bool:
        """Completes it; False when it is."""
        if self.status == DONE:
            return False
        self.status = self.update["hs_task_status"] = DONE
        return True


@dataclass(frozen=True, slots=True)
class Change:
    """One note or closing: `apply` makes it, once, and says whether it had to."""

    task_key: str
    apply: Callable[[Draft], bool]


class HubSpotSearch:
    """Finds tasks by our key."""

    def __init__(self, http: HttpIntegration, name: str, prop: str) -> None:
        self._http = http
        self._property = prop
        self._refusal = refusals(name)
        self._next = 0.0

    async def find(self, key: str) -> Sequence[str]:
        """The tasks that carry `key`, the oldest first. Raises what a read raises."""
        found = await self._http.read(
            f"{TASKS}/search", {}, body=self._asked([key]), understand=self._marked, refusal=self._refusal
        )
        return found.get(key, [])

    async def look(self, keys: Iterable[str], deadline: float) -> Mapping[str, Sequence[str]]:
        """The tasks of each key that has any; a few keys a search, one search after the other."""
        wanted = list(dict.fromkeys(keys))
        found: dict[str, Sequence[str]] = {}
        for start in range(0, len(wanted), _KEYS_A_SEARCH):
            some = wanted[start : start + _KEYS_A_SEARCH]
            await self._turn()
            shown = await self._http.look(
                f"{TASKS}/search",
                {},
                body=self._asked(some),
                understand=self._marked,
                refusal=self._refusal,
                deadline=deadline,
            )
            found |= {key: shown[key] for key in some if key in shown}
        return found

    async def _turn(self) -> None:
        now = asyncio.get_running_loop().time()
        at = max(self._next, now)
        self._next = at + SPACING
        await asyncio.sleep(at - now)

    def _asked(self, keys: Sequence[str]) -> Mapping[str, Any]:
        return {
            "filterGroups": [
                {"filters": [{"propertyName": self._property, "operator": "EQ", "value": key}]} for key in keys
            ],
            "properties": [self._property],
            "sorts": [],
            "limit": 100,
            "after": "0",
        }

    def _marked(self, answer: Answer) -> Mapping[str, Sequence[str]]:
        """The ids by the very key that they carry: a search may ignore case."""
        found: dict[str, list[str]] = {}
        for one in answer.json["results"]:
            found.setdefault(str(one["properties"].get(self._property)), []).append(record_id(one))
        return {key: sorted(ids, key=int) for key, ids in found.items()}


class HubSpotChanges:
    """Changes tasks, and the twins they may have."""

    def __init__(self, http: HttpIntegration, name: str, search: HubSpotSearch) -> None:
        self._http = http
        self._name = name
        self._search = search
        self._refusal = refusals(name)

    async def make(self, changes: Sequence[Change]) -> Sequence[Receipt | IntegrationError]:
        """How each ended, in order; Busy while the search shows no such task.

        Raises what a write raises for all of them. Whoever repeats one changes nothing that is changed.
        """
        deadline = self._http.deadline()
        found = await self._search.look((one.task_key for one in changes), deadline)
        ids = [task for tasks in found.values() for task in tasks]
        drafts = await self._drafts(ids, deadline) if ids else {}
        made = [
            {task: one.apply(drafts[task]) for task in found.get(one.task_key, ()) if task in drafts} for one in changes
        ]
        updates = {task: draft for task, draft in drafts.items() if draft.update}
        failed = await self._updated(updates, deadline) if updates else {}
        return [self._end(tasks, failed) for tasks in made]

    def _end(self, made: Mapping[str, bool], failed: Mapping[str, IntegrationError]) -> Receipt | IntegrationError:
        if not made:
            return Busy(self._name, "its search shows no such task (yet)", "it tries again; was the task deleted?")
        for task in made:
            if task in failed:
                return failed[task]
        return Receipt(next(iter(made)), {"created": any(made.values())})

    async def _drafts(self, ids: Sequence[str], deadline: float) -> Mapping[str, Draft]:
        """The tasks of `ids` as they stand; one that is not there any more is left out."""
        return await self._http.look(
            f"{TASKS}/batch/read",
            {},
            body={
                "inputs": [{"id": task} for task in ids],
                "properties": list(_READ),
                "propertiesWithHistory": [],
            },
            understand=lambda answer: _drafts(answer, ids),
            refusal=self._refusal,
            deadline=deadline,
        )

    async def _updated(self, drafts: Mapping[str, Draft], deadline: float) -> Mapping[str, IntegrationError]:
        """Those whose update is not known to have been made."""
        inputs = [
            {"id": task, "objectWriteTraceId": trace_of(task), "properties": draft.update}
            for task, draft in drafts.items()
        ]
        done = await self._http.write(
            "POST",
            f"{TASKS}/batch/update",
            {"inputs": inputs},
            understand=lambda answer: _done(answer, drafts),
            refusal=self._refusal,
            deadline=deadline,
        )
        return {task: self._http.lost_item() for task in drafts if task not in done}


def _drafts(answer: Answer, ids: Sequence[str]) -> Mapping[str, Draft]:
    drafts = {record_id(one): Draft(*(one["properties"].get(name) for name in _READ)) for one in those_there(answer)}
    if not drafts.keys() <= set(ids):
        raise ValueError("the answer is about other tasks")
    return drafts


def _done(answer: Answer, drafts: Mapping[str, Draft]) -> set[str]:
    """The tasks whose update the answer confirms. Raises ValueError when it confirms none."""
    shown = {record_id(one): one["properties"].get("hs_task_body") for one in answer.json["results"]}
    done = {
        task
        for task, draft in drafts.items()
        if task in shown and (shown[task] is None or all(is_in(shown[task], key) for key in draft.keys))
    }
    if not done:
        raise ValueError("the answer is about other tasks, or other updates")
    return done
