"""Modes: every way in which the sandbox can be made to misbehave, and its words for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Any


class Meets(Enum):
    """What a fault waits for."""

    WRITES = "write"
    SEARCHES = "search"
    BATCHES = "batch"


class Mode(StrEnum):
    """What a request meets."""

    STATUS_503 = "status_503"
    STATUS_429 = "status_429"
    TIMEOUT_BEFORE = "timeout_before"
    TIMEOUT_AFTER = "timeout_after"
    RESET_AFTER = "reset_after"
    BAD_JSON = "bad_json"
    SLOW = "slow"
    STATUS_500 = "status_500"
    STATUS_502 = "status_502"
    STATUS_504 = "status_504"
    STATUS_500_AFTER = "status_500_after"
    STATUS_401 = "status_401"
    STATUS_403 = "status_403"
    RETRY_AFTER_DATE = "retry_after_date"
    RETRY_AFTER_ABSENT = "retry_after_absent"
    RETRY_AFTER_NEGATIVE = "retry_after_negative"
    RETRY_AFTER_HUGE = "retry_after_huge"
    RETRY_AFTER_GARBAGE = "retry_after_garbage"
    RETRY_AFTER_PAST = "retry_after_past"
    RETRY_AFTER_CENTURY = "retry_after_century"
    RESET_BEFORE = "reset_before"
    RESET_MID_ANSWER = "reset_mid_answer"
    TRUNCATED = "truncated"
    HTML_BEFORE = "html_before"
    HTML_AFTER = "html_after"
    EMPTY = "empty"
    WRONG_ID = "wrong_id"
    OTHER_KEY = "other_key"
    NO_ID = "no_id"
    LATE = "late"
    CONFLICT_EXISTS = "conflict_exists"
    CONFLICT_OTHER = "conflict_other"
    CONFLICT_BUSY = "conflict_busy"
    CONFLICT_UNCLEAR = "conflict_unclear"
    SEARCH_LAG = "search_lag"
    BATCH_SOME_REFUSED = "batch_some_refused"
    BATCH_SOME_LIMITED = "batch_some_limited"
    BATCH_SOME_FAILED_BEFORE = "batch_some_failed_before"
    BATCH_SOME_FAILED_AFTER = "batch_some_failed_after"
    BATCH_CUT = "batch_cut"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """A mode for people: `short` for lists, with `{time}` where its seconds matter; `long` explains."""

    short: str
    long: str
    meets: Meets = Meets.WRITES

    def fields(self) -> dict[str, Any]:
        """As JSON."""
        return {"short": self.short, "long": self.long, "meets": self.meets.value, "timed": "{time}" in self.short}


MODES: Mapping[Mode, Behaviour] = {
    Mode.STATUS_503: Behaviour("refused with 503", "Refuses with 503. Nothing is applied."),
    Mode.STATUS_429: Behaviour(
        "refused with 429, to come back in {time}", "Refuses with 429 and Retry-After in seconds. Nothing is applied."
    ),
    Mode.TIMEOUT_BEFORE: Behaviour(
        "held {time} and dropped, not applied",
        "Holds the connection, then hangs up without a word. Nothing is applied.",
    ),
    Mode.TIMEOUT_AFTER: Behaviour(
        "applied, then held {time} and dropped",
        "Applies the write, holds the connection, then hangs up without a word.",
    ),
    Mode.RESET_AFTER: Behaviour("applied, then the connection reset", "Applies the write, then resets the connection."),
    Mode.BAD_JSON: Behaviour(
        "applied, answered with nonsense", "Applies the write, then answers 200 with a body nobody can read."
    ),
    Mode.SLOW: Behaviour("answered {time} late", "Waits, then answers as if nothing were wrong."),
    Mode.STATUS_500: Behaviour("refused with 500", "Answers 500. Nothing is applied."),
    Mode.STATUS_502: Behaviour("refused with 502", "Answers 502 in HTML, as a proxy does. Nothing is applied."),
    Mode.STATUS_504: Behaviour("refused with 504", "Answers 504 in HTML, as a proxy does. Nothing is applied."),
    Mode.STATUS_500_AFTER: Behaviour("applied, answered 500", "Applies the write, then answers 500."),
    Mode.STATUS_401: Behaviour("refused with 401", "Refuses the credentials as expired. Nothing is applied."),
    Mode.STATUS_403: Behaviour("refused with 403", "Refuses the rights of these credentials. Nothing is applied."),
    Mode.RETRY_AFTER_DATE: Behaviour(
        "refused with 429, to come back at a date {time} from then",
        "Refuses with 429 and Retry-After as an HTTP date. Nothing is applied.",
    ),
    Mode.RETRY_AFTER_ABSENT: Behaviour(
        "refused with 429, never told when to come back", "Refuses with 429 without Retry-After. Nothing is applied."
    ),
    Mode.RETRY_AFTER_NEGATIVE: Behaviour(
        "refused with 429, to come back a minute ago", "Refuses with 429 and Retry-After: -60. Nothing is applied."
    ),
    Mode.RETRY_AFTER_HUGE: Behaviour(
        "refused with 429, to come back in 1e12 s", "Refuses with 429 and a Retry-After of ages. Nothing is applied."
    ),
    Mode.RETRY_AFTER_GARBAGE: Behaviour(
        "refused with 429, to come back soon(ish)", "Refuses with 429 and Retry-After in words. Nothing is applied."
    ),
    Mode.RETRY_AFTER_PAST: Behaviour(
        "refused with 429, to come back in 1994", "Refuses with 429 and a Retry-After long past. Nothing is applied."
    ),
    Mode.RETRY_AFTER_CENTURY: Behaviour(
        "refused with 429, to come back in a hundred years",
        "Refuses with 429 and a Retry-After a hundred years ahead. Nothing is applied.",
    ),
    Mode.RESET_BEFORE: Behaviour(
        "the connection reset, not applied", "Reads the request, then resets the connection. Nothing is applied."
    ),
    Mode.RESET_MID_ANSWER: Behaviour(
        "applied, the connection reset amid the answer", "Applies the write, resets the connection amid the answer."
    ),
    Mode.TRUNCATED: Behaviour(
        "applied, answered with less than promised",
        "Applies the write, then sends less of the answer than its Content-Length says and closes.",
    ),
    Mode.HTML_BEFORE: Behaviour(
        "not applied, answered 200 with a web page", "Answers 200 with a web page. Nothing is applied."
    ),
    Mode.HTML_AFTER: Behaviour(
        "applied, answered 200 with a web page", "Applies the write, then answers 200 with a web page."
    ),
    Mode.EMPTY: Behaviour("applied, answered 200 and nothing", "Applies the write, then answers 200 without a body."),
    Mode.WRONG_ID: Behaviour(
        "applied, answered with another item's id", "Applies the write, then answers with the id of something else."
    ),
    Mode.OTHER_KEY: Behaviour(
        "applied, answered about another key", "Applies the write, then answers about somebody else's key."
    ),
    Mode.NO_ID: Behaviour("applied, answered without an id", "Applies the write, then answers without an id."),
    Mode.LATE: Behaviour(
        "the connection reset, applied {time} later",
        "Resets the connection at once, and applies the write only after a while.",
    ),
    Mode.CONFLICT_EXISTS: Behaviour(
        "applied, answered 409: exists already",
        "Applies the write, then answers 409, code exists, with key and id of what is there.",
    ),
    Mode.CONFLICT_OTHER: Behaviour(
        "refused with 409: another one exists",
        "Answers 409, code exists, about somebody else's key. Nothing is applied.",
    ),
    Mode.CONFLICT_BUSY: Behaviour(
        "refused with 409: busy", "Answers 409, code busy: try again later. Nothing is applied."
    ),
    Mode.CONFLICT_UNCLEAR: Behaviour(
        "applied, answered 409 without a reason", "Applies the write, then answers 409 without saying why."
    ),
    Mode.SEARCH_LAG: Behaviour(
        "blind to the last {time}", "The search misses what came in lately.", meets=Meets.SEARCHES
    ),
    Mode.BATCH_SOME_REFUSED: Behaviour(
        "every other item refused with 422", "Every other item is refused with 422, not applied.", meets=Meets.BATCHES
    ),
    Mode.BATCH_SOME_LIMITED: Behaviour(
        "every other item refused with 429", "Every other item is refused with 429, not applied.", meets=Meets.BATCHES
    ),
    Mode.BATCH_SOME_FAILED_BEFORE: Behaviour(
        "every other item answered 500, not applied",
        "Every other item is answered 500 and not applied.",
        meets=Meets.BATCHES,
    ),
    Mode.BATCH_SOME_FAILED_AFTER: Behaviour(
        "every other item applied and answered 500",
        "All is applied; every other item is answered 500.",
        meets=Meets.BATCHES,
    ),
    Mode.BATCH_CUT: Behaviour(
        "applied, half of the results missing",
        "All is applied; the answer holds half of the results.",
        meets=Meets.BATCHES,
    ),
}
