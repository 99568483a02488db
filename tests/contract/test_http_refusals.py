"""HttpIntegration: what a refusal means, the two kinds of conflict among them, and how long it waits."""

from typing import Any

import pytest
from http_desk import client, identifier, read, write
from outside_vendor import Outside

from integrations.answers import Answer
from integrations.errors import AuthFailed, Busy, OutcomeUnknown, RateLimited, Rejected, Unavailable
from integrations.http import ATTEMPTS


@pytest.mark.parametrize(
    ("said", "seconds"), [("7", 7.0), ("-3", 0.0), ("99999999", 3600.0), ("nan", None), (None, None)]
)
async def test_retry_after_is_passed_on(outside: Outside, said: str | None, seconds: float | None) -> None:
    outside.answers(429, {"error": "slow_down"}, {} if said is None else {"Retry-After": said})
    async with client(outside.url) as desk:
        for ask in (write, read):
            with pytest.raises(RateLimited) as limited:
                await ask(desk)
            assert limited.value.retry_after == seconds
    assert len(outside.requests) == 2


@pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), ("99999999", 3600.0), ("soon", None), (None, None)])
async def test_an_outage_that_says_how_long_is_believed_and_not_asked_again_at_once(
    outside: Outside, said: str | None, seconds: float | None
) -> None:
    outside.answers(503, {"error": "down"}, {} if said is None else {"Retry-After": said})
    async with client(outside.url) as desk:
        with pytest.raises(OutcomeUnknown) as lost:
            await write(desk)
        assert lost.value.retry_after == seconds
        with pytest.raises(Unavailable) as silent:
            await read(desk)
        assert silent.value.retry_after == seconds
    assert len(outside.requests) == 1 + (ATTEMPTS if seconds is None else 1)


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credentials_name_the_variable_to_renew(outside: Outside, status: int) -> None:
    outside.answers(status)
    async with client(outside.url) as desk:
        with pytest.raises(AuthFailed, match=rf"refused with {status}: renew DESK_TOKEN"):
            await write(desk)


@pytest.mark.parametrize("status", [400, 404, 410, 413, 422, 425, 451])
async def test_other_refusals_are_final(outside: Outside, status: int) -> None:
    outside.answers(status, {"error": "invalid_priority"})
    async with client(outside.url) as desk:
        with pytest.raises(Rejected, match="invalid_priority") as refusal:
            await write(desk)
    assert refusal.value.status == status
    assert len(outside.requests) == 1


async def test_a_conflict_without_a_documented_reason_is_unknown_for_a_write_and_final_for_a_read(
    outside: Outside,
) -> None:
    outside.answers(409, {"error": "conflict"})
    async with client(outside.url) as desk:
        with pytest.raises(OutcomeUnknown, match="answered 409"):
            await write(desk)
        with pytest.raises(Rejected, match="refused with 409"):
            await read(desk)
    assert len(outside.requests) == 2


async def test_a_documented_conflict_is_busy_or_proves_the_write(outside: Outside) -> None:
    def conflict(answer: Answer) -> str | None:
        return None if answer.json["error"] == "busy" else identifier(answer)

    async with client(outside.url) as desk:
        outside.answers(409, {"error": "busy"})
        with pytest.raises(Busy, match=r'refused with 409 \({"error": "busy"}\): it tries again'):
            await write(desk, conflict=conflict)
        outside.answers(409, {"error": "exists", "id": 7})
        assert await write(desk, conflict=conflict) == "7"
        for unclear in ({"error": "exists"}, {}, "busy", "<html>", [], None):
            outside.answers(409, unclear)
            with pytest.raises(OutcomeUnknown):
                await write(desk, conflict=conflict)


async def test_half_a_conflict_proves_nothing(outside: Outside) -> None:
    async def half(request: Any) -> Any:
        request.transport.write(b'HTTP/1.1 409 Conflict\r\nContent-Length: 100\r\n\r\n{"error": "busy"')
        request.transport.close()

    outside.replies(half)
    async with client(outside.url) as desk:
        with pytest.raises(OutcomeUnknown):
            await write(desk, conflict=lambda answer: None if "busy" in str(answer.json) else "7")


async def test_another_refusal_may_prove_the_write_or_tell_more_than_its_status(outside: Outside) -> None:
    def refusal(answer: Answer) -> str | None:
        if answer.text == "gone":
            raise AuthFailed("ticketing via desk", "the desk is gone", "find another")
        return str(answer.json["id"]) if answer.json["error"] == "had it" else None

    async with client(outside.url) as desk:
        outside.answers(400, {"error": "had it", "id": 7})
        assert await write(desk, refusal=refusal) == "7"
        outside.answers(404, "gone")
        with pytest.raises(AuthFailed, match="find another"):
            await write(desk, refusal=refusal)
        for said in ({"error": "bad"}, {"error": "had it"}, {}, "<html>", [], None):
            outside.answers(422, said)
            with pytest.raises(Rejected):
                await write(desk, refusal=refusal)
        outside.answers(500, {"error": "had it", "id": 7})
        with pytest.raises(OutcomeUnknown):
            await write(desk, refusal=refusal)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_refused_not_followed(outside: Outside, status: int) -> None:
    outside.answers(status, "", {"Location": f"{outside.url}/elsewhere"})
    async with client(outside.url) as desk:
        with pytest.raises(Rejected, match="redirects are not followed"):
            await write(desk)
    assert [request.path for request in outside.requests] == ["/tickets"]


async def test_a_refusal_whose_body_breaks_off_is_still_a_refusal(outside: Outside) -> None:
    async def broken(request: Any) -> Any:
        request.transport.write(b"HTTP/1.1 422 No\r\nContent-Length: 1000\r\n\r\nbad prio")
        request.transport.close()

    outside.replies(broken)
    async with client(outside.url) as desk:
        with pytest.raises(Rejected) as refusal:
            await write(desk)
    assert refusal.value.status == 422
