"""Survey escalation: what one answer calls for (design §5)."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from domain.actions import (
    Basis,
    Capability,
    Kind,
    acknowledgement_key,
    changed_answer_key,
    key,
    later_words_key,
    message_acknowledgement_key,
    message_note_key,
    ticket_key,
    ticket_note_key,
)
from domain.contact import NoChannel, choose_reply_channel, hours_hold
from domain.customers import Customer, Tier, choose_language
from domain.distress import Distress
from domain.messages import Message
from domain.planning import Payload, PlannedAction
from domain.policy import Policy
from domain.staffing import answer_by
from domain.surveys import Judgement, SurveyAnswer
from domain.triage import Acknowledge, Triage

ACKNOWLEDGEMENT = "acknowledgement"
ACKNOWLEDGEMENT_DISTRESS = "acknowledgement-distress"
ACKNOWLEDGEMENT_VIP = "acknowledgement-vip"
"""To customers of the highest tier, who get the ordinary one where nobody has approved this."""
ACKNOWLEDGEMENT_MESSAGE = "acknowledgement-message"
ACKNOWLEDGEMENT_MESSAGE_DISTRESS = "acknowledgement-message-distress"
ACKNOWLEDGEMENTS = (
    ACKNOWLEDGEMENT,
    ACKNOWLEDGEMENT_DISTRESS,
    ACKNOWLEDGEMENT_MESSAGE,
    ACKNOWLEDGEMENT_MESSAGE_DISTRESS,
)
"""Of an answer and of a message; and of one that only a person replies to."""

Wordings = Mapping[tuple[str, str], str]
"""The approved wording of each (template, language): its content hash."""


@dataclass(frozen=True, slots=True)
class CaseTerms:
    """What a case promises, decided when it opens."""

    reason: str
    team: str
    priority: str
    answer_by: datetime


@dataclass(frozen=True, slots=True)
class OpenCase:
    """The customer's one open case, as an answer opens or joins it."""

    customer_ref: str
    number: int
    is_new: bool
    team: str
    priority: str
    answer_by: datetime
    is_reopened: bool = False  # it was solved, and this answer says that it is not over

    @property
    def reference(self) -> str:
        """What the customer and colleagues quote."""
        return f"{self.customer_ref}-{self.number}"

    def as_new(self) -> "OpenCase":
        """The same, as if it had just been opened: its ticket is still to be planned."""
        return replace(self, is_new=True)


def calls_for_case(judgement: Judgement, distress: Distress | None) -> bool:
    """Critical answers and words of distress at any score; everything else is recorded and nothing is done."""
    return judgement.is_critical or distress is not None


def terms_of(
    answer: SurveyAnswer, customer: Customer, policy: Policy, *, is_critical: bool, distress: Distress | None
) -> CaseTerms:
    """The terms of a case this answer opens."""
    return CaseTerms(
        reason=distress.category if distress is not None else f"{answer.kind} {answer.score}",
        team=policy.teams.critical_answer if is_critical else policy.teams.distress,
        priority=policy.survey.priority,
        answer_by=promised_time(answer, customer, policy),
    )


def promised_time(answer: SurveyAnswer, customer: Customer, policy: Policy) -> datetime:
    """By when a specialist answers: the tier's minutes, counted in staffed hours from when the answer came."""
    return answer_by(policy.staffing, answer.received_at, policy.survey.answer_minutes[customer.tier])


def plan_ticket(answer: SurveyAnswer, case: OpenCase, *, now: datetime) -> PlannedAction:
    """Open the case's ticket, or add this answer to it. Either rests on nothing: its context is gathered when sent."""
    params = {"source": answer.source, "response": answer.response_id, "case": case.reference}
    opening = ticket_key(case.customer_ref, case.number)
    if case.is_new:
        return PlannedAction(
            key=opening,
            kind=Kind.TICKET,
            basis=Basis.INTERNAL,
            capability=Capability.TICKETING,
            payload=Payload("ticket/1", {**params, "team": case.team, "priority": case.priority}),
            due_at=now,
            urgent=True,
        )
    reopened = {"reopened": True} if case.is_reopened else {}
    return PlannedAction(
        key=ticket_note_key(case.customer_ref, case.number, answer.source, answer.response_id),
        kind=Kind.TICKET_NOTE,
        basis=Basis.INTERNAL,
        capability=Capability.TICKETING,
        payload=Payload("ticket-note/1", {**params, "ticket": opening, "priority": case.priority, **reopened}),
        due_at=now,
        urgent=True,
        after=opening,
    )


def plan_later_words(answer: SurveyAnswer, case: OpenCase, *, now: datetime) -> PlannedAction:
    """Add to the ticket what the customer wrote after the score that had brought the case: some tools send it later."""
    key_ = later_words_key(case.customer_ref, case.number, answer.source, answer.response_id)
    return _told_again(answer, case, key_, "words", now=now)


def plan_changed_answer(answer: SurveyAnswer, case: OpenCase, *, now: datetime) -> PlannedAction:
    """Tell the ticket that the customer changed their words: once for each thing that they made of the answer."""
    content = hashlib.sha256(f"{answer.score}\n{answer.comment or ''}".encode()).hexdigest()[:16]
    key_ = changed_answer_key(case.customer_ref, case.number, answer.source, answer.response_id, content)
    return _told_again(answer, case, key_, "changed", now=now)


def _told_again(answer: SurveyAnswer, case: OpenCase, key_: str, why: str, *, now: datetime) -> PlannedAction:
    note = plan_ticket(answer, replace(case, is_new=False, is_reopened=False), now=now)
    payload = replace(note.payload, params={**note.payload.params, why: True})
    return replace(note, key=key_, payload=payload)


def terms_of_message(message: Message, triage: Triage, customer: Customer, policy: Policy) -> CaseTerms:
    """The terms of a case this message opens: those of an answer that says the same."""
    return CaseTerms(
        reason="angry and urgent" if triage.distress is None else triage.distress.category,
        team=policy.teams.critical_answer if triage.distress is None else policy.teams.distress,
        priority=policy.survey.priority,
        answer_by=answer_by(policy.staffing, message.received_at, policy.survey.answer_minutes[customer.tier]),
    )


def plan_message_ticket(message: Message, case: OpenCase, *, now: datetime) -> PlannedAction:
    """Open the case's ticket, or add this message to it."""
    params = {"message": key("message", message.source, message.message_id), "case": case.reference}
    opening = ticket_key(case.customer_ref, case.number)
    note = message_note_key(case.customer_ref, case.number, message.source, message.message_id)
    return PlannedAction(
        key=opening if case.is_new else note,
        kind=Kind.TICKET if case.is_new else Kind.TICKET_NOTE,
        basis=Basis.INTERNAL,
        capability=Capability.TICKETING,
        payload=Payload("ticket/1", {**params, "team": case.team, "priority": case.priority})
        if case.is_new
        else Payload("ticket-note/1", {**params, "ticket": opening, "priority": case.priority}),
        due_at=now,
        urgent=True,
        after=None if case.is_new else opening,
    )


def plan_acknowledgement(
    answer: SurveyAnswer,
    customer: Customer,
    case: OpenCase,
    distress: Distress | None,
    policy: Policy,
    wordings: Wordings,
    *,
    suppressed: Collection[Capability] = (),
    is_import: bool = False,
    now: datetime,
) -> PlannedAction:
    """Tell the customer, once per answer, who has it and by when they hear.

    `suppressed` are channels whose address must not be used. An imported answer (`is_import`) given too long ago is
    left to a person: an automatic message would only show that nobody had looked.
    """
    occasion = _Occasion(
        key=acknowledgement_key(answer.source, answer.response_id),
        templates=_for_an_answer(customer, distress),
        language=answer.language,
        received_at=answer.received_at,
        params={"survey": answer.kind.value},
        skip=_too_old(answer, policy) if is_import else None,
    )
    return _acknowledgement(occasion, customer, case, policy, wordings, suppressed=suppressed, now=now)


def plan_message_acknowledgement(
    message: Message,
    distress: bool,
    customer: Customer,
    case: OpenCase,
    policy: Policy,
    wordings: Wordings,
    *,
    language: str | None,
    suppressed: Collection[Capability] = (),
    now: datetime,
) -> PlannedAction:
    """As `plan_acknowledgement`, for a message in this `language`; skipped where policy leaves it to people."""
    occasion = _Occasion(
        key=message_acknowledgement_key(message.source, message.message_id),
        templates=(ACKNOWLEDGEMENT_MESSAGE_DISTRESS if distress else ACKNOWLEDGEMENT_MESSAGE, ACKNOWLEDGEMENT_MESSAGE),
        language=language,
        received_at=message.received_at,
        params={},
        skip=_not_vouched(message, policy.triage.acknowledge),
    )
    return _acknowledgement(occasion, customer, case, policy, wordings, suppressed=suppressed, now=now)


def _for_an_answer(customer: Customer, distress: Distress | None) -> Sequence[str]:
    if distress is not None:
        return ACKNOWLEDGEMENT_DISTRESS, ACKNOWLEDGEMENT
    return (ACKNOWLEDGEMENT_VIP, ACKNOWLEDGEMENT) if customer.tier is Tier.VIP else (ACKNOWLEDGEMENT,)


@dataclass(frozen=True, slots=True)
class _Occasion:
    """What is acknowledged."""

    key: str
    templates: Sequence[str]
    """The wordings that would do, the best first: the first that is approved goes out, so that none delays it."""
    language: str | None
    received_at: datetime
    params: Mapping[str, str]
    skip: str | None


def _acknowledgement(
    occasion: _Occasion,
    customer: Customer,
    case: OpenCase,
    policy: Policy,
    wordings: Wordings,
    *,
    suppressed: Collection[Capability],
    now: datetime,
) -> PlannedAction:
    language = choose_language(
        customer.language, occasion.language, supported=policy.languages, default=policy.default_language
    )
    zone = customer.time_zone or policy.default_time_zone
    choice = choose_reply_channel(
        customer,
        policy.contact.quiet,
        now,
        default_time_zone=policy.default_time_zone,
        suppressed={*suppressed, Capability.VOICE, Capability.PUSH},  # an acknowledgement is something to read again
    )
    capability = Capability.MAIL if isinstance(choice, NoChannel) else choice.capability
    hold = hours_hold(Basis.REPLY, capability, window=None, quiet=policy.contact.quiet, time_zone=zone, now=now)
    human = policy.human[language]
    template = next(one for one in occasion.templates if (one, language) in wordings)
    agent = {"agent": customer.dedicated_agent} if template == ACKNOWLEDGEMENT_VIP else {}
    due_at = now if hold is None else hold.until
    by = _still_true(case.answer_by, customer, policy, due_at)
    return PlannedAction(
        key=occasion.key,
        kind=Kind.ACKNOWLEDGEMENT,
        basis=Basis.REPLY,
        capability=capability,
        payload=Payload(
            schema="acknowledgement/1",
            template=template,
            template_hash=wordings[template, language],
            params={
                "name": customer.name,
                "answer_by": _iso(by),
                "time_zone": zone,
                "received_at": _iso(occasion.received_at),
                **occasion.params,
                **agent,
                "human": {"phone": human.phone, "mail": human.mail, "hours": human.hours},
                "company": policy.company,
                "reference": case.reference,
                "language": language,
            },
        ),
        due_at=due_at,
        reason=None if hold is None else hold.reason,
        urgent=True,
        not_after=occasion.received_at + timedelta(hours=policy.survey.acknowledge_within_hours),
        stale_after=by,
        facts=frozenset({"customer"}),
        skip=f"{choice.reason}: a person replies" if isinstance(choice, NoChannel) else occasion.skip,
    )


def _not_vouched(message: Message, acknowledge: Acknowledge) -> str | None:
    if acknowledge is Acknowledge.NOBODY:
        return "policy acknowledges no messages: a person replies"
    if acknowledge is Acknowledge.SIGNED_IN and message.customer_ref is None:
        return "found by an address, which anybody can write: a person replies"
    return None


def _too_old(answer: SurveyAnswer, policy: Policy) -> str | None:
    age = answer.received_at - answer.answered_at
    if age > timedelta(hours=policy.survey.acknowledge_answers_up_to_hours):
        return f"answered {age.days} days before it was imported: a person replies"
    return None


def _still_true(promised: datetime, customer: Customer, policy: Policy, sent: datetime) -> datetime:
    """The case's time while it lies ahead of the message; else a new one, counted from then."""
    if promised > sent:
        return promised
    return answer_by(policy.staffing, sent, policy.survey.answer_minutes[customer.tier])


def _iso(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
