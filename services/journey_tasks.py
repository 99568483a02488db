"""The task that a step of a journey gives to a colleague, as the CRM gets it."""

from datetime import datetime

from domain.actions import FINAL
from domain.customers import Customer
from domain.journey_tasks import compose_step
from domain.journeys import Journey
from domain.policy import Policy, Priority
from integrations import ports
from store.journey_stories import JourneyStory
from store.ledger.rows import Armed


def task(
    action: Armed, customer: Customer, journey: Journey, story: JourneyStory, policy: Policy, now: datetime
) -> ports.Task:
    """The task, in words of the day it is sent. Raises LookupError for a step its version does not have."""
    composed = compose_step(
        journey,
        journey.step(action.payload["params"]["step"]),
        customer,
        policy,
        entered_at=story.entered_at,
        behaviour=story.behaviour,
        before=[step for step in story.steps if step.state in FINAL],
        now=now,
    )
    return ports.Task(
        customer_ref=customer.ref,
        title=composed.title,
        body=composed.body,
        assignee=composed.assignee,
        priority=Priority.NORMAL.value,
        due_at=composed.due_at,
        customer_name=customer.name or "",
    )
