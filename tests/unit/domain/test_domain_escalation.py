"""Survey escalation: what one answer calls for, for whom, through which channel, and what it promises."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from ledger_world import MORNING, NIGHT, NOON, POLICY, later

from domain.actions import Basis, Capability, Kind
from domain.customers import Customer, Tier
from domain.distress import Category, Distress
from domain.escalation import OpenCase, Wordings, calls_for_case, plan_acknowledgement, plan_ticket, terms_of
from domain.planning import PlannedAction
from domain.surveys import Judgement, Sentiment, SurveyAnswer, SurveyKind

ANNA = Customer(
    "C-7", name="Anna", email="anna@example.com", phone="+48600000001", language="pl", time_zone="Europe/Prague"
)
ANSWER = SurveyAnswer("standard", "r-1", SurveyKind.NPS, 2, "late again", "en", later(minutes=-5), NOON)
CASE = OpenCase("C-7", 3, True, "Customer Retention", "critical", later(hours=4))
GRIEF = Distress(Category.BEREAVEMENT, "passed away")
WORDINGS: Wordings = {
    (name, language): f"{name}-{language}"
    for name in ("acknowledgement", "acknowledgement-distress", "acknowledgement-vip")
    for language in ("pl", "cs", "en")
}


def _acknowledge(
    customer: Customer = ANNA,
    answer: SurveyAnswer = ANSWER,
    case: OpenCase = CASE,
    distress: Distress | None = None,
    now: datetime = NOON,
    wordings: Wordings = WORDINGS,
    **how: object,
) -> PlannedAction:
    return plan_acknowledgement(answer, customer, case, distress, POLICY, wordings, now=now, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("sentiment", Sentiment)
def test_critical_answers_and_distress_at_any_score_call_for_a_case(sentiment: Sentiment) -> None:
    assert calls_for_case(Judgement(sentiment, is_critical=True), None)
    assert calls_for_case(Judgement(sentiment, is_critical=False), GRIEF)
    assert not calls_for_case(Judgement(sentiment, is_critical=False), None)


@pytest.mark.parametrize(("tier", "minutes"), POLICY.survey.answer_minutes.items())
def test_the_promised_time_is_the_tiers_in_staffed_hours(tier: Tier, minutes: int) -> None:
    terms = terms_of(ANSWER, replace(ANNA, tier=tier), POLICY, is_critical=True, distress=None)
    assert terms.answer_by == NOON + timedelta(minutes=minutes)
    at_night = replace(ANSWER, received_at=NIGHT)
    terms = terms_of(at_night, replace(ANNA, tier=tier), POLICY, is_critical=True, distress=None)
    assert terms.answer_by == MORNING + timedelta(minutes=minutes)


def test_who_gets_it_and_why() -> None:
    critical = terms_of(ANSWER, ANNA, POLICY, is_critical=True, distress=None)
    assert (critical.team, critical.reason, critical.priority) == ("Customer Retention", "nps 2", "critical")
    both = terms_of(ANSWER, ANNA, POLICY, is_critical=True, distress=GRIEF)
    assert (both.team, both.reason) == ("Customer Retention", "bereavement")
    words_only = terms_of(ANSWER, ANNA, POLICY, is_critical=False, distress=GRIEF)
    assert (words_only.team, words_only.reason) == ("Care", "bereavement")


def test_the_first_answer_opens_the_cases_ticket() -> None:
    ticket = plan_ticket(ANSWER, CASE, now=NOON)
    assert (ticket.key, ticket.kind, ticket.basis) == ("case/C-7/3/ticket", Kind.TICKET, Basis.INTERNAL)
    assert (ticket.capability, ticket.urgent, ticket.due_at, ticket.after) == (Capability.TICKETING, True, NOON, None)
    assert ticket.payload.params["case"] == "C-7-3"
    assert (ticket.payload.params["team"], ticket.payload.params["priority"]) == ("Customer Retention", "critical")
    assert ticket.facts == frozenset()  # whatever changes, the ticket goes out; its context is gathered then


def test_the_next_answer_is_added_to_that_ticket_after_it() -> None:
    note = plan_ticket(replace(ANSWER, response_id="r/2"), replace(CASE, is_new=False), now=NOON)
    assert (note.key, note.kind) == ("case/C-7/3/ticket/standard/r%2F2", Kind.TICKET_NOTE)
    assert note.after == note.payload.params["ticket"] == "case/C-7/3/ticket"


def test_the_acknowledgement_says_who_has_it_and_by_when_in_their_language() -> None:
    said = _acknowledge()
    assert (said.key, said.kind, said.basis) == (
        "survey/standard/r-1/acknowledgement",
        Kind.ACKNOWLEDGEMENT,
        Basis.REPLY,
    )
    assert (said.capability, said.urgent, said.due_at, said.skip) == (Capability.MAIL, True, NOON, None)
    assert (said.payload.template, said.payload.template_hash) == ("acknowledgement", "acknowledgement-pl")
    assert said.payload.params == {
        "name": "Anna",
        "answer_by": "2026-03-04T15:00:00Z",
        "time_zone": "Europe/Prague",
        "received_at": "2026-03-04T11:00:00Z",
        "survey": "nps",
        "human": {"phone": "+48 22 000 00 00", "mail": "care@example.com", "hours": "8-18"},
        "company": "Example",
        "reference": "C-7-3",
        "language": "pl",
    }
    assert (said.stale_after, said.not_after) == (later(hours=4), later(hours=48))
    assert said.facts == frozenset({"customer"})


def test_in_distress_it_says_that_a_person_calls() -> None:
    assert _acknowledge(distress=GRIEF).payload.template_hash == "acknowledgement-distress-pl"


@pytest.mark.parametrize(
    ("tier", "distress", "missing", "says"),
    [
        (Tier.VIP, None, "", "acknowledgement-vip-pl"),
        (Tier.CORE, None, "", "acknowledgement-pl"),
        (Tier.BASIC, None, "", "acknowledgement-pl"),
        (Tier.VIP, GRIEF, "", "acknowledgement-distress-pl"),  # nothing stands above distress
        (Tier.VIP, None, "acknowledgement-vip", "acknowledgement-pl"),
        (Tier.VIP, GRIEF, "acknowledgement-distress", "acknowledgement-pl"),
    ],
)
def test_vip_and_distress_get_their_own_words_or_the_ordinary_ones(
    tier: Tier, distress: Distress | None, missing: str, says: str
) -> None:
    wordings = {key: value for key, value in WORDINGS.items() if key[0] != missing}
    said = _acknowledge(replace(ANNA, tier=tier), distress=distress, wordings=wordings)
    assert said.payload.template_hash == says
    assert f"{said.payload.template}-pl" == says


def test_only_the_words_for_vip_name_who_looks_after_them() -> None:
    known = replace(ANNA, tier=Tier.VIP, dedicated_agent="Ewa Lis")
    assert _acknowledge(known).payload.params["agent"] == "Ewa Lis"
    assert _acknowledge(replace(ANNA, tier=Tier.VIP)).payload.params["agent"] is None
    assert "agent" not in _acknowledge(replace(known, tier=Tier.CORE)).payload.params
    assert "agent" not in _acknowledge(known, distress=GRIEF).payload.params


@pytest.mark.parametrize(
    ("on_file", "asked_in", "language"),
    [("pl-PL", "cs", "pl"), (None, "cs-CZ", "cs"), ("de", "cs", "cs"), ("de", None, "en"), (None, None, "en")],
)
def test_their_language_then_the_answers_then_ours(on_file: str | None, asked_in: str | None, language: str) -> None:
    said = _acknowledge(replace(ANNA, language=on_file), replace(ANSWER, language=asked_in))
    assert said.payload.params["language"] == language
    assert said.payload.template_hash == f"acknowledgement-{language}"


@pytest.mark.parametrize(
    ("preferred", "now", "channel"),
    [
        (None, NOON, Capability.MAIL),
        (Capability.SMS, NOON, Capability.SMS),
        (Capability.SMS, NIGHT, Capability.MAIL),  # at night by mail
        (Capability.VOICE, NOON, Capability.MAIL),  # something to read again
        (Capability.PUSH, NOON, Capability.MAIL),
        (None, NIGHT, Capability.MAIL),
    ],
)
def test_it_goes_where_they_prefer_and_at_once(
    preferred: Capability | None, now: datetime, channel: Capability
) -> None:
    said = _acknowledge(replace(ANNA, preferred_channel=preferred), now=now)
    assert (said.capability, said.due_at, said.reason) == (channel, now, None)


def test_a_customer_with_only_a_phone_hears_in_the_morning() -> None:
    answer = replace(ANSWER, received_at=NIGHT)
    said = _acknowledge(
        replace(ANNA, email=None), answer, replace(CASE, answer_by=MORNING + timedelta(hours=4)), now=NIGHT
    )
    assert (said.capability, said.due_at) == (Capability.SMS, MORNING)
    assert said.reason == "quiet hours until 08:00 (Europe/Prague)"


@pytest.mark.parametrize(
    ("customer", "suppressed", "skip"),
    [
        (replace(ANNA, email=None, phone=None), (), "no address on file: a person replies"),
        (ANNA, (Capability.MAIL, Capability.SMS), "every address on file is suppressed: a person replies"),
        (replace(ANNA, erased=True), (), "the customer was erased: a person replies"),
    ],
)
def test_who_cannot_be_written_to_is_left_to_a_person(
    customer: Customer, suppressed: tuple[Capability, ...], skip: str
) -> None:
    assert _acknowledge(customer, suppressed=suppressed).skip == skip


def test_a_suppressed_address_is_gone_round() -> None:
    assert _acknowledge(suppressed=[Capability.MAIL]).capability is Capability.SMS


@pytest.mark.parametrize(("age", "is_import", "skips"), [(71, True, False), (73, True, True), (73, False, False)])
def test_an_answer_imported_late_is_only_ticketed(age: int, is_import: bool, skips: bool) -> None:
    answer = replace(ANSWER, answered_at=later(hours=-age))
    skip = _acknowledge(answer=answer, is_import=is_import).skip
    assert (skip == "answered 3 days before it was imported: a person replies") == skips


def test_a_time_that_has_passed_is_never_promised() -> None:
    """A second answer joins a case whose time is nearly over, or the message goes out late."""
    for now in (later(hours=4), later(hours=5), later(hours=30)):
        said = _acknowledge(now=now)
        promised = datetime.fromisoformat(said.payload.params["answer_by"])
        assert promised > now
        assert said.stale_after == promised


def test_a_promise_made_in_the_morning_counts_from_the_morning() -> None:
    said = _acknowledge(replace(ANNA, email=None), case=replace(CASE, answer_by=NIGHT), now=NIGHT)
    assert said.due_at == MORNING
    assert said.stale_after == MORNING + timedelta(hours=4)


def test_every_answer_has_an_acknowledgement_of_its_own() -> None:
    keys = {_acknowledge(answer=replace(ANSWER, response_id=ref)).key for ref in ("r-1", "r-2", "r-1/x", "r-1%2Fx")}
    assert len(keys) == 4
