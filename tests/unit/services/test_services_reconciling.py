"""Books and desk side by side: each difference is found once, named, kept until it is gone, repaired where safe."""

from typing import Any

import pytest
from sqlalchemy import delete, update

from domain.differences import What
from integrations.errors import Rejected, Unavailable
from integrations.ports import Ticket
from services.reconciling import reconcile_tickets
from services.wiring import Handrail
from store.ledger.rows import actions, audit, cases
from store.surveys import survey_responses

TICKET = "case/C-1/1/ticket"


@pytest.fixture
async def at_desk(answered: Any, followed: Any) -> None:
    """One bad answer, its ticket at the desk."""
    answered("C-1", score=3)
    await followed()


def found(installation: Any) -> list[tuple[str, str]]:
    return [(row.subject, row.what) for row in installation.rows("desk_differences")]


async def test_where_both_agree_there_is_nothing(installation: Any, handrail: Handrail, at_desk: None) -> None:
    done = await reconcile_tickets(handrail, run="t")
    assert (done.rows, done.repaired, done.not_listed) == ([], [], "")


async def test_a_case_whose_ticket_nobody_planned_gets_it(
    installation: Any, handrail: Handrail, answered: Any, send: Any
) -> None:
    answered("C-1", score=3)
    with installation.database.write() as connection:
        connection.execute(delete(actions).where(actions.c.key == TICKET))
        connection.execute(delete(audit))
    done = await reconcile_tickets(handrail, run="t")
    assert (done.repaired, found(installation)) == ([TICKET], [(TICKET, What.CASE_WITHOUT_TICKET)])
    await send()
    assert [key for operation, key, _ in installation.ticketing.effects] == [TICKET]
    assert (await reconcile_tickets(handrail, run="t")).rows == []


async def test_a_refused_ticket_is_named_with_what_to_do(
    installation: Any, handrail: Handrail, answered: Any, send: Any
) -> None:
    answered("C-1", score=3)
    installation.ticketing.script(Rejected("ticketing via fake", "no such team", "correct it", 422))
    await send()
    (row,) = (await reconcile_tickets(handrail, run="t")).rows
    assert (row["what"], row["detail"]) == (What.TICKET_NOT_SENT, f"failed: handrail actions settle {TICKET}")


async def test_a_ticket_on_its_way_counts_after_a_while(installation: Any, handrail: Handrail, answered: Any) -> None:
    answered("C-1", score=3)
    assert (await reconcile_tickets(handrail, run="t")).rows == []
    installation.clock.go(minutes=6)
    assert [row["what"] for row in (await reconcile_tickets(handrail, run="t")).rows] == [What.TICKET_NOT_SENT]


async def test_a_ticket_that_is_gone_is_a_difference(
    installation: Any, handrail: Handrail, at_desk: None, followed: Any
) -> None:
    installation.ticketing.effects.clear()
    for _ in range(2):
        installation.clock.go(minutes=1)
        await followed()
    (row,) = (await reconcile_tickets(handrail, run="t")).rows
    assert (row["what"], row["detail"][:6]) == (What.TICKET_GONE, "fake-1")


async def test_a_ticket_of_ours_that_no_case_knows_is_a_difference(
    installation: Any, handrail: Handrail, at_desk: None
) -> None:
    stray = Ticket("C-9", "s", "b", "high", "team", "en")
    await installation.ticketing.open_ticket(stray, key="case/C-9/4/ticket")
    done = await reconcile_tickets(handrail, run="t")
    assert [(row["subject"], row["what"]) for row in done.rows] == [("case/C-9/4/ticket", What.TICKET_WITHOUT_CASE)]
    assert done.repaired == []


async def test_two_tickets_for_one_case_are_a_difference(installation: Any, handrail: Handrail, at_desk: None) -> None:
    installation.ticketing.effects.append(installation.ticketing.effects[0])
    (row,) = (await reconcile_tickets(handrail, run="t")).rows
    assert (row["what"], row["detail"]) == (What.TICKET_TWICE, "fake-1, fake-2: merge them there, ours is fake-1")


async def test_another_ticket_than_ours_is_a_difference(installation: Any, handrail: Handrail, at_desk: None) -> None:
    installation.ticketing.effects.insert(0, ("add_note", "other", None))
    (row,) = (await reconcile_tickets(handrail, run="t")).rows
    assert (row["what"], row["detail"]) == (What.ANOTHER_TICKET, "fake-2 is there, our books have fake-1")


async def test_a_critical_answer_without_a_case_is_a_difference(
    installation: Any, handrail: Handrail, at_desk: None
) -> None:
    with installation.database.write() as connection:
        connection.execute(update(survey_responses).values(case_id=None))
    assert [row["subject"] for row in (await reconcile_tickets(handrail, run="t")).rows] == ["standard/r-C-1"]


async def test_a_difference_keeps_its_first_time_and_goes_when_it_is_gone(
    installation: Any, handrail: Handrail, answered: Any, send: Any
) -> None:
    answered("C-1", score=3)
    installation.clock.go(minutes=10)
    await reconcile_tickets(handrail, run="t")
    first = installation.clock()
    installation.clock.go(minutes=10)
    await reconcile_tickets(handrail, run="t")
    (row,) = installation.rows("desk_differences")
    assert (row.found_at, row.seen_at) == (first, installation.clock())
    await send()
    assert (await reconcile_tickets(handrail, run="t")).rows == []


async def test_a_silent_desk_says_nothing_about_what_it_showed_before(
    installation: Any, handrail: Handrail, at_desk: None
) -> None:
    installation.ticketing.effects.append(installation.ticketing.effects[0])
    await reconcile_tickets(handrail, run="t")
    installation.ticketing.unreadable = Unavailable("ticketing via fake", "no answer", "look")
    done = await reconcile_tickets(handrail, run="t")
    assert "no answer" in done.not_listed
    assert found(installation) == [(TICKET, What.TICKET_TWICE)]


async def test_an_older_case_whose_ticket_is_listed_is_known(
    installation: Any, handrail: Handrail, at_desk: None
) -> None:
    with installation.database.write() as connection:
        connection.execute(update(cases).values(state="solved"))
    installation.clock.go(days=3)
    assert (await reconcile_tickets(handrail, run="t")).rows == []
