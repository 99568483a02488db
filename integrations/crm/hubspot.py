"""HubSpot as a customer relationship system: tasks, each at the contact of its customer.

A task carries our key in a text property of its own (`task_marker`), by which HubSpot's search finds it again after a
lost answer: creating one is class C. A contact is known by a property with unique values (`contact_ref`) and made by an
upsert (class B) where there is none. Both properties are made once, in HubSpot's settings.

A note goes into the task's body, a closing too, each with its key: who repeats it finds it there and writes nothing
(class B). HubSpot has no conditional update: what a colleague saves in the body between our look and our update, about
a second, is lost. A task that somebody deleted is looked for until its note has used up its attempts.

The paths are those of version 3, which HubSpot says it supports until September 2027. Not documented, and relied on as
other people's code does: that tasks take properties of one's own, that a task's body is HTML, the address of a task's
page. Why it is so: docs/adr/0019-tasks-at-hubspot.md.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from pydantic import Field, SecretStr

from domain.actions import Capability, WriteClass
from integrations.answers import Answer
from integrations.declaration import BaseUrl, Integration, IntegrationConfig, integration_name
from integrations.errors import IntegrationError, Unsupported
from integrations.http import HttpIntegration
from integrations.hubspot_batches import LARGEST_BATCH, HubSpotContacts, settled
from integrations.hubspot_changes import LARGEST_CHANGE, TASKS, Change, Draft, HubSpotChanges, HubSpotSearch
from integrations.hubspot_words import NEW, PRIORITY, TASK_TO_CONTACT, instant, refusals, rich, trace_of
from integrations.ports import Erasure, Health, Receipt, Task, TaskClosing, TaskNote

VENDOR = "hubspot"

BATCHES: Mapping[str, int] = {
    "upsert_task": LARGEST_BATCH,
    "add_task_note": LARGEST_CHANGE,
    "close_task": LARGEST_CHANGE,
}
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
        description="Most tasks, notes and closings a second, of ten calls: three for each one, about six for twenty.",
    )
    search_lag_seconds: float = Field(
        default=60.0, ge=0, description="How long HubSpot's search may miss a task; it says a few moments."
    )


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
        self._search = HubSpotSearch(self._http, self._name, config.task_marker)
        self._changes = HubSpotChanges(self._http, self._name, self._search)

    async def check(self) -> Health:
        """Reachable, and may our credentials read tasks?"""
        return await self._http.check(TASKS, {"limit": "1"}, understand=_listed, refusal=self._refusal)

    async def find(self, operation: str, key: str) -> Receipt | None:
        """The oldest task that carries `key`. Raises Unsupported for notes and closings, which look for themselves."""
        if operation != "upsert_task":
            raise Unsupported(self._name, f"{operation} cannot be looked up", "repeat it: it is done once")
        found = await self._search.find(key)
        return Receipt(found[0], {"found": len(found)}) if found else None

    async def upsert_task(self, task: Task, *, key: str) -> Receipt:
        """Creates the task, and its customer's contact where there is none."""
        return await self._alone("upsert_task", task, key)

    async def add_task_note(self, note: TaskNote, *, key: str) -> Receipt:
        """Adds to the body of the task, and raises its priority. Busy while the search shows no such task."""
        return await self._alone("add_task_note", note, key)

    async def close_task(self, closing: TaskClosing, *, key: str) -> Receipt:
        """Completes the task, with the reason. Busy while the search shows no such task."""
        return await self._alone("close_task", closing, key)

    async def erase_customer(self, erasure: Erasure, *, key: str) -> Receipt:
        """Deletes the customer's contact for good; one that is not there is gone already.

        Tasks lose their contact and stay, with what stands in them.
        """
        contact = await self._contacts.erase(erasure.customer_ref, self._http.deadline())
        return Receipt(contact, {"was_there": bool(contact)})

    async def write_batch(
        self, operation: str, items: Sequence[tuple[str, Any]]
    ) -> Sequence[Receipt | IntegrationError]:
        """Several of one operation, by two to seven calls."""
        most = BATCHES.get(operation, 0)
        if len(items) > most:
            raise Unsupported(self._name, f"{len(items)} items of {operation} in one call", f"send at most {most}")
        if operation == "upsert_task":
            return await self._create(items)
        change = _noted if operation == "add_task_note" else _closed
        return await self._changes.make([change(value, key) for key, value in items])

    def page_of(self, operation: str, external_id: str, *, key: str) -> str | None:
        """The task as colleagues see it; None without the account's id."""
        return None if self._pages is None else f"{self._pages}{external_id}"

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def _alone(self, operation: str, value: Any, key: str) -> Receipt:
        (end,) = await self.write_batch(operation, [(key, value)])
        if isinstance(end, IntegrationError):
            raise end
        return end

    async def _create(self, items: Sequence[tuple[str, Task]]) -> Sequence[Receipt | IntegrationError]:
        """The contacts first: without its own a task is not begun."""
        deadline = self._http.deadline()
        contacts = await self._contacts.of({task.customer_ref: task.customer_name for _, task in items}, deadline)
        new = {
            key: self._new(task, key, contact)
            for key, task in items
            if isinstance(contact := contacts[task.customer_ref], str)
        }
        made = await self._created(new, deadline) if new else {}
        return [self._end(contacts[task.customer_ref], key, made) for key, task in items]

    async def _created(
        self, new: Mapping[str, Mapping[str, Any]], deadline: float
    ) -> Mapping[str, str | IntegrationError]:
        ends = await self._http.write(
            "POST",
            f"{TASKS}/batch/create",
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


def _noted(note: TaskNote, key: str) -> Change:
    def apply(task: Draft) -> bool:
        if not task.add(note.text, key):
            return False
        task.raise_to(note.priority)
        return True

    return Change(note.task_key, apply)


def _closed(closing: TaskClosing, key: str) -> Change:
    def apply(task: Draft) -> bool:
        if not task.complete():
            return False
        task.add(f"Closed: {closing.reason}", key)
        return True

    return Change(closing.task_key, apply)


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
    batches=BATCHES,
    docs_url="https://developers.hubspot.com/docs/api/crm/tasks",
)
