"""The task about an ending as the CRM gets it: opened, added to, closed; in words of the day it is sent."""

from datetime import datetime

from domain.customers import Customer
from domain.ending_tasks import compose_note, compose_task
from domain.endings import Calendars
from domain.entitlements import expiry_key, named_by
from domain.policy import Policy, Priority
from integrations import ports
from store.endings import Ending
from store.ledger.rows import Armed

TASK_SCHEMA, NOTE_SCHEMA, CLOSE_SCHEMA = "expiry-task/1", "expiry-note/1", "expiry-close/1"


def task(action: Armed, customer: Customer, ending: Ending, policy: Policy, now: datetime) -> ports.Task:
    """The task of an ending. Raises KeyError for a value in a currency without a rate."""
    params = action.payload["params"]
    priority = Priority(params["priority"])
    today = Calendars(now, policy.default_time_zone).today(ending.entitlement.time_zone)
    composed = compose_task(ending.entitlement, customer, policy, params["horizon"], priority, today)
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


def closing(action: Armed) -> ports.TaskClosing:
    """That it is not needed any more, and why."""
    return ports.TaskClosing(task_key=_task_key(action), reason=action.payload["params"]["reason"])


def _task_key(action: Armed) -> str:
    return expiry_key(*named_by(action.key), "task")
