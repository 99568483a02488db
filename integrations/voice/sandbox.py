"""The sandbox as a voicebot."""

from domain.actions import Capability
from integrations.declaration import Integration
from integrations.ports import Call, Erasure, Receipt
from integrations.sandbox_protocol import DOCS_URL, VENDOR, OutwardSandboxConfig, SandboxPort, configured_class


class SandboxVoice(SandboxPort):
    """The sandbox's phone, for calls."""

    CAPABILITY = Capability.VOICE

    async def place_call(self, call: Call, *, key: str) -> Receipt:
        """Rings the phone and speaks the script."""
        return await self._create("place_call", call, key)

    async def erase_customer(self, erasure: Erasure, *, key: str) -> Receipt:
        """Has it forget what it was told of the customer."""
        return await self._erase(erasure, key)


INTEGRATION = Integration(
    vendor=VENDOR,
    capability=Capability.VOICE,
    config=OutwardSandboxConfig,
    connect=SandboxVoice,
    write_class=configured_class,
    docs_url=DOCS_URL,
)
