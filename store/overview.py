"""What stands where: counts for machines, rows for people."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, func, or_, select

from domain.actions import FINAL, Kind, State
from store.ledger.rows import actions, audit, cases, customers, entitlements, integration_state, receipts
from store.receipts import last_receipts
from store.surveys import survey_responses

_ANSWERS = 200
"""Of one subject, the newest."""

_ENDINGS = 50
"""Of one subject, those that end last."""

_CUTS = 20
"""Slashes of a subject that are looked at."""

_ALIKE = 12
"""Characters that what was mistyped and what was meant begin with alike, at most."""


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


def payload_of(connection: Connection, key: str) -> dict[str, Any] | None:
    """What an action says that is done or may still be; None: there is none such."""
    over = sorted(FINAL - {State.DONE})
    row = connection.execute(
        select(actions.c.payload).where(actions.c.key == key, actions.c.state.not_in(over))
    ).first()
    return None if row is None else dict(row.payload)


def of_cases(connection: Connection, case_ids: Sequence[int]) -> list[Row[Any]]:
    """The actions of these cases with what the vendor called them, oldest first."""
    return _with_receipts(connection, actions.c.case_id.in_(case_ids))


def about(connection: Connection, subject: str, *, limit: int) -> list[Row[Any]]:
    """The newest actions a subject names, oldest first.

    It is a key, the beginning of one, a customer ref, an entitlement's, a case (`<ref>-<n>`, `case/<ref>/<n>`) or a
    response.
    """
    by_case = select(cases.c.id).join(customers, customers.c.id == cases.c.customer_id).where(_case_named(subject))
    by_response = select(survey_responses.c.id).where(_response_named(subject))
    by_customer = select(customers.c.id).where(customers.c.ref == subject)
    by_entitlement = select(entitlements.c.id).where(entitlements.c.ref == subject)
    named = [
        actions.c.key == subject,
        actions.c.customer_id.in_(by_customer),
        actions.c.case_id.in_(by_case),
        actions.c.response_id.in_(by_response),
        actions.c.entitlement_id.in_(by_entitlement),
    ]
    if "/" in subject:  # an ending: its keys go on where it ends
        start = f"{subject.rstrip('/')}/"
        # Not by LIKE alone: SQLite's takes C-1 and c-1 for the same, and they may be two customers.
        is_it = func.substr(actions.c.key, 1, len(start)) == start
        named.append(and_(actions.c.key.startswith(start, autoescape=True), is_it))
    newest = select(actions.c.id).where(or_(*named)).order_by(actions.c.id.desc()).limit(limit)
    return _with_receipts(connection, actions.c.id.in_(newest.subquery().select()))


def answers_about(connection: Connection, subject: str, action_rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """The answers a subject names, and those its actions came from."""
    wanted = (
        select(survey_responses, customers.c.ref)
        .join(customers, customers.c.id == survey_responses.c.customer_id)
        .where(
            or_(
                _response_named(subject),
                customers.c.ref == subject,
                survey_responses.c.id.in_([row.response_id for row in action_rows if row.response_id]),
            )
        )
        .order_by(survey_responses.c.received_at.desc(), survey_responses.c.id.desc())
        .limit(_ANSWERS)
    )
    return list(connection.execute(wanted))[::-1]


def endings_about(connection: Connection, subject: str, action_rows: Sequence[Row[Any]]) -> list[Row[Any]]:
    """The entitlements a subject names, a customer's those that end last, and those its actions are about."""
    wanted = (
        select(entitlements, customers.c.ref.label("customer_ref"))
        .join(customers, customers.c.id == entitlements.c.customer_id)
        .where(
            or_(
                entitlements.c.ref == subject,
                customers.c.ref == subject,
                entitlements.c.id.in_({row.entitlement_id for row in action_rows if row.entitlement_id}),
            )
        )
        .order_by(entitlements.c.ends_on.desc(), entitlements.c.id.desc())
        .limit(_ENDINGS)
    )
    return list(connection.execute(wanted))[::-1]


def people_about(
    connection: Connection, subject: str, action_rows: Sequence[Row[Any]], told_rows: Sequence[Row[Any]]
) -> list[Row[Any]]:
    """The customer a subject names, and those its actions, answers and entitlements are about."""
    ids = {row.customer_id for row in (*action_rows, *told_rows) if row.customer_id}
    wanted = select(customers).where(or_(customers.c.ref == subject, customers.c.id.in_(ids)))
    return list(connection.execute(wanted.order_by(customers.c.id)))


def cases_about(
    connection: Connection, action_rows: Sequence[Row[Any]], answer_rows: Sequence[Row[Any]]
) -> list[Row[Any]]:
    """The cases of these actions and answers, oldest first."""
    ids = {row.case_id for row in (*action_rows, *answer_rows) if row.case_id}
    wanted = (
        select(cases, customers.c.ref)
        .join(customers, customers.c.id == cases.c.customer_id)
        .where(cases.c.id.in_(ids))
        .order_by(cases.c.opened_at)
    )
    return list(connection.execute(wanted))


def subjects_like(connection: Connection, subject: str, *, limit: int) -> list[str]:
    """Refs of customers and entitlements, responses and keys that begin as this one does, for whoever mistyped it."""
    start = subject[: max(1, min(len(subject) // 2, _ALIKE))]
    named = (
        (customers, customers.c.ref),
        (survey_responses, survey_responses.c.response_id),
        (entitlements, entitlements.c.ref),
        (actions, actions.c.key),
    )
    return [
        name
        for table, column in named
        for name in connection.execute(
            select(column).where(column.istartswith(start, autoescape=True)).order_by(table.c.id.desc()).limit(limit)
        ).scalars()
    ]


def _case_named(subject: str) -> ColumnElement[bool]:
    ref, _, number = subject.removeprefix("case/").replace("/", "-").rpartition("-")
    return and_(customers.c.ref == ref, cases.c.number == (int(number) if _is_number(number) else -1))


def _response_named(subject: str) -> ColumnElement[bool]:
    """A response, or `<source>/<response>`; either may have slashes in it, so the cut may be at any."""
    told = subject.removeprefix("survey/")
    cuts = [at for at, mark in enumerate(told) if mark == "/"][:_CUTS]
    named = survey_responses.c
    pairs = [and_(named.source == told[:at], named.response_id == told[at + 1 :]) for at in cuts]
    return or_(named.response_id.in_([subject, told]), *pairs)


def _is_number(word: str) -> bool:
    """True for a case's number; a longer one no database holds."""
    return word.isascii() and word.isdecimal() and len(word) < 10


def moves(connection: Connection, action_ids: Sequence[int]) -> list[Row[Any]]:
    """Every move of these actions, in order."""
    return list(connection.execute(select(audit).where(audit.c.action_id.in_(action_ids)).order_by(audit.c.id)))


@dataclass(frozen=True, slots=True)
class OpenCases:
    """Which open cases; what is left empty fits all."""

    team: str = ""
    tier: str = ""
    owner: str = ""
    promised_before: datetime | None = None
    """And nobody has answered."""


def open_cases(connection: Connection, wanted: OpenCases, *, offset: int, limit: int) -> list[Row[Any]]:
    """Open cases with their customer's ref, tier and agent; the first promised first."""
    chosen = (
        select(cases, customers.c.ref, customers.c.tier, customers.c.dedicated_agent)
        .join(customers, customers.c.id == cases.c.customer_id)
        .where(*_chosen(wanted))
        .order_by(cases.c.answer_by, cases.c.id)
        .offset(offset)
        .limit(limit)
    )
    return list(connection.execute(chosen))


def count_open_cases(connection: Connection, wanted: OpenCases, now: datetime) -> tuple[int, int]:
    """How many there are, and in how many nobody has answered although the promised time has passed."""
    late = func.count().filter(_is_late(now))
    counted = (
        select(func.count(), late)
        .select_from(cases.join(customers, customers.c.id == cases.c.customer_id))
        .where(*_chosen(wanted))
    )
    total, behind = connection.execute(counted).one()
    return int(total), int(behind)


def who_has_open_cases(connection: Connection) -> tuple[list[str], list[str]]:
    """The teams that any open case is for, and who has one, or is to have it: a dedicated agent."""
    joined = cases.join(customers, customers.c.id == cases.c.customer_id)
    people = func.coalesce(cases.c.assignee, customers.c.dedicated_agent).label("person")
    pairs = connection.execute(
        select(cases.c.team, people).select_from(joined).where(cases.c.state == "open").distinct()
    ).all()
    return sorted({row.team for row in pairs}), sorted({row.person for row in pairs if row.person})


def _is_late(now: datetime) -> ColumnElement[bool]:
    return (cases.c.answer_by < now) & cases.c.answered_at.is_(None)


def _chosen(wanted: OpenCases) -> list[ColumnElement[bool]]:
    chosen: list[ColumnElement[bool]] = [cases.c.state == "open"]
    if wanted.team:
        chosen.append(cases.c.team == wanted.team)
    if wanted.tier:
        chosen.append(customers.c.tier == wanted.tier)
    if wanted.owner:
        chosen.append(func.coalesce(cases.c.assignee, customers.c.dedicated_agent, cases.c.team) == wanted.owner)
    if wanted.promised_before is not None:
        chosen.append(_is_late(wanted.promised_before))
    return chosen


def states_of_cases(connection: Connection, since: datetime) -> Counter[str]:
    """State → how many actions, of cases that are open or were opened since."""
    counted = select(actions.c.state, func.count()).where(_of_cases(since)).group_by(actions.c.state)
    return Counter(dict(connection.execute(counted).tuples().all()))


def late_tickets(connection: Connection, since: datetime, now: datetime) -> int:
    """Of how many of these cases the ticket is not at the desk although their promised time has passed."""
    counted = (
        select(func.count())
        .select_from(actions.join(cases, cases.c.id == actions.c.case_id))
        .where(
            _is_recent(since),
            actions.c.kind == Kind.TICKET,
            actions.c.state != State.DONE,
            cases.c.answer_by < now,
        )
    )
    return connection.execute(counted).scalar_one()


def fates_of_cases(connection: Connection, since: datetime, *, most_over: int) -> list[Row[Any]]:
    """The actions of these cases that are not over, and so many of those that are: first what was not done, then
    the newest. With what vendors called them, oldest first."""
    are_over = actions.c.state.in_(sorted(FINAL))
    some = (
        select(actions.c.id)
        .where(_of_cases(since), are_over)
        .order_by(actions.c.state == State.DONE, actions.c.id.desc())
        .limit(most_over)
    )
    shown = or_(actions.c.state.not_in(sorted(FINAL)), actions.c.id.in_(some.subquery().select()))
    return _with_receipts(connection, and_(_of_cases(since), shown))


def _of_cases(since: datetime) -> ColumnElement[bool]:
    """Not by a list of their ids: statements take some ten thousand parameters, and a bad day may bring more cases."""
    return actions.c.case_id.in_(select(cases.c.id).where(_is_recent(since)))


def _is_recent(since: datetime) -> ColumnElement[bool]:
    return or_(cases.c.state == "open", cases.c.opened_at >= since)


def _with_receipts(connection: Connection, condition: Any) -> list[Row[Any]]:
    wanted = (
        select(
            actions,
            last_receipts(receipts.c.external_id).label("external_id"),
            last_receipts(receipts.c.at).label("done_at"),
        )
        .where(condition)
        .order_by(actions.c.id)
    )
    return list(connection.execute(wanted))
