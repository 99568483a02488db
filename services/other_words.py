"""Other approved words for what waits: those of another message that say it by the same channel, in the same languages,
from the same facts; or those that were approved for its own message since."""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import Connection

from domain.actions import Capability
from domain.calls import WORDINGS
from store import wordings
from templates.checks import parameters
from templates.library import Template, TemplateProblem

_OF_ANYBODY = frozenset({"company", "human", "language", "name"})
"""What every message is told, so that words may do without it, or use it where others did not."""

Approved = Mapping[tuple[str, str], str]
"""The hash of the words in use, by message and language."""

_TELLS: dict[tuple[str, Capability], frozenset[str] | None] = {}
"""What was read of published words, by hash and channel: they never change, and reading them costs."""


def fitting(connection: Connection, payload: Mapping[str, Any], channel: Capability, approved: Approved) -> list[str]:
    """The messages whose words in use could be said instead of what a payload says now; by name."""
    said = _said(payload)
    if not said:
        return []
    candidates = {
        name: hashes
        for name in sorted({name for name, _ in approved})
        if (hashes := _hashes(approved, name, said)) is not None and hashes != said
    }
    _read(connection, {one for its in (said, *candidates.values()) for one in its.values()}, channel)
    now = _told(said.values(), channel)
    return [name for name, its in candidates.items() if now is not None and _told(its.values(), channel) == now]


def said_by(payload: Mapping[str, Any], message: str, approved: Approved) -> dict[str, Any]:
    """The payload with the words in use of a message that fits."""
    said = _said(payload)
    instead = {language: approved[message, language] for language in said}
    if WORDINGS in payload["params"]:
        return {**payload, "template": message, "params": {**payload["params"], WORDINGS: instead}}
    return {**payload, "template": message, "template_hash": instead[payload["params"]["language"]]}


def _said(payload: Mapping[str, Any]) -> dict[str, str]:
    """The hash of what is said, by language; empty where no words are, as of what a colleague is asked."""
    params = payload["params"]
    if isinstance(params.get(WORDINGS), Mapping):
        return dict(params[WORDINGS])
    its, language = payload.get("template_hash"), params.get("language")
    return {} if its is None or language is None else {language: its}


def _hashes(approved: Approved, message: str, languages: Collection[str]) -> dict[str, str] | None:
    """None: it has not been approved in each of them."""
    found = {language: approved.get((message, language)) for language in languages}
    return {language: its for language, its in found.items() if its} if all(found.values()) else None


def _told(hashes: Collection[str], channel: Capability) -> frozenset[str] | None:
    """The parameters of a message, whatever language uses them; None: it has no words for the channel."""
    each = [_TELLS[its, channel] for its in hashes]
    told = [one for one in each if one is not None]
    return frozenset().union(*told) - _OF_ANYBODY if len(told) == len(each) else None


def _read(connection: Connection, hashes: Collection[str], channel: Capability) -> None:
    unread = sorted(its for its in hashes if (its, channel) not in _TELLS)
    contents = wordings.contents(connection, unread) if unread else {}
    for its in unread:
        _TELLS[its, channel] = _parameters(contents.get(its), channel)


def _parameters(content: Mapping[str, Any] | None, channel: Capability) -> frozenset[str] | None:
    if content is None:
        return None
    try:
        template = Template.from_content(content)
    except TemplateProblem:  # what nobody can read is never sent
        return None
    return parameters(template, channel) if channel in template.channels else None
