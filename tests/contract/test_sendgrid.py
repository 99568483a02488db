"""SendGrid: what one request says, and what its answers mean beside their status."""

import json
import time

import pytest
import yaml
from mails import keyed, mail
from outside_vendor import Outside
from published_specs import hold
from vendor_specimens import KEY, SECRET, SENT, serving

from domain.actions import WriteClass
from integrations.errors import AuthFailed, ConfigurationError, RateLimited, Rejected, Unsupported
from integrations.mail.sendgrid import INTEGRATION
from integrations.registry import load_roster

SPEC = "sendgrid_paths_mail_send.json"
REQUEST = "mail_send post requestBody content application/json schema"


async def test_a_message_is_said_whole_with_our_key_and_our_way_to_unsubscribe(outside: Outside) -> None:
    outside.answers(202, "", {"X-Message-Id": "abc"})
    port = serving(INTEGRATION, outside.url).port
    one = mail(7)
    receipt = await port.send_mail(one, key=KEY)
    await port.aclose()
    assert receipt.external_id == "abc"
    assert outside.requests[0].path == "/v3/mail/send"
    assert outside.requests[0].headers["Authorization"] == f"Bearer {SECRET}"
    assert json.loads(outside.bodies[0]) == {
        "from": {"email": "care@example.com", "name": "Care"},
        "personalizations": [
            {
                "to": [{"email": "c7@example.com"}],
                "subject": one.subject,
                "headers": dict(one.headers),
                "custom_args": {"handrail_key": KEY},
            }
        ],
        "subject": one.subject,
        "content": [{"type": "text/plain", "value": one.text}, {"type": "text/html", "value": one.html}],
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
        },
        "mail_settings": {"sandbox_mode": {"enable": False}},
    }


async def test_what_is_configured_is_said(outside: Outside) -> None:
    outside.answers(200, "")
    port = serving(
        INTEGRATION, outside.url, unsubscribe_group=12, track_opens=True, track_clicks=True, sandbox_mode=True
    ).port
    await port.send_mail(mail(7), key=KEY)
    await port.aclose()
    said = json.loads(outside.bodies[0])
    assert said["asm"] == {"group_id": 12}
    assert said["mail_settings"]["sandbox_mode"]["enable"] is True
    watched = {name: value["enable"] for name, value in said["tracking_settings"].items()}
    assert watched == {"click_tracking": True, "open_tracking": True, "subscription_tracking": False}
    assert serving(INTEGRATION, outside.url).write_class("send_mail") is WriteClass.D


async def test_it_is_as_sendgrid_publishes_it(outside: Outside) -> None:
    outside.answers(202, "")
    port = serving(INTEGRATION, outside.url, unsubscribe_group=12).port
    await SENT["send_mail"](port)
    await port.write_batch("send_mail", keyed([mail(number) for number in range(1000)]))
    await port.aclose()
    for body in outside.bodies:
        hold(SPEC, REQUEST, json.loads(body))


@pytest.mark.parametrize(("ahead", "least"), [(30, 28), (-5, 0), (10**7, 3600)])
async def test_a_limit_says_in_its_own_header_when_it_is_over(ahead: int, least: int, outside: Outside) -> None:
    port = serving(INTEGRATION, outside.url).port
    body = {"errors": [{"field": None, "message": "too many requests"}]}
    outside.answers(429, body, {"X-RateLimit-Reset": str(int(time.time()) + ahead)})
    with pytest.raises(RateLimited) as limited:
        await port.send_mail(mail(7), key=KEY)
    assert least <= (limited.value.retry_after or 0) <= least + 2
    assert "refused with 429" in (await port.check()).problem
    outside.answers(429, body, {"X-RateLimit-Reset": "soon"})
    with pytest.raises(RateLimited) as limited:
        await port.send_mail(mail(7), key=KEY)
    assert limited.value.retry_after is None
    await port.aclose()


async def test_a_key_that_may_not_send_is_told_from_one_that_may(outside: Outside) -> None:
    port = serving(INTEGRATION, outside.url).port
    outside.answers(200, {"scopes": ["alerts.read"]})
    health = await port.check()
    assert health.problem.endswith("the API key may not send mail: give KIT_TOKEN the right mail.send")
    assert (outside.requests[0].method, outside.requests[0].path) == ("GET", "/v3/scopes")
    outside.answers(403, {"errors": [{"message": "The from address does not match a verified Sender Identity."}]})
    with pytest.raises(AuthFailed, match="does not match a verified Sender Identity"):
        await port.send_mail(mail(7), key=KEY)
    outside.answers(413, "")
    with pytest.raises(Rejected):
        await port.send_mail(mail(7), key=KEY)
    await port.aclose()


@pytest.mark.parametrize(
    "odd",
    [
        {"to": "a@example.com, b@example.com"},
        {"to": "a@example.com\nBcc: b@example.com"},
        {"to": "ż@example.com"},
        {"subject": "Hello\r\nBcc: b@example.com"},
        {"subject": "Hello\u2028there"},
        {"headers": {"Bcc": "b@example.com"}},
        {"headers": {"List-Unsubscribe": "<https://x>\r\nBcc: b@example.com"}},
        {"headers": {"X-Note": "dziękuję"}},
    ],
)
@pytest.mark.parametrize("vendor", ["sendgrid", "postmark"])
async def test_what_a_mail_cannot_carry_is_not_sent(vendor: str, odd: dict[str, object], outside: Outside) -> None:
    port = _mail_port(vendor, outside)
    one = mail(7)
    with pytest.raises(Unsupported) as refused:
        await port.send_mail(type(one)(**{**_fields(one), **odd}), key=KEY)
    await port.aclose()
    assert not outside.requests
    assert "example.com" not in str(refused.value)


@pytest.mark.parametrize("vendor", ["sendgrid", "postmark"])
async def test_typography_and_other_scripts_are_no_reason_to_refuse(vendor: str, outside: Outside) -> None:
    subject = "Kaina\u00a012\u00a0€ · שלום \u200f🙂"
    to = "c7@xn--pklad-zsa96e.example"
    outside.answers(200, "" if vendor == "sendgrid" else {"To": to, "MessageID": "m-1", "ErrorCode": 0})
    port = _mail_port(vendor, outside)
    one = mail(7, to="c7@příklad.example")
    await port.send_mail(type(one)(**{**_fields(one), "subject": subject}), key=KEY)
    await port.aclose()
    assert to in outside.bodies[0].decode()
    assert json.dumps(subject, ensure_ascii=False) in outside.bodies[0].decode()


def _mail_port(vendor: str, outside: Outside):  # type: ignore[no-untyped-def]
    section = {"vendor": vendor, "url": outside.url, "token": "${TOKEN}", "sender": "Care <care@example.com>"}
    roster = load_roster(yaml.safe_dump({"mail": section}), {"TOKEN": SECRET})
    return next(iter(roster)).port


def _fields(one: object) -> dict[str, object]:
    return {name: getattr(one, name) for name in one.__slots__}  # type: ignore[attr-defined]


@pytest.mark.parametrize("sender", ["Péče <care@example.com>", "Care <péče@example.com>"])
def test_a_sender_that_it_does_not_take_is_said_when_it_is_configured(sender: str) -> None:
    with pytest.raises(ConfigurationError, match="has a sender that SendGrid does not take"):
        serving(INTEGRATION, "http://127.0.0.1:9", sender=sender)
