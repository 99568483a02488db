"""Step two of a claim: arm one send window in its own committed transaction, with every re-check in it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BindParameter, Connection, Row, bindparam, insert, literal, select, text, update

from domain import recheck
from domain.actions import Basis, Capability, State
from domain.controls import LOOK_AGAIN, Part, Scope, Stop, holding, read_stops
from domain.customers import Customer
from domain.policy import Policy
from store.at_once import AtOnce
from store.customers import PERSON, Person, as_customer
from store.ledger.facts import read_facts
from store.ledger.pace import pace_of
from store.ledger.rows import (
    BASES,
    CAPABILITIES,
    KINDS,
    Armed,
    Claimed,
    Reserved,
    Worker,
    actions,
    cap_slots,
    controls,
    customers,
    integration_state,
    stands_at,
)
from store.types import Instant, among, db_now

_NOW: BindParameter[datetime] = bindparam("now", type_=Instant)
_STOPPED = select(controls.c.stopped, controls.c.stops).where(controls.c.id == 1).with_for_update(read=True)
_INTEGRATION = select(integration_state).where(integration_state.c.name == bindparam("target")).with_for_update()
_WHO = select(customers.c.id, *PERSON).where(among(customers.c.id, "ids")).order_by(customers.c.id)
_CUSTOMERS = AtOnce(_WHO.with_for_update(skip_locked=True, key_share=True))
_CUSTOMERS_SHARED = AtOnce(_WHO.with_for_update(skip_locked=True, read=True))
_OURS = AtOnce(
    select(*(actions.c[name] for name in Claimed._fields))
    .where(among(actions.c.id, "ids"), stands_at(State.CLAIMED), actions.c.claimed_by == bindparam("worker"))
    .order_by(actions.c.due_at, actions.c.id)
    .with_for_update()
)
_SEND = (
    update(actions)
    .where(among(actions.c.id, "ids"))
    .values(
        state=State.SENDING,
        attempts=actions.c.attempts + 1,
        integration=bindparam("target"),
        lease_until=db_now(bindparam("lease_seconds")),
        dispatched_by=bindparam("run"),
        updated_at=_NOW,
        updated_by=bindparam("run"),
    )
)
_SLOTS = insert(cap_slots).from_select(
    ["action_id", "customer_id", "at"],
    select(actions.c.id, actions.c.customer_id, _NOW).where(among(actions.c.id, "ids")),
)
_SLOTS_WHEN_DUE = insert(cap_slots).from_select(
    ["action_id", "customer_id", "at"],
    select(actions.c.id, actions.c.customer_id, actions.c.due_at).where(among(actions.c.id, "ids")),
)
_SENT = _SEND.returning(actions.c.id, actions.c.customer_id, actions.c.basis).cte("sent")
_SEND_AND_TAKE_SLOTS = (
    insert(cap_slots)
    .from_select(
        ["action_id", "customer_id", "at"],
        select(_SENT.c.id, _SENT.c.customer_id, _NOW).where(
            _SENT.c.basis == literal(Basis.PROACTIVE), _SENT.c.customer_id.is_not(None)
        ),
    )
    .add_cte(_SENT)
)
"""On PostgreSQL, which then reads the rows once."""
for _slots in (_SLOTS, _SLOTS_WHEN_DUE, _SEND_AND_TAKE_SLOTS):
    _slots._post_values_clause = text("ON CONFLICT (action_id) DO UPDATE SET at = excluded.at")  # see `store.once`
_PACED = (
    update(integration_state)
    .where(integration_state.c.name == bindparam("target"))
    .values(next_free_at=bindparam("next_free"))
)
_MOVE = (
    update(actions)
    .where(actions.c.id == bindparam("row_id"))
    .values(
        state=bindparam("new_state"),
        reason=bindparam("new_reason"),
        due_at=bindparam("new_due_at"),
        lease_until=None,
        updated_at=_NOW,
        updated_by=bindparam("run"),
    )
)


@dataclass(frozen=True, slots=True)
class Window:
    """What one arming did: what may be sent, what moved elsewhere and why, what is left for the next window."""

    armed: list[Armed]
    moved: list[tuple[str, recheck.Verdict]]
    left: list[Reserved]


@dataclass(frozen=True, slots=True)
class Target:
    """The integration a window is armed for; `rate_per_second` None: as fast as it goes."""

    name: str
    capability: Capability
    rate_per_second: float | None
    channel_address: str | None  # which of a customer's addresses its messages go to: `email`, `phone`


def arm(
    connection: Connection,
    reserved: Sequence[Reserved],
    target: Target,
    *,
    worker: Worker,
    lease_seconds: float,
    policy: Policy,
    now: datetime,
    each_when_due: bool = False,
) -> Window:
    """`claimed → sending` for what may go now; everything refused moves, with its reason.

    `each_when_due`: time is virtual, and each row is judged at the instant when it is due, as if it were armed by
    itself just then; none of them is due before `now`.

    Locks, always in this order: the kill switch (shared), the integration, the customers by id, the actions. Writers of
    consent, suppression, tact lock and erasure update the customer's row, so they come before or after, never between.
    Arming never waits for a customer's row: it would, in a circle, for a group of answers that came in any order. The
    actions of customers whom somebody else holds just now are left for the next window. A window that takes no slots
    shares its customers with other armings: ticket and acknowledgement of an answer are armed side by side.
    """
    everything, parts = connection.execute(_STOPPED).one()
    if everything:
        return _nothing(connection, reserved, worker, recheck.Defer(now, "everything is stopped (kill switch)"), now)
    stops = read_stops(parts)
    whole = next((stop for stop in stops if stop.part == Part(Scope.INTEGRATION, target.name)), None)
    if whole is not None:
        return _nothing(connection, reserved, worker, recheck.Defer(now, whole.why_held), now)
    state = connection.execute(_INTEGRATION, {"target": target.name}).one()
    held = _integration_holds(state, now)
    if held is not None:
        return _nothing(connection, reserved, worker, held, now)
    chosen, left = _one_per_customer(reserved)
    locked = _lock_customers(connection, chosen)
    people = {customer_id: who for customer_id, who in locked.items() if isinstance(who, Customer)}
    free: list[Reserved] = []
    held_by_others: list[Reserved] = []
    for one in chosen:
        (free if one.customer_id is None or one.customer_id in locked else held_by_others).append(one)
    left = held_by_others + left
    rows = _lock_actions(connection, free, worker)
    verdicts = {row.id: _senseless(who) for row in rows if isinstance(who := locked.get(row.customer_id), ValueError)}
    if stops:
        verdicts |= _of_stopped_parts(rows, stops, target, now)
    judged = [row for row in rows if row.id not in verdicts]
    verdicts |= _verdicts(connection, judged, people, target, policy, None if each_when_due else now)
    going = [row for row in rows if isinstance(verdicts[row.id], recheck.Go)]
    pace = pace_of(target.rate_per_second, state.next_free_at, now)
    if pace is not None:
        for place, row in enumerate(going[pace.room :], start=1):
            verdicts[row.id] = recheck.Defer(pace.turn(place), "the vendor's rate")
        going = going[: pace.room]
    next_free = None if pace is None else pace.after(len(going))
    _send(connection, going, target, worker, lease_seconds, next_free, now, each_when_due)
    moved = [(row, verdicts[row.id]) for row in rows if not isinstance(verdicts[row.id], recheck.Go)]
    _move(connection, moved, worker, now)
    return Window(
        armed=[as_armed(row, people.get(row.customer_id)) for row in going],
        moved=[(row.key, verdict) for row, verdict in moved],
        left=left,
    )


def _nothing(
    connection: Connection, reserved: Sequence[Reserved], worker: Worker, verdict: recheck.Verdict, now: datetime
) -> Window:
    rows = _lock_actions(connection, reserved, worker)
    moved = [(row, verdict) for row in rows]
    _move(connection, moved, worker, now)
    return Window(armed=[], moved=[(row.key, verdict) for row, verdict in moved], left=[])


def _of_stopped_parts(
    rows: Sequence[Claimed], stops: Sequence[Stop], target: Target, now: datetime
) -> dict[int, recheck.Verdict]:
    """They are put off, lest they stand at the head of the queue; the start makes them due."""
    held = {row.id: holding(stops, row.key, row.kind, target.name) for row in rows}
    return {row_id: recheck.Defer(now + LOOK_AGAIN, stop.why_held) for row_id, stop in held.items() if stop is not None}


def _integration_holds(state: Row[Any], now: datetime) -> recheck.Verdict | None:
    if state.breaker == "open":
        until = max(now, state.next_probe_at or now)
        return recheck.Defer(until, f"breaker open: {state.reason}")
    if state.not_before is not None and state.not_before > now:
        return recheck.Defer(state.not_before, "the vendor asked us to wait")
    return None


def _one_per_customer(reserved: Sequence[Reserved]) -> tuple[list[Reserved], list[Reserved]]:
    """Two sends to one person in one window could not see each other's cap slot."""
    seen: set[int] = set()
    chosen, left = [], []
    for row in reserved:
        if row.customer_id is not None and row.customer_id in seen:
            left.append(row)
            continue
        chosen.append(row)
        if row.customer_id is not None:
            seen.add(row.customer_id)
    return chosen, left


def _lock_customers(connection: Connection, chosen: Sequence[Reserved]) -> dict[int | None, Customer | ValueError]:
    """The customers whom nobody else holds; for one whose row makes no sense, why: it must not stop the others.

    What is proactive must see the slots that others take for the same customer, so it holds them alone.
    """
    statement = _CUSTOMERS if any(row.basis == Basis.PROACTIVE for row in chosen) else _CUSTOMERS_SHARED
    ids = sorted({row.customer_id for row in chosen if row.customer_id is not None})
    found: dict[int | None, Customer | ValueError] = {}
    for customer_id, *person in statement.rows(connection, {"ids": ids}):
        try:
            found[customer_id] = as_customer(Person._make(person))
        except ValueError as problem:
            found[customer_id] = problem
    return found


def _lock_actions(connection: Connection, reserved: Sequence[Reserved], worker: Worker) -> list[Claimed]:
    """The rows that are still ours: a lease that ran out took its row away, whatever we believe."""
    fences = {row.id: row.fence for row in reserved}
    ours = [Claimed._make(row) for row in _OURS.rows(connection, {"ids": list(fences), "worker": worker.name})]
    return [row for row in ours if row.fence == fences[row.id]]


def _verdicts(
    connection: Connection,
    rows: Sequence[Claimed],
    people: dict[int | None, Customer],
    target: Target,
    policy: Policy,
    now: datetime | None,
) -> dict[int, recheck.Verdict]:
    """What may become of each, `now` or when it is due.

    One whose facts make no sense goes to a person, and does not hold up its window.
    """
    earliest = now or min((row.due_at for row in rows), default=datetime.max.replace(tzinfo=UTC))
    try:
        facts = read_facts(
            connection,
            rows,
            people,
            channel=target.capability,
            address_of=target.channel_address,
            contacts_since=earliest - timedelta(days=policy.contact.cap.days),
        )
        return {row.id: recheck.recheck(facts[row.id], policy, now=now or row.due_at) for row in rows}
    except (ValueError, LookupError) as problem:
        if len(rows) == 1:
            return {rows[0].id: _senseless(problem)}
    each = [_verdicts(connection, [row], people, target, policy, now) for row in rows]
    return {action_id: verdict for one in each for action_id, verdict in one.items()}


def _senseless(problem: Exception) -> recheck.Verdict:
    return recheck.ToPerson(f"its facts make no sense: {problem}")


def _send(
    connection: Connection,
    rows: Sequence[Claimed],
    target: Target,
    worker: Worker,
    lease_seconds: float,
    next_free: datetime | None,
    now: datetime,
    each_when_due: bool,
) -> None:
    """Those that are proactive take a slot, `now` or when they are due; one sent later than it was first armed counts
    from then.
    """
    if not rows:
        return
    sending = {
        "ids": [row.id for row in rows],
        "target": target.name,
        "lease_seconds": lease_seconds,
        "run": worker.run,
        "now": now,
    }
    counted = [row.id for row in rows if row.basis == Basis.PROACTIVE and row.customer_id is not None]
    if counted and not each_when_due and connection.dialect.name != "sqlite":
        connection.execute(_SEND_AND_TAKE_SLOTS, sending)
    else:
        connection.execute(_SEND, sending)
        if counted and each_when_due:
            connection.execute(_SLOTS_WHEN_DUE, {"ids": counted})
        elif counted:
            connection.execute(_SLOTS, {"ids": counted, "now": now})
    if next_free is not None:
        connection.execute(_PACED, {"target": target.name, "next_free": next_free})


_MOVES: dict[type[recheck.Verdict], State] = {
    recheck.Skip: State.SKIPPED,
    recheck.Expire: State.EXPIRED,
    recheck.Defer: State.READY,
    recheck.Replan: State.PLANNED,
    recheck.ToPerson: State.NEEDS_HUMAN,
}


def _move(
    connection: Connection, moved: Sequence[tuple[Claimed, recheck.Verdict]], worker: Worker, now: datetime
) -> None:
    if not moved:
        return
    connection.execute(
        _MOVE,
        [
            {
                "row_id": row.id,
                "new_state": _MOVES[type(verdict)],
                "new_reason": getattr(verdict, "reason", None),
                "new_due_at": verdict.until if isinstance(verdict, recheck.Defer) else row.due_at,
                "now": now,
                "run": worker.run,
            }
            for row, verdict in moved
        ],
    )


def as_armed(row: Claimed | Row[Any], customer: Customer | None) -> Armed:
    """An action's row with its customer, as sending gets it."""
    return Armed(
        id=row.id,
        key=row.key,
        fence=row.fence,
        kind=KINDS[row.kind],
        basis=BASES[row.basis],
        capability=CAPABILITIES[row.capability],
        purpose=row.purpose,
        payload=row.payload,
        customer=customer,
        customer_id=row.customer_id,
        case_id=row.case_id,
        response_id=row.response_id,
        entitlement_id=row.entitlement_id,
        enrolment_id=row.enrolment_id,
        attempts=row.attempts + 1,
        urgent=row.urgent,
    )
