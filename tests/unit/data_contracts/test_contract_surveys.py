"""The webhook body `standard`: what is read, and what is said about what is wrong."""

import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from data_contracts.events import read_standard
from data_contracts.problems import ContractBroken, NotStrictJson, Problem
from data_contracts.surveys import StandardBody
from domain.customers import Customer
from domain.surveys import SurveyAnswer, SurveyKind

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
BODY: dict[str, Any] = {
    "type": "survey.responded",
    "timestamp": "2026-03-02T09:00:00Z",
    "data": {
        "response_id": "r-1",
        "kind": "nps",
        "score": 3,
        "comment": "Nikt nie oddzwonił.",
        "language": "pl",
        "answered_at": "2026-03-02T09:59:30.125+01:00",
        "customer": {
            "ref": "C-1",
            "name": "Anna Żak",
            "email": "anna@example.test",
            "phone": "+48 601 234 567",
            "language": "pl-PL",
            "time_zone": "Europe/Warsaw",
        },
    },
}
_ABSENT = object()


def body(**changes: object) -> bytes:
    """The good body with values at dotted paths (`customer__ref` within data) replaced, or taken out."""
    changed = copy.deepcopy(BODY)
    for path, value in changes.items():
        *parents, last = path.split("__")
        inner = changed if parents or last in BODY else changed["data"]
        for parent in parents:
            inner = (inner if parent in inner else inner["data"])[parent]
        if value is _ABSENT:
            del inner[last]
        else:
            inner[last] = value
    return json.dumps(changed).encode()


def problems(raw: bytes, now: datetime | None = NOW) -> list[Problem]:
    with pytest.raises(ContractBroken) as caught:
        read_standard(raw, now)
    return caught.value.problems


def only(raw: bytes) -> Problem:
    found = problems(raw)
    assert len(found) == 1, found
    assert found[0].fix
    return found[0]


def test_good_answer_is_read() -> None:
    answered = read_standard(body())
    assert answered.as_answer("standard", NOW) == SurveyAnswer(
        source="standard",
        response_id="r-1",
        kind=SurveyKind.NPS,
        score=3,
        comment="Nikt nie oddzwonił.",
        language="pl",
        answered_at=datetime(2026, 3, 2, 8, 59, 30, 125_000, tzinfo=UTC),
        received_at=NOW,
    )
    assert answered.customer.as_customer() == Customer(
        "C-1", "Anna Żak", "anna@example.test", "+48601234567", "pl-PL", "Europe/Warsaw"
    )


def test_what_may_be_left_out() -> None:
    bare = body(comment=_ABSENT, language=_ABSENT, customer={"ref": "C-1"})
    answered = read_standard(bare)
    assert (answered.comment, answered.language) == (None, None)
    assert answered.customer.as_customer() == Customer("C-1")


@pytest.mark.parametrize("blank", ["", " ", "\n", None])
def test_blank_counts_as_absent_where_it_may_be(blank: str | None) -> None:
    customer = {"ref": "C-1", **dict.fromkeys(["name", "email", "phone", "language", "time_zone"], blank)}
    answered = read_standard(body(comment=blank, language=blank, customer=customer))
    assert (answered.comment, answered.language) == (None, None)
    assert answered.customer.as_customer() == Customer("C-1")


def test_unknown_keys_are_let_be() -> None:
    grown = json.loads(body())
    grown["version"] = 2
    grown["data"]["tags"] = ["x"]
    grown["data"]["customer"]["shoe_size"] = 44
    assert read_standard(json.dumps(grown).encode()) == read_standard(body())


def test_comment_is_kept_as_written() -> None:
    words = "  {{ 7*7 }} <b>bad</b>\r\nBcc: all@example.com\n# *really*\t=SUM(1)  "
    assert read_standard(body(comment=words)).comment == words


@pytest.mark.parametrize(("kind", "least", "most"), [("nps", 0, 10), ("csat", 1, 5), ("ces", 1, 7)])
def test_each_kind_has_its_scale(kind: str, least: int, most: int) -> None:
    assert read_standard(body(kind=kind, score=least)).score == least
    assert read_standard(body(kind=kind, score=most)).score == most
    for off in (least - 1, most + 1, 10**15):
        problem = only(body(kind=kind, score=off))
        assert problem == Problem(
            "data.score",
            f"is {off}, which is not on the scale",
            f"{kind} scores are whole numbers from {least} to {most}",
        )


@pytest.mark.parametrize(
    ("score", "said"),
    [
        (True, "is true or false, not a whole number"),
        ("9", "is text, not a whole number"),
        (9.5, "is a number, not a whole number"),
        (9.0, "is a number, not a whole number"),
        (None, "is null, not a whole number"),
        ([9], "is a list, not a whole number"),
        ({}, "is an object, not a whole number"),
    ],
)
def test_score_must_be_a_whole_number(score: object, said: str) -> None:
    assert only(body(score=score)) == Problem("data.score", said, "nps scores are whole numbers from 0 to 10")


@pytest.mark.parametrize(
    ("changes", "path", "said"),
    [
        ({"type": "survey.respond"}, "type", '(did you mean "survey.responded"?)'),
        ({"type": "customer.created"}, "type", 'is "customer.created"'),
        ({"type": None}, "type", "is null, not text"),
        ({"type": _ABSENT}, "type", "is missing"),
        ({"timestamp": "2026-03-02T09:00:00"}, "timestamp", "does not say its offset"),
        ({"timestamp": 1772442000}, "timestamp", "is a number, not text"),
        ({"data": []}, "data", "is a list, not an object"),
        ({"data": _ABSENT}, "data", "is missing"),
        ({"kind": "nsp"}, "data.kind", '(did you mean "nps"?)'),
        ({"kind": "NPS"}, "data.kind", '(did you mean "nps"?)'),
        ({"kind": "stars"}, "data.kind", 'is "stars"'),
        ({"kind": 1}, "data.kind", "is a number, not text"),
        ({"response_id": _ABSENT}, "data.response_id", "is missing"),
        ({"response_id": ""}, "data.response_id", "is empty"),
        ({"response_id": " "}, "data.response_id", "is empty"),
        ({"response_id": 17}, "data.response_id", "is a number, not text"),
        ({"response_id": "r" * 201}, "data.response_id", "is 201 characters long; at most 200 are taken"),
        ({"response_id": "r\0"}, "data.response_id", "U+0000"),
        ({"response_id": "r\r\nX: y"}, "data.response_id", "U+000D"),
        ({"score": _ABSENT}, "data.score", "is missing"),
        ({"comment": 5}, "data.comment", "is a number, not text"),
        ({"comment": "a\0b"}, "data.comment", "U+0000"),
        ({"comment": "x" * 262_145}, "data.comment", "at most 262144"),
        ({"language": "polish language"}, "data.language", "is not a language tag"),
        ({"language": 5}, "data.language", "is a number, not text"),
        ({"answered_at": _ABSENT}, "data.answered_at", "is missing"),
        ({"answered_at": None}, "data.answered_at", "is null, not text"),
        ({"answered_at": "2026-03-02T09:00:00"}, "data.answered_at", "does not say its offset"),
        ({"answered_at": "2026-03-02"}, "data.answered_at", "does not say its offset"),
        ({"answered_at": "yesterday"}, "data.answered_at", "is not an ISO 8601 time"),
        ({"answered_at": "2026-02-30T09:00:00Z"}, "data.answered_at", "is not an ISO 8601 time"),
        ({"answered_at": "٢٠٢٦-03-02T09:00:00Z"}, "data.answered_at", "is not an ISO 8601 time"),
        ({"answered_at": "0001-01-01T00:00:00+14:00"}, "data.answered_at", "outside the calendar"),
        ({"answered_at": "9999-12-31T23:59:59-14:00"}, "data.answered_at", "outside the calendar"),
        ({"answered_at": "2026-03-03T09:00:01Z"}, "data.answered_at", "more than a day in the future"),
        ({"customer": "C-1"}, "data.customer", "is text, not an object"),
        ({"customer": None}, "data.customer", "is null, not an object"),
        ({"customer": _ABSENT}, "data.customer", "is missing"),
        ({"customer__ref": _ABSENT}, "data.customer.ref", "is missing"),
        ({"customer__ref": ""}, "data.customer.ref", "is empty"),
        ({"customer__ref": 1042}, "data.customer.ref", "is a number, not text"),
        ({"customer__ref": "C" * 201}, "data.customer.ref", "is 201 characters long"),
        ({"customer__ref": "C-1\n"}, "data.customer.ref", "U+000A"),
        ({"customer__name": "Anna\nBcc: x@example.com"}, "data.customer.name", "U+000A"),
        ({"customer__name": "Anna\u2028Żak"}, "data.customer.name", "U+2028"),
        ({"customer__email": "anna"}, "data.customer.email", "is not a valid email address"),
        ({"customer__email": "anna@example"}, "data.customer.email", "is not a valid email address"),
        ({"customer__email": "anna@example.com, ola@example.com"}, "data.customer.email", "is not a valid email"),
        ({"customer__email": "Anna <anna@example.com>"}, "data.customer.email", "is not a valid email"),
        ({"customer__email": "a@example.com\r\nBcc: b@example.com"}, "data.customer.email", "U+000D"),
        ({"customer__phone": "601 234 567"}, "data.customer.phone", "international form"),
        ({"customer__phone": "+48 601 CALL ME"}, "data.customer.phone", "international form"),
        ({"customer__phone": "+0 601 234 567"}, "data.customer.phone", "international form"),
        ({"customer__phone": "+48601234567890123"}, "data.customer.phone", "international form"),
        ({"customer__phone": 48601234567}, "data.customer.phone", "is a number, not text"),
        ({"customer__time_zone": "Europe/Warsav"}, "data.customer.time_zone", '(did you mean "Europe/Warsaw"?)'),
        ({"customer__time_zone": "+01:00"}, "data.customer.time_zone", "unknown time zone"),
        ({"customer__language": "p"}, "data.customer.language", "is not a language tag"),
    ],
)
def test_one_mistake_is_named(changes: dict[str, object], path: str, said: str) -> None:
    problem = only(body(**changes))
    assert problem.path == path
    assert said in problem.problem


@pytest.mark.parametrize("raw", [b"[]", b'"survey"', b"7", b"null", b"true"])
def test_body_must_be_an_object(raw: bytes) -> None:
    assert "not an object" in only(raw).problem


def test_empty_object_lacks_everything() -> None:
    assert [(problem.path, problem.problem) for problem in problems(b"{}")] == [
        ("type", "is missing"),
        ("timestamp", "is missing"),
        ("data", "is missing"),
    ]


def test_all_mistakes_are_named_at_once_in_order() -> None:
    raw = body(kind="npss", score="9", customer__email="anna", customer__phone="601", timestamp="now")
    assert [problem.path for problem in problems(raw)] == [
        "timestamp",
        "data.kind",
        "data.score",
        "data.customer.email",
        "data.customer.phone",
    ]


def test_misspelt_key_is_recognised_in_what_is_missing() -> None:
    raw = body().replace(b'"score"', b'"scor"')
    assert 'was it sent as "scor"?' in only(raw).fix


def test_problems_never_quote_the_customer() -> None:
    raw = body(customer__email="anna.zak@", customer__phone="601234567", customer__name="Anna\nŻak", comment="głos\0")
    said = json.dumps([problem.as_json() for problem in problems(raw)], ensure_ascii=False)
    assert not any(word in said for word in ("anna.zak", "601234567", "Żak", "głos"))


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("+48 601-234-567", "+48601234567"),
        ("0048.601.234.567", "+48601234567"),
        ("+44 (0)20 7946 0000", "+442079460000"),
        ("+48\u00a0601\u2011234\u2011567", "+48601234567"),
        (" (+420) 601 234 567 ", "+420601234567"),
    ],
)
def test_phone_is_kept_in_one_form(given: str, kept: str) -> None:
    assert read_standard(body(customer__phone=given)).customer.phone == kept


@pytest.mark.parametrize("address", ["anna@example.test", "ANNA@Example.COM", "o'neil+nps@x.co.uk", "żak@żółw.pl"])
def test_addresses_that_exist_or_could(address: str) -> None:
    kept = read_standard(body(customer__email=f" {address} ")).customer.email
    assert kept is not None
    assert kept.casefold() == address.casefold()


@pytest.mark.parametrize(
    "written", ["2026-03-02T09:00:00Z", "2026-03-02T10:00:00+01:00", "2026-03-02 09:00+00:00", "20260302T090000Z"]
)
def test_instants_are_kept_in_utc(written: str) -> None:
    answered_at = read_standard(body(answered_at=written)).answered_at
    assert answered_at == NOW
    assert answered_at.tzinfo is UTC


def test_the_bodys_own_timestamp_is_the_present_unless_one_is_given() -> None:
    late = body(answered_at="2026-03-03T09:00:00Z")
    assert read_standard(late).answered_at == NOW + timedelta(days=1)
    assert problems(late, NOW - timedelta(seconds=1))[0].path == "data.answered_at"
    assert read_standard(body(answered_at="2027-01-01T00:00:00Z"), datetime(2027, 1, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"not json",
        body().replace(b": 3", b": NaN"),
        body().replace(b": 3", b": 1e400"),
        body().replace(b'"kind"', b'"score": 3, "kind"'),
        body().replace(b'"r-1"', b'"\\ud800"'),
        body().replace(b'"r-1"', b'"\xff"'),
        body().decode().encode("utf-16"),
        b"\xef\xbb\xbf" + body(),
        body().replace(b'"r-1"', b"[" * 5000 + b"]" * 5000),
        body().replace(b": 3", b": " + b"3" * 5000),
    ],
    ids=["empty", "words", "nan", "1e400", "twice", "surrogate", "latin", "utf16", "bom", "deep", "huge"],
)
def test_what_is_not_strict_json_is_told_apart(raw: bytes) -> None:
    with pytest.raises(NotStrictJson):
        read_standard(raw)


def test_contract_can_be_published() -> None:
    schema = StandardBody.model_json_schema()
    assert schema["required"] == ["type", "timestamp", "data"]
    assert schema["$defs"]["SurveyKind"]["enum"] == ["nps", "csat", "ces"]
