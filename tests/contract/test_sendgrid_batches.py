"""SendGrid's batches: one content for many, put together again to what each was; refusals that name recipients."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web
from mails import keyed, mail
from outside_vendor import Outside, answer, reset
from vendor_specimens import ADDRESS, PERSON, PHONE, SECRET, WORDS, serving

from integrations.errors import (
    AuthFailed,
    IntegrationError,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Unsupported,
)
from integrations.mail.sendgrid import INTEGRATION
from integrations.ports import Mail, Receipt

Said = tuple[str, str, str, str, Mapping[str, str]]


def said(one: Mail) -> Said:
    return one.to, one.subject, one.text, one.html, one.headers


def delivered(bodies: list[bytes]) -> dict[str, Said]:
    """What SendGrid makes of requests, by our key: it replaces each tag by what stands for it, and refuses more than it
    documents.
    """
    found = {}
    for body in map(json.loads, bodies):
        people = body["personalizations"]
        assert len(people) <= 1000
        assert max(Counter(one["to"][0]["email"].casefold() for one in people).values()) == 1
        for one in people:
            text, html = (part["value"] for part in body["content"])
            tags = one.get("substitutions", {})
            assert sum(len(name) + len(value.encode()) for name, value in tags.items()) <= 10_000
            for name, value in tags.items():
                assert value
                text, html = text.replace(name, value), html.replace(name, value)
            key = one["custom_args"]["handrail_key"]
            assert key not in found
            found[key] = (one["to"][0]["email"], one["subject"], text, html, one["headers"])
    return found


async def test_every_key_is_sent_once_in_order_and_each_has_its_receipt(outside: Outside) -> None:
    outside.answers(202, "", {"X-Message-Id": "abc"})
    port = serving(INTEGRATION, outside.url, batch=1000).port
    pairs = keyed([mail(number) for number in range(1000)])
    ends = await port.write_batch("send_mail", pairs)
    await port.aclose()
    assert ends == [Receipt("abc", {"messages": 1000})] * 1000
    assert len(outside.requests) == 1
    assert list(delivered(outside.bodies).items()) == [(key, said(one)) for key, one in pairs]
    largest = len(pairs[0][1].html) * 1000
    assert len(outside.bodies[0]) < largest / 2  # what is common is said once


async def test_mails_that_differ_more_go_by_calls_of_their_own(outside: Outside) -> None:
    outside.answers(202, "")
    port = serving(INTEGRATION, outside.url, batch=1000).port
    mails = [mail(number, language=("pl", "cs", "en")[number % 3]) for number in range(9)]
    mails += [mail(20, to="C0@Example.com")]  # the address of number 0, who shares it
    mails += [mail(21, html=f"<p>{'ż' * 6000}</p>"), mail(22, html=f"<p>{'ó' * 6000}</p>")]  # too large to stand in
    mails += [mail(23, name="<b>{{name}}</b> %name% -name- ${x}"), mail(24, name="–\u202bאבג\u202c–")]
    pairs = keyed(mails)
    ends = await port.write_batch("send_mail", pairs)
    await port.aclose()
    assert all(isinstance(end, Receipt) for end in ends)
    assert delivered(outside.bodies) == {key: said(one) for key, one in pairs}
    # three languages, the shared address, two large ones, and a name that is HTML
    assert sorted(len(json.loads(body)["personalizations"]) for body in outside.bodies) == [1, 1, 1, 1, 3, 3, 4]


async def test_each_item_ends_by_itself(outside: Outside) -> None:
    """Those that a refusal names are refused; the others are sent in a second call, and never twice."""
    sent: list[str] = []

    async def strict(request: web.Request) -> web.StreamResponse:
        people = json.loads(outside.bodies[-1])["personalizations"]
        bad = [number for number, one in enumerate(people) if one["to"][0]["email"].startswith("bad")]
        if bad:
            errors = [
                {"message": "Does not contain a valid address.", "field": f"personalizations.{number}.to.0.email"}
                for number in bad
            ]
            return await answer(400, {"errors": errors})(request)
        sent.extend(one["custom_args"]["handrail_key"] for one in people)
        return await answer(202, "")(request)

    outside.replies(strict)
    port = serving(INTEGRATION, outside.url, batch=1000).port
    mails = [mail(number, to=f"bad{number}@example.com" if number in (0, 4) else "") for number in range(6)]
    mails[2] = mail(2, to="two@example.com, three@example.com")
    pairs = keyed(mails)
    ends = await port.write_batch("send_mail", pairs)
    await port.aclose()
    kinds = [Rejected, Receipt, Unsupported, Receipt, Rejected, Receipt]
    assert [type(end) for end in ends] == kinds
    assert "Does not contain a valid address" in str(ends[0])
    assert len(outside.requests) == 2
    assert sent == [pairs[number][0] for number in (1, 3, 5)]


async def test_a_refusal_that_names_nobody_is_the_whole_batches_or_tried_one_by_one(outside: Outside) -> None:
    odd = {"errors": [{"message": "Bad Request", "field": None, "help": None}]}
    port = serving(INTEGRATION, outside.url, batch=1000).port
    outside.answers(400, odd)
    with pytest.raises(Rejected):  # whoever called sends one by one
        await port.write_batch("send_mail", keyed([mail(number) for number in range(5)]))
    assert len(outside.requests) == 1

    async def dislikes_czech(request: web.Request) -> web.StreamResponse:
        people = json.loads(outside.bodies[-1])["personalizations"]
        is_bad = any(one["subject"].startswith("Vítejte, Zdzisława 1") for one in people)
        return await (answer(400, odd) if is_bad else answer(202, ""))(request)

    outside.replies(dislikes_czech)
    mails = [mail(number, language="cs" if number % 2 else "pl") for number in range(6)]
    ends = await port.write_batch("send_mail", keyed(mails))
    await port.aclose()
    assert [type(end) for end in ends] == [Receipt, Rejected, Receipt, Receipt, Receipt, Receipt]
    assert len(outside.requests) == 1 + 2 + 3


async def test_those_left_after_a_refusal_of_some_go_one_by_one_when_they_are_refused_without_a_name(
    outside: Outside,
) -> None:
    odd = {"errors": [{"message": "Bad Request", "field": None, "help": None}]}
    named = {"errors": [{"message": "no", "field": "personalizations.0.to.0.email"}]}
    outside.replies(answer(400, named), answer(400, odd), answer(202, ""))
    port = serving(INTEGRATION, outside.url, batch=1000).port
    ends = await port.write_batch("send_mail", keyed([mail(number) for number in range(4)]))
    await port.aclose()
    assert [type(end) for end in ends] == [Rejected, Receipt, Receipt, Receipt]
    assert [len(json.loads(body)["personalizations"]) for body in outside.bodies] == [4, 3, 1, 1, 1]


@pytest.mark.parametrize(
    ("reply", "kind"),
    [(reset, OutcomeUnknown), (answer(500), OutcomeUnknown), (answer(429), RateLimited), (answer(401), AuthFailed)],
)
async def test_one_lost_call_of_several_leaves_its_own_open_and_is_one_silence(
    reply: Any, kind: type[IntegrationError], outside: Outside
) -> None:
    async def spoilt_in_czech(request: web.Request) -> web.StreamResponse:
        is_czech = "Vítejte" in outside.bodies[-1].decode()
        return await (reply(request) if is_czech else answer(202, "")(request))

    outside.replies(spoilt_in_czech)
    port = serving(INTEGRATION, outside.url, batch=1000).port
    mails = [mail(number, language="cs" if number % 2 else "pl") for number in range(6)]
    ends = await port.write_batch("send_mail", keyed(mails))
    await port.aclose()
    assert [type(end) for end in ends] == [Receipt, kind] * 3
    assert len({id(end) for end in ends if isinstance(end, IntegrationError)}) == 1
    assert len(outside.requests) == 2


async def test_no_items_error_carries_a_secret_or_a_customer(outside: Outside) -> None:
    async def echo(request: web.Request) -> web.StreamResponse:
        words = f"{request.headers['Authorization']} {PERSON} {ADDRESS} {PHONE} {WORDS} is not allowed"
        errors = [{"message": words, "field": f"personalizations.{number}.subject"} for number in range(2)]
        return await answer(400, {"errors": errors})(request)

    outside.replies(echo)
    port = serving(INTEGRATION, outside.url, batch=1000).port
    mails = [mail(number, name=f"{PERSON} {WORDS} {PHONE}", to=f"{number}.{ADDRESS}") for number in range(2)]
    ends = await port.write_batch("send_mail", keyed(mails))
    await port.aclose()
    assert [type(end) for end in ends] == [Rejected, Rejected]
    shown = "".join(f"{end} {end!r} {vars(end)}" for end in ends)
    for hidden in (SECRET, PERSON, ADDRESS, PHONE, *WORDS.split()):
        assert hidden not in shown
