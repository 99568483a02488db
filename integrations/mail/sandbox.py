"""The sandbox as a mail provider."""

from domain.actions import Capability
from integrations.declaration import Integration
from integrations.ports import Erasure, Mail, Receipt
from integrations.sandbox_protocol import BATCH, DOCS_URL, VENDOR, OutwardSandboxConfig, SandboxPort, configured_class


class SandboxMail(SandboxPort):
    """The sandbox's mailbox."""

    CAPABILITY = Capability.MAIL

    async def send_mail(self, mail: Mail, *, key: str) -> Receipt:
        """Delivers the message to the mailbox."""
        return await self._create("send_mail", mail, key)

    async def erase_customer(self, erasure: Erasure, *, key: str) -> Receipt:
        """Has it forget what it was told of the customer."""
        return await self._erase(erasure, key)


INTEGRATION = Integration(
    vendor=VENDOR,
    capability=Capability.MAIL,
    config=OutwardSandboxConfig,
    connect=SandboxMail,
    write_class=configured_class,
    batches={"send_mail": BATCH},
    docs_url=DOCS_URL,
)
