"""Answers are written down although the database stumbles; what cannot be is recovery's, and spoils nobody."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from domain.actions import Capability
from integrations.ports import Receipt, Ticket
from services.recovery import sweep
from services.wiring import Handrail
from store.ledger.rows import actions

TICKETING = Capability.TICKETING
AWAY = OperationalError("COMMIT", None, Exception("the disk is full"))
Answered = Callable[..., tuple[str, str]]


def _stumbling(handrail: Handrail, monkeypatch: pytest.MonkeyPatch, times: float) -> list[Any]:
    """The first `times` tries to record anything fail; the list of those tries."""
    submit, tries = handrail.writer.submit, []

    def stumble(job: Any, **how: Any) -> Any:
        if len(tries) < times:
            tries.append(job)
            raise AWAY
        return submit(job, **how)

    monkeypatch.setattr(handrail.writer, "submit", stumble)
    return tries


@pytest.mark.parametrize("times", [1, 3, 9])
async def test_a_stumble_of_the_database_is_waited_out_while_the_lease_lasts(
    installation: Any, handrail: Handrail, answered: Answered, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    keys = [answered(f"C-{number}")[0] for number in range(4)]
    tries = _stumbling(handrail, monkeypatch, times)
    report = await handrail.dispatcher.run_once(capability=TICKETING, run="run-1")
    assert len(tries) == times
    assert report.counts == {"done": 4}
    assert {installation.states()[key] for key in keys} == {"done"}
    assert len(installation.ticketing.calls) == 4


async def test_a_database_that_is_away_longer_than_the_lease_is_told_and_its_rows_are_recovered(
    installation: Any, answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, _ = answered()
    async with installation.handrail(lease_seconds=2) as handrail:
        with monkeypatch.context() as away:
            _stumbling(handrail, away, float("inf"))
            with pytest.raises(OperationalError, match="the disk is full"):
                await handrail.dispatcher.run_once(capability=TICKETING, run="run-1")
        assert installation.states()[key] == "sending"
        async with asyncio.timeout(10):
            while installation.states()[key] == "sending":  # until its lease is over
                await sweep(handrail, run="sweeper")
        await handrail.dispatcher.run_once(capability=TICKETING, run="run-2")
    assert installation.states()[key] == "done"
    assert len(installation.ticketing.effects) == 1


async def test_an_answer_that_cannot_be_written_down_spoils_nobody(
    installation: Any, answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The vendor's answer to one of them is no JSON for our database: the others are done, that one is recovery's."""
    keys = [answered(f"C-{number}")[0] for number in range(4)]
    open_ticket = installation.ticketing.open_ticket

    async def odd(ticket: Ticket, *, key: str) -> Receipt:
        receipt: Receipt = await open_ticket(ticket, key=key)
        return Receipt("x", {"no json": object()}) if key == keys[1] else receipt

    monkeypatch.setattr(installation.ticketing, "open_ticket", odd)
    async with installation.handrail(lease_seconds=2) as handrail:
        with pytest.raises(Exception, match="not JSON serializable"):
            await handrail.dispatcher.run_once(capability=TICKETING, run="run-1")
    states = installation.states()
    assert [states[key] for key in keys] == ["done", "sending", "done", "done"]


async def test_whose_row_was_taken_over_while_it_insisted_is_refused(
    installation: Any, handrail: Handrail, answered: Answered, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P15: the fence decides, however often a worker tries."""
    key, _ = answered()
    submit, tries = handrail.writer.submit, []

    def stumble_and_be_swept(job: Any, **how: Any) -> Any:
        if not tries:
            tries.append(job)
            with installation.database.write() as connection:
                connection.execute(update(actions).where(actions.c.key == key).values(state="uncertain"))
            raise AWAY
        return submit(job, **how)

    monkeypatch.setattr(handrail.writer, "submit", stumble_and_be_swept)
    report = await handrail.dispatcher.run_once(capability=TICKETING, run="run-1")
    assert report.counts == {"stale": 1}
    assert installation.states()[key] == "uncertain"
