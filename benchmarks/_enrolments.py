"""Customers in the onboarding journey as it is shipped, one in ten due now, all by set."""

from datetime import timedelta
from typing import Any

from _filling import NOON, at, fill, one_of, run_each, seconds_after, without_indexes
from sqlalchemy import ColumnElement, String, case, cast, literal, literal_column, select, true, update

from domain.actions import State
from domain.journeys import Standing
from domain.reviews import Stand
from services.publishing import publish_journeys, publish_templates
from store.database import Database
from store.journeys import live
from store.ledger.rows import actions, consents, customers, enrolments, reviews
from store.migrate import upgrade
from templates.journey_files import load_journeys
from templates.library import load

JOURNEY = "onboarding"
STEPS = ("welcome", "video-guide")
"""In turn: a service message at once, and one that rests on a consent and on what the customer did."""


def fill_journey(database: Database, count: int) -> None:
    """A migrated database with `count` customers, each in the journey."""
    upgrade(database)
    publish_templates(database, load(), now=NOON)
    publish_journeys(database, load_journeys(), now=NOON)
    with database.read() as connection:
        version = live(connection)[JOURNEY]
    indexes = without_indexes(database, "customers", "enrolments")
    fill(database, customers, count, _customer)
    fill(database, consents, count, _consent)
    fill(database, enrolments, count, lambda number, is_sqlite: _enrolment(number, count, version, is_sqlite))
    run_each(database, *indexes)
    settle(database)


def approve(database: Database) -> None:
    """More than the cap at once wait for a review: here it was approved and let go."""
    released = {"state": State.READY, "updated_by": "bench"}
    with database.write("approve") as connection:
        connection.execute(update(reviews).values(state=Stand.APPROVED, finished_at=NOON))
        connection.execute(update(actions).where(actions.c.state == State.AWAITING_REVIEW).values(released))


def settle(database: Database) -> None:
    """What a database does by itself some time after much was written."""
    if database.is_sqlite:
        run_each(database, "ANALYZE", "PRAGMA wal_checkpoint(TRUNCATE)")
    else:
        run_each(database, "VACUUM ANALYZE", "CHECKPOINT")


def planned(database: Database) -> int:
    """How many actions there are."""
    with database.read() as connection:
        return len(connection.execute(select(actions.c.id)).all())


def _customer(number: ColumnElement[int], _is_sqlite: bool) -> dict[str, ColumnElement[Any]]:
    text = cast(number, String)
    return {
        "id": number,
        "ref": literal("C-") + text,
        "name": literal("Anna Nowak"),
        "email": literal("c") + text + "@example.com",
        "phone": literal("+4860") + text,
        "language": one_of(number // 2, "pl", "cs", "en"),
        "time_zone": one_of(number // 2, "Europe/Warsaw", "Europe/Prague", "Europe/London"),
        "tier": one_of(number // 2, "basic", "core", "basic", "vip"),
        **dict.fromkeys(("is_ltv_stated", "is_tier_stated"), ~true()),
        "version": literal_column("1"),
        "touched": literal_column("0"),
        "created_at": at(NOON - timedelta(days=2)),
        "updated_at": at(NOON - timedelta(days=2)),
    }


def _consent(number: ColumnElement[int], _is_sqlite: bool) -> dict[str, ColumnElement[Any]]:
    return {
        "customer_id": number,
        "purpose": literal("onboarding"),
        "channel": literal("mail"),
        "granted": true(),
        "at": at(NOON - timedelta(days=2)),
    }


def _enrolment(number: ColumnElement[int], count: int, version: str, is_sqlite: bool) -> dict[str, ColumnElement[Any]]:
    day = 86_400
    # Who entered one after the other is due one after the other.
    waits = case((number % 10 < 1, number * 60 // count - 60), else_=day + (number * 7919) % (28 * day))
    return {
        "id": number,
        "customer_id": number,
        "journey": literal(JOURNEY),
        "journey_hash": literal(version),
        "number": literal_column("1"),
        "key_part": literal("C-") + cast(number, String),
        "state": literal(Standing.ACTIVE.value),
        "entered_at": at(NOON - timedelta(days=1)),
        "previous_at": at(NOON - timedelta(days=1)),
        "step": one_of(number // 10, *STEPS),
        "due_at": seconds_after(NOON, waits, is_sqlite),
        "created_at": at(NOON - timedelta(days=1)),
        "updated_at": at(NOON - timedelta(days=1)),
        "updated_by": literal("bench"),
    }
