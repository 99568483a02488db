"""What was planned about an ending, made anew from today's facts: still due, not needed any more, or by another way."""

from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, select

from domain.actions import Basis, Capability, Kind
from domain.channels import Channel
from domain.contact import consent_holds
from domain.customers import Customer
from domain.ending_tasks import TASK_SCHEMA
from domain.endings import Calendars, horizon_reached, not_needed
from domain.entitlements import expiry_key, named_by
from domain.expiry import (
    Situation,
    objections,
    pressing,
    route,
)
from domain.hours import instant_of
from domain.planning import Payload, PlannedAction
from domain.policy import Policy
from store import customers, endings
from store.endings import Ending
from store.ledger.enqueue import About
from store.ledger.rows import actions
from store.ledger.rows import customers as customer_rows
from store.ledger.rows import entitlements as entitlement_rows

ENDING_KINDS = frozenset({Kind.TASK, Kind.TASK_NOTE, Kind.TASK_CLOSE, Kind.CALL})


class Anew(NamedTuple):
    """A plan from today's facts, and what a colleague is to do instead of a call that is not made."""

    planned: PlannedAction
    about: About
    instead: PlannedAction | None = None


def ending_anew(connection: Connection, action_id: int, policy: Policy, *, now: datetime) -> Anew:
    """The plan of what is done about an ending, as today's facts make it; takes the customer's row and the ending's.

    Raises LookupError when the entitlement changes hands meanwhile.
    """
    row = connection.execute(select(actions).where(actions.c.id == action_id)).one()
    owner = select(entitlement_rows.c.customer_id).where(entitlement_rows.c.id == row.entitlement_id)
    person = connection.execute(
        select(customer_rows).where(customer_rows.c.id == owner.scalar_subquery()).with_for_update(key_share=True)
    ).one()
    ending = endings.held(connection, row.entitlement_id)
    if ending.customer_id != person.id:  # it changed hands just now; the next round plans it
        raise LookupError(f"{row.key}: its entitlement belongs to somebody else by now")
    customer = customers.as_customer(person)
    about = About(customer_id=person.id, entitlement_id=ending.id, gate_id=ending.gate_id)
    _, occurrence = named_by(row.key)
    over = not_needed(ending.entitlement, occurrence, _today(ending, policy, now), policy)
    if customer.erased:
        over = "the customer was erased"
    if Kind(row.kind) is Kind.TASK_CLOSE:
        return Anew(_closing(row, ending, policy, over, now), about)
    if over is not None:
        return Anew(_as_it_was(row, ending, policy, now, skip=over), about)
    situation = situation_of(
        connection, ending, person.id, customer, policy, basis=_basis(row, policy), purpose=_purpose(row, policy)
    )
    way = Channel.VOICE if Kind(row.kind) is Kind.CALL else Channel.PERSON
    against = objections(way, situation, policy)
    if not against:
        return Anew(_as_it_was(row, ending, policy, now), about)
    skipped = _as_it_was(row, ending, policy, now, skip=against[0])
    is_called = way is Channel.VOICE and route(situation, policy).channel is Channel.PERSON
    return Anew(skipped, about, _task_instead(ending, occurrence, policy, against[0], now) if is_called else None)


def situation_of(
    connection: Connection,
    ending: Ending,
    customer_id: int,
    customer: Customer,
    policy: Policy,
    *,
    basis: Basis,
    purpose: str,
) -> Situation:
    """What decides about an ending, as the books have it now; a call would have this basis and purpose."""
    voice = Capability.VOICE
    granted = customers.consent(connection, customer_id, purpose, voice)
    return Situation(
        kind=ending.entitlement.kind,
        tier=customer.tier,
        at_risk_minor=ending.at_risk_minor,
        has_agent=customer.dedicated_agent is not None,
        has_phone=customer.phone is not None and voice not in customers.suppressed_channels(connection, customer),
        may_call=not consent_holds(basis, granted),
        is_locked=customer.tact_lock is not None,
        is_erased=customer.erased,
    )


def _basis(row: Row[Any], policy: Policy) -> Basis:
    return Basis(row.basis) if row.kind == Kind.CALL else policy.expiry.calls.basis


def _purpose(row: Row[Any], policy: Policy) -> str:
    return str(row.purpose or policy.expiry.calls.purpose)


def _as_it_was(
    row: Row[Any], ending: Ending, policy: Policy, now: datetime, *, skip: str | None = None
) -> PlannedAction:
    """The same action, as pressing as it is today; one whose first horizon is not reached yet waits for it."""
    due_at, reason = row.due_at, None
    params = dict(row.payload["params"])
    if skip is None:
        due_at, reason = _not_before(ending, policy, row.due_at, now)
        params |= _pressing(ending, policy, now)
    return _again(row, params, due_at, reason=reason, skip=skip)


def _closing(row: Row[Any], ending: Ending, policy: Policy, over: str | None, now: datetime) -> PlannedAction:
    params = {**row.payload["params"], **({} if over is None else {"reason": over})}
    return _again(row, params, row.due_at, skip="the task is needed again" if over is None else None)


def _again(
    row: Row[Any], params: dict[str, Any], due_at: datetime, *, reason: str | None = None, skip: str | None
) -> PlannedAction:
    payload = row.payload
    return PlannedAction(
        key=row.key,
        kind=Kind(row.kind),
        basis=Basis(row.basis),
        capability=Capability(row.capability),
        payload=Payload(payload["schema"], params, payload["template"], payload["template_hash"]),
        due_at=due_at,
        purpose=row.purpose,
        not_after=row.not_after,
        facts=frozenset({"entitlement"}),
        reason=reason,
        skip=skip,
    )


def _task_instead(ending: Ending, occurrence: str, policy: Policy, why: str, now: datetime) -> PlannedAction:
    """The colleague's task that takes the place of a call."""
    due_at, _ = _not_before(ending, policy, now, now)
    return PlannedAction(
        key=expiry_key(ending.entitlement.ref, occurrence, "task"),
        kind=Kind.TASK,
        basis=Basis.INTERNAL,
        capability=Capability.CRM,
        payload=Payload(TASK_SCHEMA, _pressing(ending, policy, now)),
        due_at=due_at,
        facts=frozenset({"entitlement"}),
        reason=f"instead of a call: {why}",
    )


def _today(ending: Ending, policy: Policy, now: datetime) -> date:
    return Calendars(now, policy.default_time_zone).today(ending.entitlement.time_zone)


def _pressing(ending: Ending, policy: Policy, now: datetime) -> dict[str, Any]:
    """The params that say how pressing it is; while it is too early, and waits, as at its first horizon."""
    it = ending.entitlement
    horizon = horizon_reached(it.kind, it.ends_on, _today(ending, policy, now), policy)
    if horizon is None:
        horizon = policy.expiry.kinds[it.kind].horizons[0]
    return pressing(ending.at_risk_minor, horizon, it.kind, policy)


def _not_before(ending: Ending, policy: Policy, due_at: datetime, now: datetime) -> tuple[datetime, str | None]:
    """When its first horizon is reached, and that it waits for it; or when it is due, if that is so already."""
    it = ending.entitlement
    first = policy.expiry.kinds[it.kind].horizons[0]
    place = Calendars(now, policy.default_time_zone).place(it.time_zone)
    begins = instant_of(it.ends_on - timedelta(days=first), time(0), place)
    if begins <= max(due_at, now):
        return due_at, None
    return begins, f"not due before {first} days are left"
