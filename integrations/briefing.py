"""The briefing: a ticket's context bundle as plain text, for ticket desks that show text alone."""

from collections.abc import Iterator, Mapping
from typing import Any


def briefing(context: Mapping[str, Any]) -> str:
    """What a colleague should know, a paragraph for each part of `context` (JSON values); what is empty is left out.

    >>> print(briefing({"customer": {"name": "Ola", "phone": None}, "said": [{"score": 2, "words": "Long wait"}]}))
    customer
      name: Ola
    <BLANKLINE>
    said
      - score: 2, words: Long wait
    """
    parts = {_label(name): list(_lines(value)) for name, value in context.items()}
    return "\n\n".join("\n".join([name, *lines]) for name, lines in parts.items() if lines)


def _lines(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from (f"  {_label(name)}: {_flat(inner)}" for name, inner in value.items() if _is_something(inner))
    elif isinstance(value, list | tuple):
        yield from (f"  - {_flat(inner)}" for inner in value if _is_something(inner))
    elif _is_something(value):
        yield f"  {_flat(value)}"


def _flat(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{_label(name)}: {_flat(inner)}" for name, inner in value.items() if _is_something(inner))
    if isinstance(value, list | tuple):
        return "; ".join(_flat(inner) for inner in value)
    return str(value)


def _is_something(value: Any) -> bool:
    return value is not None and value not in ("", [], {}, ())


def _label(name: str) -> str:
    return name.replace("_", " ")
