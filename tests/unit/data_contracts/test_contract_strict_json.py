"""Bytes that are not strict JSON, and why each is refused."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data_contracts.problems import NotStrictJson
from data_contracts.strict_json import parse

REFUSED = [
    (b"", "nothing there"),
    (b" \n", "nothing there"),
    (b"{", "expecting property name"),
    (b"{'a': 1}", "expecting property name"),
    (b'{"a": 1,}', "expecting property name"),
    (b"[1, 2", "expecting ',' delimiter"),
    (b"[01]", "expecting ',' delimiter"),
    (b'{"a": 1} {"b": 2}', "extra data"),
    (b'"half', "unterminated string"),
    (b'"a\tb"', "invalid control character"),
    (b"name=Anna&score=9", "expecting value"),
    (b"NaN", "NaN is no JSON number"),
    (b'{"score": NaN}', "NaN is no JSON number"),
    (b"[Infinity]", "Infinity is no JSON number"),
    (b"[-Infinity]", "-Infinity is no JSON number"),
    (b"[1e400]", "a number no computer holds"),
    (b"[-1e400]", "a number no computer holds"),
    (b"[0." + b"1" * 500 + b"]", "a number no computer holds"),
    (b"[9007199254740992]", "a whole number beyond 2^53"),
    (b"[-9007199254740992]", "a whole number beyond 2^53"),
    (b"[" + b"9" * 5000 + b"]", "a whole number beyond 2^53"),
    (b'{"a": 1, "a": 1}', "a key given twice"),
    (b'{"a": {"b": 1, "\\u0062": 2}}', "a key given twice"),
    (b'["\\ud800"]', "half of a surrogate pair"),
    (b'["\\udc00\\ud800"]', "half of a surrogate pair"),
    (b'{"\\ud83d": 1}', "half of a surrogate pair"),
    (b'"\xed\xa0\x80"', "not UTF-8"),  # a surrogate written out in bytes
    (b'"\xff"', "not UTF-8"),
    (b'"\xc0\xaf"', "not UTF-8"),  # an overlong slash
    ('{"name": "Żaneta"}'.encode("cp1250"), "not UTF-8"),
    (b"\xef\xbb\xbf{}", "a byte order mark"),
    ("{}".encode("utf-16"), "a byte order mark"),
    ("{}".encode("utf-16-le"), "zero bytes"),
    ("{}".encode("utf-32-be"), "zero bytes"),
    (b"[" * 33 + b"]" * 33, "nested more than 32 deep"),
    (b'{"a":' * 33 + b"1" + b"}" * 33, "nested more than 32 deep"),
    (b"[" * 200_000, "nested more than 32 deep"),
    (b"[[]," * 100_000, "nested more than 32 deep"),
]


@pytest.mark.parametrize(("body", "problem"), REFUSED, ids=[str(body[:20]) for body, _ in REFUSED])
def test_refused_with_what_where_and_a_fix(body: bytes, problem: str) -> None:
    with pytest.raises(NotStrictJson) as caught:
        parse(body)
    assert problem in caught.value.problem
    assert caught.value.where
    assert caught.value.fix
    assert caught.value.problems[0].as_json()["path"] == caught.value.where


ACCEPTED = [
    (b' {"a": [1, -0.5, true, null]}\n', {"a": [1, -0.5, True, None]}),
    (b"9007199254740991", 9007199254740991),
    ('"zażółć 🙂"'.encode(), "zażółć 🙂"),
    (b'"\\ud83d\\ude42"', "🙂"),
    (b'"\\\\ud800"', "\\ud800"),
    (b'"\\u0000"', "\0"),
    (b'"[[[[ {{{{ \\" [[[[ \\\\"', '[[[[ {{{{ " [[[[ \\'),
    (b"[" * 32 + b"]" * 32, None),
    (b"[" + b",".join([b"[]"] * 1000) + b"]", [[]] * 1000),
    (b'{"a": 1, "b": {"a": 1}}', {"a": 1, "b": {"a": 1}}),
]


@pytest.mark.parametrize(("body", "value"), ACCEPTED, ids=[str(body[:20]) for body, _ in ACCEPTED])
def test_accepted(body: bytes, value: object) -> None:
    assert parse(body) == (value if value is not None else json.loads(body))


def test_where_names_keys_and_places() -> None:
    def where(body: bytes) -> str:
        with pytest.raises(NotStrictJson) as caught:
            parse(body)
        return caught.value.where

    assert where(b'{"score": 1, "score": 2}') == 'the key "score"'
    assert where(b'{"data": {"comments": ["fine", "\\ud800"]}}') == "data.comments[1]"
    assert where(b'{\n  "a": oops}') == "line 2 column 8"
    assert where(b'"\xff"') == "byte 2"


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b'\\"' * 130_000,
        b'"' + b'\\"' * 130_000 + b"\\",
        b'"' * 262_144,
        b"{" + b",".join(b'"%d":1' % number for number in range(25_000)) + b',"24999":1}',
    ],
)
@pytest.mark.timeout(5)
def test_hostile_bodies_are_refused_in_time(body: bytes) -> None:
    with pytest.raises(NotStrictJson):
        parse(body)


safe_text = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
safe_numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
values = st.recursive(
    st.none() | st.booleans() | safe_numbers | safe_text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(safe_text, inner, max_size=4),
    max_leaves=15,
)


@given(values, st.booleans())
@settings(max_examples=60, deadline=None)
def test_everything_others_write_as_json_is_read_the_same(value: object, ascii_only: bool) -> None:
    assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with suppress(NotStrictJson):
        parse(body)


def test_ids_of_64_bits_are_let_be_where_a_vendor_has_them() -> None:
    body = b'{"ID": 4323372036854775807}'
    assert parse(body, any_integer=True) == {"ID": 4323372036854775807}
    with pytest.raises(NotStrictJson, match="beyond 2\\^53"):
        parse(body)
    with pytest.raises(NotStrictJson, match="no computer holds"):
        parse(b"[" + b"9" * 5000 + b"]", any_integer=True)
