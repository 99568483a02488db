"""Push by a webhook of one's own: signed so that a receiver can tell us from others, and known by our key."""

import json
from datetime import UTC, datetime

import pytest
from outside_vendor import Outside
from vendor_specimens import KEY, SENT, environment_of, serving

from domain.actions import WriteClass
from integrations.errors import AuthFailed, ConfigurationError, Forged, OutcomeUnknown
from integrations.ports import Push
from integrations.push.webhook import INTEGRATION
from integrations.registry import load_roster
from integrations.survey_intake.standard import StandardConfig, StandardIntake

TAKEN = {"key": KEY, "id": "n-31"}
PUSH = Push("C-1", "fcm:dK3", "Vítejte", "Co bude dál", "https://acme.example/start", "cs", "welcome")


def receiver(secret: str) -> StandardIntake:
    """What another implementation of the standard makes of our headers."""
    return StandardIntake(StandardConfig.model_validate({"secrets": [secret]}))


async def test_a_notification_is_signed_as_the_standard_says(outside: Outside) -> None:
    outside.answers(202, TAKEN)
    port = serving(INTEGRATION, f"{outside.url}/hooks/push").port
    assert (await port.send_push(PUSH, key=KEY)).external_id == "n-31"
    await port.aclose()
    request, body, now = outside.requests[0], outside.bodies[0], datetime.now(UTC)
    assert (request.method, request.path) == ("POST", "/hooks/push")
    assert json.loads(body) == {
        "type": "notification.send",
        "data": {
            "key": KEY,
            "to": "fcm:dK3",
            "title": "Vítejte",
            "text": "Co bude dál",
            "link": "https://acme.example/start",
            "language": "cs",
            "template": "welcome",
            "customer_ref": "C-1",
        },
    }
    secret = environment_of(INTEGRATION, outside.url)["KIT_SECRET"]
    verified = receiver(secret).verify(dict(request.headers), body, now)
    assert verified.webhook_id == KEY
    with pytest.raises(Forged):
        receiver(secret).verify(dict(request.headers), body + b" ", now)


@pytest.mark.parametrize(
    ("key", "webhook_id"),
    [
        ("journey/onboarding/c.1042/1/welcome", "journey/onboarding/c%2E1042/1/welcome"),
        ("journey/onboarding/ż/1/welcome", "journey/onboarding/%C5%BC/1/welcome"),
        ("k" * 300, "17b16d8ef494060fefa36a6a41567b8c32d213a17e02b7eeae86158cc4495461"),
    ],
)
async def test_any_key_has_an_id_that_a_header_carries(key: str, webhook_id: str, outside: Outside) -> None:
    outside.answers(202, {"key": key})
    port = serving(INTEGRATION, outside.url).port
    assert (await port.send_push(PUSH, key=key)).external_id == ""
    await port.aclose()
    headers = dict(outside.requests[0].headers)
    assert headers["webhook-id"] == webhook_id
    secret = environment_of(INTEGRATION, outside.url)["KIT_SECRET"]
    assert receiver(secret).verify(headers, outside.bodies[0], datetime.now(UTC)).webhook_id == webhook_id


async def test_a_receiver_that_wants_no_more_is_for_a_person(outside: Outside) -> None:
    outside.answers(410, "")
    port = serving(INTEGRATION, outside.url).port
    with pytest.raises(AuthFailed, match=r"wants no more notifications \(410\): correct KIT_URL"):
        await SENT["send_push"](port)
    assert "410" in (await port.check()).problem
    await port.aclose()


async def test_a_check_pushes_nothing_and_is_signed_too(outside: Outside) -> None:
    outside.answers(200, {"status": "ok"})
    port = serving(INTEGRATION, outside.url).port
    assert (await port.check()).ok
    outside.answers(200, {"status": "down"})
    assert not (await port.check()).ok
    await port.aclose()
    assert json.loads(outside.bodies[0]) == {"type": "check"}
    secret = environment_of(INTEGRATION, outside.url)["KIT_SECRET"]
    receiver(secret).verify(dict(outside.requests[0].headers), outside.bodies[0], datetime.now(UTC))


async def test_a_page_that_says_ok_is_no_receiver(outside: Outside) -> None:
    outside.answers(200, {"ok": True})
    port = serving(INTEGRATION, outside.url).port
    with pytest.raises(OutcomeUnknown):
        await SENT["send_push"](port)
    await port.aclose()


def test_only_a_receiver_known_to_remember_keys_is_asked_twice(outside: Outside) -> None:
    assert serving(INTEGRATION, "http://127.0.0.1:9").write_class("send_push") is WriteClass.D
    promised = serving(INTEGRATION, "http://127.0.0.1:9", pushes_once=True)
    assert promised.write_class("send_push") is WriteClass.A


def test_a_secret_that_cannot_sign_is_said_without_quoting_it() -> None:
    section = "push: {vendor: webhook, url: 'https://app.example/n', secret: '${PUSH_SECRET}'}"
    with pytest.raises(ConfigurationError, match="is no signing secret") as refused:
        load_roster(section, {"PUSH_SECRET": "whsec_short-secret"})
    assert "short-secret" not in str(refused.value)
