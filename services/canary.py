"""What was approved in bulk goes out in stages, and stops by itself when too much of it goes wrong (`domain.canary`).

Everything is done in small transactions under the review's lock, each of which leaves things as they may stay: who dies
anywhere, or works beside another, lets go no more than the stage that was begun allows.
"""

import time
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row

from domain.actions import State
from domain.canary import Halt, Progress, ReleaseMore, Seen, Wait, is_watched, next_step
from domain.policy import Policy
from domain.review_rules import CanaryRules
from domain.reviews import BY_ITSELF, Stand
from store import canary, chain, review_members, review_votes
from store.chain import Subject
from store.crash_points import reached
from store.database import Database
from store.pages import Pace, in_steps

_HOLD_SECONDS = 0.02
"""How long one transaction holds SQLite's lock, about."""

_MOST = 500
"""Actions one transaction lets go: of 2,000 the commit alone may take 0.1 s, under SQLite's lock."""

_AT_ONCE = 1_000
"""Actions that one transaction makes due after a halt."""


def release(
    database: Database, policy: Policy, review_id: int, *, run: str, now: datetime, is_thorough: bool = True
) -> Iterator[str]:
    """Let go what an approved review may let go now, or stop it; what was done, in words.

    Those due first go first, then the others in the order of their ids. It only makes them ready: rates, caps and hours
    hold for them as for all. A round that is not thorough leaves out to look at what the last stage came to, which
    costs a microsecond for each of its actions.
    """
    rules = policy.reviews.canary
    with database.read() as connection:
        row = canary.review(connection, review_id)
        if row is None or not _goes(row) or not _is_worth_a_look(connection, row, rules, is_thorough):
            return
        pending, became = canary.look(connection, review_id)
        progress = _progress(connection, row, rules, pending, became, now)
    accepted = Seen(**row.accepted)
    still = accepted.still(became)
    if still != accepted:
        _excuse_less(database, row, still)
        return  # the next round goes on
    match next_step(progress, rules):
        case Halt(reason):
            if _halt(database, row, progress.seen, reason, now):
                yield f"stopped: {reason}"
        case Wait(_, is_half_over):
            if not is_half_over:
                _keep_waiting(database, row, now)
        case ReleaseMore(stage, up_to):
            reached("release.decided")
            if stage == row.stage or _begin(database, row, stage, now):
                gone = _let_go(database, review_id, stage, up_to, run, now)
                if gone:
                    yield f"{gone} let go"


def is_going_out(database: Database, policy: Policy, review_id: int) -> bool:
    """True while an approved review that is watched has let go what is neither sent nor ended."""
    rules = policy.reviews.canary
    with database.read() as connection:
        row = canary.review(connection, review_id)
        if row is None or not is_watched(row.released, rules):
            return False
        return canary.is_any_pending(connection, review_id)


def seen(database: Database, review_id: int) -> dict[str, int]:
    """What became of what a review has let go, as `reviews.accepted` keeps it."""
    with database.read() as connection:
        return asdict(canary.look(connection, review_id)[1])


def free(database: Database, review_id: int, *, by: str, now: datetime) -> int:
    """What a halt had put off is due now; how many."""
    with database.read() as connection:
        waiting = canary.put_off(connection, review_id)
    freed = 0
    for ids in in_steps(database, waiting, _AT_ONCE):
        with database.write("free") as connection:
            freed += canary.free(connection, review_id, ids, by=by, now=now)
    return freed


def _goes(row: Row[Any]) -> bool:
    return row.state == Stand.APPROVED and row.halted_at is None


def _is_worth_a_look(connection: Connection, row: Row[Any], rules: CanaryRules, is_thorough: bool) -> bool:
    """False of the last stage once all of it was let go, in a round that is not thorough."""
    return is_thorough or row.stage <= len(rules.steps) or review_members.is_any_waiting(connection, row.id)


def _progress(
    connection: Connection, row: Row[Any], rules: CanaryRules, pending: int, became: Seen, now: datetime
) -> Progress:
    return Progress(
        stage=row.stage,
        released=row.released,
        waiting=len(review_members.waiting(connection, row.id, limit=rules.steps[0] + 1)),
        pending=pending,
        seen=became.since(Seen(**row.accepted)),
        minutes=0 if row.stage_at is None else (now - row.stage_at) / timedelta(minutes=1),
    )


def _halt(database: Database, row: Row[Any], became: Seen, reason: str, now: datetime) -> bool:
    with database.write("halt-release") as connection:
        if not _is_as_seen(connection, row):
            return False
        canary.change(connection, row.id, halted_at=now, halted_reason=reason)
        chain.append(connection, Subject.REVIEW, row.id, "halted", by=BY_ITSELF, at=now, detail=asdict(became))
        return True


def _excuse_less(database: Database, row: Row[Any], left: Seen) -> None:
    """Some of what a reviewer went on in spite of is well by now."""
    with database.write("excuse-less") as connection:
        if _is_as_seen(connection, row):
            canary.change(connection, row.id, accepted=asdict(left))


def _keep_waiting(database: Database, row: Row[Any], now: datetime) -> None:
    """The minutes have not begun."""
    with database.write("canary-waits") as connection:
        if _is_as_seen(connection, row):
            canary.change(connection, row.id, stage_at=now)


def _begin(database: Database, row: Row[Any], stage: int, now: datetime) -> bool:
    with database.write("begin-stage") as connection:
        if not _is_as_seen(connection, row):
            return False
        canary.change(connection, row.id, stage=stage, stage_at=now)
    reached("release.begun")
    return True


def _is_as_seen(connection: Connection, row: Row[Any]) -> bool:
    """True when nobody was faster; the row stays so until commit."""
    held = review_votes.lock(connection, row.id)
    return held is not None and _goes(held) and (held.stage, held.accepted) == (row.stage, row.accepted)


def _let_go(database: Database, review_id: int, stage: int, up_to: int | None, run: str, now: datetime) -> int:
    """Up to so many altogether: nobody counts but under the lock."""
    gone, after, pace = 0, 0, Pace(_HOLD_SECONDS, first=100, smallest=10, largest=_MOST)
    while True:
        chosen = None
        if up_to is not None:  # few: those due first
            with database.read() as connection:
                chosen = canary.first(connection, review_id, limit=min(up_to, pace.size))
        begun = time.monotonic()
        with database.write("release") as connection:
            row = review_votes.lock(connection, review_id)
            if row is None or not _goes(row) or row.stage != stage:
                return gone
            room = pace.size if up_to is None else min(pace.size, up_to - row.released)
            if chosen is None:
                chosen = [one.id for one in review_members.waiting(connection, review_id, after=after, limit=room)]
            page = chosen[: max(0, room)]
            after = page[-1] if page else after  # PostgreSQL would read past all that have moved, again and again
            moved = review_members.move(connection, review_id, page, State.READY, reason=None, by=run, now=now)
            canary.change(connection, review_id, released=row.released + len(moved))
        reached("release.let-go")
        took = time.monotonic() - begun
        pace.took(len(page), took)
        gone += len(moved)
        if len(page) < room or room <= 0:
            return gone
        if database.is_sqlite:
            time.sleep(took)  # others get their turn
