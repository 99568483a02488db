"""Calls about endings: how they end, and what follows."""

from enum import StrEnum


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
