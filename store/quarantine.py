"""What waits in quarantine, and what people decided about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, func, insert, select, update

from store.inbox import quarantine
from store.tables import metadata

_decisions: Table = metadata.tables["quarantine_decisions"]

WAITING, REPLAYED, DISCARDED = "waiting", "replayed", "discarded"
STATES = (WAITING, REPLAYED, DISCARDED)

_LARGEST_ID = 2**63 - 1
"""Beyond it no database has one, nor can be asked for it."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which rows; what is left empty fits all."""

    state: str = WAITING
    source: str = ""
    ids: Sequence[int] = ()
    since: datetime | None = None
    until: datetime | None = None
    before_id: int | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person did about a row, and what came of it."""

    what: str
    by: str
    reason: str
    outcome: str
    subject: str | None = None
    body: bytes | None = None


def listed(connection: Connection, chosen: Chosen, *, limit: int) -> list[Row[Any]]:
    """The rows without their bytes, the newest first."""
    columns = [column for column in quarantine.c if column.name != "body"]
    size = func.length(quarantine.c.body).label("size")
    wanted = select(*columns, size).where(*_conditions(chosen)).order_by(quarantine.c.id.desc()).limit(limit)
    return list(connection.execute(wanted))


def ids(connection: Connection, chosen: Chosen, *, limit: int) -> list[int]:
    """The rows' ids, the oldest first: what came in later may depend on what came before."""
    wanted = select(quarantine.c.id).where(*_conditions(chosen)).order_by(quarantine.c.id).limit(limit)
    return list(connection.execute(wanted).scalars())


def count(connection: Connection, chosen: Chosen) -> int:
    """How many there are."""
    return int(
        connection.execute(select(func.count()).select_from(quarantine).where(*_conditions(chosen))).scalar_one()
    )


def sources(connection: Connection, state: str) -> list[str]:
    """Where rows of this state came from."""
    return sorted(
        connection.execute(select(quarantine.c.source).where(quarantine.c.state == state).distinct()).scalars()
    )


def find(connection: Connection, row_id: int, *, lock: bool = False) -> Row[Any] | None:
    """One row with its bytes; locked, nobody else decides about it until the transaction ends."""
    if row_id > _LARGEST_ID:
        return None
    wanted = select(quarantine).where(quarantine.c.id == row_id)
    return connection.execute(wanted.with_for_update() if lock else wanted).first()


def decisions(connection: Connection, row_id: int) -> list[Row[Any]]:
    """What was decided about a row, in order."""
    return list(
        connection.execute(select(_decisions).where(_decisions.c.quarantine_id == row_id).order_by(_decisions.c.id))
    )


def decide(
    connection: Connection,
    row_id: int,
    decision: Decision,
    *,
    state: str | None = None,
    problems: Sequence[dict[str, Any]] | None = None,
    now: datetime,
) -> None:
    """Append a decision; the row's new state and what is wrong with it now, when they change."""
    connection.execute(
        insert(_decisions).values(
            quarantine_id=row_id,
            what=decision.what,
            by=decision.by,
            reason=decision.reason,
            outcome=decision.outcome,
            subject=decision.subject,
            body=decision.body,
            at=now,
        )
    )
    changed: dict[str, Any] = {}
    if state is not None:
        changed["state"] = state
    if problems is not None:
        changed["problems"] = list(problems)
    if changed:
        connection.execute(update(quarantine).where(quarantine.c.id == row_id).values(**changed))


def _conditions(chosen: Chosen) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = [quarantine.c.state == chosen.state]
    if chosen.source:
        found.append(quarantine.c.source == chosen.source)
    if chosen.ids:
        found.append(quarantine.c.id.in_([one for one in chosen.ids if one <= _LARGEST_ID]))
    if chosen.since is not None:
        found.append(quarantine.c.received_at >= chosen.since)
    if chosen.until is not None:
        found.append(quarantine.c.received_at < chosen.until)
    if chosen.before_id is not None:
        found.append(quarantine.c.id < chosen.before_id)
    return found
