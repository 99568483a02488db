"""What follows from reviews by themselves: gathered ones are sealed, late ones expire, decisions reach their actions.

All of it in small transactions, each of which leaves things as they may stay: who dies anywhere, or does it twice, or
beside another, changes nothing that the next round does not put right.
"""

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Row, literal, select, update

from domain.actions import State
from domain.policy import Policy
from domain.review_rules import Risk
from domain.reviews import BY_ITSELF, Stand, deadline_of
from services.canary import is_going_out, release
from store import review_edits, review_members, review_sealing, review_votes
from store.crash_points import reached
from store.database import Database
from store.ledger.rows import reviews
from store.pages import in_steps

_log = logging.getLogger("services.reviews")

_CHUNK = 200
"""Actions a transaction: on SQLite that holds the lock for some 10 ms."""

_LOOK = 2_000
"""Actions whose facts are compared by one query."""

_TRIES = 3
"""How often one review is counted anew in a round because its actions are just leaving it."""

_UNFINISHED = (
    select(reviews.c.id, reviews.c.state, reviews.c.deadline, reviews.c.subject, reviews.c.decided_by, reviews.c.reason)
    .where(reviews.c.finished_at.is_(None), reviews.c.state != literal(Stand.COLLECTING))
    .order_by(reviews.c.id)
)


def seal_gathered(database: Database, policy: Policy, *, now: datetime) -> list[int]:
    """Seal every review that need not wait for more; which people may decide from now on."""
    with database.read() as connection:
        waiting = review_sealing.gathered(connection, now=now)
    return [review_id for review_id in waiting if seal(database, policy, review_id, now=now)]


def settle_reviews(
    database: Database, policy: Policy, *, run: str, now: datetime, is_thorough: bool = True
) -> list[str]:
    """One round over all reviews that are not finished; what it did, in words.

    A thorough one compares what every waiting action rests on with today's facts as well, which costs some microseconds
    for each; the others find that out when they are armed.
    """
    lines = [f"review {review_id}: people may decide" for review_id in seal_gathered(database, policy, now=now)]
    with database.read() as connection:
        unfinished = connection.execute(_UNFINISHED).all()
    for row in unfinished:
        try:
            lines += [f"review {row.id}: {what}" for what in _settled(database, policy, row, run, now, is_thorough)]
        except Exception as problem:  # one review must not keep the others waiting; the next round comes again
            _log.exception("review %s could not be settled", row.id)
            lines.append(f"review {row.id}: not settled yet: {type(problem).__name__}")
    return lines


def seal(database: Database, policy: Policy, review_id: int, *, now: datetime) -> bool:
    """Close a review, bring to its actions what somebody changed, count it, open it; True when people may decide.

    The deadline is counted from when it opens first; what was changed later does not give it more time.
    """
    with database.write("close-review") as connection:
        review_sealing.close(connection, review_id, now=now)
    _apply_edits(database, review_id, now)
    for _ in range(_TRIES):
        with database.read() as connection:
            risk = connection.execute(select(reviews.c.risk).where(reviews.c.id == review_id)).scalar_one_or_none()
            if risk is None:
                return False
            counted = review_sealing.count(connection, review_id)
        reached("seal.counted")
        deadline = deadline_of(policy.reviews.classes[Risk(risk)], policy.staffing, now)
        with database.write("open-review") as connection:
            stand = review_sealing.open_counted(connection, review_id, counted, deadline=deadline, now=now)
        if stand is not None:
            return stand is Stand.OPEN
    return False


def _apply_edits(database: Database, review_id: int, now: datetime) -> None:
    with database.read() as connection:
        waiting = review_edits.pending(connection, review_id)
    if waiting is None:
        return
    by, edits = waiting
    for one in edits:
        is_any_left = True
        while is_any_left:
            with database.write("apply-edit") as connection:
                changed = review_edits.apply(connection, review_id, one, by=by, now=now, limit=_CHUNK)
            is_any_left = changed == _CHUNK


def _settled(
    database: Database, policy: Policy, row: Row[Any], run: str, now: datetime, is_thorough: bool
) -> Iterator[str]:
    """What was done about one review."""
    stand = Stand(row.state)
    if stand is Stand.OPEN and now >= row.deadline and _expire(database, row.id, now):
        stand = Stand.EXPIRED
        yield "nobody decided in time: nothing of it is done"
    is_looked_at = is_thorough and stand in {Stand.OPEN, Stand.APPROVED}
    if is_looked_at and (gone := _send_stale_back(database, row.id, run, now)):
        yield f"{gone} to be planned anew: their facts had changed"
    match stand:
        case Stand.OPEN:
            if row.subject == "actions" and _supersede(database, row.id, now):
                yield "nothing is left of it"
            return
        case Stand.APPROVED:
            yield from release(database, policy, row.id, run=run, now=now, is_thorough=is_thorough)
            if is_going_out(database, policy, row.id):
                return
        case Stand.REJECTED:
            words = f"rejected by {row.decided_by} in review {row.id}: {row.reason}"
            if withdrawn := _end_all(database, row.id, State.CANCELLED, words, run, now):
                yield f"{withdrawn} cancelled"
        case Stand.EXPIRED:
            words = f"nobody decided about review {row.id} in time"
            if expired := _end_all(database, row.id, State.EXPIRED, words, run, now):
                yield f"{expired} expired"
    if _finish(database, row.id, now):
        yield "finished"


def _expire(database: Database, review_id: int, now: datetime) -> bool:
    with database.write("expire-review") as connection:
        row = review_votes.lock(connection, review_id)
        if row is None or row.state != Stand.OPEN or now < row.deadline:
            return False  # somebody decided in the last moment
        review_votes.decide(connection, row, Stand.EXPIRED, by=BY_ITSELF, reason="nobody decided in time", now=now)
        return True


def _supersede(database: Database, review_id: int, now: datetime) -> bool:
    with database.read() as connection:
        if review_members.is_any_waiting(connection, review_id):
            return False
    with database.write("supersede-review") as connection:
        row = review_votes.lock(connection, review_id)
        if row is None or row.state != Stand.OPEN or review_members.is_any_waiting(connection, review_id):
            return False
        review_votes.decide(connection, row, Stand.SUPERSEDED, by=BY_ITSELF, reason="nothing is left of it", now=now)
        connection.execute(update(reviews).where(reviews.c.id == review_id).values(finished_at=now))
        return True


def _send_stale_back(database: Database, review_id: int, run: str, now: datetime) -> int:
    """`awaiting_review → planned` for those whose facts are not those that are shown."""
    sent = after = 0
    while True:
        with database.read() as connection:
            page = review_members.waiting(connection, review_id, after=after, limit=_LOOK)
            changed = review_members.stale(connection, [one.id for one in page])
        by_facts: dict[tuple[str, ...], list[int]] = {}
        for action_id, facts in changed.items():
            by_facts.setdefault(facts, []).append(action_id)
        for facts, ids in by_facts.items():
            words = f"changed while it waited for review {review_id}: {', '.join(facts)}"
            for chunk in in_steps(database, ids, _CHUNK):
                with database.write("stale-members") as connection:
                    moved = review_members.move(
                        connection, review_id, chunk, State.PLANNED, reason=words, by=run, now=now
                    )
                sent += len(moved)
        if len(page) < _LOOK:
            return sent
        after = page[-1].id


def _end_all(database: Database, review_id: int, state: State, words: str, run: str, now: datetime) -> int:
    """Whatever of a review is not out yet ends here, what was let go already as well."""
    ended = 0
    while True:
        with database.write("end-members") as connection:
            moved = review_members.end(connection, review_id, state, reason=words, by=run, now=now, limit=_CHUNK)
        ended += moved
        if moved < _CHUNK:
            return ended


def _finish(database: Database, review_id: int, now: datetime) -> bool:
    with database.read() as connection:
        if review_members.is_any_waiting(connection, review_id):
            return False
    with database.write("finish-review") as connection:
        done = update(reviews).where(reviews.c.id == review_id, reviews.c.finished_at.is_(None))
        return connection.execute(done.values(finished_at=now)).rowcount == 1
