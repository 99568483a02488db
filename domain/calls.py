"""Calls about endings: when one is made, how it ends, and what follows."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from domain.actions import Capability
from domain.contact import hours_hold
from domain.customers import Customer
from domain.ending_rules import CallRules
from domain.entitlements import expiry_key
from domain.hours import ContactWindow, QuietHours
from domain.planning import Payload

_NEXT = timedelta(microseconds=1)


class CallOutcome(StrEnum):
    """How a call ended."""

    ANSWERED_DONE = "answered_done"  # they heard it, and nothing is left to do
    ANSWERED_WANTS_PERSON = "answered_wants_person"
    ANSWERED_DECLINED = "answered_declined"  # they do not want to be called about this
    NO_ANSWER = "no_answer"
    BUSY = "busy"
    VOICEMAIL = "voicemail"  # a machine answered; nothing was left on it
    FAILED = "failed"  # the network or the voicebot broke down
    UNKNOWN = "unknown"  # nobody can tell


WORDS: Mapping[CallOutcome, str] = {
    CallOutcome.ANSWERED_DONE: "they answered, and nothing is left to do",
    CallOutcome.ANSWERED_WANTS_PERSON: "they answered and asked for a person",
    CallOutcome.ANSWERED_DECLINED: "they answered and do not want such calls",
    CallOutcome.NO_ANSWER: "nobody answered",
    CallOutcome.BUSY: "the line was busy",
    CallOutcome.VOICEMAIL: "a machine answered",
    CallOutcome.FAILED: "the call broke down",
    CallOutcome.UNKNOWN: "nobody knows how it ended",
}
"""Each outcome as colleagues read it."""

CALL_SCHEMA, CALL_TEMPLATE = "expiry-call/1", "expiry-call"

WORDINGS = "wordings"
"""The param of a call's payload that says which approved wording is spoken in each language."""


def call_payload(params: Mapping[str, Any], wordings: Mapping[str, str]) -> Payload:
    """What a call says, the same for all endings that are alike: `wordings` is the hash of the words by language.

    Which of them is spoken follows from the customer's language when the call is made. So one payload does for all, and
    what is said is what was approved when it was planned, or reviewed.
    """
    return Payload(CALL_SCHEMA, {**params, WORDINGS: dict(wordings)}, CALL_TEMPLATE)


def call_wordings(approved: Mapping[tuple[str, str], str], languages: Iterable[str]) -> dict[str, str]:
    """Of the approved wordings, by (template, language), those of a call, by language."""
    return {
        language: approved[CALL_TEMPLATE, language] for language in languages if (CALL_TEMPLATE, language) in approved
    }


@dataclass(frozen=True, slots=True)
class CallStory:
    """How one call about an ending ended, for whoever takes over."""

    key: str
    outcome: CallOutcome
    ended_at: datetime
    said: str | None

    def told(self, place: ZoneInfo) -> str:
        """As a colleague reads it, on the customer's clock."""
        local = self.ended_at.astimezone(place)
        words = f"{local:%a} {local.day} {local:%b %Y, %H:%M}: {WORDS[self.outcome]}"
        return words if self.said is None else f'{words}, in their words: "{self.said.strip()}"'


UNREACHED = frozenset({CallOutcome.NO_ANSWER, CallOutcome.BUSY, CallOutcome.VOICEMAIL, CallOutcome.FAILED})
"""They have not heard it: another window may go better."""


@dataclass(frozen=True, slots=True)
class CallAgain:
    """In another window, as call `number` about this ending."""

    number: int
    at: datetime


@dataclass(frozen=True, slots=True)
class ToColleague:
    """A person has it now; `is_asked_for`: the customer wants them."""

    why: str
    is_asked_for: bool = False


@dataclass(frozen=True, slots=True)
class Stop:
    """Nothing follows. `is_refusal`: nor are they ever called for this purpose again, unless they say so."""

    why: str
    is_refusal: bool = False


Step = CallAgain | ToColleague | Stop


def follow(outcome: CallOutcome, number: int, *, over: str | None, attempts: int, next_window: datetime | None) -> Step:
    """What follows call `number` (1, 2, …) about an ending.

    `over` says why the ending needs nothing any more (renewed, cancelled), if so; `next_window` is when another call
    may begin, None: not before it ends. What a customer asked for is done whatever became of the ending.
    """
    words = WORDS[outcome]
    if outcome is CallOutcome.ANSWERED_WANTS_PERSON:
        return ToColleague(words, is_asked_for=True)
    if outcome is CallOutcome.ANSWERED_DECLINED:
        return Stop(words, is_refusal=True)
    if outcome is CallOutcome.ANSWERED_DONE:
        return Stop(words)
    if over is not None:
        return Stop(f"{words}, and {over}")
    if outcome not in UNREACHED:
        return ToColleague(words)
    if number >= attempts:
        return ToColleague(f"{words}, after {number} call{'s' if number > 1 else ''}")
    if next_window is None:
        return ToColleague(f"{words}, and it ends before they may be called again")
    return CallAgain(number + 1, next_window)


def window_of(customer: Customer, rules: CallRules) -> ContactWindow:
    """When a customer is called: at the hours they stated, else at those of their tier."""
    return customer.window or rules.windows[customer.tier]


def next_window(
    customer: Customer, rules: CallRules, quiet: QuietHours, place: ZoneInfo, *, after: datetime, ends: datetime
) -> datetime | None:
    """When the customer's next window opens on their own clock (in `place`), strictly after an instant.

    None: not before the ending does. A window that quiet hours cover for a while opens when those are over.
    """
    window = window_of(customer, rules)
    opens = window.next_start(after + _NEXT, place)
    hold = hours_hold(rules.basis, Capability.VOICE, window, quiet, place.key, opens)
    at = opens if hold is None else hold.until
    return at if at < ends else None


def call_key(entitlement_ref: str, occurrence: str, number: int) -> str:
    """The key of call `number` (1, 2, …) about an ending."""
    return expiry_key(entitlement_ref, occurrence, "call", number)


def after_call_key(entitlement_ref: str, occurrence: str, number: int) -> str:
    """The key of what call `number` adds to a task that is there already."""
    return expiry_key(entitlement_ref, occurrence, "task", "call", number)
