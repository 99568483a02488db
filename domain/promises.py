"""Promises: a time told to a customer, and whether a person answered by then."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum


class PromiseState(StrEnum):
    """What came of a promise."""

    OPEN = "open"  # its time is still to come, or nobody could look
    KEPT = "kept"  # a person answered by then
    BROKEN = "broken"  # nobody did
    EXCUSED = "excused"  # the customer released us, or it became impossible through no fault of ours


@dataclass(frozen=True, slots=True)
class Promise:
    """One time told in one acknowledgement that went out. `answer` is what it acknowledged: (source, response), or
    ("message", its key)."""

    answer: tuple[str, str]
    made_at: datetime
    answer_by: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """What the ticket desk, or a colleague, let us know of a case."""

    answered_at: datetime | None  # when a person last answered the customer
    looked_at: datetime | None  # when the desk last told
    is_at_desk: bool  # its ticket arrived there
    is_erased: bool  # the customer was erased


@dataclass(frozen=True, slots=True)
class Settled:
    """A promise's end, and why."""

    state: PromiseState
    reason: str


def settle(promise: Promise, seen: Seen, *, tolerance: timedelta, now: datetime) -> Settled | None:
    """What came of it; None while that cannot be known.

    A desk that says nothing of the time is believed to the `tolerance` with which we look at it. While its time has
    passed and nobody could look, a promise stays open: silence of the desk proves nothing either way.
    """
    if seen.is_erased:
        return Settled(PromiseState.EXCUSED, "the customer was erased")
    answered = seen.answered_at if seen.answered_at is not None and seen.answered_at >= promise.made_at else None
    if answered is not None and answered <= promise.answer_by + tolerance:
        return Settled(PromiseState.KEPT, f"answered {_utc(answered)}")
    if now <= promise.answer_by + tolerance:
        return None
    if answered is not None:
        return Settled(PromiseState.BROKEN, f"answered {_utc(answered)}, later than told")
    if not seen.is_at_desk:
        return Settled(PromiseState.BROKEN, "its ticket had not reached the desk")
    if seen.looked_at is not None and seen.looked_at > promise.answer_by:
        return Settled(PromiseState.BROKEN, "nobody had answered by then")
    return None


def _utc(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC"
