"""The step that is done when a journey's goal is reached: planned in the transaction of what reached it."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection

from domain.actions import Basis
from domain.channels import CHANNEL_OF, Channel
from domain.journey_payload import step_payload, step_wordings
from domain.journey_steps import (
    CAPABILITY_OF,
    KIND_OF,
    Send,
    SkipStep,
    Traveller,
    basis_of,
    decide,
    pointless_at,
    wait_over_at,
)
from domain.journeys import Journey, Step, journey_key
from domain.planning import PlannedAction
from domain.policy import Policy
from services.risks import enqueue_asked
from store import customers
from store.enrolments import Entered
from store.ledger.enqueue import About
from store.wordings import approved

_log = logging.getLogger("services.step_at_goal")


def plan_goal_step(
    connection: Connection,
    entered: Entered,
    journey: Journey,
    traveller: Traveller,
    policy: Policy,
    *,
    run: str,
    now: datetime,
) -> None:
    """Plan what is done at the goal, for a customer whose row is held; it waits for what is just being sent to them.

    `traveller.previous_at` is when they reached it. Their consents and suppressed addresses are read here.
    """
    if journey.at_goal is None:
        raise ValueError(f"journey {journey.name} version {journey.version} does nothing at its goal")
    step = journey.step(journey.at_goal)
    over_at = wait_over_at(step, traveller, default_time_zone=policy.default_time_zone)
    due_at = traveller.previous_at if over_at is None else over_at
    key = journey_key(journey.name, traveller.customer.ref, entered.number, step.id)
    wordings = step_wordings(approved(connection), step, policy.languages)
    decided = decide(
        journey, step, _with_consents(connection, entered, journey, traveller), policy, due_at=due_at, now=now, key=key
    )
    if step.message is not None and not wordings:
        decided = SkipStep(f"no wording of {step.message} is approved yet")
        _log.warning("%s of %s: %s", step.id, journey.name, decided.reason)
    planned = _planned(journey, step, wordings, decided, key, due_at, after=_in_the_air(entered, traveller))
    about = About(customer_id=entered.customer_id, enrolment_id=entered.id)
    enqueue_asked(connection, planned, about, policy, run=run, now=now)


def _with_consents(connection: Connection, entered: Entered, journey: Journey, traveller: Traveller) -> Traveller:
    said = customers.consents_to(connection, entered.customer_id, journey.purpose)
    return replace(
        traveller,
        consents={CHANNEL_OF[at]: granted for at, granted in said.items()},
        suppressed=customers.suppressed_channels(connection, traveller.customer),
    )


def _in_the_air(entered: Entered, traveller: Traveller) -> str | None:
    """The key of the step whose action is not over; None: there is none."""
    if entered.action_id is None or entered.step is None:
        return None
    return journey_key(entered.journey, traveller.customer.ref, entered.number, entered.step)


def _planned(
    journey: Journey,
    step: Step,
    wordings: Mapping[str, str],
    decided: Send | SkipStep,
    key: str,
    due_at: datetime,
    *,
    after: str | None,
) -> PlannedAction:
    is_sent = isinstance(decided, Send)
    channel = decided.channel if isinstance(decided, Send) else step.by[0] if step.by else Channel.PERSON
    basis = basis_of(step, channel)
    return PlannedAction(
        key=key,
        kind=KIND_OF[channel],
        basis=basis,
        capability=CAPABILITY_OF[channel],
        payload=step_payload(journey, step, wordings),
        due_at=decided.due_at if isinstance(decided, Send) else due_at,
        purpose=journey.purpose if basis is Basis.PROACTIVE else None,
        after=after,
        not_after=pointless_at(step, due_at) if is_sent else None,
        facts=frozenset({"customer"}) if basis is not Basis.INTERNAL else frozenset(),
        reason=decided.reason if is_sent else None,
        skip=None if is_sent else decided.reason,
    )
