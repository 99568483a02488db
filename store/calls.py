"""Calls about endings that were placed, how they ended, and which of them nobody has told the end of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Connection,
    Row,
    Table,
    bindparam,
    func,
    literal,
    select,
    text,
    true,
    tuple_,
    update,
)

from domain.actions import FINAL, State
from domain.calls import CallOutcome, CallStory
from store.ledger.endings import key_of
from store.ledger.rows import actions, customers, entitlements
from store.once import insert_once
from store.tables import metadata
from store.types import Instant, among

call_outcomes: Table = metadata.tables["call_outcomes"]

NOBODY = "nobody"
"""The source of an outcome that nobody told of in time."""

_KEEP = insert_once(call_outcomes, "action_id").returning(call_outcomes.c.id)
_SILENT = (
    select(actions.c.key)
    .outerjoin(call_outcomes, call_outcomes.c.action_id == actions.c.id)
    .where(
        text("actions.kind = 'call' AND actions.state = 'done'"),  # literal: bound, they would miss the partial index
        actions.c.updated_at < bindparam("before", type_=Instant),
        actions.c.updated_at > bindparam("since", type_=Instant),
        actions.c.entitlement_id.is_not(None),
        call_outcomes.c.id.is_(None),
    )
    .order_by(actions.c.updated_at, actions.c.id)
    .limit(bindparam("most"))
)
_TASK, _NOTE = actions.alias("task"), actions.alias("note")
_THIS_ENDING = key_of(entitlements, "")
_ITS_END = func.substr(actions.c.key, func.length(_THIS_ENDING) + 1)  # `call/1`
_HAS_A_TASK = (
    select(literal(1))
    .where(_TASK.c.key == key_of(entitlements, "task"), _TASK.c.state.not_in(sorted(FINAL - {State.DONE})))
    .limit(1)
    .scalar_subquery()
)
_IS_TOLD = select(literal(1)).where(_NOTE.c.key == _THIS_ENDING.concat("task/").concat(_ITS_END)).limit(1)
_WITHHELD = (
    select(actions.c.id, actions.c.key, actions.c.updated_at)
    .join(entitlements, entitlements.c.id == actions.c.entitlement_id)
    .join(customers, customers.c.id == entitlements.c.customer_id)
    .where(
        text("actions.kind = 'call' AND actions.state IN ('cancelled', 'expired') AND actions.review_id IS NOT NULL"),
        tuple_(actions.c.updated_at, actions.c.id)
        > tuple_(bindparam("since", type_=Instant), bindparam("row_id", type_=BigInteger)),
        func.coalesce(actions.c.not_after > bindparam("now", type_=Instant), true()),
        func.substr(actions.c.key, 1, func.length(_THIS_ENDING)) == _THIS_ENDING,
        entitlements.c.state == "active",
        entitlements.c.auto_renews.is_(False),
        customers.c.erased_at.is_(None),
        _HAS_A_TASK.is_(None),
        _IS_TOLD.scalar_subquery().is_(None),
    )
    .order_by(actions.c.updated_at, actions.c.id)
    .limit(bindparam("most"))
)
_OF_ENDINGS = (
    select(call_outcomes, actions.c.key, actions.c.entitlement_id)
    .join(actions, actions.c.id == call_outcomes.c.action_id)
    .where(among(actions.c.entitlement_id, "ids"))
    .order_by(call_outcomes.c.id)
)


def customer_of(connection: Connection, key: str) -> str | None:
    """The ref of whoever a call was meant for; None: there is no such call about an ending."""
    wanted = (
        select(customers.c.ref)
        .join(actions, actions.c.customer_id == customers.c.id)
        .where(actions.c.key == key, actions.c.kind == "call", actions.c.entitlement_id.is_not(None))
    )
    return connection.execute(wanted).scalar()


def entitlement_of(connection: Connection, key: str) -> int:
    """Our id of the entitlement that a call is about."""
    return int(connection.execute(select(actions.c.entitlement_id).where(actions.c.key == key)).scalar_one())


def held(connection: Connection, key: str) -> Row[Any]:
    """The call, held until the transaction ends."""
    return connection.execute(select(actions).where(actions.c.key == key).with_for_update()).one()


def state_of(connection: Connection, key: str) -> State:
    """Where an action stands."""
    return State(connection.execute(select(actions.c.state).where(actions.c.key == key)).scalar_one())


def keep(
    connection: Connection,
    action_id: int,
    outcome: CallOutcome,
    *,
    source: str,
    ended_at: datetime,
    said: str | None,
    now: datetime,
) -> int | None:
    """Write down how a call ended; its id, or None when that is known already."""
    row = {
        "action_id": action_id,
        "outcome": outcome.value,
        "source": source,
        "ended_at": ended_at,
        "received_at": now,
        "said": said,
        "followed_by": None,
    }
    return connection.execute(_KEEP, [row]).scalar()


def known(connection: Connection, action_id: int) -> Row[Any]:
    """How a call ended, as it was written down."""
    return connection.execute(select(call_outcomes).where(call_outcomes.c.action_id == action_id)).one()


def correct(
    connection: Connection, outcome_id: int, outcome: CallOutcome, *, source: str, ended_at: datetime, said: str | None
) -> None:
    """What was told too late, in place of what nobody knew."""
    connection.execute(
        update(call_outcomes)
        .where(call_outcomes.c.id == outcome_id)
        .values(outcome=outcome.value, source=source, ended_at=ended_at, said=said)
    )


def conclude(connection: Connection, outcome_id: int, followed_by: str) -> None:
    """What followed, in words."""
    connection.execute(update(call_outcomes).where(call_outcomes.c.id == outcome_id).values(followed_by=followed_by))


def silent(connection: Connection, *, since: datetime, before: datetime, limit: int) -> list[str]:
    """The keys of calls placed between two instants that nobody has told the end of, the oldest first."""
    return list(connection.execute(_SILENT, {"since": since, "before": before, "most": limit}).scalars())


def of_endings(connection: Connection, entitlement_ids: Sequence[int]) -> dict[int, list[CallStory]]:
    """How the calls about these entitlements ended, by our ids of them, in order."""
    found: dict[int, list[CallStory]] = {}
    for row in connection.execute(_OF_ENDINGS, {"ids": list(entitlement_ids)}) if entitlement_ids else ():
        story = CallStory(row.key, CallOutcome(row.outcome), row.ended_at, row.said)
        found.setdefault(row.entitlement_id, []).append(story)
    return found


def withheld(connection: Connection, after: tuple[datetime, int], *, now: datetime, limit: int) -> list[Row[Any]]:
    """Calls that a review did not let go, about endings that still need something and that no colleague has.

    From behind a place (an instant, an action's id) on, by when they ended: (id, key, updated_at).
    """
    asked = {"since": after[0], "row_id": after[1], "now": now, "most": limit}
    return list(connection.execute(_WITHHELD, asked))
