"""Postmark's batches: a 200 in which each message has its own end."""

import json
from typing import Any

import pytest
from aiohttp import web
from mails import keyed, mail
from outside_vendor import Outside, answer
from vendor_specimens import ADDRESS, PERSON, PHONE, SECRET, WORDS, serving

from integrations.errors import AuthFailed, IntegrationError, OutcomeUnknown, RateLimited, Rejected, Unsupported
from integrations.mail.postmark import INTEGRATION
from integrations.ports import Receipt

INACTIVE = {
    "ErrorCode": 406,
    "Message": "You tried to send to a recipient that has been marked as inactive.\nFound inactive addresses: "
    "c1@example.com.\nInactive recipients are ones that have generated a hard bounce, a spam complaint, or a manual "
    "suppression.",
}


def taken(number: int, **change: Any) -> dict[str, Any]:
    said = {"ErrorCode": 0, "Message": "OK", "MessageID": f"m-{number}", "To": f"c{number}@example.com"}
    return said | {"SubmittedAt": "2026-03-01T09:30:01.0-05:00"} | change


async def test_every_key_is_sent_once_in_order_and_each_has_its_receipt(outside: Outside) -> None:
    outside.answers(200, [taken(number) for number in range(500)])
    port = serving(INTEGRATION, outside.url, batch=500).port
    pairs = keyed([mail(number) for number in range(500)])
    ends = await port.write_batch("send_mail", pairs)
    await port.aclose()
    assert [end.external_id for end in ends] == [f"m-{number}" for number in range(500)]
    assert [request.path for request in outside.requests] == ["/email/batch"]
    sent = json.loads(outside.bodies[0])
    assert [one["Metadata"]["handrail-key"] for one in sent] == [key for key, _ in pairs]
    assert [one["HtmlBody"] for one in sent] == [one.html for _, one in pairs]


async def test_each_item_ends_by_itself(outside: Outside) -> None:
    results = [
        taken(0),
        INACTIVE,
        {"ErrorCode": 300, "Message": "Invalid 'To' address: 'c2@example.com'."},
        {"ErrorCode": 401, "Message": "The sender signature is not confirmed."},
        {"ErrorCode": 429, "Message": "Rate limit exceeded."},
        {"ErrorCode": 100, "Message": "Maintenance."},
        taken(99),  # somebody else's
        taken(7, MessageID=None),
        "nonsense",
        {"Message": "no code"},
    ]
    outside.answers(200, results)
    port = serving(INTEGRATION, outside.url, batch=500).port
    mails = [mail(number) for number in range(len(results) + 1)]
    mails[10] = mail(10, to="a@example.com, b@example.com")  # cannot be said, and is not
    ends = await port.write_batch("send_mail", keyed(mails))
    await port.aclose()
    kinds = [Receipt, Rejected, Rejected, AuthFailed, RateLimited, RateLimited, *[OutcomeUnknown] * 4, Unsupported]
    assert [type(end) for end in ends] == kinds
    assert "suppressed at Postmark" in str(ends[1])
    assert "c2@example.com" not in str(ends[2])
    assert len(json.loads(outside.bodies[0])) == 10


@pytest.mark.parametrize("results", [[taken(0)], [taken(0), taken(1), taken(2)], {"0": taken(0), "1": taken(1)}])
async def test_an_answer_with_more_or_fewer_results_settles_nobody(results: Any, outside: Outside) -> None:
    outside.answers(200, results)
    port = serving(INTEGRATION, outside.url, batch=500).port
    with pytest.raises(OutcomeUnknown):
        await port.write_batch("send_mail", keyed([mail(0), mail(1)]))
    await port.aclose()


async def test_a_batch_of_which_nothing_can_be_said_is_no_call(outside: Outside) -> None:
    port = serving(INTEGRATION, outside.url, batch=500).port
    ends = await port.write_batch("send_mail", keyed([mail(0, to="nobody"), mail(1, to="a@b@c")]))
    await port.aclose()
    assert [type(end) for end in ends] == [Unsupported, Unsupported]
    assert not outside.requests


async def test_a_refusal_for_a_person_is_the_whole_batches(outside: Outside) -> None:
    port = serving(INTEGRATION, outside.url, batch=500).port
    outside.answers(422, {"ErrorCode": 412, "Message": "pending"})
    with pytest.raises(AuthFailed, match="approve the account"):
        await port.write_batch("send_mail", keyed([mail(0), mail(1)]))
    outside.answers(503, {"ErrorCode": 100, "Message": "Maintenance"}, {"Retry-After": "60"})
    with pytest.raises(RateLimited) as limited:
        await port.write_batch("send_mail", keyed([mail(0), mail(1)]))
    assert limited.value.retry_after == 60
    await port.aclose()


async def test_no_items_error_carries_a_secret_or_a_customer(outside: Outside) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        token = request.headers["X-Postmark-Server-Token"]
        words = f"{token} {outside.bodies[-1].decode()} {PERSON} {ADDRESS} {PHONE} {WORDS}"
        return await answer(200, [{"ErrorCode": code, "Message": words} for code in (300, 406, 10, 429)])(request)

    outside.replies(echo)
    port = serving(INTEGRATION, outside.url, batch=500).port
    mails = [mail(number, name=f"{PERSON} {WORDS} {PHONE}", to=f"{number}.{ADDRESS}") for number in range(4)]
    ends = await port.write_batch("send_mail", keyed(mails))
    await port.aclose()
    assert all(isinstance(end, IntegrationError) for end in ends)
    shown = "".join(f"{end} {end!r} {vars(end)}" for end in ends)
    for hidden in (SECRET, PERSON, ADDRESS, PHONE, *WORDS.split()):
        assert hidden not in shown
