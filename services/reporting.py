"""What happened and what waits, for people and for machines."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from domain.actions import State
from domain.controls import Stop
from domain.instants import iso
from store import care, controls, differences, fetches, messages, overview
from store.database import Database
from store.fetches import Waiting
from store.inbox import quarantined
from store.review_counts import ReviewCounts, review_counts

LATE_FETCH_SECONDS = 300.0
"""An answer told of so long ago and still not given out is worth a look: its customer may be waiting."""


@dataclass(frozen=True, slots=True)
class Standing:
    """The ledger's standing at one moment."""

    actions: dict[tuple[str, str], int]
    oldest_urgent_seconds: float
    quarantined: int
    messages_waiting: int
    fetching: list[Waiting]
    """Survey answers that were told of and are not here yet, by source."""
    oldest_fetch_seconds: float
    breakers: dict[str, bool]
    stops: tuple[Stop, ...]
    """What is stopped, by whom and why; that of everything first."""
    reviews: ReviewCounts
    oldest_review_seconds: float
    """Since the oldest open review can be decided."""

    @property
    def to_be_fetched(self) -> int:
        """How many survey answers are not here yet."""
        return sum(those.count for those in self.fetching)


def standing(database: Database, *, now: datetime) -> Standing:
    """Counts only, in one consistent read."""
    with database.read() as connection:
        oldest = overview.oldest_urgent_due(connection, now)
        fetching = fetches.waiting(connection)
        reviews = review_counts(connection, now)
        return Standing(
            actions=overview.open_counts(connection),
            oldest_urgent_seconds=_age(oldest, now),
            quarantined=quarantined(connection),
            messages_waiting=messages.waiting_count(connection),
            fetching=fetching,
            oldest_fetch_seconds=_age(min((those.since for those in fetching), default=None), now),
            breakers=overview.breakers(connection),
            stops=controls.standing(connection),
            reviews=reviews,
            oldest_review_seconds=_age(reviews.oldest_at, now),
        )


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())


def list_actions(database: Database, states: list[State], *, limit: int = 200) -> list[dict[str, Any]]:
    """Actions, newest first, as the command and pages show them."""
    with database.read() as connection:
        return [summary(row) for row in overview.listed(connection, states, limit=limit)]


def list_cases(database: Database, *, solved_too: bool = False, limit: int = 200) -> list[dict[str, Any]]:
    """Cases as the command and pages show them: the open ones, the oldest first; or all."""
    with database.read() as connection:
        listed = care.listed(connection, solved_too=solved_too, limit=limit)
        return [{**case(row), "answer_due": iso(row.due)} for row in listed]


def list_differences(database: Database) -> list[dict[str, Any]]:
    """What our books and the ticket desk do not agree on, the oldest first."""
    with database.read() as connection:
        return [
            {"subject": row.subject, "what": row.what, "detail": row.detail, "since": iso(row.found_at)}
            for row in differences.listed(connection)
        ]


def case(row: Any) -> dict[str, Any]:
    """A case, as lists and stories show it; the ticket's status and owner as the desk last told them."""
    return {
        "case": f"{row.ref}-{row.number}",
        "customer": row.ref,
        "state": row.state,
        "reason": row.reason,
        "team": row.team,
        "priority": row.priority,
        "opened_at": iso(row.reopened_at or row.opened_at),
        "answer_by": iso(row.answer_by),
        "answered_at": iso(row.answered_at),
        "ticket": row.desk_status,
        "owner": row.assignee,
        "last_word_by": row.last_word_by,
        "read_at": iso(row.desk_read_at),
        "solved_at": iso(row.solved_at),
    }


def summary(row: Any) -> dict[str, Any]:
    """An action, as lists and stories show it."""
    return {
        "key": row.key,
        "kind": row.kind,
        "basis": row.basis,
        "capability": row.capability,
        "state": row.state,
        "reason": row.reason,
        "due_at": iso(row.due_at),
        "attempts": row.attempts,
        "resends": row.resends,
        "planned_by": row.planned_by,
        "dispatched_by": row.dispatched_by,
        "verified_by": row.verified_by,
        "updated_at": iso(row.updated_at),
    }
