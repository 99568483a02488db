"""The migrated schema is the one the tables declare; the audit's triggers know the domain's edges."""

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from ledger_world import NOON, World, a_plan, check_audit
from sqlalchemy import Boolean, column, insert, select, table, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from domain.actions import EDGES, State
from services.auditing import verify_chain
from store.database import Database, sqlite_url
from store.ledger.rows import actions, audit, chain, controls, customers, enrolments
from store.migrate import upgrade
from store.migrations.audit_triggers import MOVES
from store.migrations.reference_triggers import REFERENCES
from store.schema import MIGRATIONS, current, newest
from store.tables import metadata
from store.types import Instant

_STAMPS = ("entered_at", "previous_at", "created_at", "updated_at")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database nobody has migrated."""
    if request.param == "sqlite":
        yield sqlite_url(tmp_path / "empty.db")
        return
    server, name = request.getfixturevalue("postgres_server"), f"e_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield make_url(server).set(database=name).render_as_string(hide_password=False)
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_the_migrated_schema_is_the_declared_one(database: Database) -> None:
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        found = compare_metadata(context, metadata)
    held = {f"{table}.{column}" for table, told in REFERENCES.items() for column, _ in told}
    missing = [one[1] for one in found if one[0] == "add_fk"]
    assert len(missing) == len(found), found
    assert {str(one.elements[0].parent) for one in missing} == (set() if database.is_sqlite else held)


def test_upgrading_twice_is_once(database: Database) -> None:
    assert current(database) == newest()
    assert upgrade(database) == newest()
    with database.read() as connection:
        assert len(connection.execute(select(controls)).all()) == 1


def test_an_empty_database_has_no_revision(empty_url: str) -> None:
    database = Database(empty_url)
    assert current(database) is None
    database.close()


def test_two_starts_at_once_migrate_once(empty_url: str) -> None:
    together = Barrier(4)

    def start(_: int) -> str:
        database = Database(empty_url)
        together.wait(timeout=30)
        try:
            return upgrade(database)
        finally:
            database.close()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(start, range(4))) == {newest()}
    database = Database(empty_url)
    assert current(database) == newest()
    database.close()


def test_a_tier_from_before_lifetime_values_were_counted_counts_as_stated(empty_url: str) -> None:
    database = Database(empty_url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0005")
        old = table("customers", *map(column, ("ref", "tier", "version", "touched", "created_at", "updated_at")))
        stamps = dict.fromkeys(("created_at", "updated_at"), 0 if database.is_sqlite else NOON)
        for ref, tier in (("1", "vip"), ("2", "basic")):
            connection.execute(old.insert().values(ref=ref, tier=tier, version=1, touched=0, **stamps))
    upgrade(database)
    with database.read() as connection:
        stated = connection.execute(select(customers.c.ref, customers.c.is_tier_stated).order_by(customers.c.ref))
        assert [tuple(row) for row in stated] == [("1", True), ("2", False)]
    database.close()


def test_who_was_in_the_air_before_steps_were_planned_in_place_is_looked_at_when_that_was_due(empty_url: str) -> None:
    database = Database(empty_url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    hour = timedelta(hours=1)
    waits, is_in_the_air, is_over = (
        {"id": 1, "step": "first", "due_at": NOON, "action_id": None, "look_at": None},
        {"id": 2, "step": "first", "due_at": None, "action_id": 7, "look_at": NOON + hour},
        {"id": 3, "step": None, "due_at": None, "action_id": None, "look_at": None},
    )
    old = table(
        "enrolments",
        *(column(name, Instant()) for name in ("due_at", "look_at", *_STAMPS)),
        *map(column, ("id", "customer_id", "journey", "journey_hash", "number", "key_part", "state")),
        *map(column, ("step", "action_id", "updated_by")),
    )
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0013")
        connection.execute(
            insert(customers).values(id=1, ref="C-1", **dict.fromkeys(("created_at", "updated_at"), NOON))
        )
        about = {"name": "onboarding", "version": 1, "content": {}, "published_at": NOON}
        connection.execute(insert(metadata.tables["journeys"]).values(hash="h1", **about))
        for row in (waits, is_in_the_air, is_over):
            about = {"customer_id": 1, "journey": "onboarding", "journey_hash": "h1", "number": row["id"]}
            stands = {"key_part": "C-1", "state": "active", "updated_by": "t", **dict.fromkeys(_STAMPS, NOON)}
            connection.execute(old.insert().values(**about, **stands, **row))
    upgrade(database)
    due = select(enrolments.c.due_at).order_by(enrolments.c.id)
    with database.write() as connection:
        assert connection.execute(due).scalars().all() == [NOON, NOON + hour, None]
        config.attributes["connection"] = connection
        command.downgrade(config, "0013")
        looked = select(old.c.due_at, old.c.look_at).order_by(old.c.id)
        assert [tuple(row) for row in connection.execute(looked)] == [(NOON, None), (None, NOON + hour), (None, None)]
    database.close()


def test_flips_of_the_kill_switch_from_before_there_was_a_chain_begin_it(empty_url: str) -> None:
    database = Database(empty_url)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    flips = [
        (True, 'the desk is down – "all" of it', "Ola Żak"),
        (False, "it is up", "Jan"),
        (True, "again", "Ola Żak"),
    ]
    with database.write() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0007")
        log, standing = (
            table(name, column("stopped", Boolean()), column("reason"), column("by"), column("at", Instant()))
            for name in ("control_log", "controls")
        )
        for minute, (stopped, reason, by) in enumerate(flips):
            told = {"stopped": stopped, "reason": reason, "by": by, "at": NOON + timedelta(minutes=minute)}
            connection.execute(log.insert().values(**told))
            connection.execute(standing.update().values(**told))
    upgrade(database)
    found = verify_chain(database)
    assert (found.entries, found.touched) == (3, ())
    with database.write() as connection:
        entries = connection.execute(select(chain).order_by(chain.c.id)).all()
        connection.execute(update(controls).values(reason="nothing much"))
    assert [(entry.what, entry.by) for entry in entries] == [
        ("stopped", "Ola Żak"),
        ("started", "Jan"),
        ("stopped", "Ola Żak"),
    ]
    assert [one.table for one in verify_chain(database).touched] == ["controls"]
    database.close()


def test_the_triggers_know_the_edges_of_the_domain() -> None:
    assert set(MOVES) == {f"{before}>{after}" for before, afters in EDGES.items() for after in afters}


@pytest.mark.parametrize("before", State)
def test_an_illegal_move_is_refused_whoever_tries(world: World, before: State) -> None:
    world.put(a_plan())
    row = dict(world.row("k")._mapping)
    del row["id"]
    for after in State:
        row |= {"key": f"{before}-{after}", "state": before}
        with world.database.write() as connection:
            connection.execute(insert(actions).values(row))
        move = update(actions).where(actions.c.key == row["key"]).values(state=after, updated_at=NOON)
        if after in EDGES[before] or after is before:
            with world.database.write() as connection:
                connection.execute(move)
        else:
            with pytest.raises(DBAPIError, match="illegal move of an action"), world.database.write() as connection:
                connection.execute(move)
            assert world.state(row["key"]) is before


def test_every_move_is_written_down_with_who_and_why(world: World) -> None:
    world.put(a_plan(reason="not before noon"), run="planner")
    world.change("k", state=State.CLAIMED, fence=1, reason=None, updated_by="run-7")
    world.change("k", due_at=NOON)  # no move
    with world.database.read() as connection:
        moves = connection.execute(select(audit).order_by(audit.c.id)).all()
    assert [(move.before, move.after, move.reason, move.fence, move.by) for move in moves] == [
        (None, "ready", "not before noon", 0, "planner"),
        ("ready", "claimed", None, 1, "run-7"),
    ]
    check_audit(world.database)


@pytest.mark.postgres
def test_many_moves_at_once_take_no_longer_than_a_few_at_a_time(standing_world: World) -> None:
    """The trigger joins what was with what is; compared row by row, 3,000 would take five times as long as by 500."""
    standing_world.put(a_plan())
    row = dict(standing_world.row("k")._mapping)
    del row["id"]
    with standing_world.database.write() as connection:
        connection.execute(insert(actions), [row | {"key": f"many-{number}"} for number in range(3_000)])
        ids = connection.execute(select(actions.c.id).where(actions.c.key.like("many-%"))).scalars().all()
    with standing_world.database.engine.connect() as connection:
        connection.execute(update(actions).where(actions.c.key == "k").values(state=State.CLAIMED))
        connection.commit()  # the trigger's plan stands: this session saw one row first

        def seconds(size: int) -> float:
            began = time.monotonic()
            for start in range(0, len(ids), size):
                some = actions.c.id.between(min(ids[start : start + size]), max(ids[start : start + size]))
                connection.execute(update(actions).where(some).values(state=State.CLAIMED))
            took = time.monotonic() - began
            connection.rollback()
            return took

        assert min(seconds(3_000) for _ in range(2)) < 2 * min(seconds(500) for _ in range(2))


def test_a_refused_insert_leaves_nothing_in_the_audit(world: World) -> None:
    world.put(a_plan())
    world.put(a_plan())
    assert len(world.rows("audit")) == 1
