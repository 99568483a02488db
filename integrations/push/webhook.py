"""Notifications by a webhook of your own: a receiver that passes each on to Apple, Google or your app's vendor.

We POST to one address, signed as Standard Webhooks (https://www.standardwebhooks.com); `webhook-id` is our key, the
same however often a notification is sent:

    {"type": "notification.send", "data": {"key": "…", "to": "<device>", "title": "…", "text": "…", "link": "…",
                                           "language": "pl", "template": "…", "customer_ref": "…"}}

The receiver answers 2xx with `{"key": "<the same>", "id": "<its own id of it, or leave it out>"}` once it has taken the
notification over; 422 for one that can never arrive (the device is gone), 429 to be asked again later, 410 to be sent
nothing any more. `{"type": "check"}` is answered `{"status": "ok"}`, and nobody hears of it.

The standard asks a receiver to remember ids, for minutes. That is too short for us: unless the receiver is known to
push one key once for good (`pushes_once`), a lost answer is not made good by sending again.
"""

import hashlib
import re
import time
from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote, urlsplit

from pydantic import Field

from domain.actions import Capability, WriteClass
from integrations.answers import Answer
from integrations.declaration import BaseUrl, Integration, IntegrationConfig, integration_name
from integrations.errors import AuthFailed, Unsupported
from integrations.http import HttpIntegration
from integrations.ports import Health, Push, Receipt
from integrations.standard_webhooks import SigningSecret, signature_headers

VENDOR = "webhook"

_GONE = 410
_CHECK_ID = "handrail/health-check"
_PLAIN = re.compile(r"[!-\-/-~]{1,255}")
"""What `webhook-id` may be: a full stop separates what is signed."""


class WebhookConfig(IntegrationConfig):
    """The settings of one receiver."""

    url: BaseUrl = Field(description="Where notifications are posted to, the whole address.")
    secret: SigningSecret = Field(description="What we sign with (whsec_ and base64); the receiver has the same.")
    pushes_once: bool = Field(
        default=False,
        description="True only when the receiver pushes one key once, for good: a lost answer is then asked for again.",
    )


class WebhookPush:
    """One receiver, whatever is behind it."""

    def __init__(self, config: WebhookConfig) -> None:
        self._name = integration_name(Capability.PUSH, VENDOR)
        self._url_setting = config.setting("url")
        self._secret = config.secret
        parts = urlsplit(config.url)
        self._path = parts.path or "/"
        self._http = HttpIntegration(
            self._name,
            config,
            base_url=f"{parts.scheme}://{parts.netloc}",
            credentials={},
            credential_field="secret",
        )

    async def check(self) -> Health:
        """Reachable, and our signature accepted?"""
        return await self._http.check(
            self._path,
            {},
            understand=_well,
            method="POST",
            body={"type": "check"},
            signed=partial(self._signed, _CHECK_ID),
            refusal=self._gone,
        )

    async def find(self, operation: str, key: str) -> Receipt | None:
        """Raises Unsupported: a webhook reads nothing."""
        raise Unsupported(self._name, f"{operation} cannot be looked up", "settle the action by hand")

    async def send_push(self, push: Push, *, key: str) -> Receipt:
        """Hands the notification to the receiver."""
        return await self._http.write(
            "POST",
            self._path,
            {"type": "notification.send", "data": _data(push, key)},
            understand=lambda answer: _receipt(answer, key),
            signed=partial(self._signed, _webhook_id(key)),
            refusal=self._gone,
        )

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    def _signed(self, webhook_id: str, body: bytes) -> Mapping[str, str]:
        return signature_headers(self._secret.get_secret_value(), webhook_id, int(time.time()), body)

    def _gone(self, answer: Answer) -> None:
        """A refusal proves no write. Raises AuthFailed when the receiver wants none at all."""
        if answer.status == _GONE:
            remedy = f"correct {self._url_setting}, or leave the section out"
            raise AuthFailed(self._name, "the receiver wants no more notifications (410)", remedy)


def _data(push: Push, key: str) -> dict[str, Any]:
    return {
        "key": key,
        "to": push.to,
        "title": push.title,
        "text": push.text,
        "link": push.link,
        "language": push.language,
        "template": push.template,
        "customer_ref": push.customer_ref,
    }


def _webhook_id(key: str) -> str:
    """The key as a header carries it."""
    plain = quote(key, safe="/:@+~-_").replace(".", "%2E")
    return plain if _PLAIN.fullmatch(plain) else hashlib.sha256(key.encode()).hexdigest()


def _well(answer: Answer) -> None:
    if answer.json["status"] != "ok":
        raise ValueError("it says that it is not well")


def _receipt(answer: Answer, key: str) -> Receipt:
    if answer.json["key"] != key:
        raise ValueError("the answer is about another key")
    return Receipt(external_id=str(answer.json.get("id") or ""))


def _write_class(config: WebhookConfig, operation: str) -> WriteClass:
    return WriteClass.A if config.pushes_once else WriteClass.D


INTEGRATION = Integration(
    vendor=VENDOR,
    capability=Capability.PUSH,
    config=WebhookConfig,
    connect=WebhookPush,
    write_class=_write_class,
    docs_url="https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
)
