"""Postmark's webhooks: one event each, with a user and a password that stand in the webhook's address.

Postmark signs nothing: whoever has the password may say anything, and what is changed on the way is not noticed. So the
address must be https, the password long and random, and nothing else may know it. A replay is known by its body.

https://postmarkapp.com/developer/webhooks/webhooks-overview
"""

import base64
import hmac
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from data_contracts import strict_json
from data_contracts.journey_events import MessageEvents
from domain.actions import Capability
from domain.message_events import MessageNews
from integrations.declaration import Integration, VendorConfig, integration_name
from integrations.delivery_reports import in_own_bytes, instant_of_text, told
from integrations.errors import Forged
from integrations.mail_keys import key_in
from integrations.ports import Headers, Noted, Verified
from integrations.signatures import one_header, signed_id
from integrations.survey_sources import Secret, inner_object, inner_word

NEWS: Mapping[str, tuple[tuple[MessageNews, bool], str]] = {
    "Delivery": ((MessageNews.DELIVERED, False), "DeliveredAt"),
    "Open": ((MessageNews.OPENED, False), "ReceivedAt"),
    "Click": ((MessageNews.CLICKED, False), "ReceivedAt"),
    "SpamComplaint": ((MessageNews.COMPLAINED, False), "BouncedAt"),
}
"""What a `RecordType` means, whether it says that there is no such address, and where its time stands. `Bounce` and
`SubscriptionChange` say more, below; others are no news of a message."""

BOUNCES: Mapping[str, tuple[MessageNews, bool] | None] = {
    "HardBounce": (MessageNews.BOUNCED, True),
    "BadEmailAddress": (MessageNews.BOUNCED, True),
    "ManuallyDeactivated": (MessageNews.BOUNCED, True),  # a person switched the address off at Postmark
    "SpamComplaint": (MessageNews.COMPLAINED, False),
    "SpamNotification": (MessageNews.COMPLAINED, False),
    "Unsubscribe": (MessageNews.UNSUBSCRIBED, False),
    "Transient": None,  # Postmark goes on trying
    "DnsError": None,
    "AutoResponder": None,  # it arrived
    "AddressChange": None,
    "ChallengeVerification": None,
    "OpenRelayTest": None,
    "Subscribe": None,
}
"""What the `Type` of a bounce means (https://postmarkapp.com/developer/api/bounce-api#bounce-types). Of every other one
only that this message did not arrive."""

_BASIC = re.compile(r"Basic [A-Za-z0-9+/]{1,1000}={0,2}")
_DID_NOT_ARRIVE = (MessageNews.BOUNCED, False)

SUPPRESSIONS: Mapping[str, tuple[MessageNews, bool]] = {
    "ManualSuppression": (MessageNews.UNSUBSCRIBED, False),
    "HardBounce": (MessageNews.BOUNCED, True),
    "SpamComplaint": (MessageNews.COMPLAINED, False),
}
"""Why a stream sends nothing to an address any more."""


class PostmarkEventsConfig(VendorConfig):
    """The settings of one server's webhooks."""

    username: str = Field(
        default="handrail", pattern=r"^[A-Za-z0-9._-]{1,64}$", description="The user in the webhook's address."
    )
    secrets: list[Annotated[Secret, Field(max_length=500)]] = Field(
        min_length=1,
        max_length=2,
        description="The password in the webhook's address; while it is changed, the old and the new one.",
    )


class PostmarkEvents:
    """Believes whoever has one of the passwords."""

    def __init__(self, config: PostmarkEventsConfig) -> None:
        self._name = integration_name(Capability.DELIVERY_INTAKE, "postmark")
        pairs = [f"{config.username}:{secret.get_secret_value()}" for secret in config.secrets]
        self._basic = [b"Basic " + base64.b64encode(pair.encode()) for pair in pairs]
        self._setting = config.setting("secrets")

    def __repr__(self) -> str:
        return f"<PostmarkEvents {self._name}>"

    def verify(self, headers: Headers, body: bytes, now: datetime) -> Verified:
        """Raises Unsigned or Forged, in a time that does not tell which password came close."""
        remedy = "write user and password into the webhook's address at Postmark"
        given = one_header(self._name, headers, "Authorization", remedy, shape=_BASIC).encode()
        fits = False
        for right in self._basic:
            fits |= hmac.compare_digest(right, given)
        if not fits:
            remedy = f"compare {self._setting} with the password in the webhook's address"
            raise Forged(self._name, "the password does not fit", remedy)
        return Verified(signed_id(body), None)

    def read(self, body: bytes) -> MessageEvents | Noted:
        """Raises NotStrictJson or ContractBroken."""
        event = inner_object(strict_json.parse(body, any_integer=True), "")  # bounces have ids of 64 bits
        word = inner_word(event.get("RecordType"), "RecordType")
        news, at = _news(word, event)
        if news is None:
            return Noted(word, "an event that is no news of a message")
        key = key_in(inner_object(event.get("Metadata") or {}, "Metadata"))
        if key is None:
            return Noted(word, "about a message that is none of ours")
        when = instant_of_text(event.get(at), at)
        address = event.get("Recipient", event.get("Email"))
        words = (event.get("Type"), event.get("Description"))
        return MessageEvents((told(key, news, when, in_own_bytes(event), address=address, words=words),))


def _news(word: str, event: Mapping[str, Any]) -> tuple[tuple[MessageNews, bool] | None, str]:
    """What an event means, and where its time stands."""
    if word == "Bounce":
        return BOUNCES.get(inner_word(event.get("Type"), "Type"), _DID_NOT_ARRIVE), "BouncedAt"
    if word == "SubscriptionChange":
        is_over = event.get("SuppressSending") is True
        return SUPPRESSIONS.get(str(event.get("SuppressionReason"))) if is_over else None, "ChangedAt"
    return NEWS.get(word, (None, ""))


INTEGRATION = Integration(
    vendor="postmark",
    capability=Capability.DELIVERY_INTAKE,
    config=PostmarkEventsConfig,
    connect=PostmarkEvents,
    docs_url="https://postmarkapp.com/developer/webhooks/webhooks-overview",
)
