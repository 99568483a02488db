"""Calls about endings followed to their end: another window, a colleague, or nothing; none is left without an end."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row

from data_contracts.any_event import ahead_of
from data_contracts.events import CallEnded
from data_contracts.problems import ContractBroken, Problem
from domain.actions import FINAL, Basis, Capability, Kind, State
from domain.calls import (
    WORDINGS,
    WORDS,
    CallAgain,
    CallOutcome,
    Step,
    Stop,
    ToColleague,
    after_call_key,
    call_key,
    follow,
    next_window,
)
from domain.customers import Customer
from domain.ending_tasks import CALL_NOTE_SCHEMA, TASK_SCHEMA
from domain.endings import Calendars, last_day, not_needed
from domain.entitlements import expiry_key, named_by
from domain.gates import DataSet
from domain.planning import Payload, PlannedAction
from domain.policy import Policy, Priority, higher
from services.fates import Done, EventFate
from services.risks import enqueue_asked
from services.wiring import Handrail
from store import calls, customers, endings
from store.crash_points import reached
from store.endings import Ending
from store.gates import event_gate
from store.ledger.enqueue import About, enqueue
from store.ledger.sweep import adopt, as_uncertain

NO_CALL = Problem("data.call", "no call of ours has this key", "send the key that the call was ordered with")
NOT_PLACED = Problem("data.call", "this call was not placed", "send the key that the call was ordered with")

NOT_LET_GO = "it was not made, its review did not let it go"

_PLACED = frozenset({State.SENDING, State.UNCERTAIN, State.NEEDS_HUMAN, State.DONE})
"""Where a call stands that may have rung: its vendor may be quicker than our books."""

_LOOK_BACK = timedelta(days=30)
"""How long after it was placed a call's silence is still looked at."""

_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class _Told:
    """What was told of a call's end, or not in time (`source` is then `calls.NOBODY`)."""

    call: str
    outcome: CallOutcome
    source: str
    ended_at: datetime
    said: str | None = None


class _Placed(NamedTuple):
    """A placed call under its locks, and whom it rang."""

    row: Row[Any]
    ending: Ending
    customer: Customer
    number: int
    occurrence: str

    @property
    def ref(self) -> str:
        """The entitlement's."""
        return self.ending.entitlement.ref


def take_ended(
    connection: Connection, ended: Sequence[tuple[str, CallEnded]], policy: Policy, *, run: str, now: datetime
) -> list[EventFate]:
    """Take in what vendors tell of ended calls, by (source, event), and plan what follows; their fates, in order.

    The first word on a call counts. Whatever comes later changes nothing, unless nobody knew until then.
    """
    return [_take(connection, source, event, policy, run=run, now=now) for source, event in ended]


def _take(
    connection: Connection, source: str, event: CallEnded, policy: Policy, *, run: str, now: datetime
) -> EventFate:
    it = event.data
    if problems := ahead_of(it.ended_at, now, "data.ended_at"):
        return ContractBroken(problems)
    placed = _held(connection, it.call)
    if placed is None:
        return ContractBroken([NO_CALL])
    if State(placed.row.state) not in _PLACED:
        return ContractBroken([NOT_PLACED])
    return _end(connection, placed, _Told(it.call, it.outcome, source, it.ended_at, it.said), policy, run=run, now=now)


def _held(connection: Connection, key: str) -> _Placed | None:
    """The call with this key; customer, ending and call are taken in this order. None: there is no such call."""
    ref = calls.customer_of(connection, key)
    if ref is None:
        return None
    _, customer = customers.all_locked(connection, [ref])[ref]
    ending = endings.held(connection, calls.entitlement_of(connection, key))
    row = calls.held(connection, key)
    return _Placed(row, ending, customer, int(key.rpartition("/")[2]), named_by(key)[1])


def _end(connection: Connection, placed: _Placed, told: _Told, policy: Policy, *, run: str, now: datetime) -> Done:
    """Keep how a call ended, and plan what follows."""
    row, words = placed.row, WORDS[told.outcome]
    outcome_id = calls.keep(
        connection, row.id, told.outcome, source=told.source, ended_at=told.ended_at, said=told.said, now=now
    )
    reached("calls.kept")
    if outcome_id is None:
        return _too_late(connection, placed, told, now)
    if row.state == State.UNCERTAIN:
        adopt(connection, as_uncertain(row), external_id="", run=run, now=now)
    step = follow(
        told.outcome,
        placed.number,
        over=_over(placed, policy, now),
        attempts=policy.expiry.calls.attempts,
        next_window=_next_window(placed, policy, now),
    )
    followed_by = _plan(connection, placed, told, step, policy, run=run, now=now)
    calls.conclude(connection, outcome_id, followed_by)
    return Done(row.key, f"{words}: {followed_by}")


def _too_late(connection: Connection, placed: _Placed, told: _Told, now: datetime) -> Done:
    """Somebody told of it before, or nobody did in time: a colleague has it then, and only a refusal still counts."""
    known = calls.known(connection, placed.row.id)
    if known.source != calls.NOBODY or told.source == calls.NOBODY:
        return Done(placed.row.key, f"known already: {WORDS[CallOutcome(known.outcome)]}", is_news=False)
    calls.correct(connection, known.id, told.outcome, source=told.source, ended_at=told.ended_at, said=told.said)
    if told.outcome is CallOutcome.ANSWERED_DECLINED:
        _refuse(connection, placed.row, now)
    return Done(placed.row.key, f"told late, a colleague has it by now: {WORDS[told.outcome]}")


def _plan(
    connection: Connection, placed: _Placed, told: _Told, step: Step, policy: Policy, *, run: str, now: datetime
) -> str:
    """Plan a step in the transaction of the outcome that calls for it; in words."""
    match step:
        case CallAgain(number, at):
            about = _about(placed.row, placed.ending.gate_id)
            enqueue_asked(connection, _again(placed, number, at), about, policy, run=run, now=now)
            return f"call {number} from {at:%Y-%m-%d %H:%M} UTC on"
        case ToColleague(why, is_asked_for):
            # What the customer asks for rests on what they say, not on whether the books are fresh.
            gate_id = placed.ending.gate_id
            if is_asked_for:
                gate_id = event_gate(connection, DataSet.ENTITLEMENTS, told.source, now=now, run=run)
            _give(connection, placed, why, _about(placed.row, gate_id), run=run, now=now, is_asked_for=is_asked_for)
            return f"a colleague's task: {why}"
        case Stop(why, is_refusal):
            if is_refusal:
                _refuse(connection, placed.row, now)
            return f"nothing: {why}"


def _about(row: Row[Any], gate_id: int) -> About:
    return About(customer_id=row.customer_id, entitlement_id=row.entitlement_id, gate_id=gate_id)


def _again(placed: _Placed, number: int, at: datetime) -> PlannedAction:
    """The same call once more: what it says was approved with the first."""
    row, payload = placed.row, placed.row.payload
    return PlannedAction(
        key=call_key(placed.ref, placed.occurrence, number),
        kind=Kind.CALL,
        basis=Basis(row.basis),
        capability=Capability.VOICE,
        payload=Payload(payload["schema"], payload["params"], payload["template"], payload["template_hash"]),
        due_at=at,
        purpose=row.purpose,
        not_after=row.not_after,
        facts=frozenset({"entitlement"}),
        reason="nobody was reached: the next window",
    )


def _give(
    connection: Connection, placed: _Placed, why: str, about: About, *, run: str, now: datetime, is_asked_for: bool
) -> None:
    """A colleague's task; a note where the ending has one, and one of its own where that came to nothing."""
    key = expiry_key(placed.ref, placed.occurrence, "task")
    task = _task(placed, key, why, is_asked_for, now)
    if enqueue(connection, [task], about, run=run, now=now):
        return
    own_key = after_call_key(placed.ref, placed.occurrence, placed.number)
    if calls.state_of(connection, key) in FINAL - {State.DONE}:
        enqueue(connection, [replace(task, key=own_key)], about, run=run, now=now)
        return
    note = replace(
        task,
        key=own_key,
        kind=Kind.TASK_NOTE,
        payload=Payload(CALL_NOTE_SCHEMA, task.payload.params),
        after=key,
    )
    enqueue(connection, [note], about, run=run, now=now)


def _task(placed: _Placed, key: str, why: str, is_asked_for: bool, now: datetime) -> PlannedAction:
    params = {name: value for name, value in placed.row.payload["params"].items() if name != WORDINGS}
    return PlannedAction(
        key=key,
        kind=Kind.TASK,
        basis=Basis.INTERNAL,
        capability=Capability.CRM,
        payload=Payload(TASK_SCHEMA, {**params, "priority": _priority(placed), "why": f"call {placed.number}: {why}"}),
        due_at=now,
        facts=frozenset() if is_asked_for else frozenset({"entitlement"}),
    )


def _priority(placed: _Placed) -> str:
    """A colleague is expected, or the machine has failed to reach them: never the last in the list."""
    told = placed.row.payload["params"].get("priority", Priority.NORMAL)
    return higher(Priority(told), Priority.HIGH).value


def _refuse(connection: Connection, row: Row[Any], now: datetime) -> None:
    if row.purpose is not None:
        customers.set_consent(connection, row.customer_id, row.purpose, Capability.VOICE, granted=False, now=now)


def _over(placed: _Placed, policy: Policy, now: datetime) -> str | None:
    it = placed.ending.entitlement
    today = Calendars(now, policy.default_time_zone).today(it.time_zone)
    return not_needed(it, placed.occurrence, today, policy)


def _next_window(placed: _Placed, policy: Policy, now: datetime) -> datetime | None:
    it, calendars = placed.ending.entitlement, Calendars(now, policy.default_time_zone)
    ends = placed.row.not_after
    if ends is None:
        ends = calendars.end_of(last_day(it.kind, it.ends_on, it.latest_on, policy), it.time_zone)
    place = calendars.place(placed.customer.time_zone)
    return next_window(placed.customer, policy.expiry.calls, policy.contact.quiet, place, after=now, ends=ends)


async def follow_calls(handrail: Handrail, *, run: str) -> list[str]:
    """Give every call whose end nobody told of in time to a colleague; the keys. Twice, or side by side, is once."""
    return await asyncio.to_thread(_follow, handrail, run)


def _follow(handrail: Handrail, run: str) -> list[str]:
    now, policy = handrail.clock(), handrail.policy
    before = now - timedelta(hours=policy.expiry.calls.outcome_within_hours)
    found: list[str] = []
    while keys := _silent(handrail, before, now):
        for key in keys:
            with handrail.database.write("follow-call") as connection:
                placed = _held(connection, key)
                if placed is not None:
                    told = _Told(key, CallOutcome.UNKNOWN, calls.NOBODY, now)
                    _end(connection, placed, told, policy, run=run, now=now)
            reached("calls.followed")
        found += keys
    return found


def _silent(handrail: Handrail, before: datetime, now: datetime) -> list[str]:
    with handrail.database.read() as connection:
        return calls.silent(connection, since=now - _LOOK_BACK, before=before, limit=_AT_ONCE)


async def follow_withheld(handrail: Handrail, *, run: str) -> list[str]:
    """Give every call that its review did not let go to a colleague; the keys. Twice, or side by side, is once.

    Rejected, left out or not decided in time: nothing is done by machine, and somebody is told.
    """
    return await asyncio.to_thread(_follow_withheld, handrail, run)


def _follow_withheld(handrail: Handrail, run: str) -> list[str]:
    now, policy = handrail.clock(), handrail.policy
    place, is_full = (now - _LOOK_BACK, 0), True
    followed: list[str] = []
    while is_full:
        with handrail.database.read() as connection:
            page = calls.withheld(connection, place, now=now, limit=_AT_ONCE)
        for one in page:
            with handrail.database.write("follow-call") as connection:
                if _give_withheld(connection, one.key, policy, run, now):
                    followed.append(one.key)
            place = one.updated_at, one.id
        is_full = len(page) == _AT_ONCE
    return followed


def _give_withheld(connection: Connection, key: str, policy: Policy, run: str, now: datetime) -> bool:
    placed = _held(connection, key)
    if placed is None or _over(placed, policy, now) is not None:
        return False
    again = calls.withheld(connection, (placed.row.updated_at, placed.row.id - 1), now=now, limit=1)
    if [one.key for one in again] != [key]:  # somebody else was faster
        return False
    about = _about(placed.row, placed.ending.gate_id)
    _give(connection, placed, NOT_LET_GO, about, run=run, now=now, is_asked_for=False)
    return True
