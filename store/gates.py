"""Gates: the verdicts on batches and on days of events, and the history they are judged by."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, Table, insert, select

from domain.gates import DataSet, GateVerdict
from store.once import insert_once
from store.tables import metadata

gates: Table = metadata.tables["gates"]

_EVENTS = insert_once(gates, "data_set", "feed", "batch", where="is_events").returning(gates.c.id)
_ACCEPTED = gates.c.verdict != GateVerdict.HALT


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
    """A feed's last batches (or days of events) that were let through, the newest first."""
    wanted = (
        select(gates)
        .where(gates.c.data_set == data_set.value, gates.c.feed == feed, gates.c.is_events == is_events, _ACCEPTED)
        .order_by(gates.c.decided_at.desc(), gates.c.id.desc())
        .limit(limit)
    )
    return list(connection.execute(wanted))
