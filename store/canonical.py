"""Hashes of what we say and of where we write."""

import hashlib
from typing import Any

import orjson

_CANONICAL = orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER
"""With what `_check` lets through, RFC 8785 byte for byte, at a quarter of the price of a writer in Python."""


def payload_hash(payload: dict[str, Any]) -> str:
    """SHA-256 over canonical JSON (RFC 8785).

    Raises TypeError for floats, which do not survive every hand alike, whole numbers beyond 2^53, and half characters.
    """
    _check(payload)
    return hashlib.sha256(orjson.dumps(payload, option=_CANONICAL)).hexdigest()


def address_hash(address: str) -> str:
    """What a suppression keeps of an address: it must outlive the address itself."""
    return hashlib.sha256(address.strip().casefold().encode()).hexdigest()


def _check(value: Any) -> None:
    """Raises TypeError for what our writer would not write as RFC 8785 has it."""
    if isinstance(value, float):
        raise TypeError(f"{value!r} in a payload: use minor units or text, never a float")
    if isinstance(value, dict):
        if any(not key.isascii() and max(key) > "\uffff" for key in value):
            raise TypeError("a key in a payload has a character beyond U+FFFF: RFC 8785 sorts it as UTF-16, we do not")
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for item in value:
        _check(item)
