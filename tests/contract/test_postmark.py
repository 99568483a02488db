"""Postmark: what a message says, and what its codes mean beside the status."""

import json

import pytest
from mails import mail
from outside_vendor import Outside
from vendor_specimens import KEY, SECRET, serving

from domain.actions import WriteClass
from integrations.errors import AuthFailed, ConfigurationError, OutcomeUnknown, RateLimited, Rejected, Unsupported
from integrations.mail.postmark import INTEGRATION
from integrations.mail_keys import key_in

TAKEN = {"To": "c7@example.com", "MessageID": "m-1", "ErrorCode": 0, "Message": "OK", "SubmittedAt": "2026-03-01"}


async def test_a_message_is_said_whole_with_our_key_and_our_way_to_unsubscribe(outside: Outside) -> None:
    outside.answers(200, TAKEN)
    port = serving(INTEGRATION, outside.url, sender='"Care, at Acme" <care@example.com>').port
    one = mail(7)
    receipt = await port.send_mail(one, key=KEY)
    await port.aclose()
    assert receipt.external_id == "m-1"
    assert outside.requests[0].path == "/email"
    assert outside.requests[0].headers["X-Postmark-Server-Token"] == SECRET
    assert json.loads(outside.bodies[0]) == {
        "From": '"Care, at Acme" <care@example.com>',
        "To": "c7@example.com",
        "Subject": one.subject,
        "TextBody": one.text,
        "HtmlBody": one.html,
        "MessageStream": "outbound",
        "Tag": "onboarding-welcome",
        "Metadata": {"handrail-key": KEY},
        "Headers": [
            {"Name": "List-Unsubscribe", "Value": "<https://care.example/u/token-7>"},
            {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
            {"Name": "Auto-Submitted", "Value": "auto-generated"},
        ],
        "TrackOpens": False,
        "TrackLinks": "None",
    }
    assert serving(INTEGRATION, outside.url).write_class("send_mail") is WriteClass.D


async def test_what_can_be_unsubscribed_from_has_a_stream_of_its_own(outside: Outside) -> None:
    outside.answers(200, TAKEN)
    port = serving(INTEGRATION, outside.url, bulk_stream="broadcast", track_opens=True, track_links=True).port
    one = mail(7)
    await port.send_mail(one, key=KEY)
    without = {name: getattr(one, name) for name in one.__slots__} | {"headers": {"Auto-Submitted": "auto-replied"}}
    await port.send_mail(type(one)(**without), key=KEY)
    await port.aclose()
    first, second = map(json.loads, outside.bodies)
    assert (first["MessageStream"], second["MessageStream"]) == ("broadcast", "outbound")
    assert (first["TrackOpens"], first["TrackLinks"]) == (True, "HtmlAndText")


@pytest.mark.parametrize("length", [1, 79, 80, 81, 800])
async def test_a_key_of_any_length_comes_back_from_its_metadata(length: int, outside: Outside) -> None:
    outside.answers(200, TAKEN)
    port = serving(INTEGRATION, outside.url).port
    key = "".join(chr(97 + number % 26) for number in range(length))
    await port.send_mail(mail(7), key=key)
    await port.aclose()
    said = json.loads(outside.bodies[0])["Metadata"]
    assert len(said) <= 10
    assert all(len(name) <= 20 and len(value) <= 80 for name, value in said.items())
    assert key_in({**said, "another": "x"}) == key
    assert key_in({"another": "x"}) is None


async def test_a_key_that_does_not_fit_is_not_cut(outside: Outside) -> None:
    port = serving(INTEGRATION, outside.url).port
    with pytest.raises(Unsupported, match="a key of 801 characters"):
        await port.send_mail(mail(7), key="k" * 801)
    await port.aclose()
    assert not outside.requests


@pytest.mark.parametrize(
    ("status", "code", "kind", "words"),
    [
        (401, 10, AuthFailed, "refused with code 10: renew KIT_TOKEN"),
        (422, 400, AuthFailed, "sender signatures, or correct the setting 'sender'"),
        (422, 401, AuthFailed, "confirm the sender's signature"),
        (422, 405, AuthFailed, "used up what it may send"),
        (422, 412, AuthFailed, "approve the account"),
        (422, 413, AuthFailed, "may not send"),
        (422, 406, Rejected, "suppressed at Postmark after a hard bounce, a complaint or an unsubscribe"),
        (422, 300, Rejected, r"refused with 422 \(.*Invalid email request"),
        (503, 100, RateLimited, "offline for maintenance"),
        (429, 429, RateLimited, "refused with 429"),
        (500, 0, OutcomeUnknown, "answered 500"),
        (200, 406, Rejected, "suppressed at Postmark"),
        (200, 300, Rejected, "code 300: Invalid email request"),
        (200, 429, RateLimited, "refused with 429"),
    ],
)
async def test_a_code_tells_what_to_do(
    status: int, code: int, kind: type[Exception], words: str, outside: Outside
) -> None:
    said = {"ErrorCode": code, "Message": "Invalid email request"}
    outside.answers(status, said, {"Retry-After": "120"})
    port = serving(INTEGRATION, outside.url).port
    with pytest.raises(kind, match=words) as problem:
        await port.send_mail(mail(7), key=KEY)
    await port.aclose()
    if isinstance(problem.value, RateLimited) and status != 200:
        assert problem.value.retry_after == 120


async def test_a_message_taken_over_late_is_taken_over(outside: Outside) -> None:
    late = {"To": "C7@example.com", "MessageID": "m-2", "Message": "Message accepted, but delivery may be delayed."}
    outside.answers(200, late)
    port = serving(INTEGRATION, outside.url).port
    assert (await port.send_mail(mail(7), key=KEY)).external_id == "m-2"
    for odd in ({**TAKEN, "To": "c8@example.com"}, {**TAKEN, "MessageID": ""}, {**TAKEN, "ErrorCode": "x"}):
        outside.answers(200, odd)
        with pytest.raises(OutcomeUnknown):
            await port.send_mail(mail(7), key=KEY)
    await port.aclose()


async def test_a_check_asks_for_our_streams(outside: Outside) -> None:
    def stream(name: str, archived: str | None = None) -> dict[str, object]:
        return {"ID": name, "ArchivedAt": archived}

    port = serving(INTEGRATION, outside.url, bulk_stream="news").port
    outside.answers(200, {"MessageStreams": [stream("outbound"), stream("news")], "TotalCount": 2})
    assert (await port.check()).ok
    assert (outside.requests[0].method, outside.requests[0].path) == ("GET", "/message-streams")
    outside.answers(200, {"MessageStreams": [stream("outbound"), stream("news", "2026-01-01T00:00:00Z")]})
    assert "has no message stream news" in (await port.check()).problem
    outside.answers(401, {"ErrorCode": 10, "Message": "Bad or missing Server API token."})
    assert (await port.check()).problem.endswith("renew KIT_TOKEN")
    await port.aclose()


def test_a_sender_that_not_every_server_takes_is_said_when_it_is_configured() -> None:
    with pytest.raises(ConfigurationError, match="write its address in ASCII"):
        serving(INTEGRATION, "http://127.0.0.1:9", sender="Care <péče@example.com>")
