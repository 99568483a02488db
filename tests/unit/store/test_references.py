"""What refers to a row refers to one that is there: held by foreign keys on SQLite, on PostgreSQL by the statement."""

import time
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from random import randrange
from typing import Any

import psycopg
import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from ledger_world import NOON, World, a_plan
from sqlalchemy import JSON, Boolean, Connection, Date, Integer, delete, func, insert, select, text, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, IntegrityError

from store.database import Database
from store.ledger.rows import actions, customers, evidence, receipts
from store.migrate import upgrade
from store.migrations.reference_triggers import PLANNED, REFERENCES
from store.schema import MIGRATIONS
from store.tables import metadata
from store.types import Instant

_ALL = sorted((table, column, parent) for table, told in REFERENCES.items() for column, parent in told)
_NOBODY = 999_999
_REFUSED = "(?i)foreign key constraint"


_ROWS: dict[str, dict[str, Any]] = {
    "evidence": {"fact": "x", "subject_id": 1, "version": 1},
    "cap_slots": {"at": NOON},
    "receipts": {"integration": "desk", "external_id": "1", "adopted": False, "detail": {}, "at": NOON},
}
"""What else stands in a row of each table that refers to an action."""


@pytest.fixture
def referring(world: World) -> World:
    """One customer, one action that refers to nothing, and what refers to it."""
    world.put(a_plan())
    world.customer()
    with world.database.write() as connection:
        for table in _ROWS:
            connection.execute(insert(metadata.tables[table]).values(_another(connection, table)))
    return world


def _another(connection: Connection, table: str, **changes: Any) -> dict[str, Any]:
    """A new row of a table: of the first action, and of the first customer where it must have one."""
    first = dict(connection.execute(select(actions).order_by(actions.c.id)).mappings().first() or {})
    first_id = first.pop("id")
    if table == "actions":
        return first | {"key": uuid.uuid4().hex} | changes
    whose = {"customer_id": select(func.min(customers.c.id)).scalar_subquery()} if table == "cap_slots" else {}
    return {"action_id": first_id} | whose | _ROWS[table] | changes


@pytest.mark.parametrize(("table", "column", "parent"), _ALL)
def test_nothing_refers_to_what_is_not_there(referring: World, table: str, column: str, parent: str) -> None:
    database, its = referring.database, metadata.tables[table]
    referring.put(a_plan("new"))
    free = {} if table == "actions" else {"action_id": referring.row("new").id}
    with pytest.raises(IntegrityError, match=_REFUSED) as refused, database.write() as connection:
        connection.execute(insert(its).values(_another(connection, table, **free | {column: _NOBODY})))
    if not database.is_sqlite:
        assert f'"{table}_{column}_fkey"' in str(refused.value)
        assert f'Key ({column})=({_NOBODY}) is not present in table "{parent}"' in str(refused.value)
    with pytest.raises(IntegrityError, match=_REFUSED), database.write() as connection:
        connection.execute(update(its).values({column: _NOBODY}))


def test_one_among_many_that_refers_to_nobody_is_found(referring: World) -> None:
    known = referring.customer()
    with referring.database.read() as connection:
        rows = [_another(connection, "actions", customer_id=known) for _ in range(50)]
    rows[30]["customer_id"] = _NOBODY
    with pytest.raises(IntegrityError, match=_REFUSED), referring.database.write() as connection:
        connection.execute(insert(actions), rows)
    with referring.database.write() as connection:
        connection.execute(insert(actions), [row | {"customer_id": known} for row in rows])


def _made(kind: Any) -> Any:
    for type_, value in (
        (Boolean, False),
        (Integer, randrange(10**6)),
        (Instant, NOON),
        (Date, NOON.date()),
        (JSON, {}),
    ):
        if isinstance(kind, type_):
            return value
    return uuid.uuid4().hex


def _there(connection: Connection, parent: str) -> int:
    """A row of a parent, whatever it would need of others itself."""
    table = metadata.tables[parent]
    values = {
        one.name: _made(one.type)
        for one in table.c
        if not one.nullable and one.server_default is None and one.name != "id"
    }
    connection.execute(text("SET LOCAL session_replication_role = replica"))
    row_id = connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one()
    connection.execute(text("SET LOCAL session_replication_role = origin"))
    return int(row_id)


@pytest.mark.postgres
@pytest.mark.parametrize(("table", "column", "parent"), _ALL)
def test_what_is_referred_to_stays_and_what_is_not_may_go(
    standing_world: World, table: str, column: str, parent: str
) -> None:
    database, its, theirs = standing_world.database, metadata.tables[table], metadata.tables[parent]
    standing_world.put(a_plan())
    standing_world.customer(consents=False)
    with database.write() as connection:
        one, free = _there(connection, parent), _there(connection, parent)
        connection.execute(insert(its).values(_another(connection, table, **{column: one})))
    said = f'"{parent}" violates foreign key constraint "{table}_{column}_fkey" on table "{table}"'
    with pytest.raises(IntegrityError, match=said), database.write() as connection:
        connection.execute(delete(theirs).where(theirs.c.id == one))
    with pytest.raises(IntegrityError, match=said), database.write() as connection:
        connection.execute(update(theirs).where(theirs.c.id == one).values(id=_NOBODY))
    if table != parent:
        with pytest.raises(IntegrityError, match="violates foreign key"), database.write() as connection:
            connection.execute(text(f"TRUNCATE {parent} CASCADE"))
    with database.write() as connection:
        assert connection.execute(delete(theirs).where(theirs.c.id == free)).rowcount == 1


@pytest.mark.postgres
def test_who_refers_and_who_is_referred_to_may_go_together(standing_world: World) -> None:
    database = standing_world.database
    standing_world.put(a_plan())
    with database.write() as connection:
        for table in ("evidence", "receipts"):
            connection.execute(insert(metadata.tables[table]).values(_another(connection, table)))
    with database.write() as connection:
        connection.execute(text("TRUNCATE actions, evidence, receipts CASCADE"))
    with database.read() as connection:
        assert connection.execute(select(actions.c.id)).first() is None


class _Beside:
    """A second transaction, in a thread of its own."""

    def __init__(self, database: Database) -> None:
        self._pool, self._database = ThreadPoolExecutor(1), database

    def does(self, statement: Any) -> Any:
        """Begin a transaction of this one statement; its future."""

        def work() -> None:
            with self._database.write() as connection:
                connection.execute(statement)

        return self._pool.submit(work)

    def close(self) -> None:
        self._pool.shutdown()


@pytest.fixture
def beside(standing_world: World) -> Iterator[_Beside]:
    """It may wait for the test's own transaction."""
    made = _Beside(standing_world.database)
    yield made
    made.close()


def _waits(database: Database, done: Any, table: str) -> bool:
    """True as soon as somebody waits for a lock of a table; False when it was done without."""
    waiting = text("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = CAST(:table AS regclass)")
    until = time.monotonic() + 10
    while time.monotonic() < until and not done.done():
        with database.read() as connection:
            if connection.execute(waiting, {"table": table}).scalar_one():
                return True
        time.sleep(0.01)
    return False


_WHO_WAITS = pytest.mark.parametrize(
    ("table", "column", "parent"),
    [
        ("actions", "customer_id", "customers"),
        ("cap_slots", "customer_id", "customers"),
        ("receipts", "action_id", "actions"),
    ],
)


@pytest.mark.postgres
@pytest.mark.parametrize("is_kept", [True, False])
@_WHO_WAITS
def test_who_deletes_waits_for_those_who_may_be_referring(
    standing_world: World, beside: _Beside, table: str, column: str, parent: str, is_kept: bool
) -> None:
    """Not committed yet, a reference is seen by nobody else."""
    database, its, theirs = standing_world.database, metadata.tables[table], metadata.tables[parent]
    standing_world.put(a_plan())
    with database.write() as connection:
        one = _there(connection, parent)
    with database.engine.connect() as connection:
        begun = connection.begin()
        connection.execute(insert(its).values(_another(connection, table, **{column: one})))
        gone = beside.does(delete(theirs).where(theirs.c.id == one))
        assert _waits(database, gone, table)
        begun.commit() if is_kept else begun.rollback()
    if is_kept:
        with pytest.raises(IntegrityError, match=f"{table}_{column}_fkey"):
            gone.result(timeout=10)
    else:
        gone.result(timeout=10)


@pytest.mark.postgres
@pytest.mark.parametrize("is_deleted", [True, False])
@_WHO_WAITS
def test_who_refers_waits_for_those_who_delete(
    standing_world: World, beside: _Beside, table: str, column: str, parent: str, is_deleted: bool
) -> None:
    """Not committed yet, what is deleted is there for everybody else."""
    database, its, theirs = standing_world.database, metadata.tables[table], metadata.tables[parent]
    standing_world.put(a_plan())
    with database.write() as connection:
        one = _there(connection, parent)
        row = _another(connection, table, **{column: one})
    with database.engine.connect() as connection:
        begun = connection.begin()
        connection.execute(delete(theirs).where(theirs.c.id == one))
        refers = beside.does(insert(its).values(row))
        assert _waits(database, refers, table)
        begun.commit() if is_deleted else begun.rollback()
    if is_deleted:
        with pytest.raises(IntegrityError, match=f"{table}_{column}_fkey"):
            refers.result(timeout=10)
    else:
        refers.result(timeout=10)


@pytest.mark.postgres
def test_an_older_picture_holds_no_reference(standing_world: World) -> None:
    """It would still show who was deleted since, or not yet who refers to them."""
    standing_world.put(a_plan())
    whose = standing_world.customer(consents=False)
    with standing_world.database.read() as connection:
        row, receipt = _another(connection, "actions", customer_id=whose), _another(connection, "receipts")
    for statement in (
        insert(actions).values(row),
        insert(receipts).values(receipt),
        delete(customers).where(customers.c.id == whose),
    ):
        with (
            standing_world.database.engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection,
            pytest.raises(DBAPIError, match="held in READ COMMITTED only"),
        ):
            connection.execute(statement)


@pytest.mark.postgres
@pytest.mark.parametrize(("revision", "held"), [("0012", PLANNED), ("0010", {})])
def test_the_foreign_keys_can_be_had_back(postgres_server: str, revision: str, held: Mapping[str, Any]) -> None:
    name = f"e_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_server, autocommit=True) as administrator:
        administrator.execute(f"CREATE DATABASE {name}")
        database = Database(make_url(postgres_server).set(database=name).render_as_string(hide_password=False))
        upgrade(database)
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        with database.write() as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, revision)
        with database.read() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            lacks = [one[1] for one in compare_metadata(context, metadata) if one[0] == "add_fk"]
            missing = {str(one.elements[0].parent) for one in lacks}
            assert missing == {f"{table}.{column}" for table, told in held.items() for column, _ in told}
            keeps = text("SELECT tgnargs FROM pg_trigger WHERE tgname = 'actions_keep'")
            told = [parent for columns in held.values() for _, parent in columns].count("actions")
            assert connection.execute(keeps).scalar_one_or_none() == (2 * told or None)
        upgrade(database)
        for its in (evidence, receipts):
            refused = pytest.raises(IntegrityError, match=f"{its.name}_action_id_fkey")
            with refused, database.write() as connection:
                connection.execute(insert(its).values(_ROWS[its.name] | {"action_id": 1}))
        database.close()
        administrator.execute(f"DROP DATABASE {name} WITH (FORCE)")
