"""Cases: opened, joined or opened again under the customer's lock, solved by a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, exists, insert, literal, select, update

from domain.escalation import CaseTerms, OpenCase
from domain.policy import Priority, higher
from store.ledger.rows import cases, customers
from store.once import insert_listed, insert_rows
from store.types import Instant, among

_later = cases.alias("later")
_OPEN_OR_LAST = (
    select(cases)
    .where(
        among(cases.c.customer_id, "customer_ids"),
        (cases.c.state == "open")
        | ~exists(
            select(literal(1)).where(_later.c.customer_id == cases.c.customer_id, _later.c.number > cases.c.number)
        ),
    )
    .order_by((cases.c.state == "open").desc())
)
_REOPEN = (
    update(cases)
    .where(cases.c.id == bindparam("case_id"), cases.c.state == "solved")
    .values(
        state="open",
        turn=cases.c.turn + 1,
        reopened_at=bindparam("now", type_=Instant),
        priority=bindparam("new_priority"),
        answer_by=bindparam("new_answer_by", type_=Instant),
        solved_at=None,
        answered_at=None,
        last_word_at=None,
        last_word_by=None,
        asked_at=None,
        version=cases.c.version + 1,
    )
)
_OPEN = insert(cases).returning(cases.c.id, cases.c.customer_id)
_OPEN_LISTED = insert_listed(
    cases,
    columns=(
        *("customer_id", "number", "state", "reason", "team", "priority", "answer_by", "opened_at", "version", "turn"),
    ),
    returning=("id", "customer_id"),
)


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A case with our id."""

    id: int
    case: OpenCase


@dataclass(frozen=True, slots=True)
class Trouble:
    """What calls for a case: whose it is, and the terms of one that would have to be opened."""

    customer_id: int
    customer_ref: str
    terms: CaseTerms


def open_or_join(
    connection: Connection, troubles: Sequence[Trouble], *, asked_since: datetime | None = None, now: datetime
) -> list[StoredCase]:
    """Each customer's one open case; a new one with the next number if there is none. In order, no customer twice.

    A solved one whose recovery survey went out after `asked_since` is opened again instead: it was not over. The
    customers' rows are locked by the caller.
    """
    found: dict[int, Row[Any]] = {}
    for row in connection.execute(_OPEN_OR_LAST, {"customer_ids": [trouble.customer_id for trouble in troubles]}):
        found.setdefault(row.customer_id, row)
    joined = {customer_id: row for customer_id, row in found.items() if row.state == "open"}
    unsolved = {
        customer_id: row
        for customer_id, row in found.items()
        if row.state != "open" and asked_since is not None and row.asked_at is not None and row.asked_at >= asked_since
    }
    numbers = {customer_id: row.number + 1 for customer_id, row in found.items()}
    rows = [
        {
            "customer_id": trouble.customer_id,
            "number": numbers.get(trouble.customer_id, 1),
            "state": "open",
            "reason": trouble.terms.reason,
            "team": trouble.terms.team,
            "priority": trouble.terms.priority,
            "answer_by": trouble.terms.answer_by,
            "opened_at": now,
            "version": 1,
            "turn": 1,
        }
        for trouble in troubles
        if trouble.customer_id not in joined and trouble.customer_id not in unsolved
    ]
    opened = {row.customer_id: row.id for row in insert_rows(connection, _OPEN, _OPEN_LISTED, rows)} if rows else {}
    return [
        StoredCase(joined[it.customer_id].id, _open_case(joined[it.customer_id], it.customer_ref))
        if it.customer_id in joined
        else _reopened(connection, unsolved[it.customer_id], it, now)
        if it.customer_id in unsolved
        else StoredCase(opened[it.customer_id], _new_case(it, numbers.get(it.customer_id, 1)))
        for it in troubles
    ]


def _reopened(connection: Connection, row: Row[Any], it: Trouble, now: datetime) -> StoredCase:
    """The same case in its next turn: a new time is told, the priority is never lowered."""
    priority = higher(Priority(row.priority), Priority(it.terms.priority))
    reopening = {"case_id": row.id, "new_priority": priority, "new_answer_by": it.terms.answer_by, "now": now}
    connection.execute(_REOPEN, reopening)
    case = OpenCase(it.customer_ref, row.number, False, row.team, priority, it.terms.answer_by, is_reopened=True)
    return StoredCase(row.id, case)


def _new_case(it: Trouble, number: int) -> OpenCase:
    return OpenCase(it.customer_ref, number, True, it.terms.team, it.terms.priority, it.terms.answer_by)


def stored(connection: Connection, case_id: int) -> StoredCase:
    """A case as it stands."""
    row = connection.execute(
        select(cases, customers.c.ref)
        .join(customers, customers.c.id == cases.c.customer_id)
        .where(cases.c.id == case_id)
    ).one()
    return StoredCase(case_id, _open_case(row, row.ref))


def solve(connection: Connection, case_id: int, *, now: datetime) -> int | None:
    """Close an open case; the customer's id, or None when it was closed already."""
    return connection.execute(
        update(cases)
        .where(cases.c.id == case_id, cases.c.state == "open")
        .values(state="solved", solved_at=now, version=cases.c.version + 1)
        .returning(cases.c.customer_id)
    ).scalar()


def has_open(connection: Connection, customer_id: int) -> bool:
    """True when the customer has an open case."""
    found = select(literal(1)).where(cases.c.customer_id == customer_id, cases.c.state == "open")
    return connection.execute(found).first() is not None


def _open_case(row: Row[Any], customer_ref: str) -> OpenCase:
    return OpenCase(customer_ref, row.number, False, row.team, row.priority, row.answer_by)
