"""What became of messages: each vendor's words, translated once; its published signature; one bad event of many."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from data_contracts.journey_events import MessageEvents
from data_contracts.problems import ContractBroken
from domain.message_events import MessageNews
from integrations.delivery_intake import postmark, sendgrid
from integrations.errors import Forged
from integrations.ports import Noted

KEY = "journey/onboarding/C-1042/1/welcome"
NOW = datetime(2026, 3, 1, 9, 30, tzinfo=UTC)

PUBLISHED_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F"
    "+g=="
)
PUBLISHED_BODY = (
    '[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    '"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    '"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    '"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
)
PUBLISHED_HEADERS = {
    "X-Twilio-Email-Event-Webhook-Signature": (
        "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM="
    ),
    "X-Twilio-Email-Event-Webhook-Timestamp": "1600112502",
}
"""The vector of sendgrid/sendgrid-python, test/unit/test_eventwebhook.py @ 1dcc378."""


def of_sendgrid() -> sendgrid.SendGridEvents:
    return sendgrid.SendGridEvents(sendgrid.SendGridEventsConfig(public_keys=[PUBLISHED_KEY]))


def of_postmark() -> postmark.PostmarkEvents:
    config = postmark.PostmarkEventsConfig.model_validate({"secrets": ["long-and-random"]})
    return postmark.PostmarkEvents(config)


def news(said: MessageEvents | Noted) -> list[tuple[MessageNews, bool]]:
    return [(one.what, one.is_permanent) for one in said.told] if isinstance(said, MessageEvents) else []


def test_sendgrids_published_signature_fits_and_no_other_does() -> None:
    source = of_sendgrid()
    body = PUBLISHED_BODY.encode()
    verified = source.verify(PUBLISHED_HEADERS, body, NOW)
    assert verified == source.verify(PUBLISHED_HEADERS, body, datetime(2030, 1, 1, tzinfo=UTC))
    assert verified.webhook_id.startswith("sha256:")
    later = {**PUBLISHED_HEADERS, "X-Twilio-Email-Event-Webhook-Timestamp": "1600112503"}
    for headers, given in ((PUBLISHED_HEADERS, body.strip()), (later, body)):
        with pytest.raises(Forged):
            source.verify(headers, given, NOW)


def test_a_message_that_another_system_sent_is_none_of_ours() -> None:
    assert isinstance(of_sendgrid().read(PUBLISHED_BODY.encode()), Noted)
    event = {"RecordType": "Delivery", "DeliveredAt": "2026-03-01T09:29:55Z", "Metadata": {"client-id": "1"}}
    assert isinstance(of_postmark().read(json.dumps(event).encode()), Noted)
    assert isinstance(of_postmark().read(json.dumps({**event, "Metadata": None}).encode()), Noted)


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        ({"event": "delivered"}, (MessageNews.DELIVERED, False)),
        ({"event": "open", "sg_machine_open": True}, (MessageNews.OPENED, False)),
        ({"event": "click", "url": "https://x"}, (MessageNews.CLICKED, False)),
        ({"event": "bounce", "type": "bounce", "status": "5.1.1"}, (MessageNews.BOUNCED, True)),
        ({"event": "bounce", "type": "blocked", "status": "4.0.0"}, (MessageNews.BOUNCED, False)),
        ({"event": "bounce", "status": "5.1.1"}, (MessageNews.BOUNCED, False)),
        ({"event": "dropped", "reason": "Bounced Address"}, (MessageNews.BOUNCED, True)),
        ({"event": "dropped", "reason": "Invalid"}, (MessageNews.BOUNCED, True)),
        ({"event": "dropped", "reason": "Spam Reporting Address"}, (MessageNews.COMPLAINED, False)),
        ({"event": "dropped", "reason": "Unsubscribed Address"}, (MessageNews.UNSUBSCRIBED, False)),
        ({"event": "dropped", "reason": "Spam Content"}, (MessageNews.BOUNCED, False)),
        ({"event": "spamreport"}, (MessageNews.COMPLAINED, False)),
        ({"event": "unsubscribe"}, (MessageNews.UNSUBSCRIBED, False)),
        ({"event": "group_unsubscribe", "asm_group_id": 1}, (MessageNews.UNSUBSCRIBED, False)),
        ({"event": "processed"}, None),
        ({"event": "deferred", "attempt": "5"}, None),
        ({"event": "group_resubscribe"}, None),
        ({"event": "moved"}, None),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_sendgrids_words(event: dict[str, Any], wanted: tuple[MessageNews, bool] | None) -> None:
    body = json.dumps([{"email": "a@example.com", "timestamp": 1772357395, "handrail_key": KEY, **event}])
    assert news(of_sendgrid().read(body.encode())) == ([wanted] if wanted else [])


BOUNCE = {"RecordType": "Bounce", "ID": 4323372036854775807, "BouncedAt": "2026-03-01T09:29:55Z"}
CHANGE = {"RecordType": "SubscriptionChange", "ChangedAt": "2026-03-01T09:29:55Z", "SuppressSending": True}


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        ({"RecordType": "Delivery", "DeliveredAt": "2026-03-01T09:29:55Z"}, (MessageNews.DELIVERED, False)),
        ({"RecordType": "Open", "ReceivedAt": "2026-03-01T09:29:55Z"}, (MessageNews.OPENED, False)),
        ({"RecordType": "Click", "ReceivedAt": "2026-03-01T09:29:55Z"}, (MessageNews.CLICKED, False)),
        ({**BOUNCE, "RecordType": "SpamComplaint", "Type": "SpamComplaint"}, (MessageNews.COMPLAINED, False)),
        ({**BOUNCE, "Type": "HardBounce"}, (MessageNews.BOUNCED, True)),
        ({**BOUNCE, "Type": "BadEmailAddress"}, (MessageNews.BOUNCED, True)),
        ({**BOUNCE, "Type": "ManuallyDeactivated"}, (MessageNews.BOUNCED, True)),
        ({**BOUNCE, "Type": "SoftBounce"}, (MessageNews.BOUNCED, False)),
        ({**BOUNCE, "Type": "Blocked"}, (MessageNews.BOUNCED, False)),
        ({**BOUNCE, "Type": "DMARCPolicy"}, (MessageNews.BOUNCED, False)),
        ({**BOUNCE, "Type": "ANewType"}, (MessageNews.BOUNCED, False)),
        ({**BOUNCE, "Type": "SpamNotification"}, (MessageNews.COMPLAINED, False)),
        ({**BOUNCE, "Type": "Unsubscribe"}, (MessageNews.UNSUBSCRIBED, False)),
        ({**BOUNCE, "Type": "Transient"}, None),
        ({**BOUNCE, "Type": "AutoResponder"}, None),
        ({**CHANGE, "SuppressionReason": "ManualSuppression"}, (MessageNews.UNSUBSCRIBED, False)),
        ({**CHANGE, "SuppressionReason": "HardBounce"}, (MessageNews.BOUNCED, True)),
        ({**CHANGE, "SuppressionReason": "SpamComplaint"}, (MessageNews.COMPLAINED, False)),
        ({**CHANGE, "SuppressionReason": None, "SuppressSending": False}, None),
        ({"RecordType": "Inbound"}, None),
    ],
    ids=lambda value: "-".join(map(str, value.values()))[:60] if isinstance(value, dict) else "",
)
def test_postmarks_words(event: dict[str, Any], wanted: tuple[MessageNews, bool] | None) -> None:
    body = json.dumps({**event, "Metadata": {"handrail-key": KEY}})
    assert news(of_postmark().read(body.encode())) == ([wanted] if wanted else [])


def test_one_bad_event_costs_none_of_the_others_and_can_be_read_again_alone() -> None:
    good = {"event": "delivered", "timestamp": 1772357395, "handrail_key": KEY}
    bad = [{**good, "timestamp": "yesterday"}, 7, {"timestamp": 1}, {**good, "timestamp": 2**40}]
    said = of_sendgrid().read(json.dumps([good, *bad, {**good, "event": "open"}]).encode())
    assert news(said) == [(MessageNews.DELIVERED, False), (MessageNews.OPENED, False)]
    assert isinstance(said, MessageEvents)
    assert [part.problems[0].path for part in said.refused] == ["timestamp", "", "event", "timestamp"]
    again = of_sendgrid().read(said.told[0].body)
    assert isinstance(again, MessageEvents)
    assert again.told == said.told[:1]
    (part,) = said.refused[:1]
    mended = part.body.replace(b'"yesterday"', b"1772357395")
    assert news(of_sendgrid().read(mended)) == [(MessageNews.DELIVERED, False)]


@pytest.mark.parametrize("source", [of_sendgrid(), of_postmark()], ids=["sendgrid", "postmark"])
def test_the_vendors_words_are_kept_without_the_address(source: Any) -> None:
    words = "550 5.1.1 The account jana.nowak@example.com does not exist"
    sent = {"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": words, "handrail_key": KEY}
    marked = {**BOUNCE, "Type": "HardBounce", "Description": words, "Metadata": {"handrail-key": KEY}}
    is_sendgrid = isinstance(source, sendgrid.SendGridEvents)
    said = source.read(json.dumps([{**sent, "timestamp": 1772357395}] if is_sendgrid else marked).encode())
    (one,) = said.told
    assert "does not exist" in one.detail
    assert "jana" not in one.detail
    assert source.read(one.body).told == (one,)


@pytest.mark.parametrize("odd", ["", "MFkw", "AAAA", "-----BEGIN PUBLIC KEY-----"])
def test_what_is_no_verification_key_is_said_when_it_is_configured(odd: str) -> None:
    with pytest.raises(ValueError, match="is no verification key"):
        sendgrid.SendGridEventsConfig(public_keys=[odd])


def test_a_time_without_an_offset_could_be_any() -> None:
    for at in ("2026-03-01T09:29:55", "yesterday", 7, None):
        body = json.dumps({"RecordType": "Delivery", "DeliveredAt": at, "Metadata": {"handrail-key": KEY}})
        with pytest.raises(ContractBroken) as broken:
            of_postmark().read(body.encode())
        assert broken.value.problems[0].path == "DeliveredAt"
