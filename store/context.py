"""The context bundle: what a colleague should know now, so that the customer never repeats themselves."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, UnaryExpression, func, select

from domain.actions import FINAL, key
from domain.currencies import written
from store import endings
from store.ledger.rows import actions, cases, customers
from store.messages import messages as written_messages
from store.surveys import StoredAnswer, as_stored, survey_responses
from store.types import among

_HISTORY = 20
"""Of each customer's answers, cases and messages the newest so many."""


def _newest(table: Table, *order: UnaryExpression[Any], only: Any = True) -> Select[Any]:
    """The newest rows of each customer, newest first."""
    place = func.row_number().over(partition_by=table.c.customer_id, order_by=order).label("place")
    ranked = select(table, place).where(among(table.c.customer_id, "customer_ids"), only).subquery()
    return select(ranked).where(ranked.c.place <= _HISTORY).order_by(ranked.c.customer_id, ranked.c.place)


_PEOPLE = select(customers).where(among(customers.c.id, "customer_ids"))
_ANSWERS = _newest(survey_responses, survey_responses.c.received_at.desc(), survey_responses.c.id.desc())
_CASES = _newest(cases, cases.c.number.desc())
_WRITTEN = _newest(
    written_messages,
    written_messages.c.received_at.desc(),
    written_messages.c.id.desc(),
    only=written_messages.c.case_id.is_not(None),
)
_MESSAGES = _newest(actions, actions.c.id.desc(), only=actions.c.basis != "internal")


def bundles(connection: Connection, wanted: Sequence[tuple[int, int | None]], *, today: date) -> list[dict[str, Any]]:
    """For each (customer, case): who they are, what they said, what ends, what we did and mean to do. In order.

    Gathered when sent, not when planned. Raises LookupError for a customer who is not there.
    """
    asked = {"customer_ids": sorted({customer_id for customer_id, _ in wanted})}
    people = {row.id: _person(row) for row in connection.execute(_PEOPLE, asked)}
    answers = {who: [as_stored(row) for row in rows] for who, rows in _by_customer(connection, _ANSWERS, asked)}
    opened = {who: [_case(row) for row in rows] for who, rows in _by_customer(connection, _CASES, asked)}
    written = dict(_by_customer(connection, _WRITTEN, asked))
    ending: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for one in endings.of_customers(connection, asked["customer_ids"], today=today):
        ending[one.customer_id].append(_ending(one))
    messages = {who: [_message(row) for row in rows] for who, rows in _by_customer(connection, _MESSAGES, asked)}
    return [
        {
            "customer": people[who],
            "said": [_said(one) for one in answers.get(who, ()) if case_id is not None and one.case_id == case_id],
            "wrote": [_wrote(row) for row in written.get(who, ()) if case_id is not None and row.case_id == case_id],
            "earlier_answers": [
                _said(one) for one in answers.get(who, ()) if case_id is None or one.case_id != case_id
            ],
            "cases": opened.get(who, []),
            "entitlements_ending": ending.get(who, []),
            "messages": messages.get(who, []),
        }
        for who, case_id in wanted
    ]


def _by_customer(
    connection: Connection, statement: Select[Any], asked: Mapping[str, Any]
) -> Iterable[tuple[int, list[Row[Any]]]]:
    found: dict[int, list[Row[Any]]] = defaultdict(list)
    for row in connection.execute(statement, asked):
        found[row.customer_id].append(row)
    return found.items()


def _person(row: Row[Any]) -> dict[str, Any]:
    return {
        "ref": row.ref,
        "name": row.name,
        "tier": row.tier,
        "language": row.language,
        "time_zone": row.time_zone,
        "preferred_channel": row.preferred_channel,
        "mail": row.email,
        "phone": row.phone,
        "dedicated_agent": row.dedicated_agent,
        "no_automatic_contact": row.tact_lock,
    }


def _said(stored: StoredAnswer) -> dict[str, Any]:
    answer = stored.answer
    return {
        "response": f"{answer.source}/{answer.response_id}",
        "survey": answer.kind.value,
        "score": answer.score,
        "words": answer.comment,
        "distress": stored.distress,
        "answered_at": _iso(answer.answered_at),
    }


def _wrote(row: Row[Any]) -> dict[str, Any]:
    """A message of theirs, with what rules made of it."""
    return {
        "message": key("message", row.source, row.message_id),
        "topic": row.topic,
        "subject": row.subject,
        "words": row.words,
        "distress": row.distress,
        "received_at": _iso(row.received_at),
    }


def _case(row: Row[Any]) -> dict[str, Any]:
    return {
        "number": row.number,
        "state": row.state,
        "reason": row.reason,
        "opened_at": _iso(row.opened_at),
        "answer_promised_by": _iso(row.answer_by),
    }


def _ending(one: endings.Ending) -> dict[str, Any]:
    it = one.entitlement
    return {
        "entitlement": it.ref,
        "kind": it.kind.value,
        "product": it.product,
        "ends_on": it.ends_on.isoformat(),
        "renews_by_itself": it.auto_renews,
        "worth": None if it.value is None else written(it.value.minor, it.value.currency),
    }


def _message(row: Row[Any]) -> dict[str, Any]:
    """What the customer got or is about to get from us."""
    return {
        "kind": row.kind,
        "channel": row.capability,
        "state": row.state,
        "at": _iso(row.updated_at if row.state in FINAL else row.due_at),
    }


def _iso(at: Any) -> str:
    return str(at.strftime("%Y-%m-%dT%H:%M:%SZ"))
