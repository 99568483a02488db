"""Input that must get a clear error with nothing lost: signed, so somebody entitled sent it, but not as agreed."""

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

Answer = Callable[..., dict[str, Any]]

GOOD = {
    "type": "survey.responded",
    "timestamp": "2026-03-04T11:00:00Z",
    "data": {
        "response_id": "r-1",
        "kind": "nps",
        "score": 2,
        "comment": "x",
        "answered_at": "2026-03-04T10:59:00Z",
        "customer": {"ref": "C-1", "email": "anna@example.com"},
    },
}


def with_score(literal: str) -> bytes:
    """The good body with this written where the score stands."""
    return json.dumps(GOOD).replace('"score": 2', f'"score": {literal}').encode()


def with_comment(literal: str) -> bytes:
    """The good body with this written where the comment stands."""
    return json.dumps(GOOD).replace('"comment": "x"', f'"comment": {literal}').encode()


def changed(path: str, value: Any) -> dict[str, Any]:
    """The good body with another value at a dotted path."""
    body: dict[str, Any] = json.loads(json.dumps(GOOD))
    *outer, last = path.split(".")
    inner = body
    for step in outer:
        inner = inner[step]
    inner[last] = value
    return body


def without(path: str) -> dict[str, Any]:
    """The good body without what is at a dotted path."""
    body = changed(path, None)
    *outer, last = path.split(".")
    inner = body
    for step in outer:
        inner = inner[step]
    del inner[last]
    return body


NOT_STRICT = {
    "nothing": b"",
    "blanks": b" \n\t",
    "form": b"score=2&kind=nps",
    "cut off": json.dumps(GOOD).encode()[:-1],
    "two values": json.dumps(GOOD).encode() * 2,
    "trailing comma": b'{"type": "survey.responded",}',
    "NaN": with_score("NaN"),
    "Infinity": with_score("Infinity"),
    "-Infinity": with_score("-Infinity"),
    "1e400": with_score("1e400"),
    "-1e400": with_score("-1e400"),
    "a million digits": with_score("9" * 200_000),
    "beyond doubles": with_score("9007199254740993"),
    "duplicate key": with_score('9, "score": 2'),
    "duplicate key, escaped": with_score('9, "scor\\u0065": 2'),
    "duplicate key, outer": b'{"type": "survey.responded", ' + json.dumps(GOOD).encode()[1:],
    "lone high surrogate": with_comment('"\\ud800"'),
    "lone low surrogate": with_comment('"\\udc00 ok"'),
    "surrogates the wrong way round": with_comment('"\\udc00\\ud800"'),
    "surrogate in a key": with_comment('"x", "\\ud83d": 1'),
    "raw surrogate bytes": with_comment('"?"').replace(b"?", b"\xed\xa0\x80"),
    "raw zero": with_comment('"a?b"').replace(b"?", b"\x00"),
    "raw newline in text": with_comment('"a\nb"'),
    "latin-1": json.dumps(changed("data.comment", "café"), ensure_ascii=False).encode("latin-1"),
    "windows-1250": json.dumps(changed("data.comment", "zażółć"), ensure_ascii=False).encode("cp1250"),
    "UTF-16": json.dumps(GOOD).encode("utf-16"),
    "UTF-16 without mark": json.dumps(GOOD).encode("utf-16-le"),
    "UTF-32": json.dumps(GOOD).encode("utf-32"),
    "byte order mark": b"\xef\xbb\xbf" + json.dumps(GOOD).encode(),
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep lists, never closed": b"[" * 250_000,
    "deep objects": b'{"a":' * 40_000 + b"1" + b"}" * 40_000,
    "deep comment": with_comment("[" * 1000 + "]" * 1000),
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
}


async def test_what_is_not_strict_json_is_400_and_kept_byte_for_byte(
    door: Any, installation: Any, subtests: pytest.Subtests
) -> None:
    for number, (case, body) in enumerate(NOT_STRICT.items()):
        with subtests.test(case):
            began = time.perf_counter()
            response = await door.deliver(body, f"msg_{number}")
            assert time.perf_counter() - began < 2, "hostile input must not cost more than a moment"
            assert response.status_code == 400
            told = response.json()
            assert set(told) == {"event_id", "duplicate", "status", "problems"}
            assert (told["status"], told["duplicate"], type(told["event_id"])) == ("quarantined", False, str)
            assert_says_what_to_do(told["problems"])
            assert len(response.content) < 2000, "the answer does not grow with the body"
            assert kept(installation)[-1] == body
    assert len(kept(installation)) == len(NOT_STRICT)
    assert_nothing_else(installation)


CONTRACT = {
    "a number": (3, ""),
    "text": ("survey.responded", ""),
    "null": (None, ""),
    "true": (True, ""),
    "a list": ([GOOD], ""),
    "empty object": ({}, "type"),
    "unknown event": (changed("type", "survey.respond"), "type"),
    "type a number": (changed("type", 1), "type"),
    "timestamp without offset": (changed("timestamp", "2026-03-04T11:00:00"), "timestamp"),
    "timestamp a number": (changed("timestamp", 1772622000), "timestamp"),
    "timestamp beyond the calendar": (changed("timestamp", "9999-12-31T23:59:59-23:59"), "timestamp"),
    "data missing": (without("data"), "data"),
    "data a list": (changed("data", []), "data"),
    "unknown scale": (changed("data.kind", "npx"), "data.kind"),
    "scale in capitals": (changed("data.kind", "NPS"), "data.kind"),
    "scale a list": (changed("data.kind", ["nps"]), "data.kind"),
    "nps 11": (changed("data.score", 11), "data.score"),
    "nps -1": (changed("data.score", -1), "data.score"),
    "score true": (changed("data.score", True), "data.score"),
    "score a float": (changed("data.score", 2.0), "data.score"),
    "score 2.5": (changed("data.score", 2.5), "data.score"),
    "score text": (changed("data.score", "2"), "data.score"),
    "score null": (changed("data.score", None), "data.score"),
    "score a list": (changed("data.score", [2]), "data.score"),
    "score missing": (without("data.score"), "data.score"),
    "score 1e300": (changed("data.score", 1e300), "data.score"),
    "response_id empty": (changed("data.response_id", " "), "data.response_id"),
    "response_id long": (changed("data.response_id", "r" * 201), "data.response_id"),
    "response_id a number": (changed("data.response_id", 7), "data.response_id"),
    "response_id two lines": (changed("data.response_id", "r\n1"), "data.response_id"),
    "zero in words": (changed("data.comment", "a\0b"), "data.comment"),
    "words a list": (changed("data.comment", ["x"]), "data.comment"),
    "zero in a name": (changed("data.customer.name", "A\0"), "data.customer.name"),
    "answered tomorrow": (changed("data.answered_at", "2026-03-06T11:00:00Z"), "data.answered_at"),
    "answered never": (changed("data.answered_at", "0000-00-00T00:00:00Z"), "data.answered_at"),
    "no customer": (without("data.customer"), "data.customer"),
    "customer text": (changed("data.customer", "C-1"), "data.customer"),
    "customer without ref": (without("data.customer.ref"), "data.customer.ref"),
    "mail with a header": (
        changed("data.customer.email", "anna@example.com\nBcc: all@example.com"),
        "data.customer.email",
    ),
    "mail with a carriage return": (changed("data.customer.email", "anna@example.com\rX: y"), "data.customer.email"),
    "two mail addresses": (changed("data.customer.email", "a@example.com, b@example.com"), "data.customer.email"),
    "name with a header": (changed("data.customer.name", "Anna\r\nBcc: all@example.com"), "data.customer.name"),
    "phone of letters": (changed("data.customer.phone", "call me"), "data.customer.phone"),
    "unknown zone": (changed("data.customer.time_zone", "Europe/Warszawa"), "data.customer.time_zone"),
    "zone a path": (changed("data.customer.time_zone", "../../etc/passwd"), "data.customer.time_zone"),
    "nobody to answer": (without("data.customer.email"), "data.customer"),
}


async def test_what_breaks_its_contract_is_quarantined_with_the_place_and_a_remedy(
    door: Any, installation: Any, subtests: pytest.Subtests
) -> None:
    for number, (case, (body, path)) in enumerate(CONTRACT.items()):
        with subtests.test(case):
            raw = json.dumps(body, separators=(" , ", " :\t")).encode() + b"\r\n"  # as nobody else would write it
            response = await door.deliver(raw, f"msg_{number}")
            assert response.status_code == 202
            told = response.json()
            assert told["status"] == "quarantined"
            assert path in [problem["path"] for problem in told["problems"]]
            assert_says_what_to_do(told["problems"])
            assert kept(installation)[-1] == raw
            assert installation.rows("quarantine")[-1].problems == told["problems"]
    assert len(kept(installation)) == len(CONTRACT)
    assert_nothing_else(installation)


@pytest.mark.parametrize(("kind", "worst", "best"), [("nps", 0, 10), ("csat", 1, 5), ("ces", 1, 7)])
async def test_each_scale_has_its_own_ends(small_door: Any, answer: Answer, kind: str, worst: int, best: int) -> None:
    statuses = []
    for score in (worst - 1, worst, best, best + 1):
        told = await small_door.deliver(answer(kind=kind, score=score, response_id=f"r{score}"), f"msg_{score}")
        statuses.append(told.json()["status"])
    assert statuses == ["quarantined", "accepted", "accepted", "quarantined"]


async def test_every_problem_is_told_at_once(small_door: Any, answer: Answer) -> None:
    told = await small_door.deliver(answer(kind="npx", answered_at="yesterday", customer={"email": "x"}))
    paths = {problem["path"] for problem in told.json()["problems"]}
    assert paths >= {"data.kind", "data.answered_at", "data.customer.ref", "data.customer.email"}


async def test_nearest_word_is_named(small_door: Any, answer: Answer) -> None:
    told = await small_door.deliver(answer(kind="npss"))
    assert 'did you mean "nps"' in told.json()["problems"][0]["problem"]


async def test_problems_quote_no_customer(small_door: Any, answer: Answer) -> None:
    customer = {"ref": "C-1", "name": "Anna\nNowak", "email": "anna.nowak@@example.com", "phone": "sześćset"}
    told = await small_door.deliver(answer(customer=customer, comment=["secret words"]))
    assert not [word for word in ("Anna", "Nowak", "anna.nowak", "sześćset", "secret") if word in told.text]


async def test_fields_we_do_not_know_are_let_be(small_door: Any, answer: Answer) -> None:
    body = answer(new_field={"deep": [1, 2.5, None]})
    assert (await small_door.deliver({**body, "id": "evt", "version": 7})).json()["status"] == "accepted"


async def test_a_quarter_megabyte_of_words_is_an_answer_like_any_other(small_door: Any, answer: Answer) -> None:
    body = json.dumps(answer(comment="ó" * 100_000), ensure_ascii=False).encode()
    assert 200_000 < len(body) < 262_144
    began = time.perf_counter()
    assert (await small_door.deliver(body)).json()["status"] == "accepted"
    assert time.perf_counter() - began < 2


def assert_says_what_to_do(problems: list[dict[str, str]]) -> None:
    """Each with a place, what is wrong and a remedy."""
    assert problems
    for problem in problems:
        assert set(problem) == {"path", "problem", "fix"}
        assert problem["problem"]
        assert problem["fix"]


def kept(installation: Any) -> list[bytes]:
    """The bytes in quarantine."""
    return [bytes(row.body) for row in installation.rows("quarantine")]


def assert_nothing_else(installation: Any) -> None:
    """Nobody was created and nothing was planned."""
    for table in ("customers", "survey_responses", "cases", "actions"):
        assert not installation.rows(table), table
