"""Who is in which journey, and what customers did: entered, left, hurried and counted, many at once.

Whoever changes an enrolment holds its customer's row first, customers in id order, as arming does: so what arming
reads of a journey is from before or after, never from between.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Table, and_, bindparam, case, func, insert, literal, or_, select, text, update

from domain.actions import UNSENT, State
from domain.journeys import Behaviour, EventName, Happened, Standing
from store.ledger.rows import actions, audit, consents, customers, enrolments
from store.once import insert_once
from store.tables import metadata
from store.types import Instant, among

behaviour: Table = metadata.tables["behaviour"]
published: Table = metadata.tables["journeys"]

WAITS_UNTIL = case((enrolments.c.action_id.is_(None), enrolments.c.due_at))
"""When the next step is due; null while it is in the air, and when the journey is over."""

NO_CONSENT = "opted out: no consent on any channel"
SILENCED = "tact lock: a person has them"
ERASED = "the customer was erased"
"""Why customers leave every journey that it concerns."""


@dataclass(frozen=True, slots=True)
class NewEnrolment:
    """A customer who enters a journey."""

    customer_id: int
    journey: str
    journey_hash: str  # the version they begin
    number: int  # the how manyth time it is
    key_part: str  # the customer's ref as keys quote it
    entered_at: datetime
    step: str  # the first
    due_at: datetime  # when its wait is over


class Entered(NamedTuple):
    """An enrolment as it stands, in the order of its columns."""

    id: int
    customer_id: int
    journey: str
    journey_hash: str
    number: int
    key_part: str
    state: str
    entered_at: datetime
    step: str | None
    due_at: datetime | None
    action_id: int | None
    previous_at: datetime
    ended_at: datetime | None


class Did(NamedTuple):
    """One thing that a customer did."""

    customer_id: int
    event: EventName
    name: str  # empty where the event has none
    at: datetime


_ENTER = insert_once(enrolments, "customer_id", "journey", "number").returning(enrolments.c.id)
_HOLD = (
    select(customers.c.id).where(among(customers.c.id, "ids")).order_by(customers.c.id).with_for_update(key_share=True)
)
_OF = (
    select(*(enrolments.c[name] for name in Entered._fields))
    .where(among(enrolments.c.customer_id, "ids"))
    .order_by(enrolments.c.id)
)
_ACTIVE_OF = _OF.where(enrolments.c.state == Standing.ACTIVE).with_for_update()
_GOING = (
    select(enrolments.c.id, enrolments.c.journey, enrolments.c.entered_at)
    .where(among(enrolments.c.customer_id, "ids"), enrolments.c.state.in_([Standing.ACTIVE, Standing.GOAL]))
    .order_by(enrolments.c.id)
    .with_for_update()
)
"""Those under way, and those whose last step may still wait for its hour."""
_END = (
    update(enrolments)
    .where(among(enrolments.c.id, "ids"), enrolments.c.state == Standing.ACTIVE)
    .values(
        state=bindparam("standing"),
        reason=bindparam("because"),
        ended_at=bindparam("now"),
        step=None,
        due_at=None,
        action_id=None,
        updated_at=bindparam("now"),
        updated_by=bindparam("run"),
    )
    .returning(enrolments.c.id)
)
_WAS_LOST = (
    select(literal(1))
    .where(audit.c.action_id == actions.c.id, audit.c.after == literal(State.UNCERTAIN))
    .limit(1)
    .scalar_subquery()
)
_CANCEL = (
    update(actions)
    .where(among(actions.c.enrolment_id, "ids"), actions.c.state.in_(sorted(UNSENT)))
    .where(or_(actions.c.attempts == 0, _WAS_LOST.is_(None)))  # what may have gone out is for arming to give a person
    .values(
        state=State.CANCELLED,
        reason=bindparam("because"),
        lease_until=None,
        updated_at=bindparam("now"),
        updated_by=bindparam("run"),
    )
)
_PURPOSE = published.c.content["purpose"].as_string()
_REFUSED = (
    select(enrolments.c.id)
    .join(published, published.c.hash == enrolments.c.journey_hash)
    .join(consents, and_(consents.c.customer_id == enrolments.c.customer_id, consents.c.purpose == _PURPOSE))
    .where(among(enrolments.c.customer_id, "ids"), enrolments.c.state == Standing.ACTIVE)
    .group_by(enrolments.c.id)
    .having(func.sum(case((consents.c.granted, 1), else_=0)) == 0)
    .order_by(enrolments.c.id)
)
_PURPOSES = (
    select(enrolments.c.id, _PURPOSE)
    .join(published, published.c.hash == enrolments.c.journey_hash)
    .where(among(enrolments.c.id, "ids"))
)
_HURRY = (
    update(enrolments)
    .where(
        among(enrolments.c.id, "ids"),
        enrolments.c.state == Standing.ACTIVE,
        enrolments.c.action_id.is_(None),
        enrolments.c.due_at > bindparam("at", type_=Instant),
    )
    .values(due_at=bindparam("at", type_=Instant))
)
_COUNT = insert(behaviour)
_COUNT._post_values_clause = text(  # see `store.once`
    "ON CONFLICT (customer_id, event, name) DO UPDATE SET times = behaviour.times + excluded.times,"
    " first_at = CASE WHEN excluded.first_at < behaviour.first_at THEN excluded.first_at ELSE behaviour.first_at END,"
    " last_at = CASE WHEN excluded.last_at > behaviour.last_at THEN excluded.last_at ELSE behaviour.last_at END"
)
_BEHAVIOUR_OF = select(behaviour).where(among(behaviour.c.customer_id, "ids"))


def enrol(connection: Connection, rows: Sequence[NewEnrolment], *, run: str, now: datetime) -> list[int]:
    """Let customers enter; the ids of the new enrolments. Who is in that journey for that time already stays there."""
    values = [
        {
            "customer_id": it.customer_id,
            "journey": it.journey,
            "journey_hash": it.journey_hash,
            "number": it.number,
            "key_part": it.key_part,
            "state": Standing.ACTIVE,
            "entered_at": it.entered_at,
            "step": it.step,
            "due_at": it.due_at,
            "previous_at": it.entered_at,
            "created_at": now,
            "updated_at": now,
            "updated_by": run,
        }
        for it in rows
    ]
    return list(connection.execute(_ENTER, values).scalars()) if values else []


def leave(
    connection: Connection,
    *,
    customer_ids: Collection[int],
    reason: str,
    standing: Standing = Standing.LEFT,
    journey: str | None = None,
    entered_until: datetime | None = None,
    by: str,
    now: datetime,
) -> int:
    """Take customers out of their journeys, or of one of them, at once; how many enrolments ended.

    With `entered_until`, only of those they had entered by then.

    Call it in the transaction of what ends them. What of them is still unsent is cancelled, also what a worker has
    reserved already; what is being sent is not stopped any more.
    """
    if not customer_ids:
        return 0
    if connection.dialect.name != "sqlite":  # there nobody else writes meanwhile
        connection.execute(_HOLD, {"ids": sorted(set(customer_ids))})
    found = connection.execute(_GOING, {"ids": sorted(set(customer_ids))})
    ending = [
        it.id
        for it in found
        if journey in {None, it.journey} and (entered_until is None or it.entered_at <= entered_until)
    ]
    return end(connection, ending, reason=reason, standing=standing, by=by, now=now)


def end(
    connection: Connection,
    enrolment_ids: Collection[int],
    *,
    reason: str,
    standing: Standing = Standing.LEFT,
    by: str,
    now: datetime,
) -> int:
    """As `leave`, by enrolments whose customers are held already. One that is over stays as it ended."""
    if not enrolment_ids:
        return 0
    told = {"ids": sorted(enrolment_ids), "standing": standing, "because": reason, "now": now, "run": by}
    ended = len(connection.execute(_END, told).all())
    # Only then: what a planner wrote for one of them, while this waited for its row, is seen from here on.
    connection.execute(_CANCEL, {"ids": sorted(enrolment_ids), "because": reason, "now": now, "run": by})
    return ended


def leave_refused(connection: Connection, customer_ids: Collection[int], *, by: str, now: datetime) -> int:
    """Take customers out of journeys whose purpose they refuse and, by now, allow on no channel; how many ended.

    Their rows are held already. What they refuse on one channel only is for planning and arming to heed.
    """
    refused = list(connection.execute(_REFUSED, {"ids": sorted(set(customer_ids))}).scalars())
    return end(connection, refused, reason=NO_CONSENT, by=by, now=now)


def hurry(connection: Connection, enrolment_ids: Collection[int], at: datetime) -> int:
    """End the wait of those who wait for longer; how many did."""
    if not enrolment_ids:
        return 0
    return connection.execute(_HURRY, {"ids": sorted(enrolment_ids), "at": at}).rowcount


def active_of(connection: Connection, customer_ids: Collection[int]) -> dict[int, list[Entered]]:
    """The journeys these customers are in, by customer, held until the transaction ends."""
    return _by_customer(connection.execute(_ACTIVE_OF, {"ids": sorted(set(customer_ids))}))


def all_of(connection: Connection, customer_ids: Collection[int]) -> dict[int, list[Entered]]:
    """Every enrolment these customers ever had, by customer, the oldest first."""
    return _by_customer(connection.execute(_OF, {"ids": sorted(set(customer_ids))}))


def purposes_of(connection: Connection, customer_id: int) -> set[str]:
    """The purposes of the journeys that a customer is in."""
    wanted = (
        select(_PURPOSE)
        .join_from(enrolments, published, published.c.hash == enrolments.c.journey_hash)
        .where(enrolments.c.customer_id == customer_id, enrolments.c.state == Standing.ACTIVE)
    )
    return set(connection.execute(wanted).scalars())


def purposes_by_enrolment(connection: Connection, enrolment_ids: Collection[int]) -> dict[int, str]:
    """What the journeys of these enrolments are for."""
    return dict(connection.execute(_PURPOSES, {"ids": sorted(enrolment_ids)}).tuples().all())


def note_behaviour(connection: Connection, rows: Collection[Did]) -> None:
    """Count what customers did. In whatever order it is told, it comes to the same.

    The same thing told twice counts twice: who calls knows its delivery by its id.
    """
    counted: dict[tuple[int, EventName, str], list[datetime]] = defaultdict(list)
    for it in rows:
        counted[it.customer_id, it.event, it.name].append(it.at)
    if counted:
        connection.execute(
            _COUNT,
            [
                {
                    "customer_id": customer_id,
                    "event": event,
                    "name": name,
                    "first_at": min(times),
                    "last_at": max(times),
                    "times": len(times),
                }
                for (customer_id, event, name), times in sorted(counted.items())
            ],
        )


def behaviour_of(connection: Connection, customer_ids: Collection[int]) -> dict[int, Behaviour]:
    """What these customers did, by customer; who did nothing has nothing."""
    found: dict[int, dict[tuple[EventName, str], Happened]] = {customer_id: {} for customer_id in customer_ids}
    for row in connection.execute(_BEHAVIOUR_OF, {"ids": sorted(found)}):
        happened = Happened(row.first_at, row.last_at, row.times)
        found[row.customer_id][EventName(row.event), row.name] = happened
    return dict(found)


def _by_customer(rows: Iterable[Row[Any]]) -> dict[int, list[Entered]]:
    found: dict[int, list[Entered]] = defaultdict(list)
    for row in rows:
        it = Entered(*row)
        found[it.customer_id].append(it)
    return found
