"""Who is believed: signatures over raw bytes, two secrets while one is changed, five minutes either way."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

Answer = Callable[..., dict[str, Any]]


@pytest.fixture
def refused(small_door: Any, on_sqlite: Any) -> Callable[..., Any]:
    """Posts, and asserts that it was refused as 401 with nothing kept; what was said."""

    async def post(body: bytes, headers: Any) -> str:
        response = await small_door.post(body, headers)
        assert response.status_code == 401, response.text
        told = response.json()
        assert told["status"] == "refused"
        assert told["problems"][0]["fix"]
        for table in ("inbox", "quarantine", "survey_responses", "customers", "actions"):
            assert not on_sqlite.rows(table), table
        return str(told["problems"][0]["problem"])

    return post


async def test_unsigned(refused: Any, as_bytes: Any, answer: Answer, signed: Any) -> None:
    body = as_bytes(answer())
    assert "webhook-id is missing" in await refused(body, {})
    for name in signed(body):
        headers = {other: value for other, value in signed(body).items() if other != name}
        assert f"{name} is missing" in await refused(body, headers)


MALFORMED = [
    ("webhook-signature", "v1,"),
    ("webhook-signature", "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    ("webhook-signature", "v1a,whatever"),
    ("webhook-signature", ""),
    ("webhook-signature", "v1," * 2000),
    ("webhook-signature", "\u00e9"),
    ("webhook-id", "msg_2"),
    ("webhook-id", ""),
    ("webhook-id", "msg.1"),
    ("webhook-id", "x" * 256),
    ("webhook-id", "two words"),
    ("webhook-timestamp", "now"),
    ("webhook-timestamp", "-1"),
    ("webhook-timestamp", "1e3"),
    ("webhook-timestamp", "9" * 5000),
    ("webhook-timestamp", "\u0663"),
    ("webhook-timestamp", "0"),
]


async def test_forged_or_malformed(
    refused: Any, as_bytes: Any, answer: Answer, signed: Any, subtests: pytest.Subtests
) -> None:
    body = as_bytes(answer())
    for name, value in MALFORMED:
        with subtests.test(f"{name}: {value[:20]}"):
            await refused(body, {**signed(body), name: value.encode()})


async def test_header_sent_twice(refused: Any, as_bytes: Any, answer: Answer, signed: Any) -> None:
    body = as_bytes(answer())
    pairs = [(name.encode(), value.encode()) for name, value in signed(body).items()]
    for pair in pairs:
        assert "came twice" in await refused(body, [*pairs, pair])


async def test_a_secret_that_is_not_ours(refused: Any, as_bytes: Any, answer: Answer, signed: Any) -> None:
    body = as_bytes(answer())
    said = await refused(body, signed(body, secret="whsec_" + "QUJD" * 10))
    assert "no signature fits" in said


async def test_reserialised_on_the_way(refused: Any, as_bytes: Any, answer: Answer, signed: Any) -> None:
    """Equal JSON, other bytes: what a proxy that "only reformats" sends on."""
    body = as_bytes(answer())
    for changed in (
        json.dumps(json.loads(body)).encode(),
        json.dumps(json.loads(body), sort_keys=True, separators=(",", ":")).encode(),
        body + b"\n",
        b"\xef\xbb\xbf" + body,
    ):
        assert changed != body
        assert "no signature fits" in await refused(changed, signed(body))


async def test_refusals_show_neither_secret_nor_what_would_fit(
    refused: Any, as_bytes: Any, answer: Answer, signed: Any, secrets: list[str]
) -> None:
    body = as_bytes(answer())
    said = await refused(body + b" ", signed(body))
    for word in (*secrets, signed(body + b" ")["webhook-signature"], "Anna"):
        assert word.removeprefix("v1,") not in said


async def test_replayed(refused: Any, as_bytes: Any, answer: Answer, signed: Any, clock: Any) -> None:
    body = as_bytes(answer())
    for ago in (301, 3600, -301, -86400):
        assert "genuine, but" in await refused(body, signed(body, at=clock() - timedelta(seconds=ago)))


async def test_recent_enough(small_door: Any, answer: Answer, clock: Any) -> None:
    for ago in (300, 299, 0, -299, -300):
        response = await small_door.deliver(answer(), f"msg_{ago}", at=clock() - timedelta(seconds=ago))
        assert response.json()["status"] == "accepted", ago


async def test_a_moment_past_the_boundary_is_stale(
    small_door: Any, answer: Answer, as_bytes: Any, signed: Any, clock: Any
) -> None:
    body = as_bytes(answer())
    headers = signed(body)
    clock.go(seconds=300)
    assert (await small_door.post(body, headers)).status_code == 202
    clock.go(microseconds=1000)
    assert (await small_door.post(body, headers)).status_code == 401


async def test_both_secrets_are_good_while_one_is_changed(
    small_door: Any, answer: Answer, secrets: list[str], as_bytes: Any, signed: Any
) -> None:
    for number, secret in enumerate(secrets):
        told = await small_door.deliver(answer(response_id=f"r-{number}"), f"msg_{number}", secret=secret)
        assert told.json()["duplicate"] is False
    body = as_bytes(answer())
    both = " ".join(signed(body, "msg_3", secret=secret)["webhook-signature"] for secret in (*secrets, secrets[0]))
    headers = {**signed(body, "msg_3"), "webhook-signature": f"v1a,unknown {both}"}
    assert (await small_door.post(body, headers)).status_code == 202


async def test_a_repeat_under_the_other_secret_is_the_same_delivery(
    small_door: Any, answer: Answer, secrets: list[str]
) -> None:
    told = [(await small_door.deliver(answer(), secret=secret)).json() for secret in secrets]
    assert told[1] == {**told[0], "duplicate": True}
