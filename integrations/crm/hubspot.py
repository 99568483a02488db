"""HubSpot as a customer relationship system: tasks, each at the contact of its customer.

A task carries our key in a text property of its own (`task_marker`), by which HubSpot's search finds it again after a
lost answer: creating one is class C. The search misses what was written in the last moments and takes five requests a
second of a whole account, so what is only read goes by ids. A contact is known by a property with unique values
(`contact_ref`) and made by an upsert (class B) where there is none. Both properties are made once, in HubSpot's
settings.

A note goes into the task's body, a closing too, each with its key: who repeats it finds it there and writes nothing
(class B). HubSpot has no conditional update: what a colleague saves in the body between our look and our update, within
a second, is lost.

The paths are those of version 3, which HubSpot supports until September 2027. Not documented, and relied on: that tasks
take properties of one's own, that a task's body is HTML, and the address of a task's page. Other people's code does.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import Field, SecretStr

from domain.actions import Capability, WriteClass
from integrations.answers import Answer
from integrations.declaration import BaseUrl, Integration, IntegrationConfig, integration_name
from integrations.errors import Busy, IntegrationError, Unsupported
from integrations.http import HttpIntegration
from integrations.hubspot_batches import LARGEST_BATCH, HubSpotContacts, record_id, settled
from integrations.hubspot_words import (
    DONE,
    NEW,
    PRIORITY,
    TASK_TO_CONTACT,
    added_to,
    instant,
    is_in,
    raised,
    refusals,
    rich,
    trace_of,
)
from integrations.ports import Health, Receipt, Task, TaskClosing, TaskNote

VENDOR = "hubspot"

_TASKS = "/crm/v3/objects/tasks"
_READ = ("hs_task_body", "hs_task_priority", "hs_task_status")
_PROPERTY = r"^[a-z][a-z0-9_]*$"


class HubSpotConfig(IntegrationConfig):
    """The settings of a HubSpot account."""

    url: BaseUrl = Field(default="https://api.hubapi.com", description="Where HubSpot's API is.")
    token: SecretStr = Field(
        description="A service key or a private app's token that may read and write contacts; tasks go with them."
    )
    task_marker: str = Field(
        default="handrail_key", pattern=_PROPERTY, description="The text property of tasks that carries our key."
    )
    contact_ref: str = Field(
        default="handrail_ref",
        pattern=_PROPERTY,
        description="The property of contacts, with unique values, that is the customer's ref.",
    )
    owners: dict[str, int] = Field(
        default_factory=dict,
        description="HubSpot's owner id for each of our agents and teams; a task of any other has no owner there.",
    )
    portal: int | None = Field(
        default=None, description="The account's id (Hub ID), for links to its pages; without one there are no links."
    )
    app_url: BaseUrl = Field(
        default="https://app.hubspot.com", description="Where its pages are; app-eu1 for accounts hosted in Europe."
    )
    rate_per_second: float | None = Field(
        default=3.0,
        gt=0,
        description="Most tasks, notes and closings a second; a note is three calls, and an app has ten a second.",
    )
    search_lag_seconds: float = Field(
        default=60.0, ge=0, description="How long HubSpot's search may miss a task; it says a few moments."
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """A task as it was when a note or a closing looked at it."""

    id: str
    body: str | None
    priority: str | None
    status: str | None


class HubSpot:
    """Tasks, their notes and their contacts, in one account."""

    def __init__(self, config: HubSpotConfig) -> None:
        self._name = integration_name(Capability.CRM, VENDOR)
        self._marker = config.task_marker
        self._owners = config.owners
        self._pages = None if config.portal is None else f"{config.app_url}/contacts/{config.portal}/record/0-27/"
        self._http = HttpIntegration(
            self._name,
            config,
            base_url=config.url,
            credentials={"Authorization": SecretStr(f"Bearer {config.token.get_secret_value()}")},
        )
        self._refusal = refusals(self._name)
        self._contacts = HubSpotContacts(self._http, self._name, config.contact_ref)

    async def check(self) -> Health:
        """Reachable, and may our credentials read tasks?"""
        return await self._http.check(_TASKS, {"limit": "1"}, understand=_listed, refusal=self._refusal)

    async def find(self, operation: str, key: str) -> Receipt | None:
        """The oldest task that carries `key`. Raises Unsupported for notes and closings, which look for themselves."""
        if operation != "upsert_task":
            raise Unsupported(self._name, f"{operation} cannot be looked up", "repeat it: it is done once")
        found = await self._http.read(
            f"{_TASKS}/search", {}, body=self._search(key), understand=self._marked(key), refusal=self._refusal
        )
        return Receipt(found[0], {"found": len(found)}) if found else None

    async def upsert_task(self, task: Task, *, key: str) -> Receipt:
        """Creates the task, and its customer's contact where there is none."""
        (end,) = await self.write_batch("upsert_task", [(key, task)])
        if isinstance(end, IntegrationError):
            raise end
        return end

    async def write_batch(
        self, operation: str, items: Sequence[tuple[str, Any]]
    ) -> Sequence[Receipt | IntegrationError]:
        """Creates several tasks by one call, after one or two about their contacts."""
        if operation != "upsert_task" or len(items) > LARGEST_BATCH:
            raise Unsupported(
                self._name, f"{len(items)} items of {operation} in one call", f"create at most {LARGEST_BATCH} tasks"
            )
        deadline = self._http.deadline()
        contacts = await self._contacts.of({task.customer_ref: task.customer_name for _, task in items}, deadline)
        new = {
            key: self._new(task, key, contact)
            for key, task in items
            if isinstance(contact := contacts[task.customer_ref], str)
        }
        made = await self._created(new, deadline) if new else {}
        return [self._end(contacts[task.customer_ref], key, made) for key, task in items]

    async def add_task_note(self, note: TaskNote, *, key: str) -> Receipt:
        """Adds to the body of the task, and raises its priority. Busy while the search shows no such task."""
        deadline = self._http.deadline()
        task = await self._seen((await self._ids(note.task_key, deadline))[0], deadline)
        if is_in(task.body, key):
            return Receipt(task.id, {"created": False})
        update = {"hs_task_body": added_to(task.body, note.text, key)}
        priority = raised(task.priority, note.priority)
        if priority is not None:
            update["hs_task_priority"] = priority
        return await self._updated(task.id, update, key, deadline)

    async def close_task(self, closing: TaskClosing, *, key: str) -> Receipt:
        """Completes the task, and any twin of it, with the reason. Busy while the search shows no such task."""
        deadline = self._http.deadline()
        receipts = [
            await self._closed(one, closing, key, deadline) for one in await self._ids(closing.task_key, deadline)
        ]
        return receipts[0]

    def page_of(self, operation: str, external_id: str, *, key: str) -> str | None:
        """The task as colleagues see it; None without the account's id."""
        return None if self._pages is None else f"{self._pages}{external_id}"

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def _created(
        self, new: Mapping[str, Mapping[str, Any]], deadline: float
    ) -> Mapping[str, str | IntegrationError]:
        ends = await self._http.write(
            "POST",
            f"{_TASKS}/batch/create",
            {"inputs": list(new.values())},
            understand=lambda answer: settled(self._http, answer, new, self._marker),
            refusal=self._refusal,
            deadline=deadline,
        )
        return {key: self._http.lost_item() if end is None else end for key, end in ends.items()}

    def _end(
        self, contact: str | IntegrationError, key: str, made: Mapping[str, str | IntegrationError]
    ) -> Receipt | IntegrationError:
        """How one task ended; without its contact it was not begun."""
        end = contact if isinstance(contact, IntegrationError) else made[key]
        return end if isinstance(end, IntegrationError) else Receipt(end, {"created": True})

    async def _ids(self, task_key: str, deadline: float) -> Sequence[str]:
        """The tasks that carry a key, the oldest first: one, or twins."""
        found = await self._http.look(
            f"{_TASKS}/search",
            {},
            body=self._search(task_key),
            understand=self._marked(task_key),
            refusal=self._refusal,
            deadline=deadline,
        )
        if not found:
            raise Busy(self._name, "its search shows no such task (yet)", "it tries again; was the task deleted?")
        return found

    async def _seen(self, task_id: str, deadline: float) -> _Seen:
        """The task itself: what the search shows of it may be old."""
        return await self._http.look(
            f"{_TASKS}/{task_id}",
            {"properties": ",".join(_READ)},
            understand=_as_seen(task_id),
            refusal=self._refusal,
            deadline=deadline,
        )

    async def _closed(self, task_id: str, closing: TaskClosing, key: str, deadline: float) -> Receipt:
        task = await self._seen(task_id, deadline)
        if task.status == DONE:
            return Receipt(task.id, {"created": False})
        body = task.body if is_in(task.body, key) else added_to(task.body, f"Closed: {closing.reason}", key)
        return await self._updated(task.id, {"hs_task_status": DONE, "hs_task_body": body}, key, deadline)

    async def _updated(self, task_id: str, update: Mapping[str, Any], key: str, deadline: float) -> Receipt:
        return await self._http.write(
            "PATCH",
            f"{_TASKS}/{task_id}",
            {"properties": update},
            understand=_as_updated(task_id, key),
            refusal=self._refusal,
            deadline=deadline,
        )

    def _new(self, task: Task, key: str, contact: str) -> Mapping[str, Any]:
        owner = self._owners.get(task.assignee)
        unowned = f"\n\nFor {task.assignee}, whom HubSpot's settings in Handrail do not name." if owner is None else ""
        properties = {
            self._marker: key,
            "hs_task_subject": task.title,
            "hs_task_body": rich(f"{task.body}{unowned}"),
            "hs_task_status": NEW,
            "hs_task_priority": PRIORITY.get(task.priority, "MEDIUM"),
            "hs_task_type": "TODO",
            "hs_timestamp": instant(task.due_at or datetime.now(UTC)),  # HubSpot has no task without a date
        }
        return {
            "associations": [
                {
                    "to": {"id": contact},
                    "types": [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": TASK_TO_CONTACT}],
                }
            ],
            "objectWriteTraceId": trace_of(key),
            "properties": properties if owner is None else properties | {"hubspot_owner_id": str(owner)},
        }

    def _search(self, key: str) -> Mapping[str, Any]:
        return {
            "filterGroups": [{"filters": [{"propertyName": self._marker, "operator": "EQ", "value": key}]}],
            "properties": [self._marker],
            "sorts": [],
            "limit": 100,
            "after": "0",
        }

    def _marked(self, key: str) -> Callable[[Answer], Sequence[str]]:
        """The ids of those found that carry this very key: a search may ignore case."""

        def understand(answer: Answer) -> Sequence[str]:
            same = [one for one in answer.json["results"] if one["properties"].get(self._marker) == key]
            return sorted((record_id(one) for one in same), key=int)

        return understand


def _as_seen(task_id: str) -> Callable[[Answer], _Seen]:
    def understand(answer: Answer) -> _Seen:
        said = answer.json
        if record_id(said) != task_id:
            raise ValueError("the answer is about another task")
        return _Seen(task_id, *(said["properties"].get(name) for name in _READ))

    return understand


def _as_updated(task_id: str, key: str) -> Callable[[Answer], Receipt]:
    def understand(answer: Answer) -> Receipt:
        said = answer.json
        body = said["properties"].get("hs_task_body")
        if record_id(said) != task_id or (body is not None and not is_in(body, key)):
            raise ValueError("the answer is about another task, or another update")
        return Receipt(task_id, {"created": True})

    return understand


def _listed(answer: Answer) -> None:
    if not isinstance(answer.json["results"], list):
        raise ValueError("no list of tasks")


def _write_class(config: HubSpotConfig, operation: str) -> WriteClass:
    return WriteClass.C if operation == "upsert_task" else WriteClass.B


INTEGRATION = Integration(
    vendor=VENDOR,
    capability=Capability.CRM,
    config=HubSpotConfig,
    connect=HubSpot,
    write_class=_write_class,
    batches={"upsert_task": LARGEST_BATCH},
    docs_url="https://developers.hubspot.com/docs/api/crm/tasks",
)
