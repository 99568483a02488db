"""The sandbox as a customer relationship system."""

from domain.actions import Capability, WriteClass
from integrations.declaration import Integration
from integrations.ports import ERASE, Erasure, Receipt, Task, TaskClosing, TaskNote
from integrations.sandbox_protocol import BATCH, DOCS_URL, VENDOR, SandboxConfig, SandboxPort, known, receipt


class SandboxCrm(SandboxPort):
    """Tasks and their notes in the sandbox."""

    CAPABILITY = Capability.CRM

    async def upsert_task(self, task: Task, *, key: str) -> Receipt:
        """Creates the task, or updates the one of the same key where the write class allows."""
        return await self._create("upsert_task", task, key)

    async def add_task_note(self, note: TaskNote, *, key: str) -> Receipt:
        """Adds the note to its task; Rejected (404) when the sandbox does not know the task."""
        return await self._create("add_task_note", note, key)

    async def close_task(self, closing: TaskClosing, *, key: str) -> Receipt:
        """Closes a task; Rejected (404) when the sandbox does not know it."""
        return await self._http.write(
            "POST",
            "/api/tasks/close",
            {"key": key, "task_key": closing.task_key, "reason": closing.reason},
            understand=lambda answer: receipt(answer, key),
            conflict=lambda answer: known(answer, key),
        )

    async def erase_customer(self, erasure: Erasure, *, key: str) -> Receipt:
        """Has it forget what it was told of the customer."""
        return await self._erase(erasure, key)


def _write_class(config: SandboxConfig, operation: str) -> WriteClass:
    return WriteClass.B if operation in {"close_task", ERASE} else config.write_class  # closed twice is closed


INTEGRATION = Integration(
    vendor=VENDOR,
    capability=Capability.CRM,
    config=SandboxConfig,
    connect=SandboxCrm,
    write_class=_write_class,
    batches={"upsert_task": BATCH, "add_task_note": BATCH},
    docs_url=DOCS_URL,
)
