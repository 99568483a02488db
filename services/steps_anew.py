"""A step of a journey made anew from today's facts: by another channel, later, or not at all."""

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from domain.actions import Basis, Capability, Kind
from domain.channels import CHANNEL_OF
from domain.customers import Customer
from domain.journey_steps import CAPABILITY_OF, KIND_OF, Send, SkipStep, Traveller, basis_of, decide
from domain.journeys import Journey, Standing
from domain.planning import Payload, PlannedAction
from domain.policy import Policy
from services.endings_anew import Anew
from services.journeys import Journeys
from store import customers
from store.enrolments import behaviour_of
from store.ledger.enqueue import About
from store.ledger.facts import may_be_out
from store.ledger.rows import actions, enrolments


def step_anew(connection: Connection, action_id: int, policy: Policy, journeys: Journeys, *, now: datetime) -> Anew:
    """The plan of a journey's step, as today's facts make it; takes the customer's row.

    Raises LookupError for a version or a step that is not there.
    """
    row = connection.execute(select(actions).where(actions.c.id == action_id)).one()
    customer = customers.held(connection, row.customer_id)
    if customer is None:
        raise LookupError(f"{row.key}: there is no such customer")
    enrolment = connection.execute(select(enrolments).where(enrolments.c.id == row.enrolment_id)).one()
    about = About(customer_id=row.customer_id, enrolment_id=row.enrolment_id)
    step_id = row.payload["params"]["step"]
    journey = journeys.of(connection, enrolment.journey_hash)
    if step_id != (journey.at_goal if enrolment.state == Standing.GOAL else enrolment.step):
        return Anew(_as_it_was(row, skip=f"the journey is over: {enrolment.reason or enrolment.state}"), about)
    if may_be_out(connection, [action_id]):
        return Anew(_as_it_was(row), about)
    traveller = traveller_of(
        connection,
        row.customer_id,
        customer,
        journey,
        entered_at=enrolment.entered_at,
        previous_at=enrolment.previous_at,
    )
    step = journey.step(step_id)
    decided = decide(journey, step, traveller, policy, due_at=row.due_at, now=now, key=row.key)
    if isinstance(decided, SkipStep):
        return Anew(_as_it_was(row, skip=decided.reason), about)
    return Anew(_sent(row, journey, decided, basis_of(step, decided.channel)), about)


def traveller_of(
    connection: Connection,
    customer_id: int,
    customer: Customer,
    journey: Journey,
    *,
    entered_at: datetime,
    previous_at: datetime,
) -> Traveller:
    """One customer in a journey, as the books have them now; without what ends next, which decides only waits."""
    said = customers.consents_to(connection, customer_id, journey.purpose)
    return Traveller(
        customer=customer,
        entered_at=entered_at,
        previous_at=previous_at,
        suppressed=customers.suppressed_channels(connection, customer),
        consents={CHANNEL_OF[capability]: granted for capability, granted in said.items()},
        behaviour=behaviour_of(connection, [customer_id])[customer_id],
    )


def _sent(row: Row[Any], journey: Journey, send: Send, basis: Basis) -> PlannedAction:
    return _planned(
        row,
        kind=KIND_OF[send.channel],
        basis=basis,
        capability=CAPABILITY_OF[send.channel],
        purpose=journey.purpose if basis is Basis.PROACTIVE else None,
        due_at=send.due_at,
        reason=send.reason,
    )


def _as_it_was(row: Row[Any], *, skip: str | None = None) -> PlannedAction:
    kind, basis, capability = Kind(row.kind), Basis(row.basis), Capability(row.capability)
    return _planned(
        row, kind=kind, basis=basis, capability=capability, purpose=row.purpose, due_at=row.due_at, skip=skip
    )


def _planned(row: Row[Any], **how: Any) -> PlannedAction:
    """The same step, said as it was approved when it was planned."""
    said = row.payload
    payload = Payload(said["schema"], said["params"], said["template"], said["template_hash"])
    return PlannedAction(key=row.key, payload=payload, facts=frozenset({"customer"}), not_after=row.not_after, **how)
