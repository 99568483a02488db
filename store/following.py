"""Open cases, page by page, as the rules that follow them want to see them."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, func, literal, or_, select, update

from domain.actions import Kind, State
from domain.cases import CaseInHand, MayPage
from domain.customers import Tier
from domain.promises import Promise, PromiseState
from store.ledger.rows import actions, cases, customers
from store.messages import messages
from store.promises import of_open_state, promises
from store.surveys import survey_responses

CHUNK = 500

_DISTRESS = or_(
    *(
        exists(select(literal(1)).where(said.c.case_id == cases.c.id, said.c.distress.is_not(None)))
        for said in (survey_responses, messages)
    )
)
_OPEN: Select[Any] = (
    select(cases, customers.c.ref, customers.c.tier, _DISTRESS.label("has_distress"))
    .join(customers, customers.c.id == cases.c.customer_id)
    .where(cases.c.state == "open")
    .order_by(cases.c.id)
    .limit(CHUNK)
)
_HOW_MANY = select(func.count()).where(cases.c.state == "open")
_TAKEN = frozenset({"pending", "solved"})
"""A ticket's status that somebody has set."""
_HAS_NOBODY = and_(
    cases.c.assignee.is_(None),
    cases.c.answered_at.is_(None),
    or_(cases.c.desk_status.is_(None), cases.c.desk_status.not_in(_TAKEN)),
)
"""As `_in_hand` says it of a row."""
_STILL_TO_BE_SENT = (State.READY, State.AWAITING_REVIEW)
"""Nobody is asked to decide about what will not be sent. What is planned anew comes to one of these."""


@dataclass(frozen=True, slots=True)
class Held:
    """An open case with our ids."""

    id: int
    customer_id: int
    case: CaseInHand


def open_cases(connection: Connection, *, after: int = 0, which: MayPage | None = None) -> list[Held]:
    """The next `CHUNK` open cases after this id; of those that may call for a page, where `which` says which."""
    wanted = _OPEN.where(cases.c.id > after)
    return _held(connection, wanted if which is None else wanted.where(_fits(which)))


def promised_by(connection: Connection, by: datetime, *, after: int = 0) -> list[Held]:
    """The next `CHUNK` open cases after this id in which an answer is promised by then."""
    return _held(connection, _OPEN.where(cases.c.id > after, _is_promised(by)))


def unowned(connection: Connection, *, most: int) -> tuple[int, list[tuple[str, datetime]]]:
    """How many open cases nobody has, and those that were opened first: reference, and since when it waits."""
    of_them = (cases.c.state == "open", _HAS_NOBODY)
    count = connection.execute(select(func.count()).select_from(cases).where(*of_them)).scalar_one()
    wanted = (
        select(customers.c.ref, cases.c.number, func.coalesce(cases.c.reopened_at, cases.c.opened_at).label("began_at"))
        .join(customers, customers.c.id == cases.c.customer_id)
        .where(*of_them)
        .order_by(cases.c.id)
        .limit(most)
    )
    return count, [(f"{row.ref}-{row.number}", row.began_at) for row in connection.execute(wanted)]


def count_open(connection: Connection) -> int:
    """How many cases are open."""
    return connection.execute(_HOW_MANY).scalar_one()


def _fits(which: MayPage) -> ColumnElement[bool]:
    c = cases.c
    has_begun = or_(c.reopened_at <= which.began_by, and_(c.reopened_at.is_(None), c.opened_at <= which.began_by))
    return or_(c.desk_missing_since.is_not(None), and_(_HAS_NOBODY, has_begun), _is_promised(which.promised_by))


def _is_promised(by: datetime) -> ColumnElement[bool]:
    return exists(
        select(literal(1)).where(
            promises.c.case_id == cases.c.id,
            promises.c.state == literal(PromiseState.OPEN),
            promises.c.answer_by <= by,
        )
    )


def these(connection: Connection, case_ids: Sequence[int]) -> list[Held]:
    """Those of these cases that are open, held with their customers until the transaction ends."""
    whose = select(cases.c.customer_id).where(cases.c.id.in_(case_ids))
    connection.execute(
        select(customers.c.id).where(customers.c.id.in_(whose)).order_by(customers.c.id).with_for_update(key_share=True)
    )
    connection.execute(
        select(cases.c.id).where(cases.c.id.in_(case_ids)).order_by(cases.c.id).with_for_update(key_share=True)
    )
    return _held(connection, _OPEN.where(cases.c.id.in_(case_ids)))


def pages_of(connection: Connection, keys: Sequence[str]) -> set[str]:
    """Which of these pages are planned already."""
    return set(connection.execute(select(actions.c.key).where(actions.c.key.in_(keys))).scalars()) if keys else set()


def note_asked(connection: Connection, *, since: datetime, apply: bool) -> int:
    """Cases solved `since` whose recovery survey of this turn is out: a bad answer is about them; how many.

    Without `apply` only counted.
    """
    sent = exists(
        select(literal(1)).where(
            actions.c.case_id == cases.c.id,
            actions.c.kind == literal(Kind.MESSAGE),
            actions.c.state.in_([State.DONE, State.UNCERTAIN]),
            actions.c.updated_at >= cases.c.solved_at,
        )
    )
    of_them = (cases.c.state == "solved") & (cases.c.solved_at >= since) & cases.c.asked_at.is_(None) & sent
    if not apply:
        return connection.execute(select(func.count()).select_from(cases).where(of_them)).scalar_one()
    sent_at = (
        select(func.max(actions.c.updated_at))
        .where(actions.c.case_id == cases.c.id, actions.c.kind == literal(Kind.MESSAGE))
        .scalar_subquery()
    )
    return connection.execute(update(cases).where(of_them).values(asked_at=sent_at)).rowcount


def tactless_surveys(connection: Connection, *, since: datetime) -> list[int]:
    """Recovery surveys still to be sent whose customer has trouble again: the ids of the actions."""
    wanted = (
        select(actions.c.id)
        .join(cases, cases.c.id == actions.c.case_id)
        .join(customers, customers.c.id == cases.c.customer_id)
        .where(
            cases.c.state == "solved",
            cases.c.solved_at >= since,
            customers.c.tact_lock.is_not(None),
            actions.c.kind == literal(Kind.MESSAGE),
            actions.c.state.in_(_STILL_TO_BE_SENT),
        )
    )
    return list(connection.execute(wanted).scalars())


def skip(connection: Connection, action_ids: Sequence[int], *, reason: str, by: str, now: datetime) -> int:
    """What is still to be sent of these is not to be done; how many."""
    moved = connection.execute(
        update(actions)
        .where(actions.c.id.in_(action_ids), actions.c.state.in_(_STILL_TO_BE_SENT))
        .values(state=State.SKIPPED, reason=reason, updated_at=now, updated_by=by)
    )
    return moved.rowcount


def _held(connection: Connection, wanted: Select[Any]) -> list[Held]:
    rows = list(connection.execute(wanted))
    told: dict[int, list[Promise]] = defaultdict(list)
    if rows:
        for one in of_open_state(connection, [row.id for row in rows]):
            told[one.case_id].append(one.promise)
    return [Held(row.id, row.customer_id, _in_hand(row, tuple(told[row.id]))) for row in rows]


def _in_hand(row: Row[Any], told: tuple[Promise, ...]) -> CaseInHand:
    return CaseInHand(
        customer_ref=row.ref,
        number=row.number,
        turn=row.turn,
        began_at=row.reopened_at or row.opened_at,
        tier=Tier(row.tier),
        has_distress=bool(row.has_distress),
        has_owner=row.assignee is not None or row.desk_status in _TAKEN or row.answered_at is not None,
        is_missing=row.desk_missing_since is not None and row.desk_read_at > row.desk_missing_since,
        promises=told,
    )
