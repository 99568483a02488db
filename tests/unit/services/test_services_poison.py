"""P18 with real processes: who sends this row dies. It is set aside after three deaths alone, and all others finish."""

import asyncio
import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ledger_world import check_audit
from sqlalchemy import update

from domain.actions import Capability, WriteClass
from integrations.declaration import integration_name
from integrations.ports import Receipt, Ticket
from integrations.registry import Configured, Roster
from services.recovery import sweep
from services.settings import Settings
from services.wiring import Handrail
from store.database import Database
from store.ledger.rows import actions

TICKETING = Capability.TICKETING
DIED = 9


class Poisonous:
    """A ticket desk with one record a key, in a file of its own; one key kills the process that sends it."""

    def __init__(self, record: Path, poison: str) -> None:
        self._record, self._poison = record, poison

    async def open_ticket(self, ticket: Ticket, *, key: str) -> Receipt:
        if key == self._poison:
            os._exit(DIED)
        known = self._record.read_text().splitlines() if self._record.exists() else []
        if key not in known:
            with self._record.open("a") as file:
                file.write(f"{key}\n")
        return Receipt(key)

    async def aclose(self) -> None:
        """Nothing to close."""

    def configured(self) -> Configured:
        """As a roster holds it."""
        return Configured(
            name=integration_name(TICKETING, "poisonous"),
            capability=TICKETING,
            vendor="poisonous",
            port=self,
            class_of=lambda operation: WriteClass.B,
            rate_per_second=None,
            timeout_seconds=1,
        )


def _worker(installation: Any, record: Path, poison: str) -> None:
    """One process: recover, dispatch, recover, dispatch, end."""

    async def work() -> None:
        settings = Settings.model_validate({"data": installation.directory, "database_url": installation.url})
        roster = Roster([Poisonous(record, poison).configured()])
        database = Database(installation.url)
        async with Handrail(settings, database, installation.policy, roster, clock=installation.clock) as handrail:
            for _ in range(2):
                await sweep(handrail, run="sweeper")
                await handrail.dispatcher.run_once(capability=TICKETING, run="worker")

    asyncio.run(work())
    os._exit(0)


@pytest.mark.process
@pytest.mark.slow
def test_a_poison_row_is_set_aside_and_all_others_finish(
    installation: Any, answered: Callable[..., tuple[str, str]], tmp_path: Path
) -> None:
    tickets = [answered(f"C-{number:02}")[0] for number in range(21)]
    poison, record = tickets[10], tmp_path / "record"
    ends: list[int | None] = []
    while len(ends) < 12 and (not ends or ends[-1] != 0):
        process = multiprocessing.get_context("fork").Process(target=_worker, args=(installation, record, poison))
        process.start()
        process.join(60)
        ends.append(process.exitcode)
        installation.clock.go(seconds=600)
        with installation.database.write() as connection:  # its lease is over
            connection.execute(
                update(actions).where(actions.c.lease_until.is_not(None)).values(lease_until=actions.c.created_at)
            )
    assert ends == [DIED] * 4 + [0]  # once among others, three times alone, and then it is left out
    row = installation.action(poison)
    assert (row.state, row.deaths_alone, row.reason) == (
        "needs_human",
        3,
        "its worker died 3 times while it ran by itself",
    )
    states = installation.states()
    assert {states[ticket] for ticket in tickets if ticket != poison} == {"done"}
    assert sorted(record.read_text().splitlines()) == sorted(set(tickets) - {poison})
    check_audit(installation.database)
