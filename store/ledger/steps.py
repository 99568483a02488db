"""Steps of journeys, written many at a time: their thin actions, and where their enrolments go, by one guarded move.

Nothing moves that does not stand as it was read: a customer who left meanwhile, or whom another planner took on, stays
as they are, and no action is written about them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    CTE,
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    FromClause,
    Insert,
    Integer,
    Select,
    String,
    Subquery,
    Text,
    Update,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal,
    literal_column,
    null,
    select,
    update,
)

from domain.actions import Basis, Capability, Kind, State, key
from domain.journeys import Standing
from domain.planning import Payload
from domain.risk import Ask
from store import reviews
from store.ledger import thin
from store.ledger.rows import actions, customers, enrolments, evidence
from store.once import insert_once
from store.types import Instant, since_epoch


@dataclass(frozen=True, slots=True)
class StepAction:
    """What a step does, the same for all who take it alike."""

    kind: Kind
    basis: Basis
    capability: Capability
    purpose: str | None
    payload: Payload
    is_skipped: bool
    ask: Ask | None = None  # it waits for a review


@dataclass(frozen=True, slots=True, eq=False)
class Advance:
    """Where those go who stand at one step of one version, and what is done about them."""

    journey: str
    journey_hash: str
    step: str  # where they stand
    action: StepAction | None  # None: nothing is written
    is_over: bool  # the step is over with it, or was to part the ways
    next_step: str | None  # where they stand then; None: the journey is over
    worth: timedelta | None = None  # how long after it was due the action is worth doing; None: always

    @property
    def is_in_the_air(self) -> bool:
        """They wait for their action."""
        return self.action is not None and not self.action.is_skipped


class Going(NamedTuple):
    """One enrolment as it was when it was decided on, and its own part of what becomes of it."""

    id: int
    was_due: int  # in microseconds since 1970: nobody looks at it here, and an instant takes a microsecond to make
    customer_id: int
    version: int  # of the customer's row
    after_id: int | None  # the action that must be over first
    at: datetime | None = None  # when the action is due; None: when its step was
    next_due_at: datetime | None = None  # None: in the air, or over
    reason: str | None = None  # why the action is late or skipped, or the enrolment is set aside


class Landed(NamedTuple):
    """One enrolment whose action is over, and since when; no next step: so is the journey."""

    id: int
    action_id: int
    over_at: datetime
    next_step: str | None
    next_due_at: datetime | None
    reason: str | None = None  # why it is set aside


def advance(
    connection: Connection, chosen: Mapping[Advance, Sequence[Going]], *, run: str, now: datetime
) -> frozenset[int]:
    """Write these actions and move their enrolments; the ids of those that moved.

    What has changed since it was read is left out: the enrolment, or a fact of its customer that plans rest on. So is
    an enrolment that somebody else holds on PostgreSQL; it never waits for them. An action that was there already
    stays as it is, and its enrolment waits for that one.
    """
    dialect = connection.dialect.name
    rows = [(*one, place) for place, those in enumerate(chosen.values()) for one in those]
    asks = {one.action.ask for one in chosen if one.action is not None and one.action.ask is not None}
    waiting = reviews.join_all(connection, asks, initiator=run, now=now)
    shared = thin.shared_as(dialect, (_told(one, place, waiting) for place, one in enumerate(chosen)))
    asked = {**thin.given_as(dialect, _GIVEN, rows), **shared, "run": run, "now": now}
    if dialect != "sqlite":
        return frozenset(connection.execute(_advance_at_once(), asked).scalars().all())
    moved: Sequence[int] = ()
    if any(one.action is not None for one in chosen):
        before = connection.execute(_LAST).scalar_one()
        connection.execute(_act(), asked)
        connection.execute(_BIND, {"before": before})  # SQLite has one writer at a time: what is new is all ours
        moved = connection.execute(_TAKE_OFF, {"before": before, "run": run, "now": now}).scalars().all()
        if len(moved) == len(rows):  # as nearly always: nobody is looked at twice
            return frozenset(moved)
    return frozenset((*moved, *connection.execute(_move(), asked).scalars()))


def settle(connection: Connection, landed: Sequence[Landed], *, run: str, now: datetime) -> frozenset[int]:
    """Let those go on whose action is over; the ids of those that did. Who was changed or is held meanwhile stays."""
    dialect = connection.dialect.name
    asked = {**thin.given_as(dialect, _LANDED, list(map(tuple, landed))), "run": run, "now": now}
    return frozenset(connection.execute(_settle(dialect), asked).scalars().all())


def _told(one: Advance, place: int, waiting: Mapping[Ask | None, int]) -> dict[str, Any]:
    action = one.action
    content = (
        dict.fromkeys(thin.CONTENT)
        if action is None
        else thin.content(
            action.kind,
            action.basis,
            action.capability,
            action.purpose,
            action.payload,
            is_skipped=action.is_skipped,
            review_id=waiting.get(action.ask),
        )
    )
    return {
        "place": place,
        "key_begins": f"{key('journey', one.journey)}/",
        "key_ends": f"/{key(one.step)}",
        "journey_hash": one.journey_hash,
        "at_step": one.step,
        "is_over": one.is_over,
        "is_in_the_air": one.is_in_the_air,
        "next_step": one.next_step,
        "worth": None if one.worth is None else one.worth // _MICROSECOND,
        **content,
    }


_MICROSECOND = timedelta(microseconds=1)
_GIVEN: thin.Types = {
    "id": BigInteger(),
    "was_due": BigInteger(),
    "customer_id": BigInteger(),
    "version": BigInteger(),
    "after_id": BigInteger(),
    "at": Instant(),
    "next_due_at": Instant(),
    "reason": Text(),
    "place": Integer(),
}
_SHARED: thin.Types = {
    "place": Integer(),
    "key_begins": String(),
    "key_ends": String(),
    "journey_hash": String(),
    "at_step": String(),
    "is_over": Boolean(),
    "is_in_the_air": Boolean(),
    "next_step": String(),
    "worth": BigInteger(),
    **thin.content_types(),
}
_LANDED: thin.Types = {
    "id": BigInteger(),
    "action_id": BigInteger(),
    "over_at": Instant(),
    "next_step": String(),
    "next_due_at": Instant(),
    "reason": Text(),
}
_HERE = {"place", "key_begins", "key_ends", "journey_hash", "at_step", "worth"}
"""What is told of many and used up where they are found standing."""
_WIDE = set(thin.CONTENT) - {"kind"}
"""What only the action needs: PostgreSQL writes down what is made on the way, for each row."""
_CARRIED = ("place", "version", "there_id", "key", "after_id", "reason", "at", "not_after")
"""What of those who moved is not said by their enrolment, and needed by its action or its evidence."""
_EVIDENCE = ["action_id", "fact", "subject_id", "version"]
_LAST = select(func.coalesce(func.max(actions.c.id), 0))
_IS_BOUND = and_(actions.c.state != State.SKIPPED, actions.c.basis != Basis.INTERNAL)
_VERSION = select(customers.c.version).where(customers.c.id == actions.c.customer_id).scalar_subquery()
_BIND = insert(evidence).from_select(
    _EVIDENCE,
    # Not as a join, for which SQLite may read all customers: it cannot know how few actions are new.
    select(actions.c.id, literal_column("'customer'"), actions.c.customer_id, _VERSION).where(
        actions.c.id > bindparam("before"), _IS_BOUND
    ),
)
_NEW_ID = literal_column("nextval('actions_id_seq')", BigInteger())
_RUN, _NOW = bindparam("run", type_=String()), bindparam("now", type_=Instant())
_TAKE_OFF = (
    # What `_move` does with those who wait for an action, told by the new action itself.
    update(enrolments)
    .where(
        enrolments.c.id == actions.c.enrolment_id + literal_column("0"),  # so that SQLite begins with the new actions
        actions.c.id > bindparam("before"),
        actions.c.state != State.SKIPPED,
    )
    .values(reason=null(), due_at=actions.c.due_at, action_id=actions.c.id, updated_at=_NOW, updated_by=_RUN)
    .returning(enrolments.c.id)
)


def _standing(dialect: str) -> Select[Any]:
    """Those given that stand as they were read, with what becomes of them."""
    shared, e, c = thin.shared(dialect, _SHARED), enrolments, customers
    given: FromClause = thin.given(dialect, _GIVEN) if dialect == "sqlite" else _unchanged()
    was_due_at = since_epoch(given.c.was_due)
    its_key = (
        shared.c.key_begins.concat(e.c.key_part)
        .concat(literal_column("'/'", String()))
        .concat(func.cast(e.c.number, String()))
        .concat(shared.c.key_ends)
    )
    columns = [
        e.c.id,
        e.c.customer_id,
        e.c.previous_at,
        its_key.label("key"),
        was_due_at.label("was_due_at"),
        func.coalesce(given.c.at, was_due_at, type_=Instant()).label("at"),
        since_epoch(given.c.was_due + shared.c.worth).label("not_after"),
        *(given.c[name] for name in ("place", "version", "after_id", "next_due_at", "reason")),
        *(shared.c[name] for name in _SHARED if name not in (_HERE if dialect == "sqlite" else _HERE | _WIDE)),
    ]
    found = (
        select(*columns)
        .select_from(given)
        .join(e, e.c.id == given.c.id)
        .join(shared, shared.c.place == given.c.place)
        .where(
            e.c.state == literal_column(f"'{Standing.ACTIVE}'"),
            e.c.due_at == was_due_at,
            e.c.action_id.is_(None),
            e.c.step == shared.c.at_step,
            e.c.journey_hash == shared.c.journey_hash,
        )
    )
    if dialect == "sqlite":
        return found.join(c, c.c.id == e.c.customer_id).where(c.c.version == given.c.version)
    there = select(actions.c.id).where(actions.c.key == its_key).scalar_subquery().label("there_id")
    whose = e.c.customer_id == given.c.customer_id
    return found.add_columns(there).where(whose).with_for_update(of=e, skip_locked=True)


def _unchanged() -> CTE:
    """Those given whose customer is as they were read.

    Customers are not held: nothing waits for them here, and whoever takes one out of a journey holds its enrolment.
    """
    given, c = thin.given("postgresql", _GIVEN), customers
    those = (
        select(*(given.c[name] for name in _GIVEN))
        .join_from(given, c, c.c.id == given.c.customer_id)
        .where(c.c.version == given.c.version)
    )
    return those.cte("unchanged").prefix_with("MATERIALIZED")  # customers are found by the rows given, nothing else


def _new_action(those: CTE | Subquery, content: FromClause) -> dict[str, ColumnElement[Any]]:
    """What is written into an action, by column; `content` tells what many share."""
    return {
        "key": those.c.key,
        "customer_id": those.c.customer_id,
        "enrolment_id": those.c.id,
        "after_id": those.c.after_id,
        **{name: content.c[name] for name in thin.CONTENT},
        "reason": those.c.reason,
        "due_at": those.c.at,
        "not_after": those.c.not_after,
        **thin.new_row(),
    }


def _move_on(standing: CTE | Subquery, action_id: ColumnElement[Any]) -> Update:
    e, is_last = enrolments, standing.c.next_step.is_(None)
    return (
        update(e)
        .where(e.c.id == standing.c.id)
        .values(
            state=case((is_last, literal_column(f"'{Standing.FINISHED}'")), else_=e.c.state),
            reason=case((standing.c.kind.is_(None), standing.c.reason)),
            step=standing.c.next_step,
            due_at=case((standing.c.is_in_the_air, standing.c.at), else_=standing.c.next_due_at),
            action_id=case((standing.c.is_in_the_air, action_id)),
            previous_at=case((standing.c.is_over, standing.c.was_due_at), else_=standing.c.previous_at),
            ended_at=case((is_last, _NOW)),
            updated_at=_NOW,
            updated_by=_RUN,
        )
    )


@cache
def _act() -> Insert:
    """SQLite's: the actions that are not there yet."""
    standing = _standing("sqlite").subquery("standing")
    values = _new_action(standing, standing)
    acting = select(*values.values()).where(standing.c.kind.is_not(None))
    return insert_once(actions, "key").from_select(list(values), acting)


@cache
def _move() -> Any:
    """SQLite's: enrolments, each to the action with its key."""
    standing = _standing("sqlite").subquery("standing")
    by_key = select(actions.c.id).where(actions.c.key == standing.c.key).scalar_subquery()
    return _move_on(standing, by_key).returning(enrolments.c.id)


@cache
def _advance_at_once() -> Select[Any]:
    """PostgreSQL's: enrolments, actions and evidence by one statement.

    Enrolments move first, each with the id that its action gets then. So what is made on the way meets nothing but the
    few rows of `shared`: PostgreSQL takes it for one row, however many there are, and would compare each with each.
    """
    standing, shared = _standing("postgresql").cte("standing"), thin.shared("postgresql", _SHARED)
    moved = (
        _move_on(standing, func.coalesce(standing.c.there_id, _NEW_ID))
        .returning(
            *(enrolments.c[name] for name in ("id", "customer_id", "action_id")),
            *(standing.c[name] for name in _CARRIED),
        )
        .cte("moved")
    )
    values = {"id": func.coalesce(moved.c.action_id, _NEW_ID), **_new_action(moved, shared)}
    is_new = and_(shared.c.place == moved.c.place, moved.c.there_id.is_(None))
    acting = select(*values.values()).join_from(moved, shared, is_new).where(shared.c.kind.is_not(None))
    new = insert(actions).from_select(list(values), acting, include_defaults=False).cte("new")
    bound = (
        select(moved.c.action_id, literal_column("'customer'"), moved.c.customer_id, moved.c.version)
        .join_from(moved, shared, is_new)
        .where(shared.c.is_in_the_air, shared.c.basis != Basis.INTERNAL)
    )
    written = insert(evidence).from_select(_EVIDENCE, bound).cte("written")
    return select(moved.c.id).add_cte(new, written)


@cache
def _settle(dialect: str) -> Any:
    given, e = thin.given(dialect, _LANDED), enrolments
    found = (
        select(e.c.id, *(given.c[name] for name in _LANDED if name not in {"id", "action_id"}))
        .join_from(given, e, e.c.id == given.c.id)
        .where(e.c.state == literal_column(f"'{Standing.ACTIVE}'"), e.c.action_id == given.c.action_id)
    )
    landed = (
        found.subquery("landed") if dialect == "sqlite" else found.with_for_update(of=e, skip_locked=True).cte("landed")
    )
    is_last = landed.c.next_step.is_(None)
    return (
        update(e)
        .where(e.c.id == landed.c.id)
        .values(
            state=case((is_last, literal(Standing.FINISHED.value)), else_=e.c.state),
            reason=landed.c.reason,
            step=landed.c.next_step,
            due_at=landed.c.next_due_at,
            action_id=null(),
            previous_at=landed.c.over_at,
            ended_at=case((is_last, _NOW)),
            updated_at=_NOW,
            updated_by=_RUN,
        )
        .returning(e.c.id)
    )
