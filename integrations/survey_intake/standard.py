"""The generic source: webhooks signed as Standard Webhooks (symmetric, v1) with our own payloads."""

import hmac
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from pydantic import Field

from data_contracts.events import StandardEvent, read_standard
from data_contracts.surveys import SurveyAnswered
from domain.actions import Capability
from integrations.declaration import Integration, VendorConfig, integration_name
from integrations.errors import Forged, Stale, Unsigned
from integrations.ports import Headers, Verified
from integrations.signatures import header_pairs
from integrations.standard_webhooks import (
    ID,
    SIGNATURE,
    TIMESTAMP,
    SigningSecret,
    signature_of,
    signed_bytes,
    signing_key,
)

TOLERANCE_SECONDS = 300
"""How far the sender's clock and ours may be apart, either way."""

_SHAPES: Mapping[str, tuple[re.Pattern[str], str]] = {
    # no full stop: it separates what is signed, and would let one signature fit two readings
    ID: (re.compile(r"[!-\-/-~]{1,255}"), "1 to 255 printable ASCII characters without spaces or full stops"),
    TIMESTAMP: (re.compile(r"[0-9]{1,12}"), "whole seconds since 1970"),
    SIGNATURE: (re.compile(r"[ -~]{1,4096}"), "at most 4096 printable ASCII characters"),
}


class StandardConfig(VendorConfig):
    """The settings of one source that signs as Standard Webhooks."""

    secrets: list[SigningSecret] = Field(
        min_length=1,
        max_length=2,
        description="The signing secret (whsec_ and base64); while it is changed, the old and the new one.",
    )


class StandardIntake:
    """Believes what was signed with one of the secrets, now."""

    def __init__(self, config: StandardConfig) -> None:
        self._name = integration_name(Capability.SURVEY_INTAKE, "standard")
        self._keys = [signing_key(secret.get_secret_value()) for secret in config.secrets]
        self._setting = config.setting("secrets")

    def verify(self, headers: Headers, body: bytes, now: datetime) -> Verified:
        """Raises Unsigned, Forged, or Stale; the signature is judged first, so Stale is said of genuine ones only."""
        named = self._signature_headers(headers)
        webhook_id, timestamp = named[ID], named[TIMESTAMP]
        signatures = [word.removeprefix("v1,") for word in named[SIGNATURE].split(" ") if word.startswith("v1,")]
        if not signatures:
            raise Unsigned(self._name, f"no v1 signature in {SIGNATURE}", "the sender must sign with a shared secret")
        if not self._is_genuine(signed_bytes(webhook_id, timestamp, body), signatures):
            raise Forged(
                self._name,
                "no signature fits",
                f"compare {self._setting} with the sender's secret; or something on the way changes bodies",
            )
        age = now.timestamp() - int(timestamp)
        if abs(age) > TOLERANCE_SECONDS:
            raise Stale(
                self._name,
                f"genuine, but signed {abs(age):.0f} s {'ago' if age > 0 else 'in the future'}",
                f"a replay, or check both clocks: at most {TOLERANCE_SECONDS} s apart",
            )
        return Verified(webhook_id, datetime.fromtimestamp(int(timestamp), UTC))

    def read(self, body: bytes) -> SurveyAnswered | StandardEvent:
        """Raises NotStrictJson or ContractBroken."""
        return read_standard(body)

    def _signature_headers(self, headers: Headers) -> dict[str, str]:
        """The three headers, each there once and well-formed."""
        named: dict[str, str] = {}
        for name, value in header_pairs(headers):
            if name not in _SHAPES:
                continue
            if name in named:
                raise Unsigned(self._name, f"the header {name} came twice", "the sender must send it once")
            named[name] = value
        for name, (shape, words) in _SHAPES.items():
            if name not in named:
                raise Unsigned(self._name, f"the header {name} is missing", "the sender must sign its webhooks")
            if not shape.fullmatch(named[name]):
                raise Unsigned(self._name, f"the header {name} is malformed", f"it must be {words}")
        return named

    def _is_genuine(self, signed: bytes, signatures: Iterable[str]) -> bool:
        """In a time that does not tell which secret or signature came close."""
        expected = [signature_of(key, signed) for key in self._keys]
        fits = False
        for signature in signatures:
            for right in expected:
                fits |= hmac.compare_digest(right, signature.encode())
        return fits


INTEGRATION = Integration(
    vendor="standard",
    capability=Capability.SURVEY_INTAKE,
    config=StandardConfig,
    connect=StandardIntake,
    docs_url="https://www.standardwebhooks.com",
)
