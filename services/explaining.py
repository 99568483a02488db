"""What policy makes of a customer's endings and journeys, and what was planned, in words a support person reads."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select

from domain import recheck
from domain.actions import Basis, Capability
from domain.channels import Channel
from domain.currencies import written
from domain.customers import Customer
from domain.ending_tasks import assignee_of
from domain.endings import Calendars, horizon_reached, not_needed
from domain.entitlements import Entitlement, named_by
from domain.expiry import Situation, objections, priority_of, route
from domain.gates import Gate
from domain.instants import iso
from domain.policy import Policy
from domain.words import all_near
from services.endings_anew import situation_of
from services.journey_standing import journeys_explained
from store import customers, endings
from store.database import Database
from store.endings import Ending
from store.ledger.facts import contacts_of, gates_of
from store.ledger.rows import actions, gates
from store.ledger.rows import customers as customer_rows

SUBJECTS = "an entitlement's or a customer's ref, the key of an action about an ending"
"""What may be asked for."""

_CANDIDATES = 500
"""Known subjects that are compared with one nobody knows."""


def explain(database: Database, policy: Policy, subject: str, *, now: datetime) -> dict[str, Any] | None:
    """What would be done now about the endings a subject names, and why. None: nobody knows it."""
    with database.read() as connection:
        found = _endings(connection, subject, now)
        if found is None:
            return None
        customer_id, asked = found
        row = connection.execute(select(customer_rows).where(customer_rows.c.id == customer_id)).one()
        customer = customers.as_customer(row)
        return {
            "subject": subject,
            "customer": {
                "ref": customer.ref,
                "tier": customer.tier.value,
                "agent": customer.dedicated_agent,
                "no_automatic_contact": customer.tact_lock,
                "erased": customer.erased,
            },
            "endings": [_explained(connection, one, customer_id, customer, policy, now) for one in asked],
            "journeys": journeys_explained(connection, customer_id, customer, row, policy, now),
        }


def nearest_known(database: Database, subject: str) -> list[str]:
    """The refs most like one that nobody knows, the nearest first."""
    with database.read() as connection:
        return all_near(subject, endings.refs_like(connection, subject, limit=_CANDIDATES))


def _endings(connection: Connection, subject: str, now: datetime) -> tuple[int, Sequence[Ending]] | None:
    """Whose endings are asked for, and which."""
    try:
        ref, _ = named_by(subject)
    except ValueError:
        ref = subject
    if (one := endings.named(connection, ref)) is not None:
        return one.customer_id, [one]
    customer_id = connection.execute(select(customer_rows.c.id).where(customer_rows.c.ref == subject)).scalar()
    if customer_id is None:
        return None
    return customer_id, endings.of_customers(connection, [customer_id], today=now.date())


def _explained(
    connection: Connection, ending: Ending, customer_id: int, customer: Customer, policy: Policy, now: datetime
) -> dict[str, Any]:
    it = ending.entitlement
    today = Calendars(now, policy.default_time_zone).today(it.time_zone)
    horizon = horizon_reached(it.kind, it.ends_on, today, policy)
    calls = policy.expiry.calls
    situation = situation_of(
        connection, ending, customer_id, customer, policy, basis=calls.basis, purpose=calls.purpose
    )
    over = not_needed(it, it.occurrence, today, policy)
    chosen = route(situation, policy)
    channel = chosen.channel if over is None else None
    gate = gates_of(connection, {ending.gate_id}).get(ending.gate_id)
    return {
        "entitlement": it.ref,
        "kind": it.kind.value,
        "product": it.product,
        "ends_on": it.ends_on.isoformat(),
        "days_left": (it.ends_on - today).days,
        "horizon": horizon,
        "priority": None if horizon is None else priority_of(ending.at_risk_minor, horizon, it.kind, policy).value,
        "at_risk": written(ending.at_risk_minor, policy.value.currency),
        "confidentiality": policy.expiry.kinds[it.kind].confidentiality.value,
        "chosen": None if channel is None else channel.value,
        "why": over or chosen.why,
        "when": _when(it, over, horizon, today, policy),
        "assignee": assignee_of(customer, policy) if channel is Channel.PERSON else None,
        "now": None if channel is None else _now(connection, channel, customer_id, customer, gate, policy, now, it),
        "channels": [_channel(one, situation, channel, policy) for one in Channel],
        "gate": _gate(connection, ending.gate_id, gate, policy, now),
        "planned": [_planned(row) for row in _actions_of(connection, ending.id)],
    }


def _when(it: Entitlement, over: str | None, horizon: int | None, today: date, policy: Policy) -> str:
    horizons = policy.expiry.kinds[it.kind].horizons
    named = ", ".join(map(str, horizons))
    if over is not None:
        return "never: nothing is due"
    if horizon is None:
        begins = it.ends_on - timedelta(days=horizons[0])
        return f"not before {begins}, {(begins - today).days} days from now: horizons are {named} days"
    return f"due: within the horizon of {horizon} days (of {named})"


def _channel(channel: Channel, situation: Situation, chosen: Channel | None, policy: Policy) -> dict[str, Any]:
    rules = policy.channels[channel]
    against = objections(channel, situation, policy)
    return {
        "channel": channel.value,
        "costs": written(rules.cost_minor, policy.value.currency),
        "carries": rules.carries.value,
        "is_in": not against,
        "why": list(against) or ["chosen" if channel is chosen else "allowed, but not needed"],
    }


def _now(
    connection: Connection,
    channel: Channel,
    customer_id: int,
    customer: Customer,
    gate: Gate | None,
    policy: Policy,
    now: datetime,
    it: Entitlement,
) -> str:
    """What the last look before sending would say at this moment."""
    is_call = channel is Channel.VOICE
    facts = recheck.Facts(
        basis=policy.expiry.calls.basis if is_call else Basis.INTERNAL,
        capability=Capability.VOICE if is_call else Capability.CRM,
        not_after=None,
        stale_after=None,
        changed=(),
        approved=True,
        customer=customer,
        suppressed=False,  # what speaks against a call by these was found before it was chosen
        consent=True,
        contacts=contacts_of(connection, customer_id, since=now - timedelta(days=policy.contact.cap.days)),
        is_ending=True,
        gate=gate,
        tells=policy.expiry.kinds[it.kind].confidentiality,
    )
    match recheck.recheck(facts, policy, now=now):
        case recheck.Go():
            return "may go now"
        case recheck.Defer(until, reason):
            return f"waits until {until:%Y-%m-%d %H:%M} UTC: {reason}"
        case held:
            return f"does not go: {held.reason}"


def _gate(
    connection: Connection, gate_id: int, gate: Gate | None, policy: Policy, now: datetime
) -> dict[str, Any] | None:
    if gate is None:
        return None
    row = connection.execute(select(gates).where(gates.c.id == gate_id)).one()
    until = gate.last_passed_at + policy.gates.stale_after(gate.data_set, is_events=gate.is_events)
    return {
        "gate": gate_id,
        "data_set": gate.data_set.value,
        "feed": row.feed,
        "origin": row.origin,
        "verdict": row.verdict,
        "let_through_by": row.approved_by,
        "decided_at": iso(row.decided_at),
        "last_passed_at": iso(gate.last_passed_at),
        "fresh_until": iso(until),
        "is_stale": now > until,
    }


def _actions_of(connection: Connection, entitlement_id: int) -> list[Row[Any]]:
    wanted = select(actions).where(actions.c.entitlement_id == entitlement_id).order_by(actions.c.id)
    return list(connection.execute(wanted))


def _planned(row: Row[Any]) -> dict[str, Any]:
    return {
        "key": row.key,
        "kind": row.kind,
        "state": row.state,
        "due_at": iso(row.due_at),
        "reason": row.reason,
        "why": row.payload.get("params", {}).get("why"),
    }
