"""What a form says: read with a cap, nothing but text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

from fastapi import Request

from gateway.bodies import TooLarge, capped_body

FORM_CAP = 2 * 1024 * 1024
"""Bytes of a form; a payload of 256 kB may be sent three times as long."""

_FIELDS = 1000


class NotAForm(Exception):
    """The request carries something else, or more than is read."""


@dataclass(frozen=True, slots=True)
class Form:
    """Fields by name, as they were sent."""

    fields: Mapping[str, Sequence[str]]

    def one(self, name: str) -> str:
        """The field's text, its lines ended as Unix ends them; empty when it was not sent."""
        return plain(self.fields.get(name, [""])[-1]).replace("\r\n", "\n")

    def line(self, name: str) -> str:
        """The same without what surrounds it, on one line."""
        return " ".join(self.one(name).split())

    def each(self, name: str) -> list[str]:
        """Every text the field was sent with, those that are empty left out."""
        return [said for word in self.fields.get(name, ()) if (said := plain(word).strip())]

    def numbers(self, name: str) -> list[int]:
        """The field's whole numbers; what is none is left out."""
        return [int(word) for word in self.fields.get(name, ()) if word.isascii() and word.isdigit() and len(word) < 16]


def plain(word: str) -> str:
    """Without zero characters, which PostgreSQL refuses and nobody types."""
    return word.replace("\0", "")


async def read_form(request: Request) -> Form:
    """The form in the request. Raises NotAForm."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise NotAForm
    try:
        body = await capped_body(request, FORM_CAP)
        text = body.decode("ascii")
        fields = parse_qs(text, keep_blank_values=True, encoding="utf-8", errors="strict", max_num_fields=_FIELDS)
    except (TooLarge, ValueError) as problem:
        raise NotAForm from problem
    return Form(fields)
