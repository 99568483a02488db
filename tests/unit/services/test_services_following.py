"""Cases followed to their end: pages, promises, the last word, the recovery survey; and all of it only once."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from domain.actions import Basis, Capability, State
from domain.customers import Customer, Tier
from domain.surveys import SurveyAnswer, SurveyKind
from integrations.errors import OutcomeUnknown, Unavailable
from integrations.ports import TicketStatus
from services.case_words import record_answer
from services.desk import read_desk
from services.following import follow_cases
from services.surveys import Given, accept_answer, judge_answer
from services.wiring import Handrail

TICKET = "case/C-1/1/ticket"
SURVEY = "case/C-1/1/recovery-survey/1"
NOT_TAKEN = "case/C-1/1/page/nobody-took-it/1/1"


@pytest.fixture
def says(installation: Any) -> Callable[..., None]:
    """`says("r-1", score=3)`: an answer of one customer's."""

    def accept(response: str, *, score: int = 3, comment: str | None = None, ref: str = "C-1", **facts: Any) -> None:
        now = installation.clock()
        who = Customer(ref, **{"email": f"{ref.lower()}@example.com", "language": "en", **facts})
        answer = SurveyAnswer("standard", response, SurveyKind.NPS, score, comment, "en", now, now)
        given = Given(judge_answer(answer, installation.policy), who)
        with installation.database.write() as connection:
            accept_answer(connection, given, installation.policy, run="t", now=now)

    return accept


def pages(installation: Any) -> list[str]:
    return [key.removeprefix("case/C-1/1/page/") for _, key, _ in installation.alert.effects]


def promises(installation: Any) -> list[str]:
    return [row.state for row in installation.rows("promises")]


async def go(installation: Any, followed: Any, **delta: float) -> None:
    installation.clock.go(**delta)
    await followed()


# Nobody took it


async def test_nobody_took_it_pages_with_a_link_and_no_words(installation: Any, says: Any, followed: Any) -> None:
    says("r-1", comment="TOP SECRET WORDS", name="Anna Nowak")
    await followed()
    await go(installation, followed, minutes=14)
    assert pages(installation) == []
    await go(installation, followed, minutes=1)
    assert pages(installation) == ["nobody-took-it/1/1"]
    alert = installation.alert.effects[0][2]
    assert alert.link == "http://127.0.0.1:8100/trace/C-1-1"
    assert not {"TOP", "Anna", "example.com"} & set(repr(alert).replace("@", " ").split())


async def test_somebody_who_has_it_is_left_alone(installation: Any, says: Any, followed: Any) -> None:
    says("r-1")
    await followed()
    installation.ticketing.assignees[TICKET] = "Ewa"
    await go(installation, followed, minutes=15)
    await go(installation, followed, minutes=60)
    assert pages(installation) == []


async def test_a_page_that_waited_is_not_sent_once_somebody_took_it(
    installation: Any, handrail: Handrail, says: Any, followed: Any, send: Any
) -> None:
    says("r-1")
    await followed()
    installation.clock.go(minutes=15)
    await follow_cases(handrail, run="t")
    assert installation.states()[NOT_TAKEN] == "ready"
    installation.ticketing.assignees[TICKET] = "Ewa"
    await go(installation, followed, minutes=2)
    assert pages(installation) == []
    assert installation.action(NOT_TAKEN).state == State.SKIPPED
    assert "somebody has seen to it" in installation.action(NOT_TAKEN).reason


async def test_a_page_still_needed_survives_another_change_of_its_case(
    installation: Any, handrail: Handrail, says: Any, followed: Any
) -> None:
    says("r-1")
    await followed()
    installation.clock.go(minutes=15)
    await follow_cases(handrail, run="t")
    installation.ticketing.statuses[TICKET] = TicketStatus.UNKNOWN
    await followed()
    assert pages(installation) == ["nobody-took-it/1/1"]


async def test_without_an_alert_integration_the_page_is_a_recorded_skip(
    installation: Any, says: Any, followed: Any
) -> None:
    del installation.vendors[Capability.ALERT]
    says("r-1")
    async with installation.handrail() as handrail:
        installation.clock.go(minutes=15)
        await follow_cases(handrail, run="t")
    assert installation.action(NOT_TAKEN).state == State.SKIPPED
    assert "nobody can be paged" in installation.action(NOT_TAKEN).reason


async def test_escalation_does_not_ring_at_midnight(installation: Any, says: Any, followed: Any) -> None:
    """The regression: escalation mail at midnight against service hours."""
    installation.clock.go(hours=11)  # 23:00 in Warsaw
    says("r-1")
    says("r-2", ref="C-2", comment="My husband passed away.")
    for _ in range(8):
        await go(installation, followed, minutes=15)
    assert {key.split("/")[1] for _, key, _ in installation.alert.effects} == {"C-2"}
    installation.clock.go(hours=7)  # 08:00
    await go(installation, followed, minutes=15)
    assert NOT_TAKEN in [key for _, key, _ in installation.alert.effects]


# Promises


async def test_an_answer_in_time_keeps_the_promise(installation: Any, says: Any, followed: Any) -> None:
    says("r-1", tier=Tier.VIP)
    await followed()
    await followed()
    assert promises(installation) == ["open"]
    installation.ticketing.assignees[TICKET] = "Ewa"
    installation.clock.go(minutes=30)
    installation.ticketing.answered[TICKET] = installation.clock()
    await followed()
    assert promises(installation) == ["kept"]
    await go(installation, followed, minutes=60)
    assert (promises(installation), pages(installation)) == (["kept"], [])


async def test_a_one_hour_promise_is_escalated_before_it_breaks_and_recorded_when_it_does(
    installation: Any, says: Any, followed: Any
) -> None:
    """The regression: a one-hour promise policed by an hourly job."""
    says("r-1", tier=Tier.VIP)
    await followed()
    await followed()
    (promise,) = installation.rows("promises")
    installation.ticketing.assignees[TICKET] = "Ewa"
    for _ in range(65):
        await go(installation, followed, minutes=1)
    warned = installation.action("case/C-1/1/page/promise-at-risk/standard/r-1")
    assert (promise.answer_by - warned.created_at).total_seconds() == 20 * 60
    assert pages(installation) == ["promise-at-risk/standard/r-1"]
    (promise,) = installation.rows("promises")
    assert (promise.state, promise.reason, promise.settled_by) == ("broken", "nobody had answered by then", "t")
    assert (promise.settled_at - promise.answer_by).total_seconds() <= 120


async def test_while_the_desk_is_silent_nothing_is_called_broken(installation: Any, says: Any, followed: Any) -> None:
    says("r-1", tier=Tier.VIP)
    await followed()
    installation.ticketing.unreadable = Unavailable("ticketing via fake", "no answer", "look")
    for _ in range(8):
        await go(installation, followed, minutes=10)
    assert promises(installation) == ["open"]
    assert "promise-at-risk/standard/r-1" in pages(installation)
    installation.ticketing.unreadable = None
    installation.ticketing.answered[TICKET] = installation.rows("promises")[0].made_at
    await go(installation, followed, minutes=1)
    assert promises(installation) == ["kept"]


async def test_an_acknowledgement_that_never_left_promised_nothing(
    installation: Any, handrail: Handrail, says: Any
) -> None:
    says("r-1")
    await follow_cases(handrail, run="t")
    assert promises(installation) == []


async def test_an_acknowledgement_that_may_have_left_did_promise(installation: Any, says: Any, followed: Any) -> None:
    installation.mail.script(OutcomeUnknown("mail via fake", "lost", "look"))
    says("r-1")
    await followed()
    await followed()
    assert promises(installation) == ["open"]


async def test_a_second_answer_after_the_first_was_answered_is_a_promise_of_its_own(
    installation: Any, says: Any, followed: Any
) -> None:
    says("r-1")
    await followed()
    installation.clock.go(minutes=10)
    installation.ticketing.answered[TICKET] = installation.clock()
    installation.ticketing.assignees[TICKET] = "Ewa"
    await followed()
    installation.clock.go(minutes=10)
    says("r-2")
    await go(installation, followed, minutes=1)
    await followed()
    assert promises(installation) == ["kept", "open"]
    await go(installation, followed, hours=3, minutes=30)
    assert pages(installation) == ["promise-at-risk/standard/r-2"]


async def test_solving_answers_the_second_answer_too_where_the_desk_says_nothing_of_answers(
    installation: Any, handrail: Handrail, says: Any, followed: Any
) -> None:
    says("r-1")
    await followed()
    with installation.database.write() as connection:
        record_answer(connection, "C-1-1", at=installation.clock(), by="Ewa", now=installation.clock())
    installation.clock.go(minutes=10)
    says("r-2")
    for _ in range(2):
        await go(installation, followed, minutes=1)
    assert promises(installation) == ["kept", "open"]
    installation.ticketing.statuses[TICKET] = TicketStatus.SOLVED
    await go(installation, followed, minutes=5)
    assert promises(installation) == ["kept", "kept"]


# The end of a case


async def test_a_solved_case_is_asked_about_after_a_pause_in_the_customers_hours(
    installation: Any, says: Any, followed: Any
) -> None:
    installation.clock.go(hours=7)  # 19:00 in Warsaw
    says("r-1", time_zone="Europe/Warsaw")
    await followed()
    installation.ticketing.statuses[TICKET] = TicketStatus.SOLVED
    await go(installation, followed, hours=2)  # 21:00
    installation.mail.effects.clear()
    await go(installation, followed, hours=48)  # 21:00 again: quiet hours
    assert installation.mail.effects == []
    await go(installation, followed, hours=11)
    ((_, key, mail),) = installation.mail.effects
    assert (key, mail.template, mail.language) == (SURVEY, "recovery-survey", "en")
    assert "https://ankieta.ostoja.example/C-1-1" in mail.text
    assert mail.headers == {"Auto-Submitted": "auto-generated"}
    await go(installation, followed, days=3)
    assert len(installation.mail.effects) == 1


@pytest.fixture
async def asked(installation: Any, says: Any, followed: Any) -> None:
    """A case that was solved, and its customer asked whether it is over."""
    says("r-1")
    await followed()
    installation.ticketing.assignees[TICKET] = "Ewa"
    installation.ticketing.statuses[TICKET] = TicketStatus.SOLVED
    await go(installation, followed, minutes=30)
    await go(installation, followed, hours=48)
    await followed()
    assert installation.action(SURVEY).state == State.DONE


async def test_a_bad_answer_to_it_opens_the_same_case_again(
    installation: Any, says: Any, followed: Any, asked: None
) -> None:
    installation.ticketing.effects[:] = [one for one in installation.ticketing.effects if one[0] == "open_ticket"]
    installation.clock.go(hours=3)
    says("r-2", score=0)
    (case,) = installation.rows("cases")
    assert (case.state, case.number, case.turn, case.priority) == ("open", 1, 2, "critical")
    assert installation.rows("customers")[0].tact_lock == "case C-1-1"
    await followed()
    assert installation.rows("cases")[0].state == "open"  # the desk had not heard of it, and still said: solved
    note = installation.ticketing.effects[-1]
    assert note[:2] == ("add_note", "case/C-1/1/ticket/standard/r-2")
    assert note[2].priority == "critical"
    assert note[2].text.startswith("The case is open again: it was not over.")
    assert installation.ticketing.statuses[TICKET] is TicketStatus.OPEN
    await go(installation, followed, minutes=1)
    assert promises(installation) == ["kept", "open"]
    assert installation.rows("survey_responses")[-1].outcome == "reopened case C-1-1: nps 0"


async def test_a_good_answer_to_it_changes_nothing(installation: Any, says: Any, asked: None) -> None:
    says("r-2", score=9)
    (case,) = installation.rows("cases")
    assert (case.state, case.turn) == ("solved", 1)


async def test_long_afterwards_a_bad_answer_is_another_trouble(installation: Any, says: Any, asked: None) -> None:
    installation.clock.go(days=15)
    says("r-2", score=0)
    assert [row.number for row in installation.rows("cases")] == [1, 2]


async def test_before_it_was_asked_a_bad_answer_is_a_new_case_and_nobody_asks_about_the_old_one(
    installation: Any, says: Any, followed: Any
) -> None:
    says("r-1")
    await followed()
    installation.ticketing.statuses[TICKET] = TicketStatus.SOLVED
    await go(installation, followed, minutes=30)
    says("r-2", score=2)
    await go(installation, followed, hours=47)
    assert [row.number for row in installation.rows("cases")] == [1, 2]
    assert installation.action(SURVEY).state == State.SKIPPED
    await go(installation, followed, hours=24)
    assert "recovery-survey" not in {mail.template for _, _, mail in installation.mail.effects}


async def test_consent_is_needed_where_policy_calls_it_proactive(installation: Any, says: Any, policy: Any) -> None:
    rules = replace(policy.cases.recovery_survey, basis=Basis.PROACTIVE)
    installation.policy = replace(policy, cases=replace(policy.cases, recovery_survey=rules))
    says("r-1")
    async with installation.handrail() as handrail:
        await handrail.dispatcher.run_once(capability=Capability.TICKETING, run="t")
        installation.ticketing.statuses[TICKET] = TicketStatus.SOLVED
        await read_desk(handrail, run="t")
        installation.clock.go(hours=48)
        await handrail.dispatcher.run_once(capability=Capability.MAIL, run="t")
    row = installation.action(SURVEY)
    assert (row.purpose, row.state) == ("feedback", State.SKIPPED)
    assert row.reason == "no consent for this purpose on this channel"


# The last word


async def test_after_a_bad_peak_a_solved_ticket_asks_for_a_persons_last_word(
    installation: Any, says: Any, followed: Any
) -> None:
    says("r-1", score=0)
    await followed()
    installation.ticketing.statuses[TICKET] = TicketStatus.SOLVED
    for _ in range(3):
        await go(installation, followed, minutes=2)
    (case,) = installation.rows("cases")
    assert (case.state, installation.rows("customers")[0].tact_lock) == ("open", "case C-1-1")
    asked = [effect for effect in installation.ticketing.effects if effect[1] == "case/C-1/1/last-word/1"]
    assert len(asked) == 1
    assert installation.ticketing.statuses[TICKET] is TicketStatus.OPEN
    await go(installation, followed, days=4)
    assert SURVEY not in installation.states()
    assert len(installation.mail.effects) == 1  # the acknowledgement


async def test_a_persons_word_in_the_ticket_ends_it(installation: Any, says: Any, followed: Any) -> None:
    says("r-1", score=0)
    await followed()
    installation.clock.go(minutes=20)
    installation.ticketing.answered[TICKET] = installation.clock()
    installation.ticketing.statuses[TICKET] = TicketStatus.SOLVED
    await followed()
    (case,) = installation.rows("cases")
    assert (case.state, case.last_word_by, installation.states()[SURVEY]) == ("solved", "the ticket desk", "ready")


async def test_after_distress_no_machine_asks_how_it_went(installation: Any, says: Any, followed: Any) -> None:
    says("r-1", score=10, comment="My husband passed away.")
    await followed()
    installation.clock.go(minutes=20)
    installation.ticketing.answered[TICKET] = installation.clock()
    installation.ticketing.statuses[TICKET] = TicketStatus.SOLVED
    await followed()
    assert installation.rows("cases")[0].state == "solved"
    assert installation.action(SURVEY).state == State.SKIPPED
    assert "distress" in installation.action(SURVEY).reason


# Once


async def test_following_twice_changes_nothing(installation: Any, says: Any, followed: Any) -> None:
    says("r-1", tier=Tier.VIP)
    says("r-2", ref="C-2", score=0)
    await followed()
    await go(installation, followed, minutes=45)
    installation.ticketing.statuses[TICKET] = TicketStatus.SOLVED
    await go(installation, followed, hours=50)
    tables = ("cases", "promises", "actions", "audit", "customers")
    before = [installation.rows(table) for table in tables], installation.effects()
    for _ in range(3):
        await followed()
    assert ([installation.rows(table) for table in tables], installation.effects()) == before


async def test_several_at_once_page_once(installation: Any, says: Any) -> None:
    for number in range(6):
        says(f"r-{number}", ref=f"C-{number}")
    installation.clock.go(minutes=15)
    async with installation.handrail() as one, installation.handrail() as other:
        await asyncio.gather(*(follow_cases(each, run="t") for each in (one, other) * 3))
    planned = [key for key in installation.states() if "/page/" in key]
    assert len(planned) == 6


class Died(BaseException):
    """The process is gone."""


STEPS = ("desk.answered", "desk.locked", "case.solved", "promises.noted", "pages.planned", "enqueue.inserted")


@pytest.mark.parametrize("step", STEPS)
async def test_death_between_two_steps_changes_nothing_in_the_end(
    installation: Any, says: Any, followed: Any, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """One customer whom nobody serves, one whose ticket is solved; whatever dies is done by whoever comes next."""
    says("r-1")
    says("r-2", ref="C-2")
    await followed()
    installation.ticketing.assignees["case/C-2/1/ticket"] = "Ewa"
    await go(installation, followed, minutes=10)
    installation.ticketing.statuses["case/C-2/1/ticket"] = TicketStatus.SOLVED
    installation.clock.go(minutes=5)
    died: list[str] = []

    def die(name: str) -> None:
        if name == step and not died:
            died.append(name)
            raise Died

    with monkeypatch.context() as patch:
        for module in ("services.desk", "services.following", "store.ledger.enqueue"):
            patch.setattr(f"{module}.reached", die)
        for _ in range(2):
            try:
                await followed()
            except Died:
                continue
    assert died or step == "promises.noted"
    await go(installation, followed, minutes=2)
    assert [key for _, key, _ in installation.alert.effects] == [NOT_TAKEN]
    assert [row.state for row in installation.rows("cases")] == ["open", "solved"]
    assert installation.states()["case/C-2/1/recovery-survey/1"] == "ready"
    assert len({row.action_id for row in installation.rows("promises")}) == 2
