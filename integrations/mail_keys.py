"""Our key along with a message, and back out of an event about it: what sends mail and what hears of it both need it.

At SendGrid it is a custom argument of at most 10,000 bytes. At Postmark a message carries ten values of 80 characters
at most, so a long key goes in pieces (https://postmarkapp.com/support/article/1125-custom-metadata-faq).
"""

from collections.abc import Mapping
from typing import Any

from integrations.errors import Unsupported

SENDGRID_ARGUMENT = "handrail_key"
"""What the custom argument is called."""

_FIELD = "handrail-key"
_LONGEST_VALUE = 80
_MOST_VALUES = 10


def metadata(name: str, key: str) -> Mapping[str, str]:
    """The metadata that carries `key` at Postmark. Raises Unsupported, for the integration `name`, for a longer one."""
    pieces = [key[start : start + _LONGEST_VALUE] for start in range(0, len(key), _LONGEST_VALUE)]
    if len(pieces) > _MOST_VALUES:
        raise Unsupported(name, f"a key of {len(key)} characters", f"at most {_LONGEST_VALUE * _MOST_VALUES} fit")
    return {_field(number): piece for number, piece in enumerate(pieces)}


def key_in(said: Mapping[str, Any]) -> str | None:
    """The key that `metadata` put there; None when the message is none of ours."""
    pieces: list[str] = []
    while isinstance(piece := said.get(_field(len(pieces))), str):
        pieces.append(piece)
    return "".join(pieces) or None


def _field(number: int) -> str:
    return f"{_FIELD}-{number + 1}" if number else _FIELD
