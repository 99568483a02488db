"""Read back from the ticket desk: who has each case, where its ticket stands; a solved ticket ends the case."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, update

from domain.actions import Capability
from domain.cases import has_bad_peak, may_end, plan_last_word
from domain.distress import Category
from domain.policy import Policy
from domain.words import how_many
from integrations.errors import IntegrationError, Rejected
from integrations.ports import TicketState, TicketStatus
from services.case_plans import recovery_survey
from services.risks import enqueue_asked
from services.wiring import Handrail
from store import cases, customers, desk, messages, overview, surveys
from store.crash_points import reached
from store.desk import Asked
from store.ledger.enqueue import About, enqueue
from store.ledger.rows import cases as case_rows

_log = logging.getLogger("services.desk")

MOST = 100
"""Tickets asked about in one round; the others have waited less long and come next."""

SIDE_BY_SIDE = 4

MISSING = "missing"
"""Instead of a ticket's status: the desk knows no such ticket."""

THE_DESK = "the ticket desk"


@dataclass
class DeskReport:
    """What one round of asking came to. Counts and references only."""

    asked: int = 0
    changed: list[str] = field(default_factory=list)  # "C-1-1: solved"
    trouble: str = ""
    """Why the desk was not asked to the end."""


async def read_desk(handrail: Handrail, *, run: str, rest: Callable[[], Awaitable[object]] | None = None) -> DeskReport:
    """Ask about the open cases whose turn it is, some at once, and write down what is new. Any number may do so.

    `rest` is awaited between two questions, where others' work must not wait for a hundred of them in one go.
    """
    report = DeskReport()
    configured = handrail.roster.of(Capability.TICKETING)
    if configured is None:
        return report
    asked = await asyncio.to_thread(_take, handrail, configured.name)
    slots, to_ask = asyncio.Semaphore(SIDE_BY_SIDE), len(asked)
    shown: dict[int, TicketState | None] = {}

    async def ask(one: Asked) -> None:
        nonlocal to_ask
        async with slots:
            to_ask -= 1
            if report.trouble:
                return  # it would fare no better; the next round asks
            try:
                shown[one.case_id] = await configured.port.read_ticket(one.key)
                reached("desk.answered")
            except Rejected as refusal:  # about this one alone
                _log.warning("%s: its ticket could not be read: %s", one.key, refusal)
            except IntegrationError as problem:
                report.trouble = str(problem)
            except Exception:  # a bug in the integration must not keep what the others showed from being noted
                _log.exception("%s: its ticket could not be read", one.key)
            if rest is not None and to_ask:
                await rest()

    await asyncio.gather(*(ask(one) for one in asked))
    report.asked = len(shown)
    report.changed = await asyncio.to_thread(_note, handrail, shown, run)
    if report.trouble:
        _log.warning("tickets were not all read back: %s", report.trouble)
    return report


def _take(handrail: Handrail, integration: str) -> list[Asked]:
    now = handrail.clock()
    due: dict[str, Any] = {
        "before": now - timedelta(seconds=handrail.policy.cases.read_desk_seconds),
        "solved_since": now - timedelta(hours=handrail.policy.cases.recovery_survey.after_hours + 24),
        "most": MOST,
    }
    with handrail.database.read() as connection:  # nobody waits for a round that finds nothing
        if overview.breakers(connection).get(integration) or not desk.find_due(connection, **due):
            return []
    with handrail.database.write("take-desk") as connection:
        return desk.take_due(connection, **due, now=now)


def _note(handrail: Handrail, shown: Mapping[int, TicketState | None], run: str) -> list[str]:
    if not shown:
        return []
    now = handrail.clock()
    with handrail.database.read() as connection:
        standing = desk.standing(connection, list(shown))
    first: dict[tuple[TicketStatus, str | None], list[int]] = defaultdict(list)
    unchanged: list[int] = []
    news: list[int] = []
    for case_id, state in shown.items():
        row = standing[case_id]
        if state is not None and _is_new_there(row, state):
            first[state.status, state.assignee].append(case_id)
        else:
            (news if _is_news(row, state) else unchanged).append(case_id)
    with handrail.database.write("note-desk") as connection:
        desk.note_unchanged(connection, unchanged, now=now)
        for (status, assignee), alike in first.items():
            desk.note_first(connection, alike, status=status, assignee=assignee, now=now)
    seen = [
        f"{standing[one].ref}-{standing[one].number}: {status}" for (status, _), ids in first.items() for one in ids
    ]
    return seen + [told for case_id in news if (told := _noted(handrail, case_id, shown[case_id], run, now))]


def _is_new_there(row: Row[Any], state: TicketState) -> bool:
    """A ticket seen for the first time, of which there is nothing to say but who has it. Most news are: they are
    written down together, as each transaction of its own is one more that answers wait for."""
    is_untouched = (row.state, row.desk_status, row.desk_missing_since, state.answered_at) == ("open", None, None, None)
    return is_untouched and state.status in {TicketStatus.OPEN, TicketStatus.PENDING}


def _is_news(row: Row[Any], state: TicketState | None) -> bool:
    if state is None:
        return True
    if state.status is TicketStatus.SOLVED:
        return bool(row.state == "open" or row.desk_status != state.status)
    is_as_before = (row.desk_status, row.assignee, row.desk_missing_since) == (state.status, state.assignee, None)
    return row.state != "open" or not is_as_before or _answered(row, state) != row.answered_at


def _noted(handrail: Handrail, case_id: int, state: TicketState | None, run: str, now: datetime) -> str:
    try:
        with handrail.database.write("note-ticket") as connection:
            row = desk.locked(connection, case_id)
            reached("desk.locked")
            before = row.desk_status
            # Solved before a note had reached it, which opens it again: no end, and no answer to what the note says.
            is_over = (
                state is not None
                and state.status is TicketStatus.SOLVED
                and not desk.is_untold(connection, case_id, asked_at=row.desk_checked_at)
            )
            desk.note(connection, row, _facts(row, state, now, is_over=is_over), now=now)
            told = "" if state is None else _follow(connection, row, state, handrail.policy, run, now, is_over=is_over)
    except Exception:  # one case must not keep the others from being noted; it is asked about again
        _log.exception("case %s: what the desk shows could not be written down", case_id)
        return ""
    after = MISSING if state is None else state.status.value
    return told or (f"{row.ref}-{row.number}: {after}" if after != before else "")


def _facts(row: Row[Any], state: TicketState | None, now: datetime, *, is_over: bool) -> dict[str, Any]:
    if state is None:
        return {"desk_status": MISSING, "desk_missing_since": row.desk_missing_since or now}
    facts: dict[str, Any] = {"desk_status": state.status, "assignee": state.assignee, "desk_missing_since": None}
    answered_at = _answered(row, state)
    if answered_at is not None and answered_at == state.answered_at:
        facts |= {"last_word_at": answered_at, "last_word_by": THE_DESK}
    is_new = row.state == "open" and (answered_at is None or row.desk_status != TicketStatus.SOLVED)
    if is_over and is_new and state.answered_at is None:
        answered_at = now  # the desk does not say when; whoever solved it says that it is done
    return facts | {"answered_at": answered_at}


def _answered(row: Row[Any], state: TicketState) -> datetime | None:
    """When a person last answered in this turn, by the desk's word or by what a colleague told us."""
    told = state.answered_at
    if told is None or told < (row.reopened_at or row.opened_at):
        return row.answered_at if isinstance(row.answered_at, datetime) else None
    return told if row.answered_at is None else max(told, row.answered_at)


def _follow(
    connection: Connection, row: Row[Any], state: TicketState, policy: Policy, run: str, now: datetime, *, is_over: bool
) -> str:
    """What a ticket's status does to its case; in words, or nothing."""
    reference = f"{row.ref}-{row.number}"
    if row.state == "open" and is_over:
        return f"{reference}: {_end(connection, row.id, policy, run, now)}"
    if row.state == "solved" and state.status in {TicketStatus.OPEN, TicketStatus.PENDING}:
        return f"{reference}: {_open_again(connection, row, now)}"
    return ""


def _end(connection: Connection, case_id: int, policy: Policy, run: str, now: datetime) -> str:
    """The ticket is solved: the lock is lifted and the recovery survey planned; or a person's last word asked for."""
    row = desk.standing(connection, [case_id])[case_id]  # with what was just noted
    answers = surveys.of_case(connection, case_id)
    about = About(row.customer_id, case_id)
    bad_peak = messages.has_distress(connection, case_id) or any(
        has_bad_peak(one.answer, None if one.distress is None else Category(one.distress), policy) for one in answers
    )
    spoken = desk.last_message_at(connection, case_id)
    if not may_end(bad_peak=bad_peak, last_word_at=row.last_word_at, last_message_at=spoken):
        asked = plan_last_word(row.ref, row.number, row.turn, priority=row.priority, now=now)
        enqueue(connection, [asked], about, run=run, now=now)
        return "solved, a person's last word is asked for"
    cases.solve(connection, case_id, now=now)
    customers.lift_tact_lock(connection, row.customer_id, now=now)
    reached("case.solved")
    survey = recovery_survey(connection, case_id, policy, now=now)
    enqueue_asked(connection, survey, about, policy, run=run, now=now)
    return "solved"


def _open_again(connection: Connection, row: Row[Any], now: datetime) -> str:
    """An agent opened the ticket again; unless the customer has another open case, which has their attention."""
    if cases.has_open(connection, row.customer_id):
        return "opened again at the desk, beside another open case"
    connection.execute(
        update(case_rows)
        .where(case_rows.c.id == row.id)
        .values(state="open", solved_at=None, turn=row.turn + 1, reopened_at=now, answered_at=None)
    )
    customers.set_tact_lock(connection, row.customer_id, f"case {row.ref}-{row.number}", now=now)
    return "opened again at the desk"


def words_of(report: DeskReport) -> str:
    """For a run's name: `12 tickets read, 3 changed`."""
    then = ", then trouble" if report.trouble else ""
    return f"{how_many(report.asked, 'ticket')} read, {len(report.changed)} changed{then}"
