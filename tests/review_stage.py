"""Reviews on the books, for tests: steps of a journey, calls and surveys that wait for a person."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from domain.actions import Basis, Capability, Kind
from domain.calls import WORDINGS
from domain.customers import Customer, Tier
from domain.journey_payload import STEP_SCHEMA
from domain.planning import Payload, PlannedAction
from domain.policy import Policy
from domain.review_rules import Risk, Rule
from domain.risk import Ask
from domain.surveys import SurveyAnswer, SurveyKind
from services.publishing import publish_templates
from services.reviews_settling import seal_gathered
from services.surveys import Given, accept_answer, judge_answer
from store import customers, wordings
from store.database import Database
from store.ledger.enqueue import About, enqueue
from templates.library import Template

WELCOME = "journey/onboarding/welcome"
SURVEY = "survey/recovery"
GATHERED = timedelta(minutes=15)
"""So long it is gathered."""


def an_ask(what: str = WELCOME, *rules: Rule, risk: Risk = Risk.LOW, reviewers: int = 1) -> Ask:
    """What waits, and why; by default for being many."""
    return Ask(what, rules or (Rule.MANY_CUSTOMERS,), risk, reviewers, gather_minutes=15)


def a_step(
    database: Database, number: int, *, now: datetime, ask: Ask | None, channel: Capability = Capability.MAIL
) -> PlannedAction:
    """The welcome of a customer's journey."""
    with database.read() as connection:
        approved = wordings.approved(connection)
    said = {language: its for (name, language), its in approved.items() if name == "onboarding-welcome"}
    params = {
        "journey": "onboarding",
        "version": 1,
        "step": "welcome",
        "purpose": "onboarding",
        "confidentiality": "open",
        "links": {"video": "https://handrail.example/start", "knowledge_base": "https://handrail.example/help"},
        WORDINGS: said,
    }
    return PlannedAction(
        key=f"journey/onboarding/C-{number}/1/welcome",
        kind=Kind.MESSAGE,
        basis=Basis.PROACTIVE,
        capability=channel,
        purpose="onboarding",
        payload=Payload(STEP_SCHEMA, params, "onboarding-welcome"),
        due_at=now,
        facts=frozenset({"customer"}),
        ask=ask,
    )


def a_survey(
    database: Database, ref: str, *, now: datetime, ask: Ask | None, language: str = "en", **params: Any
) -> PlannedAction:
    """A question after a solved case: what it says stands in its own params."""
    with database.read() as connection:
        its = wordings.approved(connection)["recovery-survey", language]
    said = {
        "name": "Anna",
        "time_zone": "Europe/Warsaw",
        "received_at": "2026-03-01T08:00:00Z",
        "link": f"https://survey.example.com/{ref}-1",
        "human": {"phone": "+48 22 000 00 00", "mail": "care@example.com", "hours": "8-18"},
        "company": "Example",
        "reference": f"{ref}-1",
        "language": language,
        **params,
    }
    return PlannedAction(
        key=f"case/{ref}/1/survey",
        kind=Kind.MESSAGE,
        basis=Basis.SERVICE,
        capability=Capability.MAIL,
        payload=Payload("recovery-survey/1", said, "recovery-survey", its),
        due_at=now,
        facts=frozenset({"customer"}),
        ask=ask,
    )


def people(database: Database, *each: Mapping[str, Any], now: datetime) -> list[int]:
    """Customers C-1, C-2, … with these facts; they have a mail address and a phone, and said yes to onboarding."""
    made = []
    with database.write() as connection:
        for number, facts in enumerate(each, start=1):
            reachable = {"email": f"c-{number}@example.com", "phone": f"+4860000{number:04}", "name": "Zofia Lis"}
            its = customers.create(connection, Customer(f"C-{number}", **{**reachable, **facts}), now=now)
            for channel in ("mail", "sms", "voice"):
                customers.set_consent(connection, its, "onboarding", channel, granted=True, now=now)
            made.append(its)
    return made


def put(database: Database, planned: Sequence[tuple[PlannedAction, int]], *, run: str = "run-1", now: datetime) -> None:
    """Enqueue each for its customer."""
    with database.write() as connection:
        for action, customer_id in planned:
            enqueue(connection, [action], About(customer_id=customer_id), run=run, now=now)


def said(database: Database, policy: Policy, ref: str, words: str, *, now: datetime) -> None:
    """A customer gives a bad answer with these words."""
    answer = SurveyAnswer("standard", f"r-{ref}", SurveyKind.NPS, 1, words, "en", now, now)
    with database.write() as connection:
        accept_answer(connection, Given(judge_answer(answer, policy), Customer(ref)), policy, run="t", now=now)


def sealed(database: Database, policy: Policy, *, now: datetime) -> list[int]:
    """Seal all that has been gathered by then; the ids."""
    return seal_gathered(database, policy, now=now + GATHERED)


def welcomes(
    database: Database,
    policy: Policy,
    *each: Mapping[str, Any],
    now: datetime,
    ask: Ask | None = None,
    channel: Capability = Capability.MAIL,
) -> int:
    """A sealed review of the welcomes of these customers; its id."""
    ids = people(database, *(each or ({}, {"language": "pl", "tier": Tier.VIP}, {"language": "cs-CZ"})), now=now)
    asked = ask or an_ask()
    steps = [a_step(database, number, now=now, ask=asked, channel=channel) for number in range(1, len(ids) + 1)]
    put(database, list(zip(steps, ids, strict=True)), now=now)
    return sealed(database, policy, now=now)[0]


def other_words(database: Database, message: str, of: str, greeting: str, *, now: datetime) -> None:
    """Another message of the same parameters, in use in every language: its texts begin with another greeting."""
    with database.read() as connection:
        in_use = wordings.approved(connection)
        known = {its: wordings.content(connection, its) for (name, _), its in in_use.items() if name == of}
    greeted = {"mail.subject.txt", "mail.txt", "sms.txt", "push.title.txt"}
    made = []
    for content in filter(None, known.values()):
        parts = {part: f"{greeting} {text}" if part in greeted else text for part, text in content["parts"].items()}
        made.append(Template(message, content["language"], parts))
    publish_templates(database, made, now=now)
