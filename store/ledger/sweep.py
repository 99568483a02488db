"""Recovery: what dead workers held, and what became uncertain (design §4)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Float, Row, case, insert, literal, select, text, update

from domain.actions import Basis, Kind, State
from domain.recovery import DEATHS_ALONE
from store.ledger.rows import actions, receipts
from store.types import db_now

_ANY = select(literal(1)).select_from(actions).limit(1)
# The states are literal: bound, they would miss the partial indexes.
_LEFTOVER = _ANY.where(text("actions.state IN ('claimed', 'sending')"), actions.c.lease_until < db_now())
_UNCERTAIN = _ANY.where(text("actions.state = 'uncertain'"), actions.c.next_check_at <= db_now())

_NEXT_LANE = case((actions.c.lane.in_(["apart", "alone"]), literal("alone")), else_=literal("apart"))
"""Of a row that was only reserved: hundreds are, and few can have killed their worker; so a second death has few
suspects."""


@dataclass(frozen=True, slots=True)
class Swept:
    """One row taken from a dead worker."""

    id: int
    key: str
    before: State
    after: State


@dataclass(frozen=True, slots=True)
class Uncertain:
    """A row whose answer was lost, held by us until `next_check_at` (by the database's clock)."""

    id: int
    key: str
    kind: Kind
    basis: Basis
    capability: str
    integration: str
    fence: int
    attempts: int
    resends: int
    lookups: int
    deaths_alone: int
    urgent: bool


def has_leftovers(connection: Connection) -> bool:
    """True when a lease ran out by the database's clock."""
    return connection.execute(_LEFTOVER).first() is not None


def has_uncertain(connection: Connection) -> bool:
    """True when a lost answer is due, by the database's clock."""
    return connection.execute(_UNCERTAIN).first() is not None


def sweep_leases(
    connection: Connection,
    *,
    run: str,
    now: datetime,
    dead: Collection[str] | None = None,
    arrives: Mapping[tuple[str, Kind], float] | None = None,
) -> list[Swept]:
    """Take over rows whose lease ran out by the database's clock; or those of workers proven `dead`, whatever theirs.

    Claimed rows surely did not go out: back to `ready`, the first time to run apart, then alone; `needs_human` after
    three deaths alone. Armed rows may have gone out: `uncertain`, whatever their worker believes, and alone from then.

    `arrives`: for how many seconds what was sent may still be at work, by integration and kind; it is settled no
    earlier. Each row is changed once: PostgreSQL checks the foreign keys of a row changed twice in a transaction, and
    so waits for its customer, whose holder may wait for the row.
    """
    died_alone = case((actions.c.lane == "alone", actions.c.deaths_alone + 1), else_=actions.c.deaths_alone)
    too_often = died_alone >= DEATHS_ALONE
    given_up = actions.c.lease_until < db_now() if dead is None else actions.c.claimed_by.in_(sorted(dead))
    swept: list[Swept] = []
    for before in (State.CLAIMED, State.SENDING):
        expired = select(actions.c.id).where(actions.c.state == before, given_up).with_for_update(skip_locked=True)
        after = literal(State.UNCERTAIN) if before is State.SENDING else case(
            (too_often, literal(State.NEEDS_HUMAN)), else_=literal(State.READY)
        )  # fmt: skip
        words = (
            literal("the worker died while sending: it may have gone out")
            if before is State.SENDING
            else case(
                (too_often, literal("set aside: its worker died three times while it ran by itself")),
                else_=literal("its worker died before it was sent"),
            )
        )
        rows = connection.execute(
            update(actions)
            .where(actions.c.id.in_(expired.scalar_subquery()), actions.c.state == before)
            .values(
                state=after,
                reason=words,
                deaths_alone=died_alone,
                lane="alone" if before is State.SENDING else _NEXT_LANE,
                lease_until=None,
                next_check_at=db_now(_arrives_in(arrives or {})) if before is State.SENDING else None,
                updated_at=now,
                updated_by=run,
            )
            .returning(actions.c.id, actions.c.key, actions.c.state)
        )
        swept += [Swept(row.id, row.key, before, State(row.state)) for row in rows]
    return swept


def _arrives_in(arrives: Mapping[tuple[str, Kind], float]) -> ColumnElement[float]:
    at_once = literal(0.0, Float())
    known = [
        ((actions.c.integration == name) & (actions.c.kind == kind), literal(seconds, Float()))
        for (name, kind), seconds in arrives.items()
    ]
    return case(*known, else_=at_once) if known else at_once


def take_uncertain(
    connection: Connection, *, hold_seconds: float, urgent_only: bool = False, limit: int = 200
) -> list[Uncertain]:
    """Uncertain rows that are due, held for `hold_seconds` so that two recoveries do not meet on one.

    Both by the database's clock: searches that must be a lag apart are so whatever the clocks of their processes say.
    """
    due = (
        select(actions.c.id)
        .where(actions.c.state == State.UNCERTAIN, actions.c.next_check_at <= db_now())
        .order_by(actions.c.next_check_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    if urgent_only:
        due = due.where(actions.c.urgent)
    rows = connection.execute(
        update(actions)
        .where(actions.c.id.in_(due.scalar_subquery()), actions.c.state == State.UNCERTAIN)
        .values(next_check_at=db_now(hold_seconds))
        .returning(
            actions.c.id,
            actions.c.key,
            actions.c.kind,
            actions.c.basis,
            actions.c.capability,
            actions.c.integration,
            actions.c.fence,
            actions.c.attempts,
            actions.c.resends,
            actions.c.lookups,
            actions.c.deaths_alone,
            actions.c.urgent,
        )
    )
    return [as_uncertain(row) for row in rows]


def as_uncertain(row: Row[Any]) -> Uncertain:
    """A row of the ledger whose answer was lost."""
    return Uncertain(
        id=row.id,
        key=row.key,
        kind=Kind(row.kind),
        basis=Basis(row.basis),
        capability=row.capability,
        integration=row.integration,
        fence=row.fence,
        attempts=row.attempts,
        resends=row.resends,
        lookups=row.lookups,
        deaths_alone=row.deaths_alone,
        urgent=row.urgent,
    )


def send_again(
    connection: Connection, row: Uncertain, *, reason: str, is_resend: bool, due_at: datetime, run: str, now: datetime
) -> bool:
    """`uncertain → ready`; a resend is counted, its own loss looked up anew. False: somebody else decided meanwhile."""
    return _leave_uncertain(
        connection,
        row,
        run,
        now,
        state=State.READY,
        reason=reason,
        resends=row.resends + (1 if is_resend else 0),
        lookups=0,
        due_at=due_at,
    )


def to_person(connection: Connection, row: Uncertain, *, reason: str, run: str, now: datetime) -> bool:
    """`uncertain → needs_human`, with the reason they read."""
    return _leave_uncertain(connection, row, run, now, state=State.NEEDS_HUMAN, reason=reason)


def adopt(connection: Connection, row: Uncertain, *, external_id: str, run: str, now: datetime) -> bool:
    """`uncertain → done`: the vendor has it."""
    if not _leave_uncertain(connection, row, run, now, state=State.DONE, reason="found at the vendor", verified_by=run):
        return False
    connection.execute(
        insert(receipts).values(
            action_id=row.id, integration=row.integration, external_id=external_id, adopted=True, detail={}, at=now
        )
    )
    return True


def looked_up(connection: Connection, row: Uncertain, *, lag_seconds: float, now: datetime) -> None:
    """A search found nothing: count it and wait out the vendor's lag, by the database's clock."""
    connection.execute(
        update(actions)
        .where(*_still(row), actions.c.lookups == row.lookups)
        .values(lookups=row.lookups + 1, next_check_at=db_now(lag_seconds), updated_at=now)
    )


def postpone(connection: Connection, row: Uncertain, *, seconds: float) -> None:
    """The vendor asked us to wait before we search: nobody looks earlier, by the database's clock."""
    connection.execute(
        update(actions)
        .where(*_still(row), actions.c.next_check_at < db_now(seconds))
        .values(next_check_at=db_now(seconds))
    )


def _still(row: Uncertain) -> tuple[ColumnElement[bool], ...]:
    """The row is uncertain as we took it; a higher fence means that it was sent, and lost, once more."""
    return actions.c.id == row.id, actions.c.state == State.UNCERTAIN, actions.c.fence == row.fence


def _leave_uncertain(connection: Connection, row: Uncertain, run: str, now: datetime, **values: object) -> bool:
    moved = connection.execute(
        update(actions).where(*_still(row)).values(next_check_at=None, updated_at=now, updated_by=run, **values)
    )
    return moved.rowcount == 1
