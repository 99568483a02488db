"""Books and desk side by side, and the list of what they do not agree on."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, bindparam, delete, literal, or_, select, update

from domain.actions import Kind, State, ticket_key
from domain.differences import Booked, Difference, What
from store.ledger.rows import actions, cases, customers, receipts
from store.once import insert_once
from store.receipts import last_receipts
from store.surveys import survey_responses
from store.tables import metadata
from store.types import Instant, among

desk_differences: Table = metadata.tables["desk_differences"]

_ADD = insert_once(desk_differences, "subject", "what")
_SEEN = (
    update(desk_differences)
    .where(desk_differences.c.subject == bindparam("on_subject"), desk_differences.c.what == bindparam("on_what"))
    .values(detail=bindparam("new_detail"), seen_at=bindparam("now", type_=Instant))
)


def booked(connection: Connection, *, since: datetime, keys: Collection[str] = ()) -> dict[str, tuple[int, Booked]]:
    """The tickets with one of these keys, and those that are not at the desk of cases that are open or were opened
    `since`: case id and ticket by key. Of thousands of open cases that leaves the few that may differ."""
    named = select(actions.c.case_id).where(among(actions.c.key, "keys"), actions.c.kind == literal(Kind.TICKET))
    is_followed = or_(cases.c.state == "open", cases.c.opened_at >= since)
    may_be_away = or_(
        actions.c.state.is_(None), actions.c.state != literal(State.DONE), cases.c.desk_missing_since.is_not(None)
    )
    wanted = (
        select(
            *(cases.c.id, cases.c.number, cases.c.opened_at, cases.c.desk_missing_since, cases.c.desk_read_at),
            *(customers.c.ref, actions.c.state, last_receipts(receipts.c.external_id).label("external_id")),
        )
        .join(customers, customers.c.id == cases.c.customer_id)
        .outerjoin(actions, (actions.c.case_id == cases.c.id) & (actions.c.kind == literal(Kind.TICKET)))
        .where(or_(and_(is_followed, may_be_away), cases.c.id.in_(named)))
    )
    return {
        ticket_key(row.ref, row.number): (row.id, _booked(row))
        for row in connection.execute(wanted, {"keys": list(keys)})
    }


def answers_without_case(connection: Connection, *, since: datetime) -> list[str]:
    """Critical answers, and words of distress, that no case was opened for: source/response."""
    wanted = select(survey_responses.c.source, survey_responses.c.response_id).where(
        survey_responses.c.received_at >= since,
        survey_responses.c.case_id.is_(None),
        or_(survey_responses.c.is_critical, survey_responses.c.distress.is_not(None)),
    )
    return [f"{row.source}/{row.response_id}" for row in connection.execute(wanted)]


def replace(connection: Connection, found: Sequence[Difference], kinds: Collection[What], *, now: datetime) -> None:
    """Of these kinds exactly the found ones stand; those that were there keep the time they were found first."""
    connection.execute(select(desk_differences.c.id).order_by(desk_differences.c.id).with_for_update())
    standing = {(row.subject, row.what) for row in listed(connection)}
    wanted = {(one.subject, one.what.value): one for one in found}
    gone = [key for key in standing if key not in wanted and What(key[1]) in kinds]
    for subject, what in gone:
        connection.execute(
            delete(desk_differences).where(desk_differences.c.subject == subject, desk_differences.c.what == what)
        )
    for (subject, what), one in wanted.items():
        row = {"subject": subject, "what": what, "detail": one.detail, "found_at": now, "seen_at": now}
        connection.execute(_ADD, row)
        connection.execute(_SEEN, {"on_subject": subject, "on_what": what, "new_detail": one.detail, "now": now})


def listed(connection: Connection) -> list[Row[Any]]:
    """What stands, the oldest first."""
    return list(connection.execute(select(desk_differences).order_by(desk_differences.c.found_at)))


def _booked(row: Row[Any]) -> Booked:
    return Booked(
        key=ticket_key(row.ref, row.number),
        state=None if row.state is None else State(row.state),
        planned_at=row.opened_at,
        external_id=row.external_id or "",
        is_gone=row.desk_missing_since is not None and row.desk_read_at > row.desk_missing_since,
    )
