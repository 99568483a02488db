"""The sandbox as a text message provider."""

from domain.actions import Capability
from integrations.declaration import Integration
from integrations.ports import Erasure, Receipt, Sms
from integrations.sandbox_protocol import BATCH, DOCS_URL, VENDOR, OutwardSandboxConfig, SandboxPort, configured_class


class SandboxSms(SandboxPort):
    """The sandbox's phone, for texts."""

    CAPABILITY = Capability.SMS

    async def send_sms(self, sms: Sms, *, key: str) -> Receipt:
        """Delivers the text to the phone."""
        return await self._create("send_sms", sms, key)

    async def erase_customer(self, erasure: Erasure, *, key: str) -> Receipt:
        """Has it forget what it was told of the customer."""
        return await self._erase(erasure, key)


INTEGRATION = Integration(
    vendor=VENDOR,
    capability=Capability.SMS,
    config=OutwardSandboxConfig,
    connect=SandboxSms,
    write_class=configured_class,
    batches={"send_sms": BATCH},
    docs_url=DOCS_URL,
)
