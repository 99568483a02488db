"""What happened today about critical answers, as counts and references."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, and_, case, false, func, literal, or_, select, text

from domain.actions import Kind, State, last_word_key
from domain.promises import PromiseState
from store.ledger.rows import actions, cases, customers, receipts
from store.promises import promises
from store.surveys import survey_responses

_NOT_SENT = (State.SKIPPED, State.EXPIRED, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class Answered:
    """What became of some critical answers."""

    answers: int = 0
    at_desk: int = 0
    acknowledged: int = 0
    left_to_people: int = 0
    """No automatic acknowledgement: a person replies."""
    longest: timedelta | None = None
    """The longest a customer waited for the acknowledgement."""


def answered(
    connection: Connection, since: datetime, staffed: Sequence[tuple[datetime, datetime]]
) -> dict[bool, Answered]:
    """What became of the critical answers received since: those that came in these spans, and all others."""
    received, action = survey_responses.c.received_at, actions.c
    is_working = or_(false(), *(and_(received >= begins, received < ends) for begins, ends in staffed))
    of_them = (received >= since, survey_responses.c.case_id.is_not(None))
    both = survey_responses.join(
        actions, (action.case_id == survey_responses.c.case_id) & (action.response_id == survey_responses.c.id)
    )
    is_done = action.state == literal(State.DONE)
    is_acknowledgement = action.kind == literal(Kind.ACKNOWLEDGEMENT)
    counted = (
        select(
            case((is_working, 1), else_=0).label("working"),
            func.count(survey_responses.c.id.distinct()).label("answers"),
            func.count(case((action.kind.in_([Kind.TICKET, Kind.TICKET_NOTE]) & is_done, 1))).label("at_desk"),
            func.count(case((is_acknowledgement & is_done, 1))).label("acknowledged"),
            func.count(case((is_acknowledgement & action.state.in_(_NOT_SENT), 1))).label("left_to_people"),
        )
        .select_from(both)
        .where(*of_them)
        .group_by(text("working"))
    )
    first = select(func.min(receipts.c.at)).where(receipts.c.action_id == action.id).correlate(actions)
    done_at = first.scalar_subquery()
    told: dict[bool, Answered] = {False: Answered(), True: Answered()}
    for row in connection.execute(counted):
        came = is_working if row.working else ~is_working
        slowest = (
            select(received.label("received_at"), done_at.label("done_at"))
            .select_from(both)
            .where(*of_them, came, is_acknowledgement, is_done, done_at.is_not(None))
            .order_by((done_at - received).desc())
            .limit(1)
        )
        found = connection.execute(slowest).first()
        told[bool(row.working)] = Answered(
            *(row.answers, row.at_desk, row.acknowledged, row.left_to_people),
            longest=None if found is None else found.done_at - found.received_at,
        )
    return told


def pages_since(connection: Connection, since: datetime) -> dict[str, int]:
    """State → how many pages planned since, about cases that are open or were opened or solved since."""
    counted = (
        select(actions.c.state, func.count())
        .join(cases, cases.c.id == actions.c.case_id)
        .where(
            or_(cases.c.state == "open", cases.c.opened_at >= since, cases.c.solved_at >= since),
            actions.c.kind == literal(Kind.PAGE),
            actions.c.created_at >= since,
        )
        .group_by(actions.c.state)
    )
    return {state: count for state, count in connection.execute(counted)}


def last_words_asked(connection: Connection) -> list[str]:
    """Open cases whose desk was asked for a person's last word in this turn: their references."""
    wanted = (
        select(customers.c.ref, cases.c.number, cases.c.turn, actions.c.key)
        .select_from(cases)
        .join(customers, customers.c.id == cases.c.customer_id)
        .join(actions, (actions.c.case_id == cases.c.id) & (actions.c.kind == literal(Kind.TICKET_NOTE)))
        .where(cases.c.state == "open", actions.c.key.contains("/last-word/"))
        .order_by(customers.c.ref, cases.c.number)
    )
    rows = connection.execute(wanted)
    return [f"{row.ref}-{row.number}" for row in rows if row.key == last_word_key(row.ref, row.number, row.turn)]


def listed(connection: Connection, *, solved_too: bool, limit: int) -> list[Row[Any]]:
    """Cases with their customer's ref and the next time promised in them: the open ones, the oldest first; or all."""
    due = (
        select(promises.c.case_id, func.min(promises.c.answer_by).label("due"))
        .where(promises.c.state == literal(PromiseState.OPEN))
        .group_by(promises.c.case_id)
        .subquery()
    )
    wanted = (
        select(cases, customers.c.ref, due.c.due)
        .join(customers, customers.c.id == cases.c.customer_id)
        .outerjoin(due, due.c.case_id == cases.c.id)
        .order_by(cases.c.state, cases.c.opened_at)
        .limit(limit)
    )
    return list(connection.execute(wanted if solved_too else wanted.where(cases.c.state == "open")))


def broken_and_unanswered(connection: Connection) -> list[str]:
    """Open cases in which a promised time has passed and nobody has answered since: their references."""
    wanted = (
        select(customers.c.ref, cases.c.number)
        .select_from(promises)
        .join(cases, cases.c.id == promises.c.case_id)
        .join(customers, customers.c.id == cases.c.customer_id)
        .where(
            promises.c.state == literal(PromiseState.BROKEN),
            cases.c.state == "open",
            or_(cases.c.answered_at.is_(None), cases.c.answered_at < promises.c.made_at),
        )
        .distinct()
        .order_by(customers.c.ref, cases.c.number)
    )
    return [f"{row.ref}-{row.number}" for row in connection.execute(wanted)]
