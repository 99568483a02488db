"""Whoever touches a row behind the chain's back is found: each column, one by one, on both databases."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from ledger_world import NOON, empty
from review_world import EWA, JAN, OLA, Reviews, an_ask
from sqlalchemy import Connection, delete, insert, select, update

from domain.controls import EVERYTHING, Part, Scope
from domain.review_rules import Risk
from domain.reviews import Decision
from services.auditing import verify_chain
from services.controls import start, stop
from store import chain as chains
from store.chain import Subject
from store.chain_check import Touched
from store.database import Database
from store.ledger.rows import actions, chain, chain_head, controls, review_votes, reviews
from store.tables import metadata

_TRIGGERS = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = 'chain'"


@contextmanager
def behind_its_back(database: Database) -> Iterator[Connection]:
    """A transaction of somebody who has turned the chain's triggers off."""
    with database.write() as connection:
        kept: list[str] = []
        if database.is_sqlite:
            kept = list(connection.exec_driver_sql(_TRIGGERS).scalars())
            for name in re.findall(r"TRIGGER (\w+)", " ".join(kept)):
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        yield connection
        for trigger in kept:
            connection.exec_driver_sql(trigger)


@pytest.fixture
def world(database: Database) -> Reviews:
    """Everything that can happen to reviews has happened: review 1 approved, 2 rejected, 3 open with an exclusion."""
    world = Reviews(database)
    approved = world.asked(3, an_ask(Risk.HIGH))
    world.vote(approved, JAN)
    world.exclude(approved, "m-2", who=OLA)
    world.vote(approved, EWA, comment="looks fine")
    world.vote(approved, OLA)
    world.settle()
    rejected = world.asked(2, first=4)
    world.vote(rejected, JAN, Decision.REJECT)
    world.settle()
    waiting = world.asked(3, first=6)
    world.bump(world.row("m-7").customer_id)
    world.settle()
    stop(database, EVERYTHING, by="Ewa Lis", reason="a test", now=NOON)
    with database.write() as connection:
        reviewer = {"name": "Ewa Lis", "roles": ["lead"], "secret": "S", "added_at": NOON, "added_by": "t"}
        connection.execute(insert(metadata.tables["reviewers"]).values(**reviewer))
        detail = {"roles": ["lead"]}
        chains.append(connection, Subject.REVIEWER, "Ewa Lis", "added", by="t", at=NOON, detail=detail)
    assert [approved, rejected, waiting] == ids(world)
    return world


def ids(world: Reviews) -> list[int]:
    """The reviews, the oldest first."""
    return [row.id for row in world.rows("reviews")]


def touched(world: Reviews) -> list[tuple[str, str]]:
    return [(one.table, one.id) for one in verify_chain(world.database).touched]


def test_what_nobody_touched_is_whole(world: Reviews) -> None:
    found = verify_chain(world.database)
    assert found.touched == ()
    assert (found.entries, found.reviews) == (len(world.rows("chain")), 3)


def test_stops_of_parts_are_whole_too(world: Reviews) -> None:
    for what in (stop, start):
        for part in (Part(Scope.JOB, "expiry-detection"), EVERYTHING, Part(Scope.KIND, "call")):
            what(world.database, part, by="Ewa Lis", reason="a test", now=NOON)
            assert touched(world) == []


def test_an_empty_chain_is_whole(database: Database) -> None:
    assert verify_chain(database).touched == ()


OTHER: dict[str, Any] = {
    "state": "expired",
    "risk": "low",
    "payload_hash": "0" * 64,
    "initiator": "somebody",
    "reviewers_needed": 1,
    "deadline": NOON + timedelta(days=9),
    "decided_at": NOON + timedelta(microseconds=1),
    "decided_by": "Adam Gość",
    "subject": "wording",
    "what": "journey/onboarding/other",
    "rules": ["hardship"],
    "revision": 7,
    "count": 99,
    "reason": "somebody else's",
    "halted_at": NOON,
}


@pytest.mark.parametrize("column", sorted(OTHER))
def test_a_review_that_was_touched_is_named(world: Reviews, column: str) -> None:
    review = ids(world)[0]
    with world.database.write() as connection:
        connection.execute(update(reviews).where(reviews.c.id == review).values({column: OTHER[column]}))
    [found] = [one for one in verify_chain(world.database).touched if one.table == "reviews"]
    assert (found.id, found.what.split(" is ")[0]) == (str(review), column)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("review_id", None),
        ("reviewer", "Adam Gość"),
        ("decision", "reject"),
        ("payload_hash", "0" * 64),
        ("revision", 9),
        ("reason", "another reason"),
        ("comment", "looks bad"),
        ("way", "link"),
        ("at", NOON + timedelta(microseconds=1)),
        ("voided_at", NOON + timedelta(seconds=1)),
    ],
)
def test_a_vote_that_was_touched_is_named(world: Reviews, column: str, value: Any) -> None:
    with world.database.write() as connection:
        value = ids(world)[1] if column == "review_id" else value
        vote = connection.execute(select(review_votes.c.id).where(review_votes.c.comment.is_not(None))).scalar_one()
        connection.execute(update(review_votes).where(review_votes.c.id == vote).values({column: value}))
    [found] = verify_chain(world.database).touched
    assert (found.table, found.id, found.what.split(" is ")[0]) == ("review_votes", str(vote), column)


@pytest.mark.parametrize(
    ("column", "value"),
    [("stopped", False), ("reason", "another"), ("by", "Adam Gość"), ("at", NOON + timedelta(1)),
     ("stops", [{"scope": "job"}])],
)  # fmt: skip
def test_a_kill_switch_that_was_touched_is_named(world: Reviews, column: str, value: Any) -> None:
    with world.database.write() as connection:
        connection.execute(update(controls).values({column: value}))
    [found] = verify_chain(world.database).touched
    assert (found.table, found.what.split(" is ")[0]) == ("controls", column)


@pytest.mark.parametrize("key", ["m-1", "m-2", "m-4", "m-6"])
@pytest.mark.parametrize(
    "values",
    [
        {"reviewed_hash": "0" * 64},
        {"reviewed_hash": None},
        {"payload_hash": "0" * 64},
        {"payload": {"schema": "task/1", "template": None, "template_hash": None, "params": {"says": "more"}}},
    ],
    ids=lambda values: next(iter(values)),
)
def test_an_action_that_was_touched_is_named(world: Reviews, key: str, values: dict[str, Any]) -> None:
    with world.database.write() as connection:
        connection.execute(update(actions).where(actions.c.key == key).values(values))
    found = verify_chain(world.database).touched
    assert {(one.table, one.id) for one in found} == {("actions", str(world.row(key).id))}


@pytest.mark.parametrize("key", ["m-1", "m-2", "m-4", "m-6", "m-8"])
def test_one_whose_hashes_were_all_made_anew_is_found_in_its_review(world: Reviews, key: str) -> None:
    payload = {**world.row(key).payload, "params": {"says": "something else"}}
    hashed = chains.payload_hash(payload)
    values = {"payload": payload, "payload_hash": hashed, "reviewed_hash": hashed}
    with world.database.write() as connection:
        connection.execute(update(actions).where(actions.c.key == key).values(values))
    assert touched(world) == [("reviews", str(world.row(key).review_id))]


def test_one_that_was_smuggled_in_or_taken_out_is_found(world: Reviews) -> None:
    approved, _, waiting = ids(world)
    world.change("m-6", review_id=approved)
    assert touched(world) == [("reviews", str(approved)), ("reviews", str(waiting))]


def test_one_that_went_out_although_nobody_had_approved_it_is_found(world: Reviews) -> None:
    for state in ("ready", "claimed", "sending", "done"):
        world.change("m-6", state=state)
    assert [one.what for one in verify_chain(world.database).touched] == ["m-6: it is done, and nobody has approved it"]


def test_rows_that_are_gone_or_came_from_nowhere_are_named(world: Reviews) -> None:
    approved, rejected, waiting = ids(world)
    with world.database.write() as connection:
        [vote] = connection.execute(
            insert(review_votes)
            .values(review_id=waiting, reviewer="Ewa Lis", decision="approve", payload_hash="x", revision=1)
            .values(reason="as intended", way="page", at=NOON)
            .returning(review_votes.c.id)
        ).scalars()
        gone = connection.execute(select(review_votes.c.id).where(review_votes.c.review_id == rejected)).scalar_one()
        connection.execute(delete(review_votes).where(review_votes.c.id == gone))
        row = {**dict(world.review_row(approved)._mapping), "id": 10**9}
        connection.execute(insert(reviews).values(row))
        connection.execute(delete(metadata.tables["reviewers"]))
    assert sorted(touched(world)) == sorted(
        [("review_votes", str(vote)), ("review_votes", str(gone)), ("reviews", str(10**9)), ("reviewers", "Ewa Lis")]
    )


@pytest.mark.parametrize("column", [column.name for column in chain.c])
def test_an_entry_that_was_touched_is_named(world: Reviews, column: str) -> None:
    other: dict[str, Any] = {
        "id": 1000, "at": NOON + timedelta(microseconds=1), "detail": {"vote": 1}, "subject": "control",
    }  # fmt: skip
    with behind_its_back(world.database) as connection:
        connection.execute(update(chain).where(chain.c.id == 3).values({column: other.get(column, "touched")}))
    found = touched(world)
    assert found[0] in {("chain", "3"), ("chain", "4")}
    if column not in {"id", "hash"}:
        assert found[0] == ("chain", "3")


def test_an_entry_that_was_made_anew_with_its_hash_does_not_fit_the_next(world: Reviews) -> None:
    with behind_its_back(world.database) as connection:
        entry = dict(connection.execute(select(chain).where(chain.c.id == 3)).one()._mapping) | {"by": "Adam Gość"}
        connection.execute(update(chain).where(chain.c.id == 3).values({**entry, "hash": chains.entry_hash(entry)}))
    assert ("chain", "4") in touched(world)


@pytest.mark.parametrize("with_the_head", [False, True])
def test_a_tail_that_was_cut_off_is_noticed(world: Reviews, with_the_head: bool) -> None:
    with behind_its_back(world.database) as connection:
        last = connection.execute(select(chain).order_by(chain.c.id.desc()).limit(1)).one()
        connection.execute(delete(chain).where(chain.c.id == last.id))
        if with_the_head:
            connection.execute(update(chain_head).values(entries=last.id - 1, hash=last.previous))
    assert touched(world)[0] == (("reviewers", "Ewa Lis") if with_the_head else ("chain_head", "1"))


def test_a_hole_is_named(world: Reviews) -> None:
    with behind_its_back(world.database) as connection:
        connection.execute(delete(chain).where(chain.c.id == 3))
    assert Touched("chain", "4", "gone before it: 1 entry") in verify_chain(world.database).touched


def test_the_chain_is_only_appended_to(world: Reviews) -> None:
    from sqlalchemy.exc import DBAPIError

    for statement in (update(chain).values(by="x"), delete(chain)):
        with pytest.raises(DBAPIError, match="only appended to"), world.database.write() as connection:
            connection.execute(statement)
    empty(world.database)
    assert verify_chain(world.database).touched == ()
