"""Critical answers against the desk's tickets, both ways; what may safely be repaired is."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from domain.actions import Capability
from domain.differences import OF_THE_DESK, Booked, Difference, Shown, What, of_books, of_desk
from domain.escalation import plan_ticket
from integrations.errors import IntegrationError
from integrations.ports import TicketList
from services.reporting import list_differences
from services.wiring import Handrail
from store import cases, differences, surveys
from store.ledger.enqueue import About, enqueue

_log = logging.getLogger("services.reconciling")

LOOK_BACK = timedelta(days=1)
MOST = 500
"""Tickets listed in one round: those opened in the last day."""


@dataclass
class Reconciled:
    """What stands between books and desk after one round."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)
    not_listed: str = ""
    """Why the desk's own list was not looked at; what it showed last time stands."""


async def reconcile_tickets(handrail: Handrail, *, run: str) -> Reconciled:
    """One round. Any number may do it; the same finding again changes nothing but when it was last seen."""
    shown, why_not = await _listed(handrail)
    return await asyncio.to_thread(_compare, handrail, shown, why_not, run)


async def _listed(handrail: Handrail) -> tuple[Sequence[Shown] | None, str]:
    configured = handrail.roster.of(Capability.TICKETING)
    if configured is None:
        return None, "no ticket desk is configured"
    if not isinstance(configured.port, TicketList):
        return None, f"{configured.name} cannot list its tickets"
    try:
        states = await configured.port.list_tickets(since=handrail.clock() - LOOK_BACK, limit=MOST)
    except IntegrationError as problem:
        return None, str(problem)
    return [Shown(state.key, state.external_id) for state in states], ""


def _compare(handrail: Handrail, shown: Sequence[Shown] | None, why_not: str, run: str) -> Reconciled:
    now = handrail.clock()
    since = now - LOOK_BACK
    with handrail.database.read() as connection:
        books = differences.booked(connection, since=since, keys=[one.key for one in shown or ()])
        homeless = differences.answers_without_case(connection, since=since)
        before = {(row.subject, row.what, row.detail) for row in differences.listed(connection)}
    booked = {key: one for key, (_, one) in books.items()}
    found = [*of_books(list(booked.values()), now=now), *of_desk(booked, shown or ())]
    found += [
        Difference(answer, What.ANSWER_WITHOUT_CASE, "send or import it again: it is critical and opened no case")
        for answer in homeless
    ]
    done = Reconciled(not_listed=why_not)
    done.repaired = [
        one.subject
        for one in found
        if one.what is What.CASE_WITHOUT_TICKET and _planned(handrail, books[one.subject], run, now)
    ]
    kinds = set(What) if shown is not None else set(What) - OF_THE_DESK
    if before or found:
        with handrail.database.write("differences") as connection:
            differences.replace(connection, found, kinds, now=now)
    for one in found:
        if (one.subject, one.what.value, one.detail) not in before:
            _log.warning("%s: %s: %s", one.subject, one.what, one.detail)
    done.rows = list_differences(handrail.database)
    return done


def _planned(handrail: Handrail, book: tuple[int, Booked], run: str, now: datetime) -> bool:
    """Plan the ticket of a case that has none: the key is the case's, so that nothing can double."""
    case_id, _ = book
    with handrail.database.write("ticket-again") as connection:
        answers = surveys.of_case(connection, case_id)
        if not answers:
            return False
        stored = cases.stored(connection, case_id)
        ticket = plan_ticket(answers[0].answer, stored.case.as_new(), now=now)
        about = About(answers[0].customer_id, case_id, answers[0].id)
        return bool(enqueue(connection, [ticket], about, run=run, now=now))
