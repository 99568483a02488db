"""What a colleague reads in the task about an ending: what ends, what is at stake, for whom, how to reach them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from domain.channels import Channel
from domain.currencies import written
from domain.customers import Customer, Tier
from domain.entitlements import Entitlement, EntitlementKind
from domain.expiry import Situation, objections
from domain.hours import instant_of, zone
from domain.policy import Policy, Priority
from domain.staffing import Staffing, minutes_before
from domain.value import at_risk

TASK_SCHEMA, NOTE_SCHEMA, CLOSE_SCHEMA = "expiry-task/1", "expiry-note/1", "expiry-close/1"
CALL_NOTE_SCHEMA = "expiry-call-note/1"
"""Of the payloads about an ending's task: open it, add a later horizon, close it, add what came of a call."""

_DAY = timedelta(days=1)
_WHAT = {
    EntitlementKind.SUBSCRIPTION: "subscription",
    EntitlementKind.POLICY: "insurance policy",
    EntitlementKind.SUPPLY: "supply",
}
_ELSE = {
    EntitlementKind.SUBSCRIPTION: "it ends that day, and they lose what they subscribed to",
    EntitlementKind.POLICY: "the cover ends that day, and they are not insured any more",
    EntitlementKind.SUPPLY: "they run out, and may buy elsewhere",
}
_TIERS = {
    Tier.VIP: "one of our most valuable customers (vip)",
    Tier.CORE: "a regular customer (core)",
    Tier.BASIC: "a customer with few purchases so far (basic)",
}


@dataclass(frozen=True, slots=True)
class EndingTask:
    """A task as the CRM gets it."""

    title: str
    body: str
    assignee: str
    due_at: datetime


def compose_task(
    entitlement: Entitlement,
    customer: Customer,
    policy: Policy,
    horizon: int,
    priority: Priority,
    today: date,
    calls: Sequence[str] = (),
) -> EndingTask:
    """The task of an ending, in English; `today` is on the calendar of the entitlement's zone.

    `calls` are those there were about it and how they ended, in words: then a person has it because of the last.

    Raises KeyError for a value in a currency that the policy has no rate for.
    """
    risk = at_risk(entitlement.kind, entitlement.value, policy.value)
    why = _why_a_person(entitlement, customer, risk, policy)
    if calls and customer.tact_lock is None:
        why = f"the voicebot has called; {calls[-1]}"
    body = (
        ("What ends", _ending(entitlement, today)),
        ("At stake", _stake(entitlement, risk, priority, policy)),
        ("Who", who_they_are(customer)),
        ("Why a person", why),
        *((("Calls so far", "; ".join(calls)),) if calls else ()),
        ("How to reach them", how_to_reach(customer, policy)),
        ("If nothing is done", _ELSE[entitlement.kind]),
    )
    return EndingTask(
        title=f"{entitlement.product}: {_WHAT[entitlement.kind]} {_ends_on(entitlement)}",
        body=told(body),
        assignee=assignee_of(customer, policy),
        due_at=_due_at(entitlement, horizon, policy, today),
    )


def compose_note(entitlement: Entitlement, policy: Policy, priority: Priority, today: date) -> str:
    """What is added to the task at a later horizon. Raises as `compose_task` does."""
    risk = at_risk(entitlement.kind, entitlement.value, policy.value)
    lines = (
        ("Still open", f"{_ending(entitlement, today)}; it was neither renewed nor cancelled"),
        ("At stake", _stake(entitlement, risk, priority, policy)),
    )
    return told(lines)


def told(lines: Iterable[tuple[str, str]]) -> str:
    """A task's body: a line for each heading and its words."""
    return "\n".join(f"{heading}: {words}." for heading, words in lines)


def assignee_of(customer: Customer, policy: Policy) -> str:
    """Who has a customer's task: in distress the team for it, else their own agent, else the team of their tier."""
    if customer.tact_lock is not None:
        return policy.expiry.distress_tasks_go_to
    return customer.dedicated_agent or policy.expiry.tasks_go_to[customer.tier]


def _ending(entitlement: Entitlement, today: date) -> str:
    what = f'{_WHAT[entitlement.kind]} "{entitlement.product}" ({entitlement.ref})'
    ends = f"{what} {_ends_on(entitlement)}, {_left(entitlement, today)}"
    if entitlement.earliest_on is None or entitlement.latest_on is None:
        return ends
    between = f"{written_day(entitlement.earliest_on)} and {written_day(entitlement.latest_on)}"
    return f"{ends}; estimated from what they bought before, it may be any day between {between}"


def _ends_on(entitlement: Entitlement) -> str:
    ends = "is likely used up on" if entitlement.kind is EntitlementKind.SUPPLY else "ends on"
    return f"{ends} {written_day(entitlement.ends_on)}"


def _left(entitlement: Entitlement, today: date) -> str:
    days = (entitlement.ends_on - today).days
    if days < 0:
        return f"{-days} days ago"
    return {0: "today", 1: "1 day left"}.get(days, f"{days} days left")


def _stake(entitlement: Entitlement, risk: int, priority: Priority, policy: Policy) -> str:
    pressing = f"priority {priority}"
    if entitlement.value is None:
        return f"its value is not known; {pressing}"
    worth = written(entitlement.value.minor, entitlement.value.currency)
    return f"worth {worth} a term, {written(risk, policy.value.currency)} at risk; {pressing}"


def who_they_are(customer: Customer) -> str:
    """Name, ref and tier, in words."""
    named = f"{customer.name} ({customer.ref})" if customer.name else customer.ref
    return f"{named}, {_TIERS[customer.tier]}"


def _why_a_person(entitlement: Entitlement, customer: Customer, risk: int, policy: Policy) -> str:
    if customer.tact_lock is not None:
        relief = policy.expiry.relief[entitlement.kind]
        return f"they are in distress ({customer.tact_lock}): sell nothing. You may offer: {relief}"
    situation = Situation(
        kind=entitlement.kind,
        tier=customer.tier,
        at_risk_minor=risk,
        has_agent=customer.dedicated_agent is not None,
        has_phone=customer.phone is not None,
        may_call=True,
        is_locked=False,
        is_erased=customer.erased,
    )
    against = objections(Channel.VOICE, situation, policy)
    return against[0] if against else "a call by the voicebot is not possible, or they do not want one"


def how_to_reach(customer: Customer, policy: Policy) -> str:
    """Addresses, wish, hours and language, in English: for a colleague who is about to call or write."""
    addresses = [word for word in (customer.phone, customer.email) if word]
    if not addresses:
        return "no phone number and no address on file"
    wish = f"they prefer {customer.preferred_channel}; " if customer.preferred_channel else ""
    place = customer.time_zone or policy.default_time_zone
    hours = f"between {customer.window.starts:%H:%M} and {customer.window.ends:%H:%M}" if customer.window else "by day"
    language = f", language {customer.language}" if customer.language else ""
    return f"{wish}{' or '.join(addresses)}, {hours} on their clock ({place}){language}"


def _due_at(entitlement: Entitlement, horizon: int, policy: Policy, today: date) -> datetime:
    """Before the next horizon, when somebody looks again, and while colleagues are at work, but not before today."""
    later = [days for days in policy.expiry.kinds[entitlement.kind].horizons if days < horizon]
    day = max(today, entitlement.ends_on - max(later, default=0) * _DAY)
    return _closing(policy.staffing, day, today)


def _closing(staffing: Staffing, day: date, today: date) -> datetime:
    place = zone(staffing.time_zone)
    end = instant_of(day + _DAY, time(0), place)
    closes = minutes_before(staffing, end, 0)
    return closes if closes > instant_of(today, time(0), place) else end


def written_day(day: date) -> str:
    """A date as colleagues read it: Wed 4 Mar 2026."""
    return f"{day:%a} {day.day} {day:%b %Y}"
