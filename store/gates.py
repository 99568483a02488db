"""Gates: the verdicts on batches and on days of events, and the history they are judged by."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, Table, case, func, insert, or_, select, type_coerce, update

from domain.gates import DataSet, GateVerdict
from store.once import insert_once
from store.tables import metadata
from store.types import Instant

gates: Table = metadata.tables["gates"]

_EVENTS = insert_once(gates, "data_set", "feed", "batch", where="is_events").returning(gates.c.id)
_ACCEPTED = gates.c.verdict != GateVerdict.HALT

REPLAYED = "quarantine/"
"""What the origin of the gate of a replayed row begins with: a person's decision, and no batch of its feed."""

_LARGEST_ID = 2**63 - 1
"""Beyond it no database has one, nor can be asked for it."""


def record(
    connection: Connection,
    *,
    data_set: DataSet,
    feed: str,
    batch: str,
    origin: str,
    verdict: GateVerdict,
    rows: int,
    broken: int,
    findings: Sequence[Mapping[str, Any]],
    measures: Mapping[str, Any],
    run: str,
    now: datetime,
    approved_by: str | None = None,
    approved_reason: str | None = None,
) -> int:
    """Write down a verdict; the gate's id, which everything taken through it carries."""
    made = insert(gates).values(
        data_set=data_set.value,
        feed=feed,
        batch=batch,
        origin=origin,
        is_events=False,
        verdict=verdict.value,
        rows=rows,
        broken=broken,
        findings=[dict(one) for one in findings],
        measures=dict(measures),
        decided_at=now,
        run=run,
        approved_by=approved_by,
        approved_reason=approved_reason,
    )
    return int(connection.execute(made.returning(gates.c.id)).scalar_one())


def event_gate(connection: Connection, data_set: DataSet, source: str, *, now: datetime, run: str) -> int:
    """The gate of a webhook source's events of this day (UTC), made by the first of them.

    It stands for the source and the day: each event has passed its own contract before it gets here, so the verdict is
    always `pass`, and nothing is counted (that would make every event wait for the others).
    """
    day = now.astimezone(UTC).date().isoformat()
    known = select(gates.c.id).where(
        gates.c.data_set == data_set.value, gates.c.feed == source, gates.c.batch == day, gates.c.is_events
    )
    found = connection.execute(known).scalar()
    if found is None:
        first: dict[str, Any] = {
            "data_set": data_set.value,
            "feed": source,
            "batch": day,
            "origin": source,
            "is_events": True,
            "verdict": GateVerdict.PASS.value,
            "rows": 0,
            "broken": 0,
            "findings": [],
            "measures": {},
            "decided_at": now,
            "run": run,
        }
        made = connection.execute(_EVENTS, [first]).scalar()
        found = connection.execute(known).scalar_one() if made is None else made  # somebody else was first
    return int(found)


def latest_passed(
    connection: Connection, data_set: DataSet, feed: str, *, limit: int = 1, is_events: bool = False
) -> list[Row[Any]]:
    """A feed's last batches (or days of events) that were let through, the newest first; replayed rows do not count."""
    wanted = (
        select(gates)
        .where(gates.c.data_set == data_set.value, gates.c.feed == feed, gates.c.is_events == is_events, _ACCEPTED)
        .where(gates.c.origin.not_like(f"{REPLAYED}%"))
        .order_by(gates.c.decided_at.desc(), gates.c.id.desc())
        .limit(limit)
    )
    return list(connection.execute(wanted))


def of_bytes(connection: Connection, data_set: DataSet, feed: str, batch: str) -> list[Row[Any]]:
    """The verdicts on exactly these bytes in this feed, the newest first."""
    wanted = (
        select(gates)
        .where(gates.c.data_set == data_set.value, gates.c.feed == feed, gates.c.batch == batch)
        .order_by(gates.c.id.desc())
    )
    return list(connection.execute(wanted))


class FeedNow(NamedTuple):
    """How a feed stands."""

    data_set: DataSet
    feed: str
    is_events: bool
    last_passed_at: datetime | None  # when it last let something through; None: it never did
    halted_gate: int | None  # the gate of its last batch, when that was halted and nobody has approved it


def feeds_now(connection: Connection) -> list[FeedNow]:
    """Every feed there ever was, by data set and name; a row that a person replayed says nothing of its feed."""
    last = (
        select(
            func.max(gates.c.id).label("id"),
            func.max(case((or_(_ACCEPTED, gates.c.approved_by.is_not(None)), gates.c.decided_at))).label("passed_at"),
        )
        .where(gates.c.origin.not_like(f"{REPLAYED}%"))
        .group_by(gates.c.data_set, gates.c.feed, gates.c.is_events)
        .subquery()
    )
    wanted = (
        select(gates, type_coerce(last.c.passed_at, Instant()).label("passed_at"))
        .join(last, last.c.id == gates.c.id)
        .order_by(gates.c.data_set, gates.c.feed)
    )
    return [
        FeedNow(
            data_set=DataSet(row.data_set),
            feed=row.feed,
            is_events=row.is_events,
            last_passed_at=row.passed_at,
            halted_gate=row.id if row.verdict == GateVerdict.HALT and row.approved_by is None else None,
        )
        for row in connection.execute(wanted)
    ]


def taken(connection: Connection, gate_id: int, *, now: datetime) -> None:
    """All good rows of the batch are in the books; who dies before leaves a batch that must be imported again."""
    connection.execute(update(gates).where(gates.c.id == gate_id, gates.c.taken_at.is_(None)).values(taken_at=now))


def listed(connection: Connection, *, data_set: DataSet | None = None, feed: str = "", limit: int) -> list[Row[Any]]:
    """Gates, the newest first."""
    wanted = select(gates).order_by(gates.c.id.desc()).limit(limit)
    if data_set is not None:
        wanted = wanted.where(gates.c.data_set == data_set.value)
    if feed:
        wanted = wanted.where(gates.c.feed == feed)
    return list(connection.execute(wanted))


def find(connection: Connection, gate_id: int, *, lock: bool = False) -> Row[Any] | None:
    """One gate; locked, nobody else decides about it until the transaction ends."""
    if gate_id > _LARGEST_ID:
        return None
    wanted = select(gates).where(gates.c.id == gate_id)
    return connection.execute(wanted.with_for_update() if lock else wanted).first()


def approve(connection: Connection, gate_id: int, *, by: str, reason: str) -> None:
    """Let exactly these halted bytes through when they come again."""
    connection.execute(update(gates).where(gates.c.id == gate_id).values(approved_by=by, approved_reason=reason))
