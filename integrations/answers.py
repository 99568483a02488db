"""Answers: what came back whole, for a vendor's file to read."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.exchange import Exchange

OF_ANOTHER_SHAPE = (LookupError, TypeError, AttributeError, ValueError, RecursionError)
"""What reading an answer raises that is not as documented."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer, or a 409: `json` is None when the body is empty; the names of `headers` ignore case."""

    status: int
    headers: Mapping[str, str]
    json: Any


def answer_of(exchange: Exchange) -> Answer:
    """What an exchange brought back. Raises one of `OF_ANOTHER_SHAPE` when it is not whole or no JSON."""
    if exchange.problem:
        raise ValueError(exchange.problem)
    if exchange.headers.get("content-encoding", "identity") != "identity":
        raise ValueError("compressed, though we asked for it not to be")
    value = json.loads(exchange.content) if exchange.content else None
    return Answer(exchange.status or 0, exchange.headers, value)


def unclear(answer: Answer) -> None:
    """What a 409 says at a vendor who does not document it: nothing one may rely on."""
    raise ValueError("a conflict without a documented reason")
