"""A customer asks for a call on their own page: the task it makes, and by when somebody has called."""

from datetime import datetime

from domain.actions import Basis, Capability, Kind, key
from domain.customers import Customer
from domain.ending_tasks import how_to_reach
from domain.hours import require_aware, zone
from domain.planning import Payload, PlannedAction
from domain.policy import Policy, Priority
from domain.staffing import answer_by

CALL_ME_SCHEMA = "call-me/1"

_TITLE = "Call them: they asked for it on their page"


def call_me_key(customer: Customer, policy: Policy, now: datetime) -> str:
    """The key of what a customer asked for today, on their own calendar: whoever asks twice is called once."""
    place = zone(customer.time_zone or policy.default_time_zone)
    return key("customer", customer.ref, "call-me", f"{require_aware(now).astimezone(place):%Y-%m-%d}")


def plan_call(customer: Customer, policy: Policy, now: datetime) -> PlannedAction:
    """The task for whoever calls, due when the customer is told that somebody has called by.

    Nothing of the customer stands in it: how to reach them is added when it is sent, as it is then.
    """
    by = answer_by(policy.staffing, now, policy.journeys.call_me_minutes)
    params = {
        "title": _TITLE,
        "assignee": policy.expiry.distress_tasks_go_to if customer.tact_lock else policy.journeys.call_me_goes_to,
        "priority": Priority.HIGH.value,
        "due_at": by.isoformat(),
    }
    return PlannedAction(
        key=call_me_key(customer, policy, now),
        kind=Kind.TASK,
        basis=Basis.INTERNAL,
        capability=Capability.CRM,
        payload=Payload(CALL_ME_SCHEMA, params),
        due_at=now,
        reason=f"the customer was told that somebody calls by {by:%Y-%m-%d %H:%M} UTC",
    )


def what_to_know(customer: Customer, policy: Policy) -> str:
    """What the caller reads in the task, in English."""
    lines = [
        "They asked to be called, on the page that our messages lead to, and were told by when: this task is due then."
    ]
    if customer.tact_lock:
        lines.append(f"They are in distress ({customer.tact_lock}): sell nothing.")
    lines.append(f"How to reach them: {how_to_reach(customer, policy)}.")
    return "\n".join(lines)
