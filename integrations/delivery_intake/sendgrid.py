"""SendGrid's Event Webhook: many events in one delivery, signed with a key of SendGrid's (ECDSA, P-256, SHA-256).

Signed are the timestamp and the body as it came, to the last newline. A delivery that was not answered 2xx comes again
for a day, and whether it is signed anew is not documented; so its time is not judged, and a replay is known by its
body. Only messages that carry our key are ours: other systems may send through the same account.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event
"""

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key
from pydantic import AfterValidator, Field

from data_contracts import strict_json
from data_contracts.fields import in_words
from data_contracts.journey_events import MessageEvents, MessageTold, RefusedPart
from data_contracts.problems import ContractBroken
from domain.actions import Capability
from domain.message_events import MessageNews
from integrations.declaration import Integration, VendorConfig, integration_name
from integrations.delivery_reports import in_own_bytes, instant_of_seconds, told
from integrations.errors import Forged, Unsigned
from integrations.mail_keys import SENDGRID_ARGUMENT
from integrations.ports import Headers, Noted, Verified
from integrations.signatures import one_header, signed_id
from integrations.survey_sources import broken, inner_object, inner_word

SIGNATURE, TIMESTAMP = "X-Twilio-Email-Event-Webhook-Signature", "X-Twilio-Email-Event-Webhook-Timestamp"

_SECONDS = re.compile(r"[0-9]{1,12}")

NEWS: Mapping[str, tuple[MessageNews, bool]] = {
    "delivered": (MessageNews.DELIVERED, False),
    "open": (MessageNews.OPENED, False),
    "click": (MessageNews.CLICKED, False),
    "spamreport": (MessageNews.COMPLAINED, False),
    "unsubscribe": (MessageNews.UNSUBSCRIBED, False),
    "group_unsubscribe": (MessageNews.UNSUBSCRIBED, False),
}
"""What an event means, and whether it says that there is no such address. `bounce` and `dropped` say more, below;
`processed`, `deferred`, `group_resubscribe` and what is unknown are no news of a message."""

HARD_BOUNCE = "bounce"
"""The `type` of a bounce that is for good; `blocked` is one that the other side may take back."""

DROPPED: Mapping[str, tuple[MessageNews, bool]] = {
    "bounced address": (MessageNews.BOUNCED, True),
    "invalid": (MessageNews.BOUNCED, True),
    "spam reporting address": (MessageNews.COMPLAINED, False),
    "unsubscribed address": (MessageNews.UNSUBSCRIBED, False),
}
"""Why SendGrid did not even try (https://docs.sendgrid.com/glossary/drops); any other reason is about this message."""


def _read_key(text: str) -> ec.EllipticCurvePublicKey:
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError):
        key = None
    if not isinstance(key, ec.EllipticCurvePublicKey):
        raise ValueError("is no verification key: copy it whole from the Event Webhook's settings, MFkw…")
    return key


def _checked(text: str) -> str:
    _read_key(text)
    return text


class SendGridEventsConfig(VendorConfig):
    """The settings of one Event Webhook."""

    public_keys: list[Annotated[str, AfterValidator(_checked)]] = Field(
        min_length=1,
        max_length=2,
        description="The verification key that SendGrid shows; while it is changed, the old and the new one.",
    )


class SendGridEvents:
    """Believes what was signed with one of the keys."""

    largest_body = 1024 * 1024  # how much SendGrid gathers is not documented; an event is some hundred bytes

    def __init__(self, config: SendGridEventsConfig) -> None:
        self._name = integration_name(Capability.DELIVERY_INTAKE, "sendgrid")
        self._keys = [_read_key(text) for text in config.public_keys]
        self._setting = config.setting("public_keys")

    def verify(self, headers: Headers, body: bytes, now: datetime) -> Verified:
        """Raises Unsigned or Forged."""
        remedy = "switch the Signed Event Webhook on in SendGrid's settings"
        signature = one_header(self._name, headers, SIGNATURE, remedy)
        timestamp = one_header(self._name, headers, TIMESTAMP, remedy)
        try:
            given = base64.b64decode(signature, validate=True)
        except binascii.Error:
            raise Unsigned(self._name, f"the header {SIGNATURE} is malformed", "it must be base64") from None
        if not _SECONDS.fullmatch(timestamp):
            raise Unsigned(self._name, f"the header {TIMESTAMP} is malformed", "it must be whole seconds since 1970")
        if not any(_fits(key, given, timestamp.encode() + body) for key in self._keys):
            raise Forged(
                self._name,
                "the signature does not fit",
                f"compare {self._setting} with the key SendGrid shows; or something on the way changes bodies",
            )
        return Verified(signed_id(body), None)

    def read(self, body: bytes) -> MessageEvents | Noted:
        """Raises NotStrictJson or ContractBroken; one event that makes no sense costs none of the others."""
        events = strict_json.parse(body)
        if not isinstance(events, list) or not events:
            what = "has no events" if events == [] else f"is {in_words(events)}, not a list"
            raise broken("", what, "point SendGrid's Event Webhook here, and nothing else")
        found: list[MessageTold] = []
        refused: list[RefusedPart] = []
        for event in events:
            alone = in_own_bytes([event])
            try:
                one = _read(event, alone)
            except ContractBroken as problem:
                refused.append(RefusedPart(alone, tuple(problem.problems)))
            else:
                found += [one] if one is not None else []
        if found or refused:
            return MessageEvents(tuple(found), tuple(refused))
        return Noted(_words(events), "nothing that became of a message of ours")


def _fits(key: ec.EllipticCurvePublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed, ec.ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _read(event: Any, alone: bytes) -> MessageTold | None:
    """The news in one event; None: none, or none of ours. Raises ContractBroken."""
    said = inner_object(event, "")
    word = inner_word(said.get("event"), "event")
    key = said.get(SENDGRID_ARGUMENT)
    news = _news(word, said)
    if news is None or not isinstance(key, str) or not key:
        return None
    at = instant_of_seconds(said.get("timestamp"), "timestamp")
    words = (said.get("status"), said.get("reason"))
    return told(key, news, at, alone, address=said.get("email"), words=words)


def _news(word: str, said: Mapping[str, Any]) -> tuple[MessageNews, bool] | None:
    if word == "bounce":
        return MessageNews.BOUNCED, said.get("type") == HARD_BOUNCE
    if word == "dropped":
        return DROPPED.get(str(said.get("reason")).casefold(), (MessageNews.BOUNCED, False))
    return NEWS.get(word)


def _words(events: Sequence[Any]) -> str:
    """What kinds of events these are, for a person."""
    kinds = sorted({str(event.get("event"))[:60] for event in events})
    return ", ".join(kinds)[:200]


INTEGRATION = Integration(
    vendor="sendgrid",
    capability=Capability.DELIVERY_INTAKE,
    config=SendGridEventsConfig,
    connect=SendGridEvents,
    docs_url="https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event",
)
