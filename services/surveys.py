"""What one survey answer does to our books: customer, answer, case and planned actions in one transaction."""

import logging
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, bindparam, select

from data_contracts.problems import ContractBroken, Problem
from domain.actions import Capability
from domain.customers import Customer, fill_blanks
from domain.distress import Category, Distress, find_distress
from domain.escalation import (
    ACKNOWLEDGEMENT,
    ACKNOWLEDGEMENT_DISTRESS,
    Wordings,
    calls_for_case,
    plan_acknowledgement,
    plan_ticket,
    terms_of,
)
from domain.planning import PlannedAction
from domain.policy import Policy
from domain.surveys import Judgement, SurveyAnswer, judge
from store import cases, customers, surveys
from store.crash_points import reached
from store.ledger.enqueue import About, enqueue
from store.ledger.rows import actions
from store.ledger.rows import customers as customer_rows
from store.wordings import approved

_log = logging.getLogger("services.surveys")

OTHER_CUSTOMER = Problem(
    "data.customer.ref",
    "another customer gave this answer (response_id)",
    "send each answer under an id of its own, and always with the customer who gave it",
)
_GIVEN_BY = (
    select(customer_rows.c.ref)
    .join(surveys.survey_responses, surveys.survey_responses.c.customer_id == customer_rows.c.id)
    .where(
        surveys.survey_responses.c.source == bindparam("source"),
        surveys.survey_responses.c.response_id == bindparam("response_id"),
    )
)


class UnknownCustomer(Exception):
    """Nobody has this ref, and the event gives no address to create them with."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """What came of an answer: `urgent` are the capabilities with actions that must leave at once."""

    response_id: int
    urgent: frozenset[Capability]
    outcome: str
    is_new: bool = True  # False: this answer was known, and nothing is planned


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer, and what its score and its words mean."""

    answer: SurveyAnswer
    judgement: Judgement
    distress: Distress | None

    @property
    def category(self) -> Category | None:
        """What kind of distress its words tell of."""
        return None if self.distress is None else self.distress.category


def judge_answer(answer: SurveyAnswer, policy: Policy) -> Judged:
    """What an answer means. Pure, and not for a transaction: 256 kB written to be slow to read take a second."""
    return Judged(
        answer,
        judge(answer.kind, answer.score, policy.survey.thresholds[answer.kind]),
        find_distress(answer.comment, policy.distress),
    )


def accept_answer(
    connection: Connection,
    judged: Judged,
    told: Customer,
    policy: Policy,
    *,
    run: str,
    now: datetime,
    is_import: bool = False,
) -> Accepted:
    """Record an answer and plan what it calls for. The same (source, response) again plans nothing twice.

    `told` is what the event says of the customer; what is on file wins. Raises UnknownCustomer, and ContractBroken for
    an answer that somebody else gave; either before anything is written.
    """
    answer, judgement = judged.answer, judged.judgement
    if _given_by(connection, answer) not in {None, told.ref}:
        raise ContractBroken([OTHER_CUSTOMER])
    customer_id, customer = _customer(connection, told, now)
    response_id, is_new = surveys.save(connection, answer, customer_id, judgement, judged.category)
    if not is_new:
        standing = surveys.stored(connection, response_id)
        changed = surveys.revise(connection, response_id, answer, judgement, judged.category)
        if not changed or standing.case_id is not None:
            return Accepted(response_id, urgent=frozenset(), outcome="known already", is_new=False)
    if not calls_for_case(judgement, judged.distress):
        outcome = f"recorded: {judgement.sentiment}, nothing to do"
        surveys.conclude(connection, response_id, outcome, case_id=None)
        return Accepted(response_id, urgent=frozenset(), outcome=outcome)
    return _escalate(
        connection, judged, (customer_id, customer), response_id, policy, run=run, now=now, is_import=is_import
    )


def acknowledgement_anew(
    connection: Connection, action_id: int, policy: Policy, *, now: datetime
) -> tuple[PlannedAction, About]:
    """The plan of an existing acknowledgement as today's facts make it."""
    row = connection.execute(
        select(actions.c.customer_id, actions.c.case_id, actions.c.response_id).where(actions.c.id == action_id)
    ).one()
    person = connection.execute(
        select(customer_rows).where(customer_rows.c.id == row.customer_id).with_for_update()
    ).one()
    customer = customers.as_customer(person)
    stored = surveys.stored(connection, row.response_id)
    planned = plan_acknowledgement(
        stored.answer,
        customer,
        cases.stored(connection, row.case_id).case,
        None if stored.distress is None else Distress(Category(stored.distress), ""),
        *_worded(connection, policy),
        suppressed=customers.suppressed_channels(connection, customer),
        now=now,
    )
    return planned, About(row.customer_id, row.case_id, row.response_id)


def _given_by(connection: Connection, answer: SurveyAnswer) -> str | None:
    """The ref of the customer whose answer this is, if we have it."""
    return connection.execute(_GIVEN_BY, {"source": answer.source, "response_id": answer.response_id}).scalar()


def _customer(connection: Connection, told: Customer, now: datetime) -> tuple[int, Customer]:
    known = customers.locked(connection, told.ref)
    if known is None:
        if not told.is_reachable:
            raise UnknownCustomer(told.ref)
        customers.create(connection, told, now=now)
        known = customers.locked(connection, told.ref)
        assert known is not None  # noqa: S101 - it was made in this transaction
    customer_id, on_file = known
    filled = fill_blanks(on_file, told)
    customers.save(connection, customer_id, on_file, filled, now=now)
    return customer_id, filled


def _escalate(
    connection: Connection,
    judged: Judged,
    who: tuple[int, Customer],
    response_id: int,
    policy: Policy,
    *,
    run: str,
    now: datetime,
    is_import: bool,
) -> Accepted:
    customer_id, customer = who
    answer, distress = judged.answer, judged.distress
    terms = terms_of(answer, customer, policy, is_critical=judged.judgement.is_critical, distress=distress)
    stored = cases.open_or_join(connection, customer_id, customer.ref, terms, now=now)
    reached("case.opened" if stored.case.is_new else "case.joined")
    reason = f"case {stored.case.reference}" if distress is None else f"{distress.category}: a person only"
    customers.set_tact_lock(connection, customer_id, reason, now=now)
    planned = [
        plan_ticket(answer, stored.case, now=now),
        plan_acknowledgement(
            answer,
            customer,
            stored.case,
            distress,
            *_worded(connection, policy),
            suppressed=customers.suppressed_channels(connection, customer),
            is_import=is_import,
            now=now,
        ),
    ]
    enqueue(connection, planned, About(customer_id, stored.id, response_id), run=run, now=now)
    reached("case.planned")
    outcome = f"{'opened' if stored.case.is_new else 'joined'} case {stored.case.reference}: {terms.reason}"
    surveys.conclude(connection, response_id, outcome, case_id=stored.id)
    return Accepted(response_id, urgent=frozenset(action.capability for action in planned), outcome=outcome)


def _worded(connection: Connection, policy: Policy) -> tuple[Policy, Wordings]:
    """The wordings in use, and the policy without the languages that lack one: the default language beats silence."""
    wordings = approved(connection)
    missing = {
        language
        for language in policy.languages
        for template in (ACKNOWLEDGEMENT, ACKNOWLEDGEMENT_DISTRESS)
        if (template, language) not in wordings and language != policy.default_language
    }
    if missing:
        _log.warning("no approved acknowledgement in %s: written in %s", ", ".join(missing), policy.default_language)
        policy = replace(policy, languages=tuple(one for one in policy.languages if one not in missing))
    return policy, wordings
