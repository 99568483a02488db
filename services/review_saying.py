"""What an action that waits would say to its customer, made by the same code that sends it."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Row

from domain.actions import Capability
from domain.calls import WORDINGS
from integrations import ports
from services.review_reading import wording_of
from services.sending import CannotSay, Sender
from services.wiring import Handrail
from store import customers
from store.ledger.arm import as_armed
from store.ledger.rows import Armed


@dataclass(frozen=True, slots=True)
class Words:
    """What one customer would get."""

    channel: Capability
    language: str
    template: str
    wording: str
    """Its hash."""
    subject: str
    """Of a mail; the title of a notification; else empty."""
    text: str
    html: str
    """Of a mail; else empty."""
    link: str
    """What a touch on a notification opens."""
    to: str
    """The address, the number or the device."""


@dataclass(frozen=True, slots=True)
class Unsaid:
    """It cannot be put into words, so it would not go out; why."""

    why: str


class _Nowhere:
    """Calls are prepared for it and never made."""

    port = None


async def words_of(handrail: Handrail, rows: Sequence[Row[Any]]) -> dict[int, Words | Unsaid]:
    """The words of actions (rows of the ledger) by our ids, as they would be sent now."""
    armed = await asyncio.to_thread(_armed, handrail, rows)
    gathered = await asyncio.to_thread(handrail.sender.gather, armed)
    return {one.id: await _words(handrail, one, gathered.get(one.id)) for one in armed}


async def words_instead(handrail: Handrail, row: Row[Any], payload: Mapping[str, Any]) -> Words | Unsaid:
    """What it would say by this payload instead of its own; nothing is kept."""
    [armed] = await asyncio.to_thread(_armed, handrail, [row])
    return await _instead(handrail, replace(armed, payload=dict(payload)))


async def words_by(handrail: Handrail, row: Row[Any], wording: str) -> Words | Unsaid:
    """What it would say by another wording of its message and language."""
    [armed] = await asyncio.to_thread(_armed, handrail, [row])
    payload, params = armed.payload, armed.payload["params"]
    if isinstance(params.get(WORDINGS), Mapping):
        said = wording_of(payload, row.language, handrail.policy)
        others = {language: wording if its == said else its for language, its in params[WORDINGS].items()}
        payload = {**payload, "params": {**params, WORDINGS: others}}
    else:
        payload = {**payload, "template_hash": wording}
    return await _instead(handrail, replace(armed, payload=payload))


async def _instead(handrail: Handrail, armed: Armed) -> Words | Unsaid:
    gathered = await asyncio.to_thread(handrail.sender.gather, [armed])
    return await _words(handrail, armed, gathered.get(armed.id))


def _armed(handrail: Handrail, rows: Sequence[Row[Any]]) -> list[Armed]:
    """The rows as sending gets them."""
    with handrail.database.read() as connection:
        ids = sorted({row.customer_id for row in rows if row.customer_id is not None})
        people = customers.these(connection, ids)
    return [as_armed(row, people.get(row.customer_id)) for row in rows]


async def _words(handrail: Handrail, armed: Armed, gathered: Any) -> Words | Unsaid:
    sender: Sender = handrail.sender
    try:
        value = (await sender.prepare(armed, _Nowhere(), gathered)).value
    except CannotSay as problem:
        return Unsaid(str(problem).removeprefix(f"{armed.key}: "))
    except (LookupError, TypeError, ValueError) as problem:  # a payload that an erasure blanked, or none of ours
        return Unsaid(f"its payload cannot be read ({type(problem).__name__})")
    language = armed.customer.language if armed.customer is not None else None
    wording = wording_of(armed.payload, language, handrail.policy) or ""
    match value:
        case ports.Mail():
            told = (value.subject, value.text, value.html, "")
        case ports.Sms():
            told = ("", value.text, "", "")
        case ports.Push():
            told = (value.title, value.text, "", value.link)
        case ports.Call():
            told = ("", value.script, "", "")
        case _:
            return Unsaid("it says nothing to a customer")
    return Words(armed.capability, value.language, value.template, wording, *told, to=value.to)
