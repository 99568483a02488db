"""With Prefect away the gateway itself reads tickets back and pages: these are urgent actions."""

from typing import Any

from open_reviews import open_review

from domain.review_rules import Risk
from integrations.errors import Unavailable
from integrations.ports import TicketStatus

TICKET = "case/C-1/1/ticket"
NOT_TAKEN = ("raise_alert", "case/C-1/1/page/nobody-took-it/1/1")


async def test_nobody_took_it_is_paged_without_prefect(
    installation: Any, opened: Any, answer: Any, clock: Any, eventually: Any
) -> None:
    async with opened(installation, follow_seconds=0.1) as door:
        await door.deliver(answer())
        await eventually(lambda: installation.ticketing.reads)
        clock.go(minutes=15)
        await eventually(lambda: NOT_TAKEN in installation.effects())
        clock.go(minutes=1)
        await eventually(lambda: len(installation.ticketing.reads) >= 2)
    assert installation.effects().count(NOT_TAKEN) == 1
    assert installation.action(NOT_TAKEN[1]).planned_by == "gateway"


async def test_a_solved_ticket_ends_the_case_without_prefect(
    installation: Any, opened: Any, answer: Any, eventually: Any
) -> None:
    installation.ticketing.statuses[TICKET] = TicketStatus.SOLVED
    async with opened(installation, follow_seconds=0.1) as door:
        await door.deliver(answer())
        await eventually(lambda: [row.state for row in installation.rows("cases")] == ["solved"])
    assert installation.rows("customers")[0].tact_lock is None


async def test_people_are_told_of_reviews_without_prefect(
    installation: Any, opened: Any, clock: Any, eventually: Any
) -> None:
    """Of those that are urgent at once; a review that asks about words needs no actions of its own."""
    about = {"subject": "journey", "what": "onboarding", "content": {}}
    open_review(installation.database, 1, Risk.HIGH, now=clock(), **about)
    opened_, reminded = (("raise_alert", f"review/1/alert/{percent}/Ewa Lis") for percent in (0, 50))
    async with opened(installation):
        await eventually(lambda: opened_ in installation.effects())
        clock.go(hours=2)
        await eventually(lambda: reminded in installation.effects())
    assert installation.effects().count(opened_) == installation.effects().count(reminded) == 1
    assert installation.alert.effects[0][2].summary.endswith(": new journey: onboarding")


async def test_a_desk_that_cannot_be_read_does_not_keep_the_page(
    installation: Any, opened: Any, answer: Any, clock: Any, eventually: Any
) -> None:
    installation.ticketing.unreadable = Unavailable("ticketing via fake", "no answer", "look")
    async with opened(installation, follow_seconds=0.1) as door:
        await door.deliver(answer())
        clock.go(minutes=15)
        await eventually(lambda: NOT_TAKEN in installation.effects())
