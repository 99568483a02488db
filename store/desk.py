"""What the ticket desk showed of our cases: whom to ask about, and what it said."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, literal, or_, select, update

from domain.actions import FINAL, Kind, State
from store.ledger.rows import actions, cases, customers
from store.types import Instant, among

_BEFORE = bindparam("before", type_=Instant)
_IS_DUE = or_(cases.c.desk_checked_at.is_(None), cases.c.desk_checked_at <= _BEFORE)
_DUE = (
    select(cases.c.id, actions.c.key)
    .join(actions, actions.c.case_id == cases.c.id)
    .where(
        or_(
            cases.c.state == "open",
            (cases.c.state == "solved")
            & cases.c.asked_at.is_(None)
            & (cases.c.solved_at >= bindparam("solved_since", type_=Instant)),
        ),
        _IS_DUE,
        actions.c.kind == literal(Kind.TICKET),
        actions.c.state == literal(State.DONE),
    )
    .order_by(cases.c.desk_checked_at.nulls_first(), cases.c.id)
    .limit(bindparam("most"))
)
_TAKE = (
    update(cases)
    .where(among(cases.c.id, "ids"), _IS_DUE)
    .values(desk_checked_at=bindparam("now", type_=Instant))
    .returning(cases.c.id)
)
_UNCHANGED = update(cases).where(among(cases.c.id, "ids")).values(desk_read_at=bindparam("now", type_=Instant))
_FIRST = _UNCHANGED.where(cases.c.state == "open", cases.c.desk_status.is_(None)).values(
    desk_status=bindparam("status"), assignee=bindparam("who"), version=cases.c.version + 1
)
_STANDING = (
    select(cases, customers.c.ref)
    .join(customers, customers.c.id == cases.c.customer_id)
    .where(among(cases.c.id, "ids"))
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A case to ask the desk about, by its ticket's key."""

    case_id: int
    key: str


def take_due(
    connection: Connection, *, before: datetime, solved_since: datetime, most: int, now: datetime
) -> list[Asked]:
    """Cases whose ticket was not asked about since `before`, those that waited longest first; nobody else gets them.

    The open ones, and those solved since `solved_since` whose recovery survey has not gone out: an agent may open the
    ticket again.
    """
    found = find_due(connection, before=before, solved_since=solved_since, most=most)
    if not found:
        return []
    asked = {"ids": [one.case_id for one in found], "before": before, "now": now}
    ours = set(connection.execute(_TAKE, asked).scalars())
    return [one for one in found if one.case_id in ours]


def find_due(connection: Connection, *, before: datetime, solved_since: datetime, most: int) -> list[Asked]:
    """The same, only looked at."""
    asked = {"before": before, "solved_since": solved_since, "most": most}
    return [Asked(row.id, row.key) for row in connection.execute(_DUE, asked)]


def standing(connection: Connection, case_ids: Sequence[int]) -> dict[int, Row[Any]]:
    """These cases as they stand, with their customer's ref."""
    return {row.id: row for row in connection.execute(_STANDING, {"ids": list(case_ids)})}


def note_unchanged(connection: Connection, case_ids: Sequence[int], *, now: datetime) -> None:
    """The desk shows these as it did before."""
    if case_ids:
        connection.execute(_UNCHANGED, {"ids": list(case_ids), "now": now})


def note_first(
    connection: Connection, case_ids: Sequence[int], *, status: str, assignee: str | None, now: datetime
) -> None:
    """The desk shows these for the first time, all alike; whatever rests on the cases is planned anew."""
    connection.execute(_FIRST, {"ids": list(case_ids), "status": status, "who": assignee, "now": now})


def locked(connection: Connection, case_id: int) -> Row[Any]:
    """A case and its customer's ref, both held until the transaction ends; customers before cases, as everywhere."""
    customer_id = connection.execute(select(cases.c.customer_id).where(cases.c.id == case_id)).scalar_one()
    connection.execute(select(customers.c.id).where(customers.c.id == customer_id).with_for_update(key_share=True))
    connection.execute(select(cases.c.id).where(cases.c.id == case_id).with_for_update(key_share=True))
    return standing(connection, [case_id])[case_id]


def note(connection: Connection, row: Row[Any], facts: Mapping[str, Any], *, now: datetime) -> None:
    """Write down what the desk shows of a case; where that is news, whatever rests on the case is planned anew."""
    is_news = any(getattr(row, name) != value for name, value in facts.items())
    connection.execute(
        update(cases)
        .where(cases.c.id == row.id)
        .values(**facts, desk_read_at=now, version=cases.c.version + int(is_news))
    )


def is_untold(connection: Connection, case_id: int, *, asked_at: datetime) -> bool:
    """True when the desk did not know yet, when it was asked, of an answer or a question in this case."""
    note = select(literal(1)).where(
        actions.c.case_id == case_id,
        actions.c.kind == literal(Kind.TICKET_NOTE),
        or_(actions.c.state.not_in(sorted(FINAL)), actions.c.updated_at > asked_at),
    )
    return connection.execute(note.limit(1)).first() is not None


def last_message_at(connection: Connection, case_id: int) -> datetime | None:
    """When our last automatic message of this case went out, or may have."""
    found = connection.execute(
        select(func.max(actions.c.updated_at)).where(
            actions.c.case_id == case_id,
            actions.c.basis != "internal",
            actions.c.state.in_([State.SENDING, State.DONE, State.UNCERTAIN]),
        )
    ).scalar()
    return found if isinstance(found, datetime) else None
