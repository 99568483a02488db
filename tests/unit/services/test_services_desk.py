"""Reading back from the ticket desk: bounded, once at a time, and what a solved ticket does."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from domain.customers import Tier
from integrations.errors import ContractViolation, Unavailable
from integrations.ports import TicketStatus
from services import desk
from services.desk import read_desk
from services.wiring import Handrail
from store import customers

TICKET = "case/C-1/1/ticket"
DOWN = Unavailable("ticketing via fake", "no answer in 8 s", "look at the desk")


@pytest.fixture
async def at_desk(answered: Any, send: Any) -> None:
    """One bad answer, its ticket at the desk and acknowledged."""
    answered("C-1", score=3)
    await send()


def _case(installation: Any) -> Any:
    return installation.rows("cases")[-1]


async def test_status_and_assignee_are_kept_on_the_case(installation: Any, handrail: Handrail, at_desk: None) -> None:
    installation.ticketing.assignees[TICKET] = "Ewa"
    installation.ticketing.statuses[TICKET] = TicketStatus.PENDING
    report = await read_desk(handrail, run="t")
    assert (report.asked, report.changed) == (1, ["C-1-1: pending"])
    case = _case(installation)
    assert (case.desk_status, case.assignee, case.desk_read_at) == ("pending", "Ewa", installation.clock())
    assert (case.state, case.version) == ("open", 2)


async def test_each_case_is_asked_about_once_in_a_while(installation: Any, handrail: Handrail, at_desk: None) -> None:
    for _ in range(3):
        await read_desk(handrail, run="t")
    assert installation.ticketing.reads == [TICKET]
    installation.clock.go(seconds=59)
    await read_desk(handrail, run="t")
    assert installation.ticketing.reads == [TICKET]
    installation.clock.go(seconds=1)
    await read_desk(handrail, run="t")
    assert installation.ticketing.reads == [TICKET, TICKET]


async def test_an_unchanged_ticket_changes_no_fact(installation: Any, handrail: Handrail, at_desk: None) -> None:
    await read_desk(handrail, run="t")
    version = _case(installation).version
    installation.clock.go(minutes=2)
    await read_desk(handrail, run="t")
    case = _case(installation)
    assert (case.version, case.desk_read_at) == (version, installation.clock())


async def test_it_rests_between_two_questions_and_not_after_the_last(
    installation: Any, handrail: Handrail, answered: Any, followed: Any
) -> None:
    rests: list[int] = []

    async def rest() -> None:
        rests.append(1)

    for count in (1, 7):
        for number in range(count):
            answered(f"C-{count}-{number}", score=3)
        await followed()
        installation.clock.go(minutes=2)
        rests.clear()
        asked = (await read_desk(handrail, run="t", rest=rest)).asked
        assert asked >= count
        assert len(rests) == asked - 1


async def test_two_processes_do_not_ask_twice(installation: Any, at_desk: None) -> None:
    async with installation.handrail() as one, installation.handrail() as other:
        reports = await asyncio.gather(read_desk(one, run="a"), read_desk(other, run="b"))
    assert sum(report.asked for report in reports) == 1
    assert installation.ticketing.reads == [TICKET]


async def test_a_round_is_bounded_and_takes_turns(
    installation: Any, handrail: Handrail, answered: Any, send: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "MOST", 2)
    for number in range(5):
        answered(f"C-{number}", score=3)
    await send()
    for _ in range(3):
        await read_desk(handrail, run="t")
    assert len(installation.ticketing.reads) == len(set(installation.ticketing.reads)) == 5


async def test_a_silent_desk_ends_the_round_and_is_asked_again(
    installation: Any, handrail: Handrail, answered: Any, send: Any
) -> None:
    for number in range(20):
        answered(f"C-{number}", score=3)
    await send()
    installation.ticketing.unreadable = DOWN
    report = await read_desk(handrail, run="t")
    assert (report.asked, report.trouble) == (0, str(DOWN))
    assert len(installation.ticketing.reads) <= desk.SIDE_BY_SIDE
    assert {row.desk_read_at for row in installation.rows("cases")} == {None}
    installation.ticketing.unreadable = None
    installation.clock.go(minutes=1)
    assert (await read_desk(handrail, run="t")).asked == 20


async def test_an_unreadable_answer_says_nothing(installation: Any, handrail: Handrail, at_desk: None) -> None:
    installation.ticketing.unreadable = ContractViolation("ticketing via fake", "no status", "look")
    await read_desk(handrail, run="t")
    assert (_case(installation).state, _case(installation).desk_status) == ("open", None)


async def test_a_bug_about_one_ticket_does_not_keep_the_others(
    installation: Any, handrail: Handrail, answered: Any, send: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ref in ("C-1", "C-2"):
        answered(ref, score=3)
    await send()
    read = installation.ticketing.read_ticket

    async def stumble(key: str) -> Any:
        if key == TICKET:
            raise RuntimeError("planted")
        return await read(key)

    monkeypatch.setattr(installation.ticketing, "read_ticket", stumble)
    await read_desk(handrail, run="t")
    assert [row.desk_status for row in installation.rows("cases")] == [None, "open"]


async def test_an_unknown_word_is_never_taken_for_solved(installation: Any, handrail: Handrail, at_desk: None) -> None:
    installation.ticketing.statuses[TICKET] = TicketStatus.UNKNOWN
    await read_desk(handrail, run="t")
    assert (_case(installation).state, _case(installation).desk_status) == ("open", "unknown")


async def test_a_solved_ticket_ends_the_case_and_lifts_the_lock(
    installation: Any, handrail: Handrail, at_desk: None
) -> None:
    assert installation.rows("customers")[0].tact_lock == "case C-1-1"
    installation.ticketing.statuses[TICKET] = TicketStatus.SOLVED
    assert (await read_desk(handrail, run="t")).changed == ["C-1-1: solved"]
    case, (customer,) = _case(installation), installation.rows("customers")
    assert (case.state, case.solved_at, customer.tact_lock) == ("solved", installation.clock(), None)
    assert installation.states()["case/C-1/1/recovery-survey/1"] == "ready"


async def test_tickets_seen_for_the_first_time_are_noted_together(
    installation: Any, handrail: Handrail, answered: Any, followed: Any
) -> None:
    for number in range(4):
        answered(f"C-{number}", score=3)
    await followed()
    for number, (status, assignee) in enumerate([("open", None), ("open", None), ("pending", "Ewa"), ("solved", None)]):
        installation.ticketing.statuses[f"case/C-{number}/1/ticket"] = TicketStatus(status)
        if assignee:
            installation.ticketing.assignees[f"case/C-{number}/1/ticket"] = assignee
    versions = [row.version for row in installation.rows("cases")]
    installation.clock.go(minutes=2)
    report = await read_desk(handrail, run="t")
    assert sorted(report.changed) == ["C-0-1: open", "C-1-1: open", "C-2-1: pending", "C-3-1: solved"]
    noted = [(row.state, row.desk_status, row.assignee) for row in installation.rows("cases")]
    assert noted == [("open", "open", None)] * 2 + [("open", "pending", "Ewa"), ("solved", "solved", None)]
    assert all(row.version > before for row, before in zip(installation.rows("cases"), versions, strict=True))


async def test_solved_twice_is_once(installation: Any, handrail: Handrail, at_desk: None) -> None:
    installation.ticketing.statuses[TICKET] = TicketStatus.SOLVED
    await read_desk(handrail, run="t")
    before = [installation.rows(table) for table in ("cases", "actions", "customers")]
    installation.clock.go(seconds=30)
    await read_desk(handrail, run="t")
    assert [installation.rows(table) for table in ("cases", "actions", "customers")] == before


async def test_a_ticket_that_is_gone_is_missing_after_two_looks(
    installation: Any, handrail: Handrail, at_desk: None, followed: Any
) -> None:
    installation.ticketing.effects.clear()
    await followed()
    assert (_case(installation).desk_status, installation.alert.effects) == ("missing", [])
    installation.clock.go(minutes=1)
    await followed()
    assert [key for _, key, _ in installation.alert.effects] == ["case/C-1/1/page/ticket-missing/1"]


async def test_opened_again_at_the_desk_the_case_is_open_again(
    installation: Any, handrail: Handrail, at_desk: None, followed: Any
) -> None:
    installation.ticketing.statuses[TICKET] = TicketStatus.SOLVED
    await followed()
    installation.ticketing.statuses[TICKET] = TicketStatus.OPEN
    installation.clock.go(hours=3)
    report = await read_desk(handrail, run="t")
    assert report.changed == ["C-1-1: opened again at the desk"]
    case, (customer,) = _case(installation), installation.rows("customers")
    assert (case.state, case.turn, customer.tact_lock) == ("open", 2, "case C-1-1")
    installation.clock.go(days=3)
    installation.mail.effects.clear()
    await followed()
    assert installation.action("case/C-1/1/recovery-survey/1").state == "skipped"
    assert installation.mail.effects == []


async def test_one_case_that_cannot_be_noted_does_not_keep_the_others(
    installation: Any, handrail: Handrail, answered: Any, send: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ref in ("C-1", "C-2"):
        answered(ref, score=3, tier=Tier.CORE)
        installation.ticketing.statuses[f"case/{ref}/1/ticket"] = TicketStatus.SOLVED
    await send()
    lift = customers.lift_tact_lock

    def stumble(connection: Any, customer_id: int, **rest: Any) -> None:
        if customer_id == installation.rows("customers")[0].id:
            raise RuntimeError("planted")
        lift(connection, customer_id, **rest)

    monkeypatch.setattr(customers, "lift_tact_lock", stumble)
    await read_desk(handrail, run="t")
    assert [row.state for row in installation.rows("cases")] == ["open", "solved"]
    monkeypatch.setattr(customers, "lift_tact_lock", lift)
    installation.clock.now += timedelta(minutes=1)
    await read_desk(handrail, run="t")
    assert [row.state for row in installation.rows("cases")] == ["solved", "solved"]
