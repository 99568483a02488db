"""Answers: what came back whole, for a vendor's file to read."""

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.exchange import Exchange

OF_ANOTHER_SHAPE = (LookupError, TypeError, AttributeError, ValueError, RecursionError)
"""What reading an answer raises that is not as documented."""


@dataclass(frozen=True)
class Answer:
    """A 2xx answer, or a 4xx or 5xx one whose reason matters; the names of `headers` ignore case."""

    status: int
    headers: Mapping[str, str]
    content: bytes

    @functools.cached_property
    def json(self) -> Any:
        """The body's value, None when it is empty. Raises one of `OF_ANOTHER_SHAPE` when it is no JSON."""
        return json.loads(self.content) if self.content else None

    @property
    def text(self) -> str:
        """The body as text. Raises ValueError when it is none."""
        return self.content.decode()


def answer_of(exchange: Exchange) -> Answer:
    """What an exchange brought back. Raises ValueError when it is not whole, or compressed."""
    if exchange.problem:
        raise ValueError(exchange.problem)
    if exchange.headers.get("content-encoding", "identity") != "identity":
        raise ValueError("compressed, though we asked for it not to be")
    return Answer(exchange.status or 0, exchange.headers, exchange.content)


def unclear(answer: Answer) -> None:
    """What a 409 says at a vendor who does not document it: nothing one may rely on."""
    raise ValueError("a conflict without a documented reason")


def refused(answer: Answer) -> None:
    """What any other 4xx or 5xx says at most vendors: what its status says, whatever its words."""
