"""A recovery survey that waits for a review while its case changes: what was approved is not what is sent (P12)."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from ledger_world import NOTHING_IS_RISKY, check_audit

from domain.actions import Kind, State
from domain.customers import Customer, Tier
from domain.recovery_survey import TACTLESS
from domain.review_rules import KindRule, Risk, Way
from domain.reviews import Decision, Reason, Stand, Voter
from domain.surveys import SurveyAnswer, SurveyKind
from integrations.ports import TicketStatus
from services.case_words import record_last_word
from services.desk import read_desk
from services.following import follow_cases
from services.recovery import sweep
from services.reviews import vote
from services.surveys import Given, accept_answer, judge_answer
from services.wiring import Handrail

TICKET = "case/C-1/1/ticket"
SURVEY = "case/C-1/1/recovery-survey/1"
EWA = Voter("Ewa Lis", frozenset({"on_call"}))
STAGES = ("open", "approved", "released")


class Waiting:
    """A vip's recovery survey in a review of its own, taken to a stage of it."""

    def __init__(self, installation: Any, handrail: Handrail) -> None:
        self.installation, self.handrail = installation, handrail

    async def settle(self) -> None:
        """A round of recovery: reviews, and what is to be planned anew."""
        await sweep(self.handrail, run="sweep")

    async def go_to(self, stage: str) -> None:
        """The survey is due by then."""
        await self.settle()
        if stage != "open":
            self.approve()
        if stage == "released":
            await self.settle()
            assert self.row.state == State.READY
        else:
            assert self.row.state == State.AWAITING_REVIEW
        self.installation.clock.go(hours=48)

    def approve(self) -> None:
        """Somebody says yes to what the survey waits for now."""
        review = self.review(self.row.review_id)
        said: dict[str, Any] = {"decision": Decision.APPROVE, "reason": Reason.AS_INTENDED, "way": Way.PAGE}
        said |= {"payload_hash": review.payload_hash, "now": self.installation.clock()}
        vote(self.installation.database, self.installation.policy, review.id, reviewer=EWA, **said)

    async def send(self) -> None:
        """Everything that is due goes out, as it stands."""
        for configured in self.handrail.roster:
            await self.handrail.dispatcher.run_once(capability=configured.capability, run="send")

    @property
    def row(self) -> Any:
        return self.installation.action(SURVEY)

    @property
    def mails(self) -> list[str]:
        return [mail.template for _, key, mail in self.installation.mail.effects if key == SURVEY]

    def review(self, review_id: int) -> Any:
        return next(one for one in self.installation.rows("reviews") if one.id == review_id)


@pytest.fixture
async def waiting(installation: Any, policy: Any, answered: Callable[..., Any]) -> Any:
    """A solved case of a customer of the highest tier, whose recovery survey somebody is asked about."""
    rules = replace(NOTHING_IS_RISKY.rules, vip=KindRule(Risk.LOW, frozenset({Kind.MESSAGE})))
    classes = NOTHING_IS_RISKY.classes
    low = replace(classes[Risk.LOW], deadline_minutes=7 * 24 * 60)
    installation.policy = replace(
        policy, reviews=replace(NOTHING_IS_RISKY, rules=rules, classes={**classes, Risk.LOW: low})
    )
    answered("C-1", score=3, tier=Tier.VIP)
    async with installation.handrail() as handrail:
        it = Waiting(installation, handrail)
        await it.send()
        installation.ticketing.statuses[TICKET] = TicketStatus.SOLVED
        await read_desk(handrail, run="t")
        assert it.row.state == State.AWAITING_REVIEW
        yield it
    check_audit(installation.database)


def distress(it: Waiting, response: str) -> None:
    """The customer tells of a death: in these words of an answer."""
    installation = it.installation
    now, words = installation.clock(), "My father passed away."
    said = SurveyAnswer("standard", response, SurveyKind.NPS, 3, words, "en", now, now)
    who = Customer("C-1", email="c-1@example.com", language="en", tier=Tier.VIP)
    with installation.database.write() as connection:
        given = Given(judge_answer(said, installation.policy), who)
        accept_answer(connection, given, installation.policy, run="t", now=now)


async def is_not_sent_as_it_was_approved(it: Waiting, stage: str) -> None:
    """Not when its review says yes, nor before anybody has noticed that the case is another."""
    await it.send()
    if stage == "open" and it.row.state == State.AWAITING_REVIEW:
        it.approve()
        await it.send()
    assert it.mails == []


@pytest.mark.parametrize("stage", STAGES)
async def test_a_case_that_was_opened_again_is_not_asked_about(waiting: Waiting, stage: str) -> None:
    await waiting.go_to(stage)
    review = waiting.row.review_id
    waiting.installation.ticketing.statuses[TICKET] = TicketStatus.OPEN
    await read_desk(waiting.handrail, run="t")
    await is_not_sent_as_it_was_approved(waiting, stage)
    await waiting.settle()
    assert waiting.row.state == State.SKIPPED
    assert waiting.row.reason in {"the case was opened again since", TACTLESS}  # whoever looks first
    await waiting.settle()
    assert waiting.review(review).finished_at is not None
    await waiting.send()
    assert waiting.mails == []


@pytest.mark.parametrize("stage", STAGES)
async def test_a_solved_case_in_which_somebody_spoke_to_the_customer_is_asked_anew(
    waiting: Waiting, stage: str
) -> None:
    await waiting.go_to(stage)
    before = waiting.row
    with waiting.installation.database.write() as connection:
        record_last_word(connection, "C-1-1", by="Jan Nowak", now=waiting.installation.clock())
    await is_not_sent_as_it_was_approved(waiting, stage)
    await waiting.settle()
    after = waiting.row
    assert (after.state, after.revision) == (State.AWAITING_REVIEW, before.revision + 1)
    assert after.review_id != before.review_id
    await waiting.send()
    assert waiting.mails == []
    await waiting.settle()
    waiting.approve()
    await waiting.settle()
    await waiting.send()
    assert waiting.mails == ["recovery-survey"]


@pytest.mark.parametrize("response", ["r-2", "r-C-1"], ids=["another-answer", "the-answer-it-began-with"])
@pytest.mark.parametrize("stage", STAGES)
async def test_somebody_in_distress_is_not_asked(waiting: Waiting, stage: str, response: str) -> None:
    await waiting.go_to(stage)
    distress(waiting, response)
    await is_not_sent_as_it_was_approved(waiting, stage)
    await waiting.settle()
    await follow_cases(waiting.handrail, run="t")
    await waiting.settle()
    await waiting.send()
    assert (waiting.row.state, waiting.mails) == (State.SKIPPED, [])


async def test_nobody_is_asked_to_decide_about_a_customer_who_has_trouble_again(
    waiting: Waiting, answered: Callable[..., Any]
) -> None:
    await waiting.go_to("open")
    review = waiting.row.review_id
    answered("C-1", "r-2", tier=Tier.VIP)
    await follow_cases(waiting.handrail, run="t")
    assert (waiting.row.state, waiting.row.reason) == (State.SKIPPED, TACTLESS)
    await waiting.settle()
    assert waiting.review(review).state == Stand.SUPERSEDED
