"""The sandbox as what calls a colleague on duty."""

from domain.actions import Capability
from integrations.declaration import Integration
from integrations.ports import Alert, Receipt
from integrations.sandbox_protocol import BATCH, DOCS_URL, VENDOR, SandboxConfig, SandboxPort, configured_class


class SandboxAlert(SandboxPort):
    """The sandbox's pager."""

    CAPABILITY = Capability.ALERT

    async def raise_alert(self, alert: Alert, *, key: str) -> Receipt:
        """Shows the alert."""
        return await self._create("raise_alert", alert, key)


INTEGRATION = Integration(
    vendor=VENDOR,
    capability=Capability.ALERT,
    config=SandboxConfig,
    connect=SandboxAlert,
    write_class=configured_class,
    batches={"raise_alert": BATCH},
    docs_url=DOCS_URL,
)
