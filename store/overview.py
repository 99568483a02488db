"""What stands where: counts for machines, rows for people."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, or_, select

from domain.actions import FINAL, State
from store.ledger.rows import actions, audit, cases, controls, customers, integration_state, receipts
from store.surveys import survey_responses


def open_counts(connection: Connection) -> dict[tuple[str, str], int]:
    """(capability, state) → how many actions that are not over."""
    counted = (
        select(actions.c.capability, actions.c.state, func.count())
        .where(actions.c.state.not_in(sorted(FINAL)))
        .group_by(actions.c.capability, actions.c.state)
    )
    return {(capability, state): count for capability, state, count in connection.execute(counted)}


def oldest_urgent_due(connection: Connection, now: datetime) -> datetime | None:
    """Since when the oldest urgent action that is due has waited."""
    found = connection.execute(
        select(func.min(actions.c.due_at)).where(
            actions.c.urgent, actions.c.state.in_([State.READY, State.CLAIMED]), actions.c.due_at <= now
        )
    ).scalar()
    return found if isinstance(found, datetime) else None


def is_stopped(connection: Connection) -> Row[Any]:
    """The kill switch: stopped, reason, by, at."""
    return connection.execute(select(controls).where(controls.c.id == 1)).one()


def breakers(connection: Connection) -> dict[str, bool]:
    """Integration → its breaker is open."""
    rows = connection.execute(select(integration_state.c.name, integration_state.c.breaker))
    return {row.name: row.breaker == "open" for row in rows}


def listed(connection: Connection, states: Sequence[State], *, limit: int) -> list[Row[Any]]:
    """Actions in these states (none: all), newest first."""
    wanted = select(actions).order_by(actions.c.id.desc()).limit(limit)
    if states:
        wanted = wanted.where(actions.c.state.in_(states))
    return list(connection.execute(wanted))


def of_cases(connection: Connection, case_ids: Sequence[int]) -> list[Row[Any]]:
    """The actions of these cases with what the vendor called them, oldest first."""
    return _with_receipts(connection, actions.c.case_id.in_(case_ids))


def about(connection: Connection, subject: str) -> list[Row[Any]]:
    """Actions a subject names: a key, a customer ref, a case (`<ref>-<n>`, `case/<ref>/<n>`) or a response."""
    ref_of_case, _, number = subject.removeprefix("case/").replace("/", "-").rpartition("-")
    by_case = (
        select(cases.c.id)
        .join(customers, customers.c.id == cases.c.customer_id)
        .where(customers.c.ref == ref_of_case, cases.c.number == (int(number) if number.isdecimal() else -1))
    )
    source, _, response = subject.removeprefix("survey/").rpartition("/")
    by_response = select(survey_responses.c.id).where(survey_responses.c.response_id == (response or subject))
    if source:
        by_response = by_response.where(survey_responses.c.source == source)
    by_customer = select(customers.c.id).where(customers.c.ref == subject)
    return _with_receipts(
        connection,
        or_(
            actions.c.key == subject,
            actions.c.customer_id.in_(by_customer),
            actions.c.case_id.in_(by_case),
            actions.c.response_id.in_(by_response),
        ),
    )


def answers_about(connection: Connection, subject: str, action_rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """The answers a subject names, and those its actions came from."""
    source, _, response = subject.removeprefix("survey/").rpartition("/")
    named = survey_responses.c.response_id == (response or subject)
    if source:
        named = named & (survey_responses.c.source == source)
    wanted = (
        select(survey_responses, customers.c.ref)
        .join(customers, customers.c.id == survey_responses.c.customer_id)
        .where(
            or_(
                named,
                customers.c.ref == subject,
                survey_responses.c.id.in_([row.response_id for row in action_rows if row.response_id]),
            )
        )
        .order_by(survey_responses.c.received_at, survey_responses.c.id)
    )
    return list(connection.execute(wanted))


def moves(connection: Connection, action_ids: Sequence[int]) -> list[Row[Any]]:
    """Every move of these actions, in order."""
    return list(connection.execute(select(audit).where(audit.c.action_id.in_(action_ids)).order_by(audit.c.id)))


def cases_opened_since(connection: Connection, since: datetime) -> list[Row[Any]]:
    """Cases that are open or were opened since then, with their customer's ref, oldest first."""
    wanted = (
        select(cases, customers.c.ref)
        .join(customers, customers.c.id == cases.c.customer_id)
        .where(or_(cases.c.state == "open", cases.c.opened_at >= since))
        .order_by(cases.c.opened_at)
    )
    return list(connection.execute(wanted))


def _with_receipts(connection: Connection, condition: Any) -> list[Row[Any]]:
    latest = (
        select(receipts.c.action_id, func.max(receipts.c.id).label("receipt_id")).group_by(receipts.c.action_id)
    ).subquery()
    wanted = (
        select(actions, receipts.c.external_id, receipts.c.at.label("done_at"))
        .outerjoin(latest, latest.c.action_id == actions.c.id)
        .outerjoin(receipts, receipts.c.id == latest.c.receipt_id)
        .where(condition)
        .order_by(actions.c.id)
    )
    return list(connection.execute(wanted))
