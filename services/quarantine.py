"""What broke its contract, and a person's way with it: look, repair, replay, discard. Who and why are kept.

A replay takes the same way into the books as the original, under the same business keys: pressed twice, or after the
sender has sent it anew, it changes nothing.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row

from data_contracts import strict_json
from data_contracts.problems import NotStrictJson, Problem
from domain.instants import iso
from services.replaying import Replayed, Verdict, taken, taking_of
from services.wiring import Handrail
from store import quarantine as store
from store.database import Database
from store.quarantine import DISCARDED, REPLAYED, WAITING, Chosen, Decision

LONGEST_REPAIR = 256 * 1024
"""Bytes that can be corrected by hand; what is longer is corrected where it came from."""

MOST_AT_ONCE = 1000
"""Rows that one replay takes; more are left for the next."""


class CannotDecide(Exception):
    """There is nothing to decide about, or not in this way; its text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Who:
    """Who decides, and why."""

    name: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """What became of many rows, and how many more there are."""

    rows: Sequence[Replayed]
    left: int

    @property
    def urgent(self) -> bool:
        """True when something was planned that must leave at once."""
        return any(row.urgent for row in self.rows)

    def count(self, verdict: Verdict) -> int:
        """How many came to that."""
        return sum(row.verdict is verdict for row in self.rows)

    def words(self) -> str:
        """The counts, as in `2 accepted, 1 refused`."""
        told = [f"{count} {verdict}" for verdict in Verdict if (count := self.count(verdict))]
        more = [f"{self.left} more are left for the next replay"] if self.left else []
        return ", ".join(told + more) or "nothing fits"


@dataclass(frozen=True, slots=True)
class QuarantineList:
    """Some of the rows, and how many there are."""

    rows: list[dict[str, Any]]
    total: int
    sources: list[str]
    before_id: int | None
    """Where the next page begins; None: this is the last."""


def list_quarantine(database: Database, chosen: Chosen, *, limit: int = 50) -> QuarantineList:
    """Rows, the newest first."""
    with database.read() as connection:
        rows = store.listed(connection, chosen, limit=limit + 1)
        total = store.count(connection, chosen)
        sources = store.sources(connection, chosen.state)
    before_id = rows[limit - 1].id if len(rows) > limit else None
    return QuarantineList([_summary(row) for row in rows[:limit]], total, sources, before_id)


def read_quarantined(database: Database, row_id: int) -> dict[str, Any]:
    """One row with its text, as it came and as it was repaired, and what was decided. Raises CannotDecide."""
    with database.read() as connection:
        row = _known(store.find(connection, row_id), row_id)
        decided = store.decisions(connection, row_id)
    current = _current(row, decided)
    csv = (row.layout or {}).get("csv")
    return {
        **_summary(row),
        "size": len(row.body),
        "contract": (row.layout or {}).get("contract", "webhook"),
        "columns": csv and csv["columns"],
        "separator": csv and csv["separator"],
        "original": as_text(row.body),
        "current": as_text(current),
        "editable": _editable(current, is_json=csv is None),
        "is_repaired": current != row.body,
        "can_be_repaired": row.state == WAITING and len(current) <= LONGEST_REPAIR,
        "seen": _version(decided),
        "decisions": [
            {"at": iso(one.at), "what": one.what, "by": one.by, "reason": one.reason, "outcome": one.outcome,
             "subject": one.subject}
            for one in decided
        ],
    }  # fmt: skip


def check(handrail: Handrail, row_id: int, text: str) -> list[Problem]:
    """What a replay of this text would be refused for. Keeps nothing. Raises CannotDecide."""
    with handrail.database.read() as connection:
        row = _known(store.find(connection, row_id), row_id)
    return list(_rehearsed(handrail, row, text.encode()).problems)


def repair(handrail: Handrail, row_id: int, text: str, who: Who, *, seen: int | None = None) -> list[Problem]:
    """Keep a corrected text beside the original, when its contract has no objection; else the objections.

    Raises CannotDecide: also when somebody decided after what `seen` was shown.
    """
    _require(who, reason="say what you corrected, and how you know")
    body = text.encode()
    if len(body) > LONGEST_REPAIR:
        raise CannotDecide(f"{len(body)} bytes are too many to be corrected by hand: correct it where it came from")
    if problems := check(handrail, row_id, text):
        return problems
    with handrail.database.write("repair") as connection:
        row, _ = _waiting(connection, row_id, seen)
        decision = Decision("repaired", who.name, who.reason, "fits its contract now", body=body)
        store.decide(connection, row.id, decision, problems=[], now=handrail.clock())
    return []


def discard(handrail_database: Database, row_id: int, who: Who, *, now: datetime, seen: int | None = None) -> None:
    """Nothing comes of it; its bytes stay. Raises CannotDecide."""
    _require(who, reason="say why nothing is to come of it")
    with handrail_database.write("discard") as connection:
        row, _ = _waiting(connection, row_id, seen)
        decision = Decision("discarded", who.name, who.reason, "nothing came of it")
        store.decide(connection, row.id, decision, state=DISCARDED, now=now)


def replay(handrail: Handrail, row_id: int, who: Who, *, seen: int | None = None) -> Replayed:
    """Take a row into the books, as repaired, or say what it is still refused for. Raises CannotDecide."""
    _require(who)
    with handrail.database.read() as connection:
        row = _known(store.find(connection, row_id), row_id)
        decided = store.decisions(connection, row_id)
    if row.state != WAITING:
        raise CannotDecide(_over(row))
    return _replayed(handrail, row, _current(row, decided), who, _version(decided) if seen is None else seen)


def replay_many(
    handrail: Handrail, chosen: Chosen, who: Who, *, limit: int = MOST_AT_ONCE, rehearse: bool = False
) -> ReplayReport:
    """Replay what waits and fits, the oldest first, each by itself. A rehearsal is undone.

    Raises CannotDecide when nothing says which.
    """
    _require(who)
    if not (chosen.ids or chosen.source or chosen.since or chosen.until):
        raise CannotDecide("say which: ids, a source, or a time; everything at once is seldom meant")
    with handrail.database.read() as connection:
        wanted = store.ids(connection, chosen, limit=limit)
        left = store.count(connection, chosen) - len(wanted)
    return ReplayReport([_one_of_many(handrail, row_id, who, rehearse=rehearse) for row_id in wanted], left)


def as_text(body: bytes) -> str:
    """Bytes for people: what is no UTF-8 as \\x.., control characters as their pictures."""
    return body.decode("utf-8", "backslashreplace").translate(_PICTURES)


_PICTURES = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n\r"} | {127: 0x2421}


def _one_of_many(handrail: Handrail, row_id: int, who: Who, *, rehearse: bool) -> Replayed:
    try:
        if not rehearse:
            return replay(handrail, row_id, who)
        with handrail.database.read() as connection:
            row = _known(store.find(connection, row_id), row_id)
            body = _current(row, store.decisions(connection, row_id))
        return _rehearsed(handrail, row, body)
    except CannotDecide as problem:
        return Replayed(row_id, Verdict.DECIDED, str(problem))


def _replayed(handrail: Handrail, row: Row[Any], body: bytes, who: Who, seen: int) -> Replayed:
    now = handrail.clock()
    taking, problems = taking_of(handrail, row, body, now)
    with handrail.database.write("replay") as connection:
        _waiting(connection, row.id, seen)
        ended = taken(connection, row.id, taking, problems)
        what, state = ("refused", None) if ended.verdict is Verdict.REFUSED else ("replayed", REPLAYED)
        decision = Decision(what, who.name, who.reason, ended.outcome, ended.subject)
        still = [problem.as_json() for problem in ended.problems] if ended.problems else None
        store.decide(connection, row.id, decision, state=state, problems=still, now=now)
    return ended


class _Undone(Exception):
    """Takes a rehearsal back."""


def _rehearsed(handrail: Handrail, row: Row[Any], body: bytes) -> Replayed:
    """What a replay would come to: the same, in a transaction that is rolled back."""
    taking, problems = taking_of(handrail, row, body, handrail.clock())
    ended: Replayed | None = None
    try:
        with handrail.database.write("rehearse") as connection:
            ended = taken(connection, row.id, taking, problems)
            raise _Undone
    except _Undone:
        if ended is None:
            raise
        return ended


def _waiting(connection: Connection, row_id: int, seen: int | None) -> tuple[Row[Any], list[Row[Any]]]:
    """The row, locked, when it still waits and stands as it was seen. Raises CannotDecide."""
    row = _known(store.find(connection, row_id, lock=True), row_id)
    decided = store.decisions(connection, row_id)
    if row.state != WAITING:
        raise CannotDecide(_over(row))
    if seen is not None and _version(decided) != seen:
        raise CannotDecide(f"{decided[-1].by} {decided[-1].what} it meanwhile: look at it again")
    return row, decided


def _known(row: Row[Any] | None, row_id: int) -> Row[Any]:
    if row is None:
        raise CannotDecide(f"there is no {row_id} in quarantine: `handrail quarantine` lists what is")
    return row


def _over(row: Row[Any]) -> str:
    return f"{row.id} was {row.state} already; nothing was changed"


def _current(row: Row[Any], decided: Sequence[Row[Any]]) -> bytes:
    """The bytes as last repaired."""
    return bytes(next((one.body for one in reversed(decided) if one.body is not None), row.body))


def _version(decided: Sequence[Row[Any]]) -> int:
    """Tells what somebody was shown from what others decided since."""
    return len(decided)


def _editable(body: bytes, *, is_json: bool) -> str:
    """For a person to correct: strict JSON a key a line, anything else as it is."""
    if not is_json or len(body) > LONGEST_REPAIR:
        return as_text(body[:LONGEST_REPAIR])
    try:
        return json.dumps(strict_json.parse(body), ensure_ascii=False, indent=2)
    except NotStrictJson:
        return as_text(body)


def _require(who: Who, *, reason: str = "") -> None:
    if not who.name.strip():
        raise CannotDecide("say who you are: it is kept with the decision")
    if reason and not who.reason.strip():
        raise CannotDecide(f"a reason is missing: {reason}")


def _summary(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.id,
        "state": row.state,
        "source": row.source,
        "origin": row.origin,
        "received_at": iso(row.received_at),
        "problems": list(row.problems),
    }
