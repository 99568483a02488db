"""What sources of delivery reports have in common: one event after another, each with an end of its own."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from data_contracts.fields import in_words
from data_contracts.journey_events import MessageTold
from domain.message_events import MessageNews
from integrations.redaction import excerpt
from integrations.survey_sources import broken

_LAST_SECOND = 2**33


def in_own_bytes(event: Any) -> bytes:
    """One event alone, as its source would send it."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def instant_of_seconds(value: Any, path: str) -> datetime:
    """Seconds since 1970. Raises ContractBroken."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _LAST_SECOND:
        raise broken(path, "is missing" if value is None else f"is {in_words(value)}, not seconds since 1970")
    return datetime.fromtimestamp(value, UTC)


def instant_of_text(value: Any, path: str) -> datetime:
    """ISO 8601 with an offset, with as many digits of a second as there may be. Raises ContractBroken."""
    try:
        at = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise broken(path, "is missing" if value is None else f"is {in_words(value)}, not a time") from None
    if at.tzinfo is None:
        raise broken(path, "does not say its offset from UTC")
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise broken(path, "lies outside the calendar") from None


def told(
    key: str, news: tuple[MessageNews, bool], at: datetime, body: bytes, *, address: Any, words: Iterable[Any]
) -> MessageTold:
    """News of one message to `address`, with the vendor's own `words`, as far as there are any."""
    what, is_permanent = news
    said = " · ".join(str(word) for word in words if word)
    return MessageTold(
        message=key,
        what=what,
        at=at,
        body=body,
        is_permanent=is_permanent,
        address=address if isinstance(address, str) and address else None,
        detail=excerpt(said.encode("utf-8", "replace"), secrets=(), sent=()) or None,
    )
