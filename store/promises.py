"""Promises: noted once their acknowledgement is out, settled once it is known how they ended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, Table, bindparam, func, literal, or_, select, text, update

from domain.actions import Kind, State
from domain.promises import Promise, PromiseState, Seen, Settled
from store.ledger.rows import actions, cases, customers
from store.surveys import survey_responses
from store.tables import metadata
from store.types import Instant

promises: Table = metadata.tables["promises"]
_ticket = actions.alias("ticket")

_IS_OUT = actions.c.state.in_([State.DONE, State.UNCERTAIN])
_NEW: Select[Any] = (
    select(
        actions.c.id,
        actions.c.case_id,
        actions.c.created_at,
        actions.c.stale_after,
        literal(PromiseState.OPEN.value),
    )
    .join(cases, cases.c.id == actions.c.case_id)
    .outerjoin(promises, promises.c.action_id == actions.c.id)
    .where(
        (cases.c.state == "open") | ((cases.c.state == "solved") & (cases.c.solved_at >= bindparam("since"))),
        actions.c.kind == literal(Kind.ACKNOWLEDGEMENT),
        actions.c.stale_after.is_not(None),
        _IS_OUT,
        promises.c.id.is_(None),
    )
)
_NOTE = promises.insert().from_select(["action_id", "case_id", "made_at", "answer_by", "state"], _NEW)
_NOTE._post_values_clause = text("ON CONFLICT (action_id) DO NOTHING")  # see `store.once`
_OPEN = (
    select(
        *(promises.c.id, promises.c.case_id, promises.c.made_at, promises.c.answer_by),
        # What was acknowledged: an answer, or else the message that its acknowledgement's key names.
        func.coalesce(survey_responses.c.source, literal("message")).label("source"),
        func.coalesce(survey_responses.c.response_id, actions.c.key).label("response_id"),
        *(cases.c.answered_at, cases.c.desk_read_at, customers.c.erased_at),
        func.coalesce(_ticket.c.state, literal("")).label("ticket_state"),
    )
    .join(actions, actions.c.id == promises.c.action_id)
    .outerjoin(survey_responses, survey_responses.c.id == actions.c.response_id)
    .join(cases, cases.c.id == promises.c.case_id)
    .join(customers, customers.c.id == cases.c.customer_id)
    .outerjoin(_ticket, (_ticket.c.case_id == cases.c.id) & (_ticket.c.kind == literal(Kind.TICKET)))
    .where(promises.c.state == literal(PromiseState.OPEN))
    .order_by(promises.c.id)
)
_MAY_END = _OPEN.where(
    or_(
        promises.c.answer_by < bindparam("passed_by", type_=Instant),
        cases.c.answered_at.is_not(None),
        customers.c.erased_at.is_not(None),
    )
)
_SETTLE = (
    update(promises)
    .where(promises.c.id == bindparam("row_id"), promises.c.state == literal(PromiseState.OPEN))
    .values(
        state=bindparam("new_state"),
        reason=bindparam("why"),
        settled_at=bindparam("at", type_=Instant),
        settled_by=bindparam("who"),
    )
)


@dataclass(frozen=True, slots=True)
class OpenPromise:
    """A promise nobody has settled yet, and what is known of its case."""

    id: int
    case_id: int
    promise: Promise
    seen: Seen


def has_new(connection: Connection, *, since: datetime) -> bool:
    """True when an acknowledgement went out whose promise is not noted; a read, so that nobody waits for it."""
    return connection.execute(_NEW.limit(1), {"since": since}).first() is not None


def note_new(connection: Connection, *, since: datetime) -> int:
    """Note the promises of acknowledgements that went out, or may have, of cases open or solved `since`; how many."""
    return connection.execute(_NOTE, {"since": since}).rowcount


def of_open_state(connection: Connection, case_ids: Sequence[int]) -> list[OpenPromise]:
    """The promises of these cases that nobody has settled yet."""
    return [_open(row) for row in connection.execute(_OPEN.where(promises.c.case_id.in_(case_ids)))]


def may_end(connection: Connection, *, passed_by: datetime) -> list[OpenPromise]:
    """Those nobody has settled yet of which an end may be known: their time was before `passed_by`, a person has
    answered, or the customer is erased. The others, thousands on a bad day, are not fetched."""
    return [_open(row) for row in connection.execute(_MAY_END, {"passed_by": passed_by})]


def settle(connection: Connection, ends: Sequence[tuple[int, Settled]], *, by: str, now: datetime) -> None:
    """Write down how promises ended; one that somebody else has settled meanwhile stays as it is."""
    told = [
        {"row_id": promise_id, "new_state": end.state, "why": end.reason, "at": now, "who": by}
        for promise_id, end in ends
    ]
    if told:
        connection.execute(_SETTLE, told)


def excuse(connection: Connection, case_id: int, *, by: str, reason: str, now: datetime) -> int:
    """A person's word: what was promised in this case was not to be kept, through no fault of ours; how many."""
    moved = connection.execute(
        update(promises)
        .where(promises.c.case_id == case_id, promises.c.state.in_([PromiseState.OPEN, PromiseState.BROKEN]))
        .values(state=PromiseState.EXCUSED, reason=reason, settled_at=now, settled_by=by)
    )
    return moved.rowcount


def take_back(connection: Connection, case_id: int, *, answered_at: datetime, by: str, now: datetime) -> int:
    """A person says that the customer was answered in time after all: what counted as broken is kept; how many."""
    moved = connection.execute(
        update(promises)
        .where(
            promises.c.case_id == case_id,
            promises.c.state == PromiseState.BROKEN,
            promises.c.made_at <= answered_at,
            promises.c.answer_by >= answered_at,
        )
        .values(
            state=PromiseState.KEPT,
            reason=f"answered {answered_at:%Y-%m-%d %H:%M} UTC",
            settled_at=now,
            settled_by=by,
        )
    )
    return moved.rowcount


def counts(connection: Connection, since: datetime) -> dict[PromiseState, int]:
    """How promises whose time came since then, or is still to come, ended: state → how many."""
    counted = (
        select(promises.c.state, func.count())
        .where((promises.c.answer_by >= since) | (promises.c.state == PromiseState.OPEN))
        .group_by(promises.c.state)
    )
    return {PromiseState(state): count for state, count in connection.execute(counted)}


def _open(row: Row[Any]) -> OpenPromise:
    return OpenPromise(
        row.id,
        row.case_id,
        Promise((row.source, row.response_id), row.made_at, row.answer_by),
        Seen(
            answered_at=row.answered_at,
            looked_at=row.desk_read_at,
            is_at_desk=row.ticket_state == State.DONE,
            is_erased=row.erased_at is not None,
        ),
    )
