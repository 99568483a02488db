"""Strict JSON: what two systems are sure to read the same way (RFC 8259 with the limits of I-JSON, RFC 7493)."""

import codecs
import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, NoReturn

from data_contracts.problems import NotStrictJson

_LARGEST = 2**53 - 1  # beyond it languages that read numbers as doubles see another one; RFC 8785 refuses them too
_LONGEST_NUMBER = 400  # characters; more digits than any double needs
_SHOWN = 60  # characters of a key quoted in an error

_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.|\\\Z)*+(?:"|\Z)|([\[{])|([\]}])', re.DOTALL)
"""Strings as a whole, so that brackets in them do not count; an unclosed one reaches to the end."""


def parse(body: bytes, max_depth: int = 32, *, any_integer: bool = False) -> object:
    """The value that `body` is, or `NotStrictJson`.

    Refused beside malformed JSON: anything but UTF-8 without byte order mark, NaN and infinities (also as 1e400),
    integers beyond ±(2^53 - 1), an object naming a key twice, surrogates without their other half, nesting beyond
    `max_depth`. `any_integer` lets larger ones be, for a vendor whose ids have 64 bits: nobody counts with them.
    """
    text = _decoded(body)
    _check_depth(body, max_depth)
    try:
        value = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_refuse_constant,
            parse_float=_number,
            parse_int=_long_integer if any_integer else _integer,
        )
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise NotStrictJson(_in_words(error.msg), where, "send one JSON value and nothing else") from None
    if b"\\u" in body:
        for path in _half_characters(value, ""):
            raise NotStrictJson(
                "half of a surrogate pair", path, r"write the character itself, or both halves: \ud83d\ude42"
            )
    return value


def _decoded(body: bytes) -> str:
    if not body.strip():
        raise NotStrictJson("nothing there", "the body", "send one JSON object")
    if body.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise NotStrictJson("a byte order mark", "the first bytes", "send UTF-8 without a byte order mark")
    if b"\0" in body:
        raise NotStrictJson("zero bytes: perhaps UTF-16 or UTF-32", "the body", "send UTF-8")
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotStrictJson("not UTF-8", f"byte {error.start + 1}", "encode the body as UTF-8") from None


def _check_depth(body: bytes, max_depth: int) -> None:
    """Before parsing, since the parser itself would end in a RecursionError."""
    if body.count(b"[") + body.count(b"{") <= max_depth:
        return
    depth = 0
    for token in _BRACKETS.finditer(body):
        depth += (token[1] is not None) - (token[2] is not None)
        if depth > max_depth:
            raise NotStrictJson(
                f"nested more than {max_depth} deep", f"byte {token.start() + 1}", "send a flatter object"
            )


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(key for key, _ in pairs).most_common(1)[0]
        shown = json.dumps(twice[:_SHOWN])
        raise NotStrictJson("a key given twice", f"the key {shown}", "give each key once; which one counts is a guess")
    return found


def _refuse_constant(word: str) -> NoReturn:
    raise NotStrictJson(f"{word} is no JSON number", "a number", "leave the key out, or send null")


def _number(digits: str) -> float:
    if len(digits) > _LONGEST_NUMBER or math.isinf(value := float(digits)):
        raise NotStrictJson("a number no computer holds", "a number", "send a number of ordinary size")
    return value


def _integer(digits: str) -> int:
    if len(digits) > len(str(-_LARGEST)) or abs(value := int(digits)) > _LARGEST:
        raise NotStrictJson(
            "a whole number beyond 2^53", "a number", "send whole numbers up to 9007199254740991, longer ids as text"
        )
    return value


def _long_integer(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise NotStrictJson("a number no computer holds", "a number", "send a number of ordinary size")
    return int(digits)


def _half_characters(value: object, path: str) -> Iterator[str]:
    """The paths of keys and texts that no encoding can write."""
    if isinstance(value, str):
        if any("\ud800" <= character <= "\udfff" for character in value):
            yield path or "the body"
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _half_characters(item, f"{path}[{number}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _half_characters(key, f"{path}.(a key)".lstrip("."))
            yield from _half_characters(item, f"{path}.{key}".lstrip("."))


def _in_words(message: str) -> str:
    """The parser's message as the middle of a sentence; where it was is said apart."""
    return message[:1].lower() + message[1:].removesuffix(" at").removesuffix(" starting")
