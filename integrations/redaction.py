"""What may be quoted of a vendor's refusal: a short excerpt without secrets and without what the customer gave us."""

import re
from collections.abc import Iterable, Iterator, Mapping
from html import unescape
from typing import Any
from urllib.parse import unquote

EXCERPT_BYTES = 4096
"""How much of a refusal is read at all."""

_LONGEST_EXCERPT = 200  # characters
_HIDDEN = "…"
_MAIL_ADDRESS = re.compile(r"[^\s@\"'<>:,;]+@[^\s@\"'<>:,;]+")
_NUMBER = re.compile(r"[+(]*[0-9][0-9 ()./-]{4,}[0-9]")  # phones, cards, accounts; a three-digit code survives
_WORD = re.compile(r"\w{3,}")
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


def excerpt(content: bytes, *, secrets: Iterable[str], sent: Any) -> str:
    """What a vendor said, for an error's text: one line, at most 200 characters.

    Hidden are `secrets`, addresses and long numbers, and every word of three letters or more that we `sent`
    (vendors like to quote what they refuse, and that is a customer's name or words).
    """
    text = " ".join(_unescaped(content[:EXCERPT_BYTES].decode("utf-8", "replace")).split())
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    text = _NUMBER.sub(_HIDDEN, _MAIL_ADDRESS.sub(_HIDDEN, text))
    ours = {word.casefold() for value in _strings(sent) for word in _WORD.findall(value)}
    text = _WORD.sub(lambda match: _HIDDEN if match[0].casefold() in ours else match[0], text)
    text = "".join(letter if letter.isprintable() else _HIDDEN for letter in text)
    return text if len(text) <= _LONGEST_EXCERPT else text[: _LONGEST_EXCERPT - 1] + _HIDDEN


def _unescaped(text: str) -> str:
    """As a person reads it: what we sent may come back as JSON, HTML or a part of an address has it."""
    return unquote(unescape(_ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)
