"""Prefect's server as we start it: writers take turns instead of failing, no alarm waits for an event that was lost."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from prefect.server.database.configurations import AioSqliteConfiguration
from prefect.server.events.ordering import memory
from prefect.server.events.schemas.events import ReceivedEvent, Resource
from sqlalchemy import text

from handrail.server_process import wait_less_for_lost_events, write_in_turn

pytestmark = pytest.mark.prefect


async def test_a_transaction_that_read_first_still_writes_when_another_wanted_to_commit_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AioSqliteConfiguration, "begin_transaction", AioSqliteConfiguration.begin_transaction)
    write_in_turn()
    database = AioSqliteConfiguration(connection_url=f"sqlite+aiosqlite:///{tmp_path / 'prefect.db'}")
    engine = await database.engine()
    async with await database.session(engine) as session:
        await session.execute(text("create table runs (state text)"))
    first_has_read, second_is_there = asyncio.Event(), asyncio.Event()

    async def first() -> None:
        async with await database.session(engine) as session, database.begin_transaction(session):
            await session.execute(text("select count(*) from runs"))
            first_has_read.set()
            await second_is_there.wait()
            await asyncio.sleep(0.2)  # the other commits now, if nothing makes it wait
            await session.execute(text("insert into runs values ('late')"))

    async def second() -> None:
        await first_has_read.wait()
        second_is_there.set()
        async with await database.session(engine) as session, database.begin_transaction(session):
            await session.execute(text("insert into runs values ('pending')"))

    await asyncio.gather(first(), second())

    async with await database.session(engine) as session:
        states = (await session.execute(text("select state from runs order by rowid"))).scalars().all()
    assert states == ["late", "pending"]
    await engine.dispose()


async def test_an_event_whose_predecessor_died_with_the_server_is_looked_at_soon(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "PRECEDING_EVENT_LOOKBACK", memory.PRECEDING_EVENT_LOOKBACK)
    wait_less_for_lost_events()
    came = datetime.now(UTC) - timedelta(seconds=20)
    worker_lost = ReceivedEvent(
        id=uuid4(),
        event="prefect.work-pool.not-ready",
        resource=Resource.model_validate({"prefect.resource.id": "prefect.work-pool.one"}),
        occurred=came,
        received=came,
        follows=uuid4(),
    )
    order = memory.CausalOrdering(scope="a server that was started again")
    await order.record_follower(worker_lost)

    assert await order.get_lost_followers() == [worker_lost]
    await order.wait_for_leader(worker_lost)
