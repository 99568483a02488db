"""Cases: opened or joined under the customer's lock, solved by a person."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, bindparam, insert, select, update

from domain.escalation import CaseTerms, OpenCase
from store.ledger.rows import cases, customers

_OPEN_OR_LAST = (
    select(cases)
    .where(cases.c.customer_id == bindparam("customer_id"))
    .order_by((cases.c.state == "open").desc(), cases.c.number.desc())
    .limit(1)
)
_OPEN = insert(cases).returning(cases.c.id)


@dataclass(frozen=True, slots=True)
class StoredCase:
    """A case with our id."""

    id: int
    case: OpenCase


def open_or_join(
    connection: Connection, customer_id: int, customer_ref: str, terms: CaseTerms, *, now: datetime
) -> StoredCase:
    """The customer's one open case; a new one with the next number if there is none. The customer's row is locked."""
    standing = connection.execute(_OPEN_OR_LAST, {"customer_id": customer_id}).first()
    if standing is not None and standing.state == "open":
        return StoredCase(standing.id, _open_case(standing, customer_ref))
    number = 1 if standing is None else standing.number + 1
    made = connection.execute(
        _OPEN,
        {
            "customer_id": customer_id,
            "number": number,
            "state": "open",
            "reason": terms.reason,
            "team": terms.team,
            "priority": terms.priority,
            "answer_by": terms.answer_by,
            "opened_at": now,
            "version": 1,
        },
    ).scalar_one()
    return StoredCase(made, OpenCase(customer_ref, number, True, terms.team, terms.priority, terms.answer_by))


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


def _open_case(row: Row[Any], customer_ref: str) -> OpenCase:
    return OpenCase(customer_ref, row.number, False, row.team, row.priority, row.answer_by)
