"""What happened today about critical answers, as counts and references."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, literal, or_, select

from domain.actions import Kind
from domain.promises import PromiseState
from store.ledger.rows import actions, cases, customers, receipts
from store.promises import promises
from store.surveys import survey_responses


def answered_since(connection: Connection, since: datetime) -> list[Row[Any]]:
    """Each action of each critical answer received since: received_at, response, kind, state, planned_at, done_at."""
    first = select(func.min(receipts.c.at)).where(receipts.c.action_id == actions.c.id).correlate(actions)
    wanted = (
        select(
            survey_responses.c.id.label("answer"),
            survey_responses.c.received_at,
            actions.c.kind,
            actions.c.state,
            first.scalar_subquery().label("done_at"),
        )
        .join(
            actions,
            (actions.c.case_id == survey_responses.c.case_id) & (actions.c.response_id == survey_responses.c.id),
        )
        .where(survey_responses.c.received_at >= since, survey_responses.c.case_id.is_not(None))
        .order_by(actions.c.id)
    )
    return list(connection.execute(wanted))


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


def standing(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Which of these actions were planned."""
    return set(connection.execute(select(actions.c.key).where(actions.c.key.in_(keys))).scalars()) if keys else set()


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
