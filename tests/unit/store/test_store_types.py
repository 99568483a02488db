"""Instants and the database's clock mean the same on both databases."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from ledger_world import NOON, World
from sqlalchemy import BigInteger, insert, literal, select
from sqlalchemy.exc import StatementError

from store.database import Database
from store.tables import metadata
from store.types import Instant, db_now, microseconds, since_epoch

_volumes = metadata.tables["volumes"]


@pytest.mark.parametrize(
    "instant",
    [
        NOON,
        NOON.replace(microsecond=1),
        NOON.replace(microsecond=999_999),
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2399, 12, 31, tzinfo=UTC),
        NOON.astimezone(timezone(timedelta(hours=5, minutes=45))),
    ],
)
def test_an_instant_comes_back_as_it_went(database: Database, instant: datetime) -> None:
    with database.write() as connection:
        connection.execute(insert(_volumes).values(what="", hour=instant, planned=1))
        found = connection.execute(select(_volumes.c.hour)).scalar_one()
    assert found == instant
    assert found.tzinfo is UTC


def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    naive = NOON.replace(tzinfo=None)
    with pytest.raises(StatementError, match="has no time zone"), database.write() as connection:
        connection.execute(insert(_volumes).values(what="", hour=naive, planned=1))


def test_instants_are_ordered_by_the_database(world: World) -> None:
    with world.database.read() as connection:
        earlier = literal(NOON, Instant()) < literal(NOON + timedelta(microseconds=1), Instant())
        assert connection.execute(select(earlier)).scalar_one()


def test_the_databases_clock_is_now_and_may_look_ahead(database: Database) -> None:
    before = datetime.now(UTC)
    with database.read() as connection:
        now, ahead = connection.execute(select(db_now(), db_now(20.5))).one()
    after = datetime.now(UTC)
    slack = timedelta(milliseconds=50)  # SQLite's clock counts milliseconds
    assert before - slack <= now <= after + slack
    assert timedelta(seconds=20.4) < ahead - now < timedelta(seconds=20.6)


@pytest.mark.parametrize(
    "at", [datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), datetime(2199, 3, 4, 5, 6, 7, 8, UTC)]
)
def test_an_instant_is_whole_microseconds_and_back(database: Database, at: datetime) -> None:
    told = Instant.microseconds(at)
    assert Instant.of(told) == at
    with database.read() as connection:
        there = connection.execute(select(microseconds(literal(at, Instant())))).scalar_one()
        back = connection.execute(select(since_epoch(literal(told, BigInteger())))).scalar_one()
    assert (there, back) == (told, at)
