"""Prefect's server as we start it: two transactions that read and then write take turns instead of failing."""

import asyncio
from pathlib import Path

import pytest
from prefect.server.database.configurations import AioSqliteConfiguration
from sqlalchemy import text

from handrail.server_process import write_in_turn

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
