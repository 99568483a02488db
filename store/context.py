"""The context bundle: what a colleague should know now, so that the customer never repeats themselves."""

from typing import Any

from sqlalchemy import Connection, bindparam, select

from domain.actions import FINAL
from store.ledger.rows import actions, cases, customers
from store.surveys import of_customer

_HISTORY = 20
_PERSON = select(customers).where(customers.c.id == bindparam("customer_id"))
_CASES = (
    select(cases).where(cases.c.customer_id == bindparam("customer_id")).order_by(cases.c.number.desc()).limit(_HISTORY)
)
_MESSAGES = (
    select(actions.c.kind, actions.c.capability, actions.c.state, actions.c.due_at, actions.c.updated_at)
    .where(actions.c.customer_id == bindparam("customer_id"), actions.c.basis != "internal")
    .order_by(actions.c.id.desc())
    .limit(_HISTORY)
)


def bundle(connection: Connection, customer_id: int, case_id: int | None) -> dict[str, Any]:
    """Who they are, what they said, what we did and still mean to do. Gathered when sent, not when planned."""
    person = connection.execute(_PERSON, {"customer_id": customer_id}).one()
    answers = of_customer(connection, customer_id, limit=_HISTORY)
    return {
        "customer": {
            "ref": person.ref,
            "name": person.name,
            "tier": person.tier,
            "language": person.language,
            "time_zone": person.time_zone,
            "preferred_channel": person.preferred_channel,
            "mail": person.email,
            "phone": person.phone,
            "dedicated_agent": person.dedicated_agent,
            "no_automatic_contact": person.tact_lock,
        },
        "said": [_said(stored) for stored in answers if case_id is not None and stored.case_id == case_id],
        "earlier_answers": [_said(stored) for stored in answers if case_id is None or stored.case_id != case_id],
        "cases": _cases(connection, customer_id),
        "messages": _messages(connection, customer_id),
    }


def _said(stored: Any) -> dict[str, Any]:
    answer = stored.answer
    return {
        "response": f"{answer.source}/{answer.response_id}",
        "survey": answer.kind.value,
        "score": answer.score,
        "words": answer.comment,
        "distress": stored.distress,
        "answered_at": _iso(answer.answered_at),
    }


def _cases(connection: Connection, customer_id: int) -> list[dict[str, Any]]:
    rows = connection.execute(_CASES, {"customer_id": customer_id})
    return [
        {
            "number": row.number,
            "state": row.state,
            "reason": row.reason,
            "opened_at": _iso(row.opened_at),
            "answer_promised_by": _iso(row.answer_by),
        }
        for row in rows
    ]


def _messages(connection: Connection, customer_id: int) -> list[dict[str, Any]]:
    """What the customer got or is about to get from us."""
    rows = connection.execute(_MESSAGES, {"customer_id": customer_id})
    return [
        {
            "kind": row.kind,
            "channel": row.capability,
            "state": row.state,
            "at": _iso(row.updated_at if row.state in FINAL else row.due_at),
        }
        for row in rows
    ]


def _iso(at: Any) -> str:
    return str(at.strftime("%Y-%m-%dT%H:%M:%SZ"))
