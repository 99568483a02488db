"""Gates, for people: what was judged and how, and a person's word that halted bytes may come in."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row

from domain.gates import DataSet, GateVerdict
from domain.instants import iso
from store import gates as store
from store.database import Database


class CannotApprove(Exception):
    """There is nothing to approve; its text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Approver:
    """Who lets a halted batch through, and why."""

    name: str
    reason: str


def list_gates(
    database: Database, *, data_set: DataSet | None = None, feed: str = "", limit: int = 50
) -> list[dict[str, Any]]:
    """Gates without their findings, the newest first."""
    with database.read() as connection:
        rows = store.listed(connection, data_set=data_set, feed=feed, limit=limit)
    return [_summary(row) for row in rows]


def read_gate(database: Database, gate_id: int) -> dict[str, Any]:
    """One gate with its findings. Raises CannotApprove for an id nobody knows."""
    with database.read() as connection:
        row = _known(store.find(connection, gate_id), gate_id)
    return {**_summary(row), "bytes": row.batch, "findings": row.findings, "measures": row.measures, "run": row.run}


def approve_gate(database: Database, gate_id: int, who: Approver) -> dict[str, Any]:
    """Let exactly the bytes this gate halted through at their next import. Raises CannotApprove."""
    if not who.name.strip():
        raise CannotApprove("say who you are: it is kept with the gate")
    if not who.reason.strip():
        raise CannotApprove("a reason is missing: say how you know that the file is right")
    with database.write("approve-gate") as connection:
        row = _known(store.find(connection, gate_id, lock=True), gate_id)
        if row.verdict != GateVerdict.HALT:
            raise CannotApprove(f"gate {gate_id} halted nothing: its verdict is {row.verdict}")
        newest = store.of_bytes(connection, DataSet(row.data_set), row.feed, row.batch)[0]
        if newest.id != gate_id:
            raise CannotApprove(f"gate {newest.id} judged the same file later: its verdict is {newest.verdict}")
        if row.approved_by:
            raise CannotApprove(f"{row.approved_by} approved gate {gate_id} already: import {row.origin} again")
        store.approve(connection, gate_id, by=who.name.strip(), reason=who.reason.strip())
        approved = _known(store.find(connection, gate_id), gate_id)
    return _summary(approved)


def _known(row: Row[Any] | None, gate_id: int) -> Row[Any]:
    if row is None:
        raise CannotApprove(f"there is no gate {gate_id}: `handrail gates` lists what there is")
    return row


def _summary(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "verdict": row.verdict,
        "data_set": row.data_set,
        "feed": row.feed,
        "origin": row.origin,
        "rows": row.rows,
        "broken": row.broken,
        "decided_at": iso(row.decided_at),
        "approved_by": row.approved_by,
        "approved_reason": row.approved_reason,
    }
