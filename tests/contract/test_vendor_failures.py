"""The contract of every vendor that we call, when it fails: what may have happened, what did not, how long to wait."""

import asyncio
import json
import logging
from typing import Any

import pytest
from outside_vendor import Outside, Reply, answer, broken_off, endless, gibberish, hang_up, reset, truncated
from vendor_specimens import (
    ADDRESS,
    KEY,
    PERSON,
    PHONE,
    SECRET,
    SENT,
    WORDS,
    WRITTEN,
    conflicts_of,
    every_write,
    named,
    recorded,
    serving,
    writing,
)

from integrations.declaration import Integration
from integrations.errors import AuthFailed, Busy, IntegrationError, NotSent, OutcomeUnknown, RateLimited, Rejected

LOST = [reset, hang_up, truncated, broken_off, gibberish, endless, answer(408), answer(500), answer(503)]
LOST += [answer(502, "<html>", {"Content-Type": "text/html"}), answer(504), answer(200, "<html>"), answer(200, [])]
LOST += [answer(409, {"error": "conflict"}), answer(409, "<html>"), answer(409)]

WAITS = {
    "17": 17.0,
    "0": 0.0,
    "-60": 0.0,
    "1000000000000": 3600.0,
    "soon(ish)": None,
    "1e12": None,
    "": None,
    "Sun, 06 Nov 1994 08:49:37 GMT": 0.0,
    "Tue, 01 Jan 2126 00:00:00 GMT": 3600.0,
}
"""What a vendor may say in Retry-After, and the seconds we make of it."""


@every_write
async def test_a_refusal_is_named(integration: Integration[Any], operation: str, outside: Outside) -> None:
    configured = writing(integration, operation, outside)
    for status in (400, 401, 403, 404, 422):
        outside.answers(status, {"error": "no"})
        with pytest.raises(AuthFailed if status in (401, 403) else Rejected) as refusal:
            await SENT[operation](configured.port)
        assert str(refusal.value).startswith(f"{configured.name}: refused with {status}")
        assert ("KIT_" in refusal.value.remedy) == (status in (401, 403))
    await configured.port.aclose()
    assert len(outside.requests) == 5


@every_write
async def test_retry_after_is_passed_on_within_reason(
    integration: Integration[Any], operation: str, outside: Outside
) -> None:
    configured = writing(integration, operation, outside)
    waits: dict[str, float | None] = {}
    for said in WAITS:
        outside.answers(429, "", {"Retry-After": said})
        with pytest.raises(RateLimited) as limited:
            await SENT[operation](configured.port)
        waits[said] = limited.value.retry_after
    outside.answers(429)
    with pytest.raises(RateLimited) as limited:
        await SENT[operation](configured.port)
    await configured.port.aclose()
    assert (waits, limited.value.retry_after) == (WAITS, None)
    assert len(outside.requests) == len(WAITS) + 1


@every_write
async def test_a_conflict_is_told_from_another(integration: Integration[Any], operation: str, outside: Outside) -> None:
    """409 has two documented kinds, which the vendor's file must tell apart; everything else of it is unclear."""
    conflicts = conflicts_of(integration, operation)
    if not conflicts:
        pytest.skip("this vendor documents no conflict here: every one of them is unclear")
    configured = writing(integration, operation, outside)
    outside.answers(409, conflicts["busy"])
    with pytest.raises(Busy, match="refused with 409"):
        await SENT[operation](configured.port)
    if "known" not in conflicts:
        return
    outside.answers(409, conflicts["known"])
    assert (await SENT[operation](configured.port)).external_id == conflicts["external_id"]
    for unclear in (without(conflicts["known"], KEY), about_another(conflicts["known"])):
        outside.answers(409, unclear)
        with pytest.raises(OutcomeUnknown, match="answered 409"):
            await SENT[operation](configured.port)
    await configured.port.aclose()
    assert len(outside.requests) == 4


def without(body: Any, value: str) -> dict[str, Any]:
    """A body that does not say `value`."""
    return {name: said for name, said in body.items() if said != value}


def about_another(body: Any) -> Any:
    """A body that says another key wherever it said ours."""
    return json.loads(json.dumps(body).replace(KEY, "case/C-9/1/ticket"))


@every_write
@pytest.mark.parametrize("reply", LOST)
async def test_a_lost_answer_is_unknown_and_the_write_not_repeated(
    integration: Integration[Any], operation: str, reply: Any, outside: Outside
) -> None:
    outside.replies(reply)
    configured = writing(integration, operation, outside)
    with pytest.raises(OutcomeUnknown):
        await SENT[operation](configured.port)
    await configured.port.aclose()
    assert len(outside.requests) == 1


async def test_silence_is_unknown(outside: Outside) -> None:
    """All at once: waiting for a timeout is all this does."""
    outside.replies(outside.silence)
    for integration, operation in WRITTEN:
        outside.reads = {**outside.reads, **recorded(integration)["writes"][operation].get("reads", {})}
    silent = [serving(integration, outside.url, timeout_seconds=0.6) for integration, _ in WRITTEN]
    ends = await asyncio.gather(
        *(SENT[operation](each.port) for each, (_, operation) in zip(silent, WRITTEN, strict=True)),
        return_exceptions=True,
    )
    for each in silent:
        await each.port.aclose()
    assert {operation: type(end) for (_, operation), end in zip(WRITTEN, ends, strict=True)} == {
        operation: OutcomeUnknown for _, operation in WRITTEN
    }


@every_write
async def test_nobody_there_is_surely_unsent(integration: Integration[Any], operation: str, nobody: str) -> None:
    configured = serving(integration, nobody)
    with pytest.raises(NotSent):
        await SENT[operation](configured.port)
    await configured.port.aclose()


BEGUN = [pair for pair in WRITTEN if recorded(pair[0])["writes"][pair[1]].get("reads")]


@pytest.mark.parametrize(("integration", "operation"), BEGUN, ids=named)
async def test_a_write_whose_first_look_fails_has_written_nothing(
    integration: Integration[Any], operation: str, outside: Outside
) -> None:
    ends = {reset: NotSent, answer(503): NotSent, answer(200, "<html>"): NotSent, answer(200, []): NotSent}
    ends |= {answer(401): AuthFailed, answer(429): RateLimited, answer(400): Rejected}
    configured = serving(integration, outside.url)
    for reply, kind in ends.items():
        outside.replies(reply)
        with pytest.raises(kind):
            await SENT[operation](configured.port)
    await configured.port.aclose()
    reads = recorded(integration)["writes"][operation]["reads"]
    assert {f"{request.method} {request.path}".removeprefix("GET ") for request in outside.requests} <= set(reads)


@every_write
async def test_an_answer_about_another_key_is_not_taken_for_ours(
    integration: Integration[Any], operation: str, outside: Outside
) -> None:
    body = recorded(integration)["writes"][operation]["body"]
    if KEY not in str(body):
        pytest.skip("this vendor does not say the key in its answer")
    outside.answers(201, about_another(body))
    configured = writing(integration, operation, outside)
    with pytest.raises(OutcomeUnknown):
        await SENT[operation](configured.port)
    await configured.port.aclose()


@every_write
async def test_no_error_and_no_log_carries_a_secret_or_the_customer(
    integration: Integration[Any], operation: str, outside: Outside, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    def echo(status: int) -> Reply:
        async def reply(request: Any) -> Any:
            said = f"{request.headers} {outside.bodies[-1].decode()} is not allowed"
            return await answer(status, said)(request)

        return reply

    configured = writing(integration, operation, outside)
    shown = ""
    for status in (400, 401, 429, 500):
        outside.replies(echo(status))
        with pytest.raises(IntegrationError) as refusal:
            await SENT[operation](configured.port)
        shown += f"{refusal.value} {refusal.value!r} {vars(refusal.value)}"
    await configured.port.aclose()
    for hidden in (SECRET, PERSON, ADDRESS, PHONE, *WORDS.split()):
        assert hidden not in shown + caplog.text
