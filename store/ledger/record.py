"""Write down what came of what was armed, guarded by the fence; and what became of a lost answer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Float, bindparam, case, literal, select, text, update

from domain.actions import State
from store.at_once import AtOnce
from store.ledger.facts import may_be_out
from store.ledger.rows import Result, Worker, actions, stands_at
from store.types import Instant, among, db_now

_STANDING = AtOnce(
    select(actions.c.id, actions.c.fence).where(among(actions.c.id, "ids"), stands_at(State.SENDING)).with_for_update()
)
_DONE = (
    update(actions)
    .where(among(actions.c.id, "ids"))
    .values(
        state=State.DONE,
        reason=None,
        lease_until=None,
        next_check_at=None,
        updated_at=bindparam("now", type_=Instant),
        updated_by=bindparam("run"),
    )
)
_DONE_AND_RECEIVED = text(
    "WITH given AS (SELECT CAST(value ->> 0 AS bigint) AS id, CAST(value ->> 1 AS integer) AS fence,"
    " value ->> 2 AS external_id, value -> 3 AS detail FROM json_array_elements(CAST(:done AS json)) AS listed (value)"
    "), done AS (UPDATE actions SET state = 'done', reason = NULL, lease_until = NULL, next_check_at = NULL,"
    " updated_at = :at, updated_by = :run FROM given WHERE actions.id = ANY(CAST(:ids AS bigint[]))"
    " AND actions.id = given.id AND actions.fence = given.fence"
    " AND CASE WHEN actions.state = 'sending' THEN true ELSE false END"  # as in `stands_at`
    " RETURNING actions.id, actions.fence, given.external_id, given.detail), "
    "received AS (INSERT INTO receipts (action_id, integration, external_id, adopted, detail, at) "
    "SELECT id, :integration, external_id, false, detail, :at FROM done) "
    "SELECT id, fence FROM done"
)
"""On PostgreSQL all at once: a row that is locked first and moved then is written to twice. The ids also by themselves:
joined alone, their rows would be looked for in the whole table."""
_RECEIVED_IN_SQLITE = text(
    "INSERT INTO receipts (action_id, integration, external_id, adopted, detail, at) "
    "SELECT json_extract(value, '$[0]'), :integration, json_extract(value, '$[2]'), false, json_extract(value, '$[3]')"
    ", :at FROM json_each(:done)"
).bindparams(bindparam("at", type_=Instant))
"""One statement, always the same: a row after the other costs more than the rows, and PostgreSQL would read a long list
of values anew each time."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of results."""

    written: Sequence[Result]
    """As they were written down."""
    refused: Sequence[Result]


def record(
    connection: Connection, results: Sequence[Result], *, integration: str, worker: Worker, now: datetime
) -> Recorded:
    """`sending → done | failed | uncertain | ready`.

    A result is refused when the row's fence moved on or it is no longer `sending`: its worker was given up for dead
    and somebody else decides about it now (P15). What an earlier try may have brought about is not called `failed`: it
    is `uncertain`, and recovery asks, repeats or tells a person as its write class has it.
    """
    done = sorted((result for result in results if result.state is State.DONE), key=lambda result: result.id)
    others = [result for result in results if result.state is not State.DONE]
    if connection.dialect.name == "sqlite":
        standing = _standing(connection, results)
        done = [result for result in done if (result.id, result.fence) in standing]
        _move_and_receive(connection, done, integration, worker, now)
    else:
        standing = _standing(connection, others)
        done = _done_and_received(connection, done, integration, worker, now)
    others = _honest(connection, [result for result in others if (result.id, result.fence) in standing])
    if others:
        connection.execute(
            update(actions)
            .where(actions.c.id == bindparam("row_id"))
            .values(
                state=bindparam("new_state"),
                reason=bindparam("new_reason"),
                due_at=bindparam("new_due_at"),
                next_check_at=db_now(bindparam("check_in_seconds", type_=Float())),
                lane=case((actions.c.urgent, literal("urgent")), else_=literal("normal")),  # its worker lived
                lease_until=None,
                updated_at=now,
                updated_by=worker.run,
            ),
            [_move(result, now) for result in others],
        )
    written = {(result.id, result.fence) for result in (*done, *others)}
    return Recorded(done + others, [result for result in results if (result.id, result.fence) not in written])


def _standing(connection: Connection, results: Sequence[Result]) -> set[tuple[int, int]]:
    """Which of their rows are being sent, and under which fence."""
    if not results:
        return set()
    found = _STANDING.rows(connection, {"ids": [result.id for result in results]})
    return {(action_id, fence) for action_id, fence in found}


def _move_and_receive(
    connection: Connection, done: Sequence[Result], integration: str, worker: Worker, now: datetime
) -> None:
    if done:
        connection.execute(_DONE, {"ids": [result.id for result in done], "now": now, "run": worker.run})
        received = {"integration": integration, "at": now, "done": _listed(done, ensure_ascii=False)}
        connection.execute(_RECEIVED_IN_SQLITE, received)


def _done_and_received(
    connection: Connection, done: Sequence[Result], integration: str, worker: Worker, now: datetime
) -> list[Result]:
    """Those whose rows were still theirs. By id, so that two who meet do not wait for each other in a circle."""
    if not done:
        return []
    told = {
        "ids": f"{{{','.join(str(result.id) for result in done)}}}",
        "done": _listed(done, ensure_ascii=True),
        "integration": integration,
        "at": now,
        "run": worker.run,
    }
    moved = {(action_id, fence) for action_id, fence in connection.execute(_DONE_AND_RECEIVED, told)}
    return [result for result in done if (result.id, result.fence) in moved]


def _honest(connection: Connection, results: Sequence[Result]) -> list[Result]:
    """As they are, but for refusals of what may be out."""
    out = may_be_out(connection, [result.id for result in results if result.state is State.FAILED])
    return [
        replace(result, state=State.UNCERTAIN, check_in_seconds=0.0)
        if result.state is State.FAILED and result.id in out
        else result
        for result in results
    ]


def _move(result: Result, now: datetime) -> dict[str, Any]:
    return {
        "row_id": result.id,
        "new_state": result.state,
        "new_reason": result.reason,
        "new_due_at": result.due_at or now,
        "check_in_seconds": result.check_in_seconds,  # None: never
    }


def _listed(done: Sequence[Result], *, ensure_ascii: bool) -> str:
    rows = [(result.id, result.fence, result.external_id or "", result.detail or {}) for result in done]
    return _as_json(rows, ensure_ascii=ensure_ascii)


def _as_json(rows: Sequence[tuple[int, int, str, Mapping[str, Any]]], *, ensure_ascii: bool) -> str:
    """For SQLite not as ASCII: it would make of an escaped half of a character what nobody can read any more."""
    try:
        return orjson.dumps(rows, option=orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS).decode()
    except TypeError:  # a vendor's answer with half a character, or a number beyond 64 bits
        return json.dumps(rows, ensure_ascii=ensure_ascii)
