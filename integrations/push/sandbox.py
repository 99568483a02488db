"""The sandbox as a push notification provider."""

from domain.actions import Capability
from integrations.declaration import Integration
from integrations.ports import Push, Receipt
from integrations.sandbox_protocol import BATCH, DOCS_URL, VENDOR, OutwardSandboxConfig, SandboxPort, configured_class


class SandboxPush(SandboxPort):
    """The sandbox's phone, for notifications."""

    CAPABILITY = Capability.PUSH

    async def send_push(self, push: Push, *, key: str) -> Receipt:
        """Shows the notification on the phone."""
        return await self._create("send_push", push, key)


INTEGRATION = Integration(
    vendor=VENDOR,
    capability=Capability.PUSH,
    config=OutwardSandboxConfig,
    connect=SandboxPush,
    write_class=configured_class,
    batches={"send_push": BATCH},
    docs_url=DOCS_URL,
)
