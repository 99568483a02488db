"""Hashes of what we say and of where we write."""

import hashlib
from typing import Any

import rfc8785


def payload_hash(payload: dict[str, Any]) -> str:
    """SHA-256 over canonical JSON (RFC 8785). Floats are refused: they do not survive every hand alike."""
    _refuse_floats(payload)
    return hashlib.sha256(rfc8785.dumps(payload)).hexdigest()


def address_hash(address: str) -> str:
    """What a suppression keeps of an address: it must outlive the address itself."""
    return hashlib.sha256(address.strip().casefold().encode()).hexdigest()


def _refuse_floats(value: Any) -> None:
    if isinstance(value, float):
        raise TypeError(f"{value!r} in a payload: use minor units or text, never a float")
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list | tuple):
        return
    for item in value:
        _refuse_floats(item)
