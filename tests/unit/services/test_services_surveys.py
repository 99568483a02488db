"""One answer's way into the books: customer, answer, case and plans in one transaction, once however often it comes."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest
from ledger_world import check_audit

from domain.actions import Capability
from domain.customers import Customer
from domain.surveys import SurveyAnswer, SurveyKind
from services.surveys import Accepted, Given, UnknownCustomer, accept_answer, judge_answer
from store import cases

ANNA = Customer("C-1", email="anna@example.com", language="en")
Accept = Callable[..., Accepted]


@pytest.fixture
def accept(installation: Any) -> Accept:
    """`accept("r-1", score=2, comment=…)`: an answer of Anna's, unless another customer is given."""

    def run(
        response: str, *, score: int = 2, comment: str | None = None, who: Customer = ANNA, is_import: bool = False
    ) -> Accepted:
        now = installation.clock()
        answer = SurveyAnswer("standard", response, SurveyKind.NPS, score, comment, "en", now, now)
        given = Given(judge_answer(answer, installation.policy), who, is_import)
        with installation.database.write() as connection:
            return accept_answer(connection, given, installation.policy, run="t", now=now)

    return run


def test_a_bad_answer_opens_a_case_and_plans_both(installation: Any, accept: Accept) -> None:
    accepted = accept("r-1", comment="late again")
    assert accepted.urgent == {Capability.TICKETING, Capability.MAIL}
    assert accepted.outcome == "opened case C-1-1: nps 2"
    assert installation.states() == {"case/C-1/1/ticket": "ready", "survey/standard/r-1/acknowledgement": "ready"}
    (customer,), (answer,) = installation.rows("customers"), installation.rows("survey_responses")
    assert (customer.ref, customer.email, customer.tact_lock) == ("C-1", "anna@example.com", "case C-1-1")
    assert (answer.score, answer.comment, answer.sentiment, answer.is_critical) == (2, "late again", "detractor", True)
    assert (answer.outcome, answer.case_id) == (accepted.outcome, installation.rows("cases")[0].id)


@pytest.mark.parametrize("score", [7, 8, 9, 10])
def test_a_good_one_is_recorded_and_nothing_is_done(installation: Any, accept: Accept, score: int) -> None:
    accepted = accept("r-1", score=score, comment="fine")
    assert accepted.urgent == frozenset()
    assert installation.states() == {}
    assert installation.rows("cases") == []
    (customer,), (answer,) = installation.rows("customers"), installation.rows("survey_responses")
    assert (customer.tact_lock, answer.case_id) == (None, None)
    assert answer.outcome == f"recorded: {'passive' if score < 9 else 'promoter'}, nothing to do"


def test_words_of_distress_go_to_a_person_at_any_score(installation: Any, accept: Accept) -> None:
    accept("r-1", score=10, comment="My husband passed away.")
    (customer,), (case,) = installation.rows("customers"), installation.rows("cases")
    assert (customer.tact_lock, case.reason) == ("bereavement: a person only", "bereavement")
    acknowledgement = installation.action("survey/standard/r-1/acknowledgement")
    assert acknowledgement.payload["template"] == "acknowledgement-distress"


def test_the_same_answer_again_changes_nothing(installation: Any, accept: Accept) -> None:
    first = accept("r-1")
    before = [installation.rows(table) for table in ("actions", "cases", "survey_responses", "audit")]
    again = accept("r-1")
    assert (again.response_id, again.is_new, again.urgent) == (first.response_id, False, frozenset())
    assert [installation.rows(table) for table in ("actions", "cases", "survey_responses", "audit")] == before


def test_a_good_answer_that_turns_bad_opens_its_case_then(installation: Any, accept: Accept) -> None:
    accept("r-1", score=9)
    assert installation.states() == {}
    accept("r-1", score=1, comment="on second thought")
    assert len(installation.states()) == 2
    (answer,) = installation.rows("survey_responses")
    assert (answer.score, answer.comment, answer.is_critical) == (1, "on second thought", True)


def test_a_bad_answer_that_turns_good_keeps_its_case(installation: Any, accept: Accept) -> None:
    accept("r-1")
    accept("r-1", score=10)
    assert len(installation.states()) == 2
    assert installation.rows("survey_responses")[0].case_id is not None


def test_a_second_bad_answer_joins_the_case_until_it_is_solved(installation: Any, accept: Accept) -> None:
    accept("r-1")
    assert accept("r-2", score=0).outcome == "joined case C-1-1: nps 0"
    note = installation.action("case/C-1/1/ticket/standard/r-2")
    assert note.after_id == installation.action("case/C-1/1/ticket").id
    with installation.database.write() as connection:
        cases.solve(connection, installation.rows("cases")[0].id, now=installation.clock())
    assert accept("r-3").outcome == "opened case C-1-2: nps 2"
    assert "case/C-1/2/ticket" in installation.states()


def test_nobody_with_no_address_is_not_created(installation: Any, accept: Accept) -> None:
    with pytest.raises(UnknownCustomer):
        accept("r-1", who=Customer("C-9", name="Nobody"))
    assert [installation.rows(table) for table in ("customers", "survey_responses", "actions")] == [[], [], []]


def test_what_is_on_file_wins_and_blanks_are_filled(installation: Any, accept: Accept) -> None:
    accept("r-1")
    accept("r-2", who=replace(ANNA, email="other@example.com", phone="+48600000001", name="Anna"))
    (customer,) = installation.rows("customers")
    assert (customer.email, customer.phone, customer.name, customer.version) == (
        "anna@example.com",
        "+48600000001",
        "Anna",
        2,
    )


def test_the_same_answer_from_many_threads_is_once(installation: Any, accept: Accept) -> None:
    together = Barrier(10)

    def deliver(_: int) -> bool:
        together.wait(timeout=30)
        return accept("r-1").is_new

    with ThreadPoolExecutor(10) as pool:
        assert sum(pool.map(deliver, range(10))) == 1
    assert Counter(row.kind for row in installation.rows("actions")) == {"ticket": 1, "acknowledgement": 1}


def test_twenty_answers_at_once_are_one_case_one_ticket_and_twenty_acknowledgements(
    installation: Any, accept: Accept
) -> None:
    together = Barrier(20)

    def deliver(number: int) -> str:
        together.wait(timeout=30)
        return accept(f"r-{number}").outcome.split()[0]

    with ThreadPoolExecutor(20) as pool:
        outcomes = Counter(pool.map(deliver, range(20)))
    assert outcomes == {"opened": 1, "joined": 19}
    assert len(installation.rows("cases")) == 1
    kinds = Counter(row.kind for row in installation.rows("actions"))
    assert kinds == {"ticket": 1, "ticket_note": 19, "acknowledgement": 20}
    ticket = installation.action("case/C-1/1/ticket").id
    assert {row.after_id for row in installation.rows("actions") if row.kind == "ticket_note"} == {ticket}
    check_audit(installation.database)
