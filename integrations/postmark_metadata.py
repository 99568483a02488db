"""Our key in a message's metadata at Postmark, and back out of an event about it.

A message carries ten values of 80 characters at most, so a long key goes in pieces. The limits are those of Postmark's
support pages (https://postmarkapp.com/support/article/1125-custom-metadata-faq).
"""

from collections.abc import Mapping

from integrations.errors import Unsupported

_FIELD = "handrail-key"
_LONGEST_VALUE = 80
_MOST_VALUES = 10


def metadata(name: str, key: str) -> Mapping[str, str]:
    """The metadata that carries `key`. Raises Unsupported, for the integration `name`, for one that does not fit."""
    pieces = [key[start : start + _LONGEST_VALUE] for start in range(0, len(key), _LONGEST_VALUE)]
    if len(pieces) > _MOST_VALUES:
        raise Unsupported(name, f"a key of {len(key)} characters", f"at most {_LONGEST_VALUE * _MOST_VALUES} fit")
    return {_field(number): piece for number, piece in enumerate(pieces)}


def key_in(said: Mapping[str, str]) -> str | None:
    """The key that `metadata` put there; None when the message is none of ours."""
    pieces: list[str] = []
    while isinstance(piece := said.get(_field(len(pieces))), str):
        pieces.append(piece)
    return "".join(pieces) or None


def _field(number: int) -> str:
    return f"{_FIELD}-{number + 1}" if number else _FIELD
