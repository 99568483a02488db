"""A review of many actions: opened, its first page shown, decided, brought to its actions; on SQLite and PostgreSQL.

Each size runs in a process of its own, so that its memory is its own: `memory_peak_mb` at ten thousand and at a hundred
thousand says whether it is flat. Beside it the bare limit: one query over the same actions, counted and hashed by
hand, and nothing written. `longest_hold_ms` is the longest transaction of ours, with its commit, and with SQLite's
checkpoint after it; how long others wait is what the small writes of another process took. One JSON line each.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from _databases import new_database_of
from _small_writes import small_writes
from _worker import peak_mb
from sqlalchemy import Connection, text

from data_contracts.policy import load_policy
from domain.actions import Basis, Capability, Kind
from domain.customers import Customer
from domain.planning import Payload, PlannedAction
from domain.policy import Policy
from domain.review_rules import Risk, Rule, Way
from domain.reviews import Decision, Reason, Stand, Voter
from domain.risk import Ask
from services.auditing import verify_chain
from services.canary import release
from services.review_reading import summary_of
from services.reviews import vote
from services.reviews_settling import seal_gathered, settle_reviews
from services.settings import ROOT
from store import customers, review_pages
from store.database import Database
from store.ledger.enqueue import About, enqueue_all
from store.migrate import upgrade

NOW = datetime(2026, 3, 4, 11, tzinfo=UTC)
PAGE = 50
_FILLED = 1_000
_ROWS = 5_000
_FIRST = 10


def main() -> None:
    """Measure what the options ask for."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000])
    options.add_argument("--databases", nargs="*", default=["sqlite", "postgresql"])
    options.add_argument("--measure", nargs=2, metavar=("URL", "SIZE"), help=argparse.SUPPRESS)
    asked = options.parse_args()
    if asked.measure:
        sys.stdout.write(json.dumps(_measured(asked.measure[0], int(asked.measure[1]))) + "\n")
        return
    for kind in asked.databases:
        for size in asked.sizes:
            with new_database_of(kind) as url:
                _fill(url, size)
                again = [sys.executable, __file__, "--measure", url, str(size)]
                done = subprocess.run(again, check=True, stdout=subprocess.PIPE, text=True)
                told = {"benchmark": "review", "database": kind, **json.loads(done.stdout)}
                sys.stdout.write(json.dumps(told) + "\n")
                sys.stdout.flush()


def _fill(url: str, size: int) -> None:
    """So many customers' messages wait in one review that is still collecting."""
    database = Database(url)
    upgrade(database)
    ask = Ask("journey/onboarding/welcome", (Rule.MANY_CUSTOMERS,), Risk.HIGH, 2, 0)
    for first in range(0, size, _FILLED):
        with database.write("fill") as connection:
            people = [_customer(number) for number in range(first, min(first + _FILLED, size))]
            customers.create_all(connection, people, now=NOW)
            ids = dict(
                connection.execute(
                    text("SELECT ref, id FROM customers ORDER BY id DESC LIMIT :n"), {"n": _FILLED}
                ).all()
            )
            plans = [(_plan(who.ref, ask), About(customer_id=ids[who.ref])) for who in people]
            enqueue_all(connection, plans, run="planner", now=NOW)
    with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
    database.close()


def _customer(number: int) -> Customer:
    language = ("pl", "cs", "en")[number % 3]
    return Customer(f"CUST-{number:07}", email=f"c{number}@example.com", language=language, time_zone="Europe/Warsaw")


def _plan(ref: str, ask: Ask) -> PlannedAction:
    return PlannedAction(
        key=f"journey/onboarding/{ref}/welcome",
        kind=Kind.MESSAGE,
        basis=Basis.SERVICE,
        capability=Capability.MAIL,
        payload=Payload("journey-step/1", {"journey": "onboarding", "step": "welcome", "links": {}, "wordings": {}}),
        due_at=NOW,
        facts=frozenset({"customer"}),
        ask=ask,
    )


def _measured(url: str, size: int) -> dict[str, Any]:
    database, policy = Database(url), _policy()
    started = peak_mb()
    holds: list[float] = []
    _watch(database, holds)
    bare, hashed = _timed(lambda: _bare(database))
    opened, [review_id] = _timed(lambda: seal_gathered(database, policy, now=NOW))
    open_hold = max(holds)
    shown, page = _timed(lambda: _first_page(database, policy, review_id))
    seen, now = page["hash"], NOW + timedelta(minutes=5)
    assert (page["count"], page["members"], seen) == (size, min(PAGE, size), hashed)
    first, standing = _timed(lambda: _vote(database, policy, review_id, "Ewa Lis", seen, now))
    assert standing is Stand.OPEN
    decided, standing = _timed(lambda: _vote(database, policy, review_id, "Jan Nowak", seen, now))
    assert standing is Stand.APPROVED
    memory = peak_mb()
    holds.clear()
    # A few go first, and are over; then all others at once, as in the last stage; then the look that would halt them.
    policy = _in_two_steps(policy)
    first_stage = settle_reviews(database, policy, run="bench", now=now)
    assert f"review {review_id}: {_FIRST} let go" in first_stage
    with database.write() as connection:
        connection.execute(text("UPDATE actions SET state = 'cancelled' WHERE state = 'ready'"))
    holds.clear()
    with small_writes(url) as small:
        settled, _ = _timed(lambda: settle_reviews(database, policy, run="bench", now=now))
    release_hold = max(holds)
    looked, said = _timed(lambda: list(release(database, policy, review_id, run="bench", now=now)))
    assert said == []
    with database.read() as connection:
        let_go = connection.execute(text("SELECT count(*) FROM actions WHERE state = 'ready'")).scalar_one()
    assert let_go == size - _FIRST
    audited, audit = _timed(lambda: verify_chain(database))
    assert audit.touched == ()
    database.close()
    return {
        "actions": size,
        "opened_seconds": opened,
        "first_page_seconds": shown,
        "decided_seconds": max(first, decided),
        "bare_count_and_hash_seconds": bare,
        "longest_hold_ms": round(1000 * open_hold, 1),
        "settled_seconds": settled,
        "let_go_per_second": round(size / settled),
        "settling_longest_hold_ms": round(1000 * release_hold, 1),
        "small_writes_meanwhile": small(),
        "looked_at_while_going_out_seconds": looked,
        "audited_seconds": audited,
        "memory_before_mb": started,
        "memory_peak_mb": memory,
        "memory_peak_with_settling_mb": peak_mb(),
    }


def _policy() -> Policy:
    path = ROOT / "deployments" / "policy.yaml"
    return load_policy(path.read_text(encoding="utf-8"), str(path))


def _in_two_steps(policy: Policy) -> Policy:
    canary = replace(policy.reviews.canary, steps=(_FIRST,), minutes=0)
    return replace(policy, reviews=replace(policy.reviews, canary=canary))


def _watch(database: Database, holds: list[float]) -> None:
    """Note how long each of our writing transactions is open."""
    write = database.write

    @contextmanager
    def timed(name: str = "write") -> Iterator[Connection]:
        with write(name) as connection:
            began = time.perf_counter()
            yield connection
        holds.append(time.perf_counter() - began)

    database.write = timed  # type: ignore[method-assign]


def _timed(what: Callable[[], Any]) -> tuple[float, Any]:
    began = time.perf_counter()
    found = what()
    return round(time.perf_counter() - began, 3), found


def _bare(database: Database) -> str:
    """What cannot be had for less: the rows read by the driver alone, counted and hashed."""
    asked, count = hashlib.sha256(), 0
    wanted = "SELECT key, reviewed_hash FROM actions WHERE review_id = 1 ORDER BY id"
    with database.read() as connection:
        cursor = connection.exec_driver_sql(wanted, execution_options={"stream_results": True, "max_row_buffer": _ROWS})
        while rows := cursor.fetchmany(_ROWS):
            asked.update("".join(f"{key}\n{hashed}\n" for key, hashed in rows).encode())
            count += len(rows)
    return asked.hexdigest()


def _first_page(database: Database, policy: Policy, review_id: int) -> dict[str, Any]:
    """What a review's page reads: the queue, the review in words, and its first actions."""
    with database.read() as connection:
        [row] = review_pages.waiting(connection, limit=PAGE)
        told = summary_of(connection, row, policy)
        members = review_pages.members(connection, review_id, review_pages.Chosen(), limit=PAGE)
    return {"count": told.count, "members": len(members), "hash": told.payload_hash}


def _vote(database: Database, policy: Policy, review_id: int, who: str, seen: str, now: datetime) -> Stand:
    return vote(
        database,
        policy,
        review_id,
        reviewer=Voter(who, frozenset({"lead", "on_call"})),
        decision=Decision.APPROVE,
        payload_hash=seen,
        reason=Reason.AS_INTENDED,
        way=Way.PAGE,
        now=now,
    ).stand


if __name__ == "__main__":
    main()
