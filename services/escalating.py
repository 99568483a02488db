"""Answers that call for a case: opened or joined; the customer silenced; ticket and acknowledgement planned."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select

from domain.actions import Capability, message_acknowledgement_key
from domain.customers import Customer
from domain.distress import Category, Distress
from domain.escalation import (
    ACKNOWLEDGEMENTS,
    Wordings,
    plan_acknowledgement,
    plan_changed_answer,
    plan_later_words,
    plan_message_acknowledgement,
    plan_message_ticket,
    plan_ticket,
    terms_of,
    terms_of_message,
)
from domain.messages import Message
from domain.planning import PlannedAction
from domain.policy import Policy
from domain.surveys import SurveyAnswer
from domain.triage import Triage
from store import cases, customers, messages, surveys
from store.crash_points import reached
from store.ledger.enqueue import About, enqueue_all
from store.ledger.rows import actions
from store.ledger.rows import customers as customer_rows
from store.wordings import approved

_log = logging.getLogger("services.escalating")


@dataclass(frozen=True, slots=True)
class Escalation:
    """An answer that calls for a case, with our ids."""

    answer: SurveyAnswer
    distress: Distress | None
    is_critical: bool
    customer_id: int
    customer: Customer
    response_id: int
    is_import: bool


@dataclass(frozen=True, slots=True)
class Escalated:
    """What was planned for it: for which capabilities, and in words."""

    urgent: frozenset[Capability]
    outcome: str


def escalate(
    connection: Connection, escalations: Sequence[Escalation], policy: Policy, *, run: str, now: datetime
) -> list[Escalated]:
    """Open or join each customer's case, set the tact lock, plan. In order; no customer twice, their rows locked."""
    if not escalations:
        return []
    stored = _cases(connection, escalations, policy, now)
    locks = {it.customer_id: _why_silent(it, case) for it, case in zip(escalations, stored, strict=True)}
    customers.set_tact_locks(connection, locks, now=now)
    worded, wordings = _worded(connection, policy)
    suppressed = customers.all_suppressed_channels(connection, [it.customer for it in escalations])
    plans: list[tuple[PlannedAction, About]] = []
    done: list[Escalated] = []
    for it, case, silenced in zip(escalations, stored, suppressed, strict=True):
        ticket = plan_ticket(it.answer, case.case, now=now)
        acknowledgement = plan_acknowledgement(
            it.answer,
            it.customer,
            case.case,
            it.distress,
            worded,
            wordings,
            suppressed=silenced,
            is_import=it.is_import,
            now=now,
        )
        about = About(it.customer_id, case.id, it.response_id)
        plans += [(ticket, about), (acknowledgement, about)]
        done.append(Escalated(frozenset({ticket.capability, acknowledgement.capability}), _outcome(it, case)))
    enqueue_all(connection, plans, run=run, now=now)
    reached("case.planned")
    told = zip(escalations, stored, done, strict=True)
    surveys.conclude(connection, [(it.response_id, one.outcome, case.id) for it, case, one in told])
    return done


def tell_of_change(
    connection: Connection,
    answer: SurveyAnswer,
    there: surveys.StandingAnswer,
    customer_id: int,
    distress: Category | None,
    *,
    run: str,
    now: datetime,
) -> Escalated:
    """Bring new words of an answer that has a case already to whoever has its ticket; distress silences us again.

    Words that come after a score are one thing, words that the customer changed are another. A score that alone was
    corrected is no news to whoever talks to them.
    """
    if there.case_id is None:
        raise ValueError(f"answer {there.id} has no case to tell of it")
    stored = cases.stored(connection, there.case_id)
    if distress is not None:
        customers.set_tact_locks(connection, {customer_id: f"{distress}: a person only"}, now=now)
    is_first_word = there.words is None
    note = (plan_later_words if is_first_word else plan_changed_answer)(answer, stored.case, now=now)
    enqueue_all(connection, [(note, About(customer_id, stored.id, there.id))], run=run, now=now)
    what = "added words to" if is_first_word else "changed in"
    return Escalated(frozenset({note.capability}), f"{what} case {stored.case.reference}")


def escalate_message(
    connection: Connection,
    message: Message,
    triage: Triage,
    customer_id: int,
    customer: Customer,
    policy: Policy,
    *,
    run: str,
    now: datetime,
) -> tuple[int, Escalated]:
    """As `escalate`, for a message: our id of the case, and what was planned. The customer's row is locked."""
    terms = terms_of_message(message, triage, customer, policy)
    [stored] = cases.open_or_join(connection, [cases.Trouble(customer_id, customer.ref, terms)], now=now)
    silent = f"case {stored.case.reference}" if triage.distress is None else f"{terms.reason}: a person only"
    customers.set_tact_lock(connection, customer_id, silent, now=now)
    ticket = plan_message_ticket(message, stored.case, now=now)
    worded, wordings = _worded(connection, policy)
    acknowledgement = plan_message_acknowledgement(
        message,
        triage.distress is not None,
        customer,
        stored.case,
        worded,
        wordings,
        language=triage.language,
        suppressed=customers.suppressed_channels(connection, customer),
        now=now,
    )
    about = About(customer_id, stored.id)
    enqueue_all(connection, [(ticket, about), (acknowledgement, about)], run=run, now=now)
    reached("case.planned")
    verb = "opened" if stored.case.is_new else "joined"
    outcome = f"{verb} case {stored.case.reference}: {terms.reason}; a person replies"
    return stored.id, Escalated(frozenset({ticket.capability, acknowledgement.capability}), outcome)


def acknowledgement_anew(
    connection: Connection, action_id: int, policy: Policy, *, now: datetime
) -> tuple[PlannedAction, About]:
    """The plan of an existing acknowledgement as today's facts make it."""
    row = connection.execute(
        select(actions.c.key, actions.c.customer_id, actions.c.case_id, actions.c.response_id).where(
            actions.c.id == action_id
        )
    ).one()
    person = connection.execute(
        select(customer_rows).where(customer_rows.c.id == row.customer_id).with_for_update(key_share=True)
    ).one()
    customer = customers.as_customer(person)
    if row.response_id is None:
        return _of_message_anew(connection, row, customer, policy, now=now), About(row.customer_id, row.case_id)
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


def _of_message_anew(
    connection: Connection, row: Row[Any], customer: Customer, policy: Policy, *, now: datetime
) -> PlannedAction:
    written = next(
        one
        for one in messages.of_case(connection, row.case_id)
        if message_acknowledgement_key(one.source, one.message_id) == row.key
    )
    return plan_message_acknowledgement(
        messages.as_message(written),
        written.distress is not None,
        customer,
        cases.stored(connection, row.case_id).case,
        *_worded(connection, policy),
        language=written.language,
        suppressed=customers.suppressed_channels(connection, customer),
        now=now,
    )


def _cases(
    connection: Connection, escalations: Sequence[Escalation], policy: Policy, now: datetime
) -> list[cases.StoredCase]:
    troubles = [
        cases.Trouble(
            it.customer_id,
            it.customer.ref,
            terms_of(it.answer, it.customer, policy, is_critical=it.is_critical, distress=it.distress),
        )
        for it in escalations
    ]
    asked_since = now - timedelta(days=policy.cases.recovery_survey.reopens_within_days)
    stored = cases.open_or_join(connection, troubles, asked_since=asked_since, now=now)
    for one in stored:
        reached("case.opened" if one.case.is_new else "case.joined")
    return stored


def _why_silent(it: Escalation, stored: cases.StoredCase) -> str:
    return f"case {stored.case.reference}" if it.distress is None else f"{it.distress.category}: a person only"


def _outcome(it: Escalation, stored: cases.StoredCase) -> str:
    verb = "opened" if stored.case.is_new else "reopened" if stored.case.is_reopened else "joined"
    why = it.distress.category if it.distress is not None else f"{it.answer.kind} {it.answer.score}"
    return f"{verb} case {stored.case.reference}: {why}"


def _worded(connection: Connection, policy: Policy) -> tuple[Policy, Wordings]:
    """The wordings in use, and the policy without the languages that lack one: the default language beats silence."""
    wordings = approved(connection)
    missing = {
        language
        for language in policy.languages
        for template in ACKNOWLEDGEMENTS
        if (template, language) not in wordings and language != policy.default_language
    }
    if missing:
        _log.warning("no approved acknowledgement in %s: written in %s", ", ".join(missing), policy.default_language)
        policy = replace(policy, languages=tuple(one for one in policy.languages if one not in missing))
    return policy, wordings
