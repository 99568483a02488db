"""Signing as a survey tool does: Standard Webhooks, symmetric (v1), over the raw bytes."""

import base64
import hashlib
import hmac


def signature_headers(secret: str, webhook_id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """The three headers of one delivery. `secret` is `whsec_` and base64; `timestamp` is seconds since 1970."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = b".".join((webhook_id.encode(), str(timestamp).encode(), body))
    signature = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{signature}",
    }
