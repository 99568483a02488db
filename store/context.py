"""The context bundle: what a colleague should know now, so that the customer never repeats themselves."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Column, Connection, Row, Table, UnaryExpression, func, select

from domain.actions import FINAL, key
from domain.currencies import written
from store import endings
from store.at_once import AtOnce, Together
from store.ledger.rows import actions, cases, customers
from store.messages import messages as written_messages
from store.surveys import StoredAnswer, as_stored, survey_responses
from store.types import among

_HISTORY = 20
"""Of each customer's answers, cases and messages the newest so many."""


def _columns(table: Table, *names: str) -> list[Column[Any]]:
    return [table.c[name] for name in names]


def _newest(columns: Sequence[Column[Any]], *order: UnaryExpression[Any], only: Any = True) -> AtOnce:
    """The newest rows of each customer, newest first."""
    customer_id = columns[0].table.c.customer_id
    place = func.row_number().over(partition_by=customer_id, order_by=order).label("place")
    ranked = select(customer_id, *columns, place).where(among(customer_id, "customer_ids"), only).subquery()
    return AtOnce(select(ranked).where(ranked.c.place <= _HISTORY).order_by(ranked.c.customer_id, ranked.c.place))


_PEOPLE = AtOnce(
    select(
        *_columns(customers, "id", "ref", "name", "tier", "language", "time_zone", "preferred_channel"),
        *_columns(customers, "email", "phone", "dedicated_agent", "tact_lock"),
    ).where(among(customers.c.id, "customer_ids"))
)
_ANSWERS = _newest(
    [
        *_columns(survey_responses, "id", "source", "response_id", "case_id", "kind", "score", "comment", "language"),
        *_columns(survey_responses, "answered_at", "received_at", "distress"),
    ],
    survey_responses.c.received_at.desc(),
    survey_responses.c.id.desc(),
)
_CASES = _newest(_columns(cases, "number", "state", "reason", "opened_at", "answer_by"), cases.c.number.desc())
_WRITTEN = _newest(
    _columns(
        *(written_messages, "source", "message_id", "case_id", "topic", "subject", "words", "distress", "received_at")
    ),
    written_messages.c.received_at.desc(),
    written_messages.c.id.desc(),
    only=written_messages.c.case_id.is_not(None),
)
_MESSAGES = _newest(
    _columns(actions, "kind", "capability", "state", "due_at", "updated_at"),
    actions.c.id.desc(),
    only=actions.c.basis != "internal",
)
_EVERYTHING = Together(_PEOPLE, _ANSWERS, _CASES, _WRITTEN, endings.OF_CUSTOMERS, _MESSAGES)


def bundles(connection: Connection, wanted: Sequence[tuple[int, int | None]], *, today: date) -> list[dict[str, Any]]:
    """For each (customer, case): who they are, what they said, what ends, what we did and mean to do. In order.

    Gathered when sent, not when planned. Raises LookupError for a customer who is not there.
    """
    asked = {
        "customer_ids": sorted({customer_id for customer_id, _ in wanted}),
        "since": endings.ended_lately(today),
    }
    who_they_are, said, had, wrote, ends, did = _EVERYTHING.named(connection, asked)
    people = {row.id: _person(row) for row in who_they_are}
    answers = {who: [as_stored(row) for row in rows] for who, rows in _by_customer(said)}
    opened = {who: [_case(row) for row in rows] for who, rows in _by_customer(had)}
    written = dict(_by_customer(wrote))
    ending = {who: [_ending(endings.as_ending(row)) for row in rows] for who, rows in _by_customer(ends)}
    messages = {who: [_message(row) for row in rows] for who, rows in _by_customer(did)}
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


def _by_customer(rows: Iterable[Any]) -> Iterable[tuple[int, list[Any]]]:
    found: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
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
