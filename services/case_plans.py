"""What a case calls for, planned from today's facts: its recovery survey, and whether a page is still needed."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from domain.actions import Basis, Capability, Kind, page_key
from domain.cases import due_pages
from domain.planning import Payload, PlannedAction
from domain.policy import Policy
from domain.recovery_survey import plan_recovery_survey
from store import customers, following, messages, surveys
from store.ledger.enqueue import About
from store.ledger.rows import actions, cases
from store.ledger.rows import customers as customer_rows
from store.wordings import approved


def recovery_survey(connection: Connection, case_id: int, policy: Policy, *, now: datetime) -> PlannedAction:
    """The recovery survey of a case as it stands; takes the customer's row."""
    case = connection.execute(select(cases).where(cases.c.id == case_id)).one()
    person = connection.execute(
        select(customer_rows).where(customer_rows.c.id == case.customer_id).with_for_update(key_share=True)
    ).one()
    customer = customers.as_customer(person)
    return plan_recovery_survey(
        customer,
        case.number,
        case.turn,
        policy,
        approved(connection),
        opened_at=case.opened_at,
        solved_at=case.solved_at or now,
        has_distress=any(one.distress for one in surveys.of_case(connection, case_id))
        or messages.has_distress(connection, case_id),
        is_open=case.state == "open",
        suppressed=customers.suppressed_channels(connection, customer),
        now=now,
    )


def recovery_survey_anew(
    connection: Connection, action_id: int, policy: Policy, *, now: datetime
) -> tuple[PlannedAction, About]:
    """The plan of a recovery survey as today's facts make it. One of an earlier turn is not sent."""
    row = _row(connection, action_id)
    planned = recovery_survey(connection, row.case_id, policy, now=now)
    if planned.key != row.key:
        planned = replace(planned, skip="the case was opened again since")
    return planned, About(row.customer_id, row.case_id)


def page_anew(connection: Connection, action_id: int, policy: Policy, *, now: datetime) -> tuple[PlannedAction, About]:
    """A page whose case changed: as it was while it is still due, else skipped."""
    row = _row(connection, action_id)
    due = {
        page_key(one.case.customer_ref, one.case.number, *page.step)
        for one in following.these(connection, [row.case_id])
        for page in due_pages(one.case, policy, now=now)
    }
    planned = PlannedAction(
        key=row.key,
        kind=Kind.PAGE,
        basis=Basis.INTERNAL,
        capability=Capability.ALERT,
        payload=Payload(row.payload["schema"], row.payload["params"]),
        due_at=now,
        urgent=True,
        facts=frozenset({"case"}),
        skip=None if row.key in due else "not needed any more: somebody has seen to it",
    )
    return planned, About(row.customer_id, row.case_id)


def _row(connection: Connection, action_id: int) -> Row[Any]:
    return connection.execute(
        select(actions.c.key, actions.c.payload, actions.c.customer_id, actions.c.case_id).where(
            actions.c.id == action_id
        )
    ).one()
