"""Detection: set-based reading of what is about to end, and what has already been planned about it."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    Date,
    FromClause,
    Row,
    Select,
    String,
    Subquery,
    and_,
    bindparam,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    text,
    tuple_,
    update,
)

from domain.actions import Capability, State
from store import distress
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


class Alike(NamedTuple):
    """Endings of a page that are alike in all that decides about them, in the order of its columns."""

    ends_on: date
    time_zone: str
    version: int
    gate_id: int
    at_risk_minor: int  # rounded down to the nearest of `Asked.amounts`
    tier: str
    has_agent: bool
    has_phone: bool
    is_locked: bool
    is_erased: bool
    has_task: bool
    task_horizon: int | None
    # Null but for those who may be called (`Asked.tiers_called`).
    consents: bool | None  # to calls for this
    in_hardship: bool | None
    phone: str | None  # only where `Asked.with_numbers`
    latest_on: date | None
    lives_in: str | None  # the customer's time zone
    window_start: str | None
    window_end: str | None
    # Not what decides, but of all of them together.
    endings: int  # how many
    sum_at_risk_minor: int
    last_id: int
    ids: str  # with commas, to be handed back unread (`store.ledger.endings.Chosen`)


class Asked(NamedTuple):
    """What of one kind is looked for, and what decides about it."""

    kind: str
    quiet_before: date
    amounts: tuple[int, ...]  # ascending; between two of them any value at risk decides the same
    # Who may be called, if their number, consent and lock allow it:
    tiers_called: Collection[str]
    called_from: int  # at risk
    called_below: int
    purpose: str  # of consents to calls
    distress_since: datetime | None  # who told of distress since then is in hardship; None: nobody
    with_numbers: bool  # telephone numbers decide, as some are suppressed: hardly any two endings are alike then


_OF_ALL = ("endings", "sum_at_risk_minor", "last_id", "ids")
_DECIDES = tuple(name for name in Alike._fields if name not in _OF_ALL)


def _page(dialect: str, amounts: tuple[int, ...]) -> Select[Any]:
    """Active endings about which nothing is planned yet, or whose task was planned for an earlier horizon."""
    e, c, task, other = entitlements, customers, actions.alias("task"), actions.alias("other")

    def is_of(action: FromClause, what: str | ColumnElement[str]) -> ColumnElement[bool]:
        if dialect != "sqlite":  # PostgreSQL is sure that a key is there once, whatever it thinks of how many there are
            return action.c.key == key_of(e, what)
        # Among the ending's few actions, by a number, which is sooner found than a long text among all keys: nothing
        # is added to the key, so that no index of keys is taken.
        return and_(action.c.entitlement_id == e.c.id, action.c.key.concat("") == key_of(e, what))

    def is_planned(what: str | ColumnElement[str]) -> ColumnElement[bool]:
        # Not as EXISTS, for which PostgreSQL may read all actions there are into a hash.
        return select(literal(1)).where(is_of(other, what)).limit(1).scalar_subquery().is_not(None)

    horizon = task.c.payload["params", "horizon"].as_integer()
    of_old = and_(
        task.c.id.is_not(None),
        task.c.state.not_in([State.SKIPPED, State.CANCELLED, State.EXPIRED]),
        horizon > bindparam("nearest"),
        ~is_planned(literal("task/").concat(bindparam("nearest_part", type_=String()))),
    )
    from_on = [(e.c.at_risk_minor >= amount, literal(amount, BigInteger())) for amount in reversed(amounts[1:])]
    least = literal(amounts[0], BigInteger())
    amount = case(*from_on, else_=least) if from_on else least
    may_ring = and_(
        e.c.at_risk_minor >= bindparam("called_from", type_=BigInteger()),
        e.c.at_risk_minor < bindparam("called_below", type_=BigInteger()),
        task.c.id.is_(None),
        c.c.phone.is_not(None),
        among(c.c.tier, "tiers_called"),
    )
    return (
        select(
            e.c.id,
            e.c.customer_id,
            e.c.ends_on,
            e.c.time_zone,
            e.c.changed_at,
            e.c.version,
            e.c.gate_id,
            e.c.at_risk_minor.label("exactly_at_risk_minor"),
            amount.label("at_risk_minor"),
            c.c.tier,
            c.c.dedicated_agent.is_not(None).label("has_agent"),
            c.c.phone.is_not(None).label("has_phone"),
            c.c.tact_lock.is_not(None).label("is_locked"),
            c.c.erased_at.is_not(None).label("is_erased"),
            task.c.id.is_not(None).label("has_task"),
            horizon.label("task_horizon"),
            may_ring.label("may_ring"),
            c.c.phone,
            e.c.latest_on,
            c.c.time_zone.label("lives_in"),
            c.c.window_start,
            c.c.window_end,
        )
        .select_from(e)
        .join(c, c.c.id == e.c.customer_id)
        .outerjoin(task, is_of(task, "task"))
        .where(
            e.c.kind == bindparam("of_kind"),
            e.c.state == "active",
            e.c.auto_renews.is_(False),
            ~_QUIET,
            or_(and_(task.c.id.is_(None), ~is_planned("call/1")), of_old),
        )
        .limit(bindparam("most"))
    )


def _alike(page: Subquery, *lead: str) -> Select[Any]:
    """The endings of a page, those alike as one row, by `lead`: the columns that the page is in the order of."""
    consented = (
        select(literal(1))
        .where(
            consents.c.customer_id == page.c.customer_id,
            consents.c.purpose == bindparam("purpose"),
            consents.c.channel == Capability.VOICE,
            consents.c.granted,
        )
        .limit(1)
        .scalar_subquery()
        .is_not(None)
    )
    of_calls: dict[str, ColumnElement[Any]] = {
        "consents": consented,
        "in_hardship": distress.has_told(page.c.customer_id),
        "phone": case((bindparam("with_numbers", type_=Boolean()), page.c.phone)),
        **{name: page.c[name] for name in ("latest_on", "lives_in", "window_start", "window_end")},
    }
    asked = {name: case((page.c.may_ring, told)).label(f"call_{name}") for name, told in of_calls.items()}
    decides = [asked[name] if name in asked else page.c[name] for name in _DECIDES]
    begins = [page.c[name] for name in lead]
    return (
        select(
            *decides,
            func.count(),
            func.sum(page.c.exactly_at_risk_minor),
            func.max(page.c.id),
            func.aggregate_strings(cast(page.c.id, String()), ","),
            *(column.label(f"lead_{column.name}") for column in begins),
        )
        # By their names: PostgreSQL takes no expression with parameters for the same as another.
        .group_by(
            *begins, *(column.name for column in asked.values()), *(page.c[n] for n in _DECIDES if n not in asked)
        )
        .order_by(*begins)
    )


@cache
def _in_days(dialect: str, amounts: tuple[int, ...]) -> Select[Any]:
    e = entitlements
    after = tuple_(bindparam("day", type_=Date()), bindparam("zone"), bindparam("row_id"))
    page = _page(dialect, amounts).where(
        e.c.ends_on <= bindparam("last"), tuple_(e.c.ends_on, e.c.time_zone, e.c.id) > after
    )
    return _alike(page.order_by(e.c.ends_on, e.c.time_zone, e.c.id).subquery("page"), "ends_on", "time_zone")


@cache
def _changed(dialect: str, amounts: tuple[int, ...]) -> Select[Any]:
    e = entitlements
    after = tuple_(bindparam("since", type_=Instant), bindparam("row_id"))
    page = _page(dialect, amounts).where(
        e.c.ends_on.between(bindparam("first"), bindparam("last")), tuple_(e.c.changed_at, e.c.id) > after
    )
    return _alike(page.order_by(e.c.changed_at, e.c.id).subquery("page"), "changed_at")


_COUNT_CHANGED = select(func.count()).select_from(
    select(literal(1).label("one"))
    .select_from(entitlements)
    .where(entitlements.c.changed_at > bindparam("since", type_=Instant))
    .limit(bindparam("most"))
    .subquery()
)
_IN_ITS_ORDER = text("SET LOCAL enable_sort = off")
"""For PostgreSQL. It believes that hardly any ending is unplanned, so it would read the whole window for each page, to
sort it and take the first ones. An index has the order."""

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


class Found(NamedTuple):
    """A page of endings that something may have to be planned about."""

    alike: list[Alike]
    after: tuple[Any, ...] | None  # where the next page begins; None: there is none


def unplanned_in(
    connection: Connection, asked: Asked, last: date, *, nearest: int, after: tuple[Any, ...], limit: int
) -> Found:
    """The endings until a day that something may have to be planned about, by day, zone and id, after `after`.

    `nearest` is the horizon that these days have reached, in the zone where it is nearest: by it a task needs a note.
    """
    day, zone, row_id = after
    where = {"last": last, "day": day, "zone": zone, "row_id": row_id}
    return _read(connection, _in_days(connection.dialect.name, asked.amounts), asked, where, nearest, limit)


def unplanned_since(
    connection: Connection,
    asked: Asked,
    first: date,
    last: date,
    *,
    nearest: int,
    after: tuple[Any, ...],
    limit: int,
) -> Found:
    """The same of endings from `first` to `last` that changed after an instant (and after an id at that instant)."""
    since, row_id = after
    where = {"first": first, "last": last, "since": since, "row_id": row_id}
    return _read(connection, _changed(connection.dialect.name, asked.amounts), asked, where, nearest, limit)


def _read(
    connection: Connection, statement: Select[Any], asked: Asked, where: dict[str, Any], nearest: int, limit: int
) -> Found:
    told = {
        "of_kind": asked.kind,
        "quiet_before": asked.quiet_before,
        "tiers_called": asked.tiers_called,
        "called_from": asked.called_from,
        "called_below": asked.called_below,
        "purpose": asked.purpose,
        "distress_since": asked.distress_since,
        "with_numbers": asked.with_numbers,
        "nearest": nearest,
        "nearest_part": str(nearest),
        "most": limit,
    }
    if connection.dialect.name == "postgresql":
        connection.execute(_IN_ITS_ORDER)
    rows = connection.execute(statement, told | where).all()
    width = len(Alike._fields)
    alike = [Alike._make(row[:width]) for row in rows]
    if sum(one.endings for one in alike) < limit:
        return Found(alike, None)
    lead = rows[-1][width:]
    last_id = max(one.last_id for one, row in zip(alike, rows, strict=True) if row[width:] == lead)
    return Found(alike, (*lead, last_id))


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


def is_any_number_suppressed(connection: Connection) -> bool:
    """False when there is no telephone number that must not be called: then none need be looked for."""
    return connection.execute(_ANY_SUPPRESSED).first() is not None


def suppressed_numbers(connection: Connection, hashes: Sequence[str]) -> set[str]:
    """Those of the hashed telephone numbers that must not be called."""
    return set(connection.execute(_SUPPRESSED, {"hashes": list(hashes)}).scalars().all())
