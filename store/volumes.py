"""How many reviewable actions were planned for each purpose, by the hour: only added to, summed up when read."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from sqlalchemy import Connection, bindparam, delete, func, insert, select

from store.ledger.rows import volumes
from store.types import Instant

_NOTE = insert(volumes)
_SINCE = select(func.coalesce(func.sum(volumes.c.planned), 0)).where(
    volumes.c.what == bindparam("what"), volumes.c.hour >= bindparam("since", type_=Instant)
)
_FIRST = select(func.min(volumes.c.hour)).where(volumes.c.what == bindparam("what"))
_IN = select(func.coalesce(func.sum(volumes.c.planned), 0)).where(
    volumes.c.what == bindparam("what"), volumes.c.hour.in_(bindparam("hours", expanding=True))
)
_OLD = select(volumes.c.id).where(volumes.c.hour < bindparam("before", type_=Instant)).limit(bindparam("most"))
_FORGET = delete(volumes).where(volumes.c.id.in_(_OLD.scalar_subquery()))


def hour_of(instant: datetime) -> datetime:
    """The beginning of its hour, in UTC."""
    return instant.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def note(connection: Connection, planned: Mapping[str, int], *, now: datetime) -> None:
    """So many were planned for each purpose, in the transaction that plans them. Nobody waits for anybody."""
    rows = [{"what": what, "hour": hour_of(now), "planned": count} for what, count in planned.items() if count]
    if rows:
        connection.execute(_NOTE, rows)


def since(connection: Connection, what: str, instant: datetime) -> int:
    """How many were planned since the beginning of the hour of an instant: the hour counts as a whole."""
    return int(connection.execute(_SINCE, {"what": what, "since": hour_of(instant)}).scalar_one())


def first(connection: Connection, what: str) -> datetime | None:
    """The first hour in which any was planned, of those that are kept."""
    return connection.execute(_FIRST, {"what": what}).scalar()


def within(connection: Connection, what: str, hours: Sequence[datetime]) -> int:
    """How many were planned in these hours, each told by its beginning."""
    return int(connection.execute(_IN, {"what": what, "hours": list(hours)}).scalar_one())


def is_any_before(connection: Connection, instant: datetime) -> bool:
    """True when something is kept of hours before an instant."""
    return connection.execute(_OLD, {"before": instant, "most": 1}).first() is not None


def forget(connection: Connection, *, before: datetime, most: int) -> int:
    """Forget hours before an instant, at most so many rows; how many were."""
    return connection.execute(_FORGET, {"before": before, "most": most}).rowcount
