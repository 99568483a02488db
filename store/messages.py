"""Messages: each once per (source, message id), with what rules made of it and how people sorted it."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, and_, func, insert, or_, select, update

from domain.messages import Message
from domain.triage import Triage
from store.ledger.rows import customers
from store.once import insert_once
from store.tables import metadata

messages: Table = metadata.tables["messages"]
sortings: Table = metadata.tables["message_sortings"]

_SAVE = insert_once(messages, "source", "message_id").returning(messages.c.id)
_LATEST = select(func.max(sortings.c.id)).group_by(sortings.c.message_id)


@dataclass(frozen=True, slots=True)
class Fate:
    """What is to become of a message."""

    customer_id: int | None
    state: str  # waiting | sorted | escalated
    outcome: str


def save(connection: Connection, message: Message, triage: Triage, fate: Fate) -> int | None:
    """Insert a message; its id, or None when it was there: then it stays as it is."""
    row = {
        "source": message.source,
        "message_id": message.message_id,
        "customer_id": fate.customer_id,
        "claimed_ref": message.customer_ref,
        "address": message.address,
        "subject": message.subject,
        "words": message.text,
        "received_at": message.received_at,
        "topic": triage.topic,
        "confidence": triage.confidence,
        "language": triage.language,
        "urgency": triage.urgency,
        "distress": None if triage.distress is None else triage.distress.category,
        "state": fate.state,
        "outcome": fate.outcome,
    }
    return connection.execute(_SAVE, [row]).scalar()


def conclude(connection: Connection, message_id: int, outcome: str, case_id: int) -> None:
    """Write down which case a message came to."""
    connection.execute(
        update(messages).where(messages.c.id == message_id).values(state="escalated", outcome=outcome, case_id=case_id)
    )


def of_case(connection: Connection, case_id: int) -> list[Row[Any]]:
    """The messages of a case, oldest first."""
    return list(connection.execute(select(messages).where(messages.c.case_id == case_id).order_by(messages.c.id)))


def has_distress(connection: Connection, case_id: int) -> bool:
    """True when any message of a case tells of distress."""
    told = select(messages.c.id).where(messages.c.case_id == case_id, messages.c.distress.is_not(None)).limit(1)
    return connection.execute(told).first() is not None


def writers(connection: Connection, message: Message) -> list[str]:
    """The refs of the customers who may have written it: by ref, else by mail address, which several may share."""
    if message.customer_ref is not None:
        who = customers.c.ref == message.customer_ref
    elif message.address is not None:
        who = func.lower(func.trim(customers.c.email)) == message.address.strip().lower()
    else:
        return []
    return list(connection.execute(select(customers.c.ref).where(who).limit(2)).scalars())


def about(connection: Connection, subject: str, case_ids: Collection[int], *, limit: int) -> list[Row[Any]]:
    """The messages a subject names (`message/<source>/<id>`, or a customer's ref), and those of cases; oldest first."""
    source, _, message_id = subject.removeprefix("message/").partition("/")
    wanted = (
        select(messages, customers.c.ref)
        .join(customers, customers.c.id == messages.c.customer_id, isouter=True)
        .where(
            or_(
                customers.c.ref == subject,
                messages.c.case_id.in_(sorted(case_ids)),
                and_(messages.c.source == source, messages.c.message_id == message_id),
            )
        )
        .order_by(messages.c.received_at.desc(), messages.c.id.desc())
        .limit(limit)
    )
    return list(connection.execute(wanted))[::-1]


def waiting(connection: Connection, *, limit: int) -> list[Row[Any]]:
    """Those a person has to sort: distress first, then what is urgent, then the oldest."""
    return list(
        connection.execute(
            select(messages, customers.c.ref)
            .join(customers, customers.c.id == messages.c.customer_id, isouter=True)
            .where(messages.c.state == "waiting")
            .order_by(messages.c.distress.is_(None), messages.c.urgency.desc(), messages.c.received_at, messages.c.id)
            .limit(limit)
        )
    )


def waiting_count(connection: Connection) -> int:
    """How many a person has to sort."""
    count = select(func.count()).select_from(messages).where(messages.c.state == "waiting")
    return int(connection.execute(count).scalar_one())


def one(connection: Connection, number: int) -> Row[Any] | None:
    """The message of this number; None: there is none."""
    return connection.execute(select(messages).where(messages.c.id == number)).one_or_none()


def sort(connection: Connection, number: int, topic: str, *, by: str, now: datetime) -> Row[Any] | None:
    """Keep a person's word on a message; the message as it was, or None: there is none of this number.

    One that came to a case stays escalated.
    """
    before = connection.execute(select(messages).where(messages.c.id == number).with_for_update()).one_or_none()
    if before is not None:
        connection.execute(insert(sortings).values(message_id=number, topic=topic, by=by, at=now))
        if before.case_id is None:
            connection.execute(update(messages).where(messages.c.id == number).values(state="sorted"))
    return before


def assign(connection: Connection, number: int, customer_id: int, outcome: str) -> None:
    """Write down whose message it is, by a person's word. The row is held (`sort`)."""
    connection.execute(update(messages).where(messages.c.id == number).values(customer_id=customer_id, outcome=outcome))


def as_message(row: Row[Any]) -> Message:
    """The row as a message; that a robot wrote it is not kept, and robots' have neither urgency nor distress."""
    return Message(
        source=row.source,
        message_id=row.message_id,
        subject=row.subject,
        text=row.words,
        received_at=row.received_at,
        customer_ref=row.claimed_ref,
        address=row.address,
    )


def confusion(connection: Connection) -> list[Row[Any]]:
    """How many messages rules took for what people then sorted under what, by language; the latest word counts."""
    columns = (messages.c.language, messages.c.topic.label("rules"), sortings.c.topic.label("person"))
    return list(
        connection.execute(
            select(*columns, func.count().label("count"))
            .join(sortings, sortings.c.message_id == messages.c.id)
            .where(sortings.c.id.in_(_LATEST))
            .group_by(*columns)
            .order_by(*columns)
        )
    )


def standing(connection: Connection) -> dict[str, int]:
    """State → how many messages."""
    counted = connection.execute(select(messages.c.state, func.count()).group_by(messages.c.state))
    return {state: count for state, count in counted}
