"""P5 within one process: nothing is answered 2xx before it is durable, and what cannot be stored is said so."""

import asyncio
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from store.tables import metadata

pytestmark = pytest.mark.slow  # together; each of them is quick

Answer = Callable[..., dict[str, Any]]


@contextmanager
def renamed(installation: Any, table: str) -> Iterator[None]:
    """The database without one of its tables."""
    with installation.database.write() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO away"))
    try:
        yield
    finally:
        with installation.database.write() as connection:
            connection.execute(text(f"ALTER TABLE away RENAME TO {table}"))


@contextmanager
def writers_wait(installation: Any) -> Iterator[None]:
    """Somebody else holds what every delivery needs to write."""
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with installation.database.write() as connection:
            if not installation.database.is_sqlite:
                connection.execute(text("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE"))
            held.set()
            over.wait(30)

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait(10)
    try:
        yield
    finally:
        over.set()
        holder.join(10)


async def test_no_answer_before_it_is_durable(door: Any, installation: Any, answer: Answer) -> None:
    with writers_wait(installation):
        delivery = asyncio.create_task(door.deliver(answer()))
        done, _ = await asyncio.wait([delivery], timeout=0.4)
        assert not done, "answered while it could not have been stored"
        assert not installation.effects(), "sent before it was stored"
    assert (await delivery).status_code == 202
    await installation.settled()
    assert len(installation.effects()) == 2


async def test_stored_when_answered(door: Any, installation: Any, answer: Answer) -> None:
    """At the very moment of the answer another connection reads it all, whatever the gateway does later."""
    for number in range(10):
        told = await door.deliver(answer(response_id=f"r-{number}", customer=somebody(number)), f"m{number}")
        with installation.database.read() as connection:
            planned = connection.execute(select(metadata.tables["actions"].c.key)).scalars().all()
        assert told.status_code == 202
        assert {f"case/C-{number}/1/ticket", f"survey/standard/r-{number}/acknowledgement"} <= set(planned)


@pytest.mark.parametrize("table", ["inbox", "survey_responses", "actions"])
async def test_what_cannot_be_stored_is_503_and_wholly_taken_back(
    door: Any, installation: Any, answer: Answer, table: str
) -> None:
    with renamed(installation, table):
        refused = await door.deliver(answer())
    assert refused.status_code == 503
    assert refused.headers["retry-after"] == "60"
    assert refused.json()["status"] == "refused"
    assert refused.json()["problems"][0]["fix"] == "deliver it again in a minute"
    for untouched in ("inbox", "customers", "survey_responses", "cases", "actions"):
        assert not installation.rows(untouched), untouched
    accepted = await door.deliver(answer())
    assert accepted.json()["duplicate"] is False, "the sender's retry is the first that we have"
    await installation.settled()
    assert len(installation.effects()) == 2


async def test_neither_refusals_nor_logs_show_the_customer_or_the_database(
    door: Any, installation: Any, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), refusing_responses(installation):
        deliveries = [door.deliver(answer(response_id="trap"), f"msg_{number}") for number in range(3)]
        told = [(await delivery).text for delivery in deliveries]
    assert "could not be stored" in caplog.text
    assert not [word for word in ("Anna", "anna@", "Czekam") if word in caplog.text]
    assert not [word for word in ("INSERT", "survey_responses", "Anna", "refused:", "Traceback") if word in str(told)]


@pytest.mark.postgres
@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)  # a file does not go away
async def test_a_database_that_goes_away_and_comes_back(
    database_url: str, opened: Any, answer: Answer, installation_at: Any
) -> None:
    installation = installation_at(database_url)
    name = installation.database.url.database
    server = installation.database.url.set(database="postgres", drivername="postgresql")
    with psycopg.connect(server.render_as_string(hide_password=False), autocommit=True) as operator:
        async with opened(installation) as door:
            assert (await door.deliver(answer(), "msg_1")).status_code == 202
            await installation.settled()
            operator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            operator.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name])
            unheard = answer(response_id="r-2", customer={"ref": "C-2", "email": "b@example.com"})
            assert (await door.deliver(unheard, "msg_2")).status_code == 503
            assert (await door.get("/readyz")).status_code == 503
            assert (await door.get("/healthz")).status_code == 200
            operator.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
            assert (await door.deliver(unheard, "msg_2")).json()["duplicate"] is False
            assert (await door.get("/readyz")).status_code == 200
            await installation.settled()
    assert len(installation.effects()) == 4


async def test_errors_of_the_database_quote_no_parameters(installation: Any) -> None:
    """Whoever logs one, with its traceback or without, logs no customer."""
    customer = {"name": "Anna Nowak"}
    with pytest.raises(DBAPIError) as failed, installation.database.write() as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (:name)"), customer)
    assert "Anna" not in "".join(traceback.format_exception(failed.value))


async def test_one_that_cannot_be_stored_does_not_spoil_its_neighbours(
    door: Any, installation: Any, answer: Answer, caplog: pytest.LogCaptureFixture
) -> None:
    """Deliveries that share a commit are each other's neighbours; one of them meets a database that refuses it."""
    with caplog.at_level(logging.DEBUG), refusing_responses(installation):
        with writers_wait(installation):
            bodies = [
                answer(response_id="trap" if number == 3 else f"r-{number}", customer=somebody(number))
                for number in range(8)
            ]
            deliveries = [
                asyncio.create_task(door.deliver(body, f"msg_{number}")) for number, body in enumerate(bodies)
            ]
            await asyncio.wait(deliveries, timeout=0.3)
        statuses = [(await delivery).status_code for delivery in deliveries]
    assert statuses == [202, 202, 202, 503, 202, 202, 202, 202]
    assert len(installation.rows("survey_responses")) == 7
    assert not [word for word in ("Anna", "anna3@", "Czekam") if word in caplog.text]


def somebody(number: int) -> dict[str, str]:
    """One of many customers."""
    return {"ref": f"C-{number}", "name": "Anna Nowak", "email": f"anna{number}@example.com"}


@contextmanager
def refusing_responses(installation: Any) -> Iterator[None]:
    """A database that refuses the response called "trap"."""
    is_sqlite = installation.database.is_sqlite
    with installation.database.write() as connection:
        for statement in TRAP_ON_SQLITE if is_sqlite else TRAP_ON_POSTGRESQL:
            connection.execute(text(statement))
    try:
        yield
    finally:
        with installation.database.write() as connection:
            connection.execute(text("DROP TRIGGER trap" + ("" if is_sqlite else " ON survey_responses")))


TRAP_ON_SQLITE = [
    "CREATE TRIGGER trap BEFORE INSERT ON survey_responses WHEN NEW.response_id = 'trap' "
    "BEGIN SELECT RAISE(ABORT, 'refused'); END"
]
TRAP_ON_POSTGRESQL = [
    "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger AS $$ BEGIN "
    "RAISE EXCEPTION 'refused' USING DETAIL = 'row: ' || NEW.comment; END $$ LANGUAGE plpgsql",
    "CREATE TRIGGER trap BEFORE INSERT ON survey_responses FOR EACH ROW "
    "WHEN (NEW.response_id = 'trap') EXECUTE FUNCTION refuse()",
]
