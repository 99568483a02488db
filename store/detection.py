"""Detection: set-based reading of what is about to end, and what has already been planned about it."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Row,
    Select,
    String,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)

from domain.actions import Capability, State
from store.ledger.endings import key_of
from store.ledger.rows import actions, consents, customers, entitlements, gates, suppressions
from store.once import insert_once
from store.tables import metadata
from store.types import Instant, among

marks = metadata.tables["detection_marks"]

_QUIET = func.coalesce(entitlements.c.latest_on, entitlements.c.ends_on) < bindparam("quiet_before")
_CENSUS = (
    select(
        entitlements.c.ends_on,
        entitlements.c.time_zone,
        _QUIET.label("is_quiet"),
        func.count().label("count"),
        func.sum(entitlements.c.at_risk_minor).label("at_risk_minor"),
    )
    .where(
        entitlements.c.kind == bindparam("of_kind"),
        entitlements.c.state == bindparam("in_state"),
        entitlements.c.auto_renews == bindparam("renewing"),
        entitlements.c.ends_on.between(bindparam("first"), bindparam("last")),
    )
    .group_by(entitlements.c.ends_on, entitlements.c.time_zone, _QUIET)
    .order_by(entitlements.c.ends_on, entitlements.c.time_zone)
)
_RENEWED = (
    select(entitlements.c.renewed_from, entitlements.c.time_zone, func.count().label("count"))
    .where(
        entitlements.c.kind == bindparam("of_kind"),
        entitlements.c.renewed_from.is_not(None),
        entitlements.c.renewed_from.between(bindparam("first"), bindparam("last")),
    )
    .group_by(entitlements.c.renewed_from, entitlements.c.time_zone)
)


class Cell(NamedTuple):
    """Endings of one day in one time zone, counted."""

    ends_on: date
    time_zone: str
    is_quiet: bool
    endings: int
    at_risk_minor: int


class Ending(NamedTuple):
    """An ending about which something may have to be planned, with what decides, in the order of its columns."""

    id: int
    version: int
    customer_id: int
    ends_on: date
    latest_on: date | None
    time_zone: str
    gate_id: int
    at_risk_minor: int
    tier: str
    has_agent: bool
    phone: str | None
    lives_in: str | None  # the customer's time zone
    window_start: str | None
    window_end: str | None
    is_locked: bool
    is_erased: bool
    task_id: int | None
    task_horizon: int | None


def _endings() -> Select[Any]:
    """Active endings about which nothing is planned yet, or whose task was planned for an earlier horizon."""
    e, c, task, other = entitlements, customers, actions.alias("task"), actions.alias("other")

    def is_planned(what: str | ColumnElement[str]) -> ColumnElement[bool]:
        # Not as EXISTS, for which PostgreSQL may read all actions there are into a hash.
        return select(literal(1)).where(other.c.key == key_of(e, what)).limit(1).scalar_subquery().is_not(None)

    horizon = task.c.payload["params", "horizon"].as_integer()
    of_old = and_(
        task.c.id.is_not(None),
        task.c.state.not_in([State.SKIPPED, State.CANCELLED, State.EXPIRED]),
        horizon > bindparam("nearest"),
        ~is_planned(literal("task/").concat(bindparam("nearest_part", type_=String()))),
    )
    return (
        select(
            e.c.id,
            e.c.version,
            e.c.customer_id,
            e.c.ends_on,
            e.c.latest_on,
            e.c.time_zone,
            e.c.gate_id,
            e.c.at_risk_minor,
            c.c.tier,
            c.c.dedicated_agent.is_not(None),
            c.c.phone,
            c.c.time_zone,
            c.c.window_start,
            c.c.window_end,
            c.c.tact_lock.is_not(None),
            c.c.erased_at.is_not(None),
            task.c.id,
            horizon,
        )
        .select_from(e)
        .join(c, c.c.id == e.c.customer_id)
        .outerjoin(task, task.c.key == key_of(e, "task"))
        .where(
            e.c.kind == bindparam("of_kind"),
            e.c.state == "active",
            e.c.auto_renews.is_(False),
            ~_QUIET,
            or_(and_(task.c.id.is_(None), ~is_planned("call/1")), of_old),
        )
        .limit(bindparam("most"))
    )


_ON_DAY = (
    _endings()
    .where(
        entitlements.c.ends_on == bindparam("day"),
        tuple_(entitlements.c.time_zone, entitlements.c.id) > tuple_(bindparam("zone"), bindparam("row_id")),
    )
    .order_by(entitlements.c.time_zone, entitlements.c.id)
)
_CHANGED = (
    _endings()
    .add_columns(entitlements.c.changed_at)
    .where(
        entitlements.c.ends_on.between(bindparam("first"), bindparam("last")),
        tuple_(entitlements.c.changed_at, entitlements.c.id)
        > tuple_(bindparam("since", type_=Instant), bindparam("row_id")),
    )
    .order_by(entitlements.c.changed_at, entitlements.c.id)
)
_COUNT_CHANGED = select(func.count()).select_from(
    select(literal(1).label("one"))
    .select_from(entitlements)
    .where(entitlements.c.changed_at > bindparam("since", type_=Instant))
    .limit(bindparam("most"))
    .subquery()
)
_CONSENTING = select(consents.c.customer_id).where(
    among(consents.c.customer_id, "ids"),
    consents.c.purpose == bindparam("purpose"),
    consents.c.channel == Capability.VOICE,
    consents.c.granted,
)
_FIRST_MARK = insert_once(marks, "kind")
_ANY_SUPPRESSED = select(suppressions.c.id).where(suppressions.c.channel == Capability.VOICE).limit(1)
_SUPPRESSED = select(suppressions.c.address_hash).where(
    suppressions.c.channel == Capability.VOICE, among(suppressions.c.address_hash, "hashes")
)


def census(
    connection: Connection, kind: str, state: str, *, auto_renews: bool, first: date, last: date, quiet_before: date
) -> list[Cell]:
    """The endings from `first` to `last`, counted by day and time zone. It reads the index alone."""
    asked = {"of_kind": kind, "in_state": state, "renewing": auto_renews, "first": first, "last": last}
    return [Cell(*row) for row in connection.execute(_CENSUS, {**asked, "quiet_before": quiet_before})]


def renewed(connection: Connection, kind: str, *, first: date, last: date) -> list[tuple[date, str, int]]:
    """What would have ended from `first` to `last`, had it not been renewed: counted by day and time zone."""
    asked = {"of_kind": kind, "first": first, "last": last}
    return [(day, place, count) for day, place, count in connection.execute(_RENEWED, asked)]


class Asked(NamedTuple):
    """What of one kind is looked for."""

    kind: str
    quiet_before: date


def unplanned_on(
    connection: Connection, asked: Asked, day: date, *, nearest: int, after: tuple[str, int], limit: int
) -> list[Ending]:
    """The endings of a day that something may have to be planned about, by zone and id, after `after`.

    `nearest` is the horizon the day has reached, in the zone where it is nearest: by it a task needs a note.
    """
    where = {"day": day, "zone": after[0], "row_id": after[1]}
    return list(map(Ending._make, connection.execute(_ON_DAY, _asked(asked, nearest, limit) | where).all()))


def unplanned_since(
    connection: Connection,
    asked: Asked,
    first: date,
    last: date,
    *,
    nearest: int,
    after: tuple[datetime, int],
    limit: int,
) -> tuple[list[Ending], datetime | None]:
    """The same of endings from `first` to `last` that changed after an instant (and after an id at that instant).

    With them when the last of these changed.
    """
    where = {"first": first, "last": last, "since": after[0], "row_id": after[1]}
    rows = connection.execute(_CHANGED, _asked(asked, nearest, limit) | where).all()
    return [Ending._make(row[:-1]) for row in rows], rows[-1].changed_at if rows else None


def _asked(asked: Asked, nearest: int, limit: int) -> dict[str, Any]:
    return {
        "of_kind": asked.kind,
        "quiet_before": asked.quiet_before,
        "nearest": nearest,
        "nearest_part": str(nearest),
        "most": limit,
    }


def changed_count(connection: Connection, since: datetime, *, most: int) -> int:
    """How many entitlements changed after an instant; counting stops at `most`."""
    return int(connection.execute(_COUNT_CHANGED, {"since": since, "most": most}).scalar_one())


def read_marks(connection: Connection) -> dict[str, Row[Any]]:
    """Up to where each kind has been looked at."""
    return {row.kind: row for row in connection.execute(select(marks))}


def set_mark(connection: Connection, kind: str, *, looked_at: datetime, whole_at: datetime | None) -> None:
    """Remember where a look ended, `whole_at` if it was over the whole window; a mark never goes back."""
    connection.execute(_FIRST_MARK, [{"kind": kind, "looked_at": looked_at, "whole_at": whole_at or looked_at}])
    for column, at in (("looked_at", looked_at), ("whole_at", whole_at)):
        if at is not None:
            later = update(marks).where(marks.c.kind == kind, marks.c[column] < at)
            connection.execute(later.values({column: at}))


def feeds(connection: Connection) -> dict[int, str]:
    """Every gate there is, by our id, and its feed."""
    return {row.id: row.feed for row in connection.execute(select(gates.c.id, gates.c.feed))}


def has_actions(connection: Connection) -> bool:
    """True when anything was ever planned about an ending."""
    return connection.execute(
        select(actions.c.id).where(actions.c.entitlement_id.is_not(None)).limit(1)
    ).first() is not None  # fmt: skip


def consenting(connection: Connection, customer_ids: Sequence[int], purpose: str) -> set[int]:
    """Those of the customers who allowed calls for a purpose."""
    return set(connection.execute(_CONSENTING, {"ids": list(customer_ids), "purpose": purpose}).scalars().all())


def is_any_number_suppressed(connection: Connection) -> bool:
    """False when there is no telephone number that must not be called: then none need be looked for."""
    return connection.execute(_ANY_SUPPRESSED).first() is not None


def suppressed_numbers(connection: Connection, hashes: Sequence[str]) -> set[str]:
    """Those of the hashed telephone numbers that must not be called."""
    return set(connection.execute(_SUPPRESSED, {"hashes": list(hashes)}).scalars().all())
