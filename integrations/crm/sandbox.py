"""The sandbox as a customer relationship system."""

from domain.actions import Capability, WriteClass
from integrations.declaration import Integration
from integrations.ports import Receipt, Task, TaskClosing
from integrations.sandbox_protocol import BATCH, DOCS_URL, VENDOR, SandboxConfig, SandboxPort, known, receipt


class SandboxCrm(SandboxPort):
    """Tasks in the sandbox."""

    CAPABILITY = Capability.CRM

    async def upsert_task(self, task: Task, *, key: str) -> Receipt:
        """Creates the task, or updates the one of the same key where the write class allows."""
        return await self._create("upsert_task", task, key)

    async def close_task(self, closing: TaskClosing, *, key: str) -> Receipt:
        """Closes a task; Rejected (404) when the sandbox does not know it."""
        return await self._http.write(
            "POST",
            "/api/tasks/close",
            {"key": closing.task_key, "reason": closing.reason},
            understand=lambda answer: receipt(answer, closing.task_key),
            conflict=lambda answer: known(answer, closing.task_key),
        )


def _write_class(config: SandboxConfig, operation: str) -> WriteClass:
    return WriteClass.B if operation == "close_task" else config.write_class  # closed twice is closed


INTEGRATION = Integration(
    vendor=VENDOR,
    capability=Capability.CRM,
    config=SandboxConfig,
    connect=SandboxCrm,
    write_class=_write_class,
    batches={"upsert_task": BATCH},
    docs_url=DOCS_URL,
)
