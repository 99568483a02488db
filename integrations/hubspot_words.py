"""HubSpot's words: its priorities, its statuses, its rich text, and what its refusals ask of us.

Sources: the guides named beside each table. What is marked "seen" is not documented; other people's code relies on it.
"""

import hashlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from html import escape, unescape

from integrations.answers import Answer
from integrations.errors import Busy, RateLimited
from integrations.retry_after import LONGEST, retry_after

PRIORITY: Mapping[str, str] = {
    "low": "LOW",
    "normal": "MEDIUM",
    "high": "HIGH",
    "urgent": "HIGH",
    "critical": "HIGH",  # HubSpot knows nothing higher
}
"""https://developers.hubspot.com/docs/api/crm/tasks"""
RANKED = ("LOW", "MEDIUM", "HIGH")
NO_PRIORITY = frozenset({None, "", "NONE"})
"""What a task shows that nobody gave one; "NONE" is seen."""

NEW, DONE = "NOT_STARTED", "COMPLETED"
"""https://developers.hubspot.com/docs/api/crm/tasks; the statuses between them (seen) are none of ours."""

TASK_TO_CONTACT = 204
"""The type of that association: https://developers.hubspot.com/docs/api/crm/tasks"""

WAITS: Mapping[str, float] = {
    "SECONDLY": 1.0,  # the search's own limit, of the whole account
    "TEN_SECONDLY_ROLLING": 10.0,
    "DAILY": LONGEST,  # until midnight in the account's time zone: asked once an hour whether that has come
}
"""Seconds until it is worth asking again, by the `policyName` of a 429 that says nothing else.

https://developers.hubspot.com/docs/developer-tooling/platform/usage-guidelines
"""

_LOCKED, _MIGRATING = 423, 477
"""https://developers.hubspot.com/docs/api-reference/error-handling"""


def refusals(name: str) -> Callable[[Answer], None]:
    """Reads every 4xx of HubSpot's for the integration `name`: what it asks for in words, beside the plain refusals."""

    def understand(answer: Answer) -> None:
        if answer.status == _LOCKED:
            raise Busy(name, "refused with 423 (somebody else is changing the record)", "it tries again")
        if answer.status == _MIGRATING:
            wait = retry_after(answer.headers.get("retry-after"), datetime.now(UTC))
            raise RateLimited(name, "refused with 477 (the account is being moved)", "it waits and tries again", wait)
        if answer.status == 429 and not answer.headers.get("retry-after"):
            policy = answer.json["policyName"]
            wait = WAITS[policy]
            raise RateLimited(name, f"refused with 429 (limit {policy})", f"it tries again after {wait:g} s", wait)

    return understand


def rich(text: str) -> str:
    """Plain text as the HTML that a task's body is (seen), so that nothing a customer wrote is taken for HTML."""
    return "<br>".join(escape(line, quote=False) for line in text.splitlines())


def added_to(body: str | None, text: str, key: str) -> str:
    """A task's body with `text` beneath it, and the key of what added it."""
    return "<br><br>".join(part for part in (body, f"{rich(text)}<br>{rich(_marker(key))}") if part)


def is_in(body: str | None, key: str) -> bool:
    """Whether the text added with `key` is in a task's body, whatever HubSpot's editor made of its HTML."""
    return _marker(key) in unescape(body or "")


def raised(now: str | None, wanted: str) -> str | None:
    """The priority to set on a task that shows `now`; None: leave it. Never a lower one, nor over a word unknown."""
    priority = PRIORITY.get(wanted, "MEDIUM")
    return priority if now in NO_PRIORITY or now in RANKED[: RANKED.index(priority)] else None


def instant(at: datetime) -> str:
    """As HubSpot writes instants: UTC, milliseconds, `Z`."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def trace_of(key: str) -> str:
    """What names an input of a batch in its answer (`objectWriteTraceId`): of one length whatever the key has in it."""
    return hashlib.sha256(key.encode()).hexdigest()[:32]


def _marker(key: str) -> str:
    return f"[{key}]"
