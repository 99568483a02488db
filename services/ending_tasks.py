"""The task about an ending as the CRM gets it: opened, added to, closed; in words of the day it is sent."""

from collections.abc import Sequence
from datetime import datetime

from domain.calls import CallStory
from domain.customers import Customer
from domain.ending_tasks import compose_note, compose_task
from domain.endings import Calendars
from domain.entitlements import expiry_key, named_by
from domain.policy import Policy, Priority
from integrations import ports
from store.endings import Ending
from store.ledger.rows import Armed


def task(
    action: Armed, customer: Customer, ending: Ending, calls: Sequence[CallStory], policy: Policy, now: datetime
) -> ports.Task:
    """The task of an ending, with the calls there were about it. Raises KeyError for a currency without a rate."""
    params = action.payload["params"]
    priority = Priority(params["priority"])
    today = Calendars(now, policy.default_time_zone).today(ending.entitlement.time_zone)
    told = _told(action, customer, calls, policy, now)
    composed = compose_task(ending.entitlement, customer, policy, params["horizon"], priority, today, told)
    return ports.Task(
        customer_ref=customer.ref,
        title=composed.title,
        body=composed.body,
        assignee=composed.assignee,
        priority=priority.value,
        due_at=composed.due_at,
        customer_name=customer.name or "",
    )


def note(action: Armed, customer: Customer, ending: Ending, policy: Policy, now: datetime) -> ports.TaskNote:
    """What a later horizon adds to it. Raises as `task` does."""
    priority = Priority(action.payload["params"]["priority"])
    today = Calendars(now, policy.default_time_zone).today(ending.entitlement.time_zone)
    return ports.TaskNote(
        task_key=_task_key(action),
        customer_ref=customer.ref,
        text=compose_note(ending.entitlement, policy, priority, today),
        priority=priority.value,
    )


def call_note(
    action: Armed, customer: Customer, calls: Sequence[CallStory], policy: Policy, now: datetime
) -> ports.TaskNote:
    """What a call adds to it."""
    params = action.payload["params"]
    return ports.TaskNote(
        task_key=_task_key(action),
        customer_ref=customer.ref,
        text="\n".join([f"{params['why']}.", *_told(action, customer, calls, policy, now)]),
        priority=Priority(params["priority"]).value,
    )


def _told(action: Armed, customer: Customer, calls: Sequence[CallStory], policy: Policy, now: datetime) -> list[str]:
    """The calls there were about this very ending."""
    place = Calendars(now, policy.default_time_zone).place(customer.time_zone)
    return [call.told(place) for call in calls if named_by(call.key) == named_by(action.key)]


def closing(action: Armed) -> ports.TaskClosing:
    """That it is not needed any more, and why."""
    return ports.TaskClosing(task_key=_task_key(action), reason=action.payload["params"]["reason"])


def _task_key(action: Armed) -> str:
    return expiry_key(*named_by(action.key), "task")
