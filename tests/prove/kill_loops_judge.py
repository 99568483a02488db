"""What the kill loops are judged by: the vendor's record and the drivers' logs; of our tables what they admit.

Two things only the database can say, because it orders them: whether anything was armed while the kill switch was on,
and whose word moved a row. Both are read from the audit, which triggers write.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gateway_stack import Answered
from kill_loops_load import Load
from ledger_world import check_audit
from oracle import Effects, judge
from sqlalchemy import Row, func, select

from domain.actions import State
from store.database import Database
from store.ledger.rows import actions, audit

PEOPLE = (State.NEEDS_HUMAN, State.FAILED)
_RESULTS = {State.DONE, State.FAILED, State.READY}


@dataclass(frozen=True, slots=True)
class Halt:
    """One time the kill switch was on: where record and audit stood when it had come on, and when it went off."""

    armed: frozenset[str]  # ever armed when the stop had committed
    under_way: int  # of those, not known to be over
    first_byte: int
    last_byte: int
    first_audit: int
    last_audit: int


def standing(database: Database) -> tuple[frozenset[str], int, int]:
    """Keys that were ever armed, how many of them may still be under way, and the newest line of the audit."""
    with database.read() as connection:
        armed = connection.execute(select(actions.c.key, actions.c.state).where(actions.c.attempts > 0)).all()
        newest = connection.execute(select(func.max(audit.c.id))).scalar_one() or 0
    under_way = sum(row.state not in {State.DONE, State.SKIPPED} for row in armed)
    return frozenset(row.key for row in armed), under_way, newest


@dataclass
class Judged:
    """What was found; `violations` in words."""

    violations: list[str]
    lost: int = 0
    doubled: int = 0
    resent: int = 0
    left_to_people: int = 0
    uncertain: int = 0
    settled: int = 0


def judge_load(load: Load, effects: Effects, rows: Mapping[str, Row[Any]], cap: int) -> Judged:
    """P1, P2, P3, P7, P13: tasks once, messages once and within the cap, nothing that was forbidden."""
    judged = Judged([])
    seen = {key for key, row in rows.items() if row.state in PEOPLE}
    held_back = {
        key
        for key, ref in load.due.items()
        if (ref in load.never_asked and key.startswith("journey/"))
        or (ref in load.withdrawn and (load.withdrawn[ref].way == "erasure" or key.startswith("journey/")))
    }
    messages: dict[str, list[str]] = defaultdict(list)
    for key, ref in load.due.items():
        if key.startswith("journey/"):
            messages[ref].append(key)
    beyond_cap = set()
    for ref, keys in messages.items():
        sent = sum(min(1, effects.count(key)) for key in keys)
        if sum(effects.count(key) for key in keys) > cap:
            judged.violations.append(f"P13: {ref} got {sent} messages, {cap} allowed")
        if sent + sum(key in seen for key in keys if not effects.count(key)) >= cap:
            beyond_cap |= {key for key in keys if not effects.count(key)}
    must = set(load.due) - held_back - beyond_cap
    counted = {key: row.resends for key, row in rows.items()}
    verdict = judge(effects, must, seen_by_people=seen, resends=counted)
    doubled = verdict.doubled + [
        f"{key} ({effects.count(key)} times)"
        for key in held_back
        if effects.count(key) > 1 + min(1, counted.get(key, 0))
    ]
    judged.violations += [f"P2: {key} is lost: {_stands(rows, key)}" for key in verdict.lost]
    judged.violations += [f"P1/P3: {told}" for told in doubled]
    for key, ref in load.due.items():
        if not effects.count(key):
            continue
        if ref in load.withdrawn and load.withdrawn[ref].forbids(key):
            judged.violations.append(f"P7: {key} went out after {load.withdrawn[ref].way}")
        if ref in load.never_asked and key.startswith("journey/"):
            judged.violations.append(f"P7: {key} went out without consent")
    for key in held_back | beyond_cap:
        if key in rows and rows[key].state not in {*PEOPLE, State.DONE, State.SKIPPED, State.READY}:
            judged.violations.append(f"P2: {key} is not visibly held back: {_stands(rows, key)}")
    judged.lost, judged.doubled, judged.resent = len(verdict.lost), len(doubled), len(verdict.resent)
    judged.left_to_people = len(verdict.left_to_people)
    return judged


def _stands(rows: Mapping[str, Row[Any]], key: str) -> str:
    return f"{rows[key].state}, {rows[key].reason}" if key in rows else "not in the ledger"


def judge_answers(told: Answered, judged: Judged) -> None:
    """P5, P6: what was answered 2xx, added to what was found."""
    judged.violations += [f"P5: {key} was answered 2xx and is lost" for key in told.lost]
    judged.violations += [f"P6: {what}" for what in told.unexplained]
    judged.lost += len(told.lost)
    judged.resent += told.resent
    judged.left_to_people += told.left_to_people


def judge_unasked(effects: Effects, due: Iterable[str]) -> list[str]:
    """Effects that nobody asked for."""
    known = set(due)
    return [f"{key} was never asked for" for key in effects.made if key not in known]


def judge_halts(halts: Sequence[Halt], record: Path, database: Database) -> list[str]:
    """P14: nothing was armed while the switch was on; what still came out had been armed before."""
    found = []
    with database.read() as connection:
        arms = connection.execute(select(audit.c.id).where(audit.c.after == State.SENDING)).scalars().all()
    told = record.read_bytes()
    for halt in halts:
        armed_meanwhile = sum(halt.first_audit < number <= halt.last_audit for number in arms)
        if armed_meanwhile:
            found.append(f"P14: {armed_meanwhile} rows were armed while everything was stopped")
        lines = told[halt.first_byte : halt.last_byte].split(b"\n")[:-1]
        keys = [effect["key"] for line in lines if (effect := json.loads(line))["effect"] == "created"]
        if strange := [key for key in keys if key not in halt.armed]:
            found.append(f"P14: went out while stopped, not armed before: {strange[:5]}")
        if len(keys) > halt.under_way:
            found.append(f"P14: {len(keys)} went out after the stop, {halt.under_way} were under way")
    return found


def judge_audit(database: Database) -> tuple[list[str], Counter[str], float]:
    """P15, P16, P21: whose word moved a row; moves by kind; the longest that a row stayed `sending`, in seconds."""
    found: list[str] = []
    try:
        check_audit(database)
    except AssertionError as problem:
        found.append(f"P21: {str(problem)[:300]}")
    moved: Counter[str] = Counter()
    armed: dict[int, tuple[datetime, str]] = {}
    longest = 0.0
    with database.read() as connection:
        for move in connection.execute(select(audit).order_by(audit.c.id)):
            moved[f"{move.before} → {move.after}"] += 1
            if move.before == State.SENDING and move.action_id in armed:
                since, by = armed.pop(move.action_id)
                longest = max(longest, (move.at - since).total_seconds())
                if move.after in _RESULTS and move.by != by:
                    found.append(f"P15: action {move.action_id} was armed by {by}, its result written by {move.by}")
            if move.after == State.SENDING:
                armed[move.action_id] = (move.at, move.by)
    if armed:
        found.append(f"P16: {len(armed)} rows are still `sending`")
    return found, moved, longest
