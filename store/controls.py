"""The kill switch's row, and the actions that a stop holds."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Connection, Row, func, literal_column, not_, or_, select, true, update

from domain.controls import EVERYTHING, JOBS, Part, Scope, Stop, held_by, read_stops
from store.customers import PERSON
from store.ledger.rows import Claimed, actions, controls, customers, integration_state
from store.types import Instant, among

_ROW = select(controls).where(controls.c.id == 1)
_READY = literal_column("actions.state = 'ready'", Boolean)  # literal: a bound state would miss the partial index


def standing(connection: Connection, *, for_update: bool = False) -> tuple[Stop, ...]:
    """Every stop that stands, the one of everything first. `for_update`: they stay so until commit."""
    row = connection.execute(_ROW.with_for_update() if for_update else _ROW).one()
    whole = (Stop(EVERYTHING, row.reason, row.by, row.at),) if row.stopped else ()
    return (*whole, *read_stops(row.stops))


def set_everything(connection: Connection, *, stopped: bool, by: str, reason: str, at: datetime) -> None:
    """Flip the switch of everything; who and why are kept either way."""
    connection.execute(update(controls).values(stopped=stopped, by=by, reason=reason, at=at))


def set_parts(connection: Connection, stops: Sequence[Stop]) -> None:
    """Those parts are stopped, and no others."""
    connection.execute(update(controls).values(stops=[stop.as_json() for stop in stops]))


def put_off(connection: Connection, part: Part) -> list[int]:
    """The actions that this part's stop has put off."""
    return list(connection.execute(select(actions.c.id).where(_is_put_off(part)).order_by(actions.c.id)).scalars())


def free(connection: Connection, ids: Sequence[int], part: Part, *, by: str, now: datetime) -> int:
    """Of these, what waits because of that part's stop alone is due now; how many."""
    moved = connection.execute(
        update(actions)
        .where(among(actions.c.id, "ids"), _is_put_off(part))
        .values(due_at=now, reason=None, updated_at=now, updated_by=by),
        {"ids": ids},
    )
    return moved.rowcount


def _is_put_off(part: Part) -> ColumnElement[bool]:
    return _READY & actions.c.reason.startswith(held_by(part), autoescape=True)


def due(connection: Connection, part: Part, besides: Sequence[Part], *, now: datetime) -> list[Row[Any]]:
    """What a start of this part lets go while these others are stopped, counted by kind, channel and tier.

    Rows of kind, capability, tier, count, oldest: the earliest instant at which one of them was due, or put off until.
    """
    counted = (
        select(
            *(actions.c.kind, actions.c.capability, customers.c.tier),
            func.count().label("count"),
            func.min(actions.c.due_at, type_=Instant).label("oldest"),
        )
        .outerjoin(customers, customers.c.id == actions.c.customer_id)
        .where(*_due(part, besides, now))
        .group_by(actions.c.kind, actions.c.capability, customers.c.tier)
        .order_by(func.count().desc(), actions.c.kind, actions.c.capability, customers.c.tier)
    )
    return list(connection.execute(counted))


def first_due(
    connection: Connection, part: Part, besides: Sequence[Part], *, now: datetime, limit: int
) -> list[Claimed]:
    """The first of those that would be reserved."""
    wanted = (
        select(*(actions.c[name] for name in Claimed._fields))
        .where(*_due(part, besides, now))
        .order_by(actions.c.due_at, actions.c.id)
        .limit(limit)
    )
    return [Claimed(*row) for row in connection.execute(wanted)]


def people(connection: Connection, ids: Sequence[int]) -> list[Row[Any]]:
    """Those customers: id, and what `store.customers.as_customer` reads."""
    return list(connection.execute(select(customers.c.id, *PERSON).where(among(customers.c.id, "ids")), {"ids": ids}))


def _due(part: Part, besides: Sequence[Part], now: datetime) -> list[ColumnElement[bool]]:
    of_others = [not_(_belongs(other)) for other in besides]
    return [
        _READY,
        or_(actions.c.due_at <= now, _is_put_off(part)),
        _belongs(part),
        *of_others,
    ]


def _belongs(part: Part) -> ColumnElement[bool]:
    """`Part.holds`, as a condition on a row."""
    match part.scope:
        case Scope.ALL:
            return true()
        case Scope.JOB:
            return or_(*(actions.c.key.startswith(f"{family}/") for family, job in JOBS.items() if job == part.name))
        case Scope.KIND:
            return actions.c.kind == part.name
        case Scope.INTEGRATION:
            its = select(integration_state.c.capability).where(integration_state.c.name == part.name)
            return actions.c.capability.in_(its)
