"""A person's word on a case: the last word, an answer the desk does not know of, a promise that is excused."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select, update

from store import desk, promises
from store.ledger.rows import cases, customers


class UnknownCase(Exception):
    """No case has this reference."""


def record_last_word(connection: Connection, reference: str, *, by: str, now: datetime) -> str:
    """A person spoke to the customer. The case ends with the next look at a solved ticket; where the ticket stands."""
    row = _found(connection, reference)
    spoken = {"last_word_at": now, "last_word_by": by, "answered_at": max(now, row.answered_at or now)}
    connection.execute(
        update(cases).where(cases.c.id == row.id).values(**spoken, version=cases.c.version + 1, desk_checked_at=None)
    )
    return row.desk_status or "not read yet"


def record_answer(connection: Connection, reference: str, *, at: datetime, by: str, now: datetime) -> int:
    """A person answered the customer at `at`, outside the desk; how many broken promises are kept by it after all."""
    row = _found(connection, reference)
    answered_at = at if row.answered_at is None else max(at, row.answered_at)
    connection.execute(
        update(cases).where(cases.c.id == row.id).values(answered_at=answered_at, version=cases.c.version + 1)
    )
    return promises.take_back(connection, row.id, answered_at=at, by=by, now=now)


def excuse(connection: Connection, reference: str, *, by: str, reason: str, now: datetime) -> int:
    """What was promised in this case could not be kept through no fault of ours; how many promises."""
    return promises.excuse(connection, _found(connection, reference).id, by=by, reason=reason, now=now)


def _found(connection: Connection, reference: str) -> Row[Any]:
    ref, _, number = reference.removeprefix("case/").replace("/", "-").rpartition("-")
    found = connection.execute(
        select(cases.c.id)
        .join(customers, customers.c.id == cases.c.customer_id)
        .where(customers.c.ref == ref, cases.c.number == (int(number) if number.isdecimal() else -1))
    ).scalar()
    if found is None:
        raise UnknownCase(f'no case is called "{reference}": `handrail cases` lists them')
    return desk.locked(connection, found)
