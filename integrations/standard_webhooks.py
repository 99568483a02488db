"""Standard Webhooks, symmetric (v1): what is signed, with what, and in which headers.

https://www.standardwebhooks.com; both the source `standard` and what we send to webhooks speak it.
"""

import base64
import binascii
import hashlib
import hmac
from typing import Annotated

from pydantic import AfterValidator, SecretStr

ID, TIMESTAMP, SIGNATURE = "webhook-id", "webhook-timestamp", "webhook-signature"

_SECRET_PREFIX = "whsec_"  # noqa: S105 - the word before every secret, not one
_SECRET_BYTES = range(24, 65)


def signing_key(secret: str) -> bytes:
    """The bytes a secret stands for. Raises ValueError in words that do not quote it."""
    if not secret.startswith(_SECRET_PREFIX):
        raise ValueError(f"is no signing secret: it starts with {_SECRET_PREFIX} and goes on in base64")
    encoded = secret.removeprefix(_SECRET_PREFIX)
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"is no signing secret: what follows {_SECRET_PREFIX} is not base64") from None
    if len(key) not in _SECRET_BYTES:
        raise ValueError(f"is no signing secret: it stands for {len(key)} bytes, not for 24 to 64")
    return key


def _checked(secret: SecretStr) -> SecretStr:
    signing_key(secret.get_secret_value())
    return secret


SigningSecret = Annotated[SecretStr, AfterValidator(_checked)]
"""`whsec_` and base64 of 24 to 64 bytes."""


def signed_bytes(webhook_id: str, timestamp: str, body: bytes) -> bytes:
    """What a signature is made over."""
    return b".".join((webhook_id.encode(), timestamp.encode(), body))


def signature_of(key: bytes, signed: bytes) -> bytes:
    """The signature as its header has it behind `v1,`."""
    # not `hmac.digest`: it lets Python's lock go, and a loop that answers waits a millisecond to have it back
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest())


def signature_headers(secret: str, webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of one delivery; `timestamp` is seconds since 1970."""
    signature = signature_of(signing_key(secret), signed_bytes(webhook_id, str(timestamp), body))
    return {ID: webhook_id, TIMESTAMP: str(timestamp), SIGNATURE: f"v1,{signature.decode()}"}
