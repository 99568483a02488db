"""What Prefect shows of a review: all that one needs to decide, nobody's data, and words that stay words."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
import review_stage as stage

from domain.reviews import Decision, Reason, Stand
from services.review_reading import Example, ReviewSummary, Vote, summary
from services.review_telling import account, notice, outcome, question, run_name

RUN = "fa632f3d-578c-4df6-9468-06f098dd87b5"
UI = "http://prefect.example"


@pytest.fixture
def shown(on_sqlite: Any) -> ReviewSummary:
    """A review of three welcomes, by the run that planned them."""
    review = stage.welcomes(on_sqlite.database, on_sqlite.policy, now=on_sqlite.clock())
    made = summary(on_sqlite.database, on_sqlite.policy, review, gateway_url="https://care.example")
    return replace(made, initiator=RUN, deadline=datetime(2026, 3, 5, 14, 5, tzinfo=UTC))


def test_a_run_is_named_by_what_it_asks_and_until_when(shown: ReviewSummary) -> None:
    assert run_name(shown) == "review 1: 3 messages: step welcome of the journey onboarding, by 5 Mar 14:05 UTC"


def test_a_form_says_what_is_asked_and_what_came_of_the_answer_before(shown: ReviewSummary) -> None:
    told = question(shown, prefect_ui=UI, said="The answer did not count: too late.")

    assert told.startswith("**The answer did not count: too late.**")
    for words in (
        "3 messages: step welcome of the journey onboarding",
        "low risk",
        "2 basic, 1 vip",
        "Decide by 5 Mar 14:05 UTC, else nothing of it is done",
        "One person must say yes.",
        "more than 2000 customers for one purpose",
        "(https://care.example/reviews/1)",
        f"({UI}/runs/flow-run/{RUN})",
    ):
        assert words in told, words
    assert "not here" not in told
    assert "not here" in question(shown, prefect_ui=UI, is_answered_here=False)


def test_an_account_shows_three_examples_and_how_it_ended(shown: ReviewSummary) -> None:
    asked = account(shown, prefect_ui="")
    assert asked.startswith("# Review 1\n")
    assert [f"Example {number}," in asked for number in (1, 2, 3, 4)] == [True, True, True, False]
    assert "/runs/flow-run/" not in asked

    over = replace(shown, stand=Stand.REJECTED, decided_by="Ewa Lis", reason=Reason.WRONG_PEOPLE)
    assert "# Review 1: rejected\n\n**rejected by Ewa Lis: nothing of it is done" in account(over, prefect_ui="")
    assert "must say yes" in asked
    assert "must say yes" not in account(over, prefect_ui="")


def test_outcomes_name_people_time_and_reason(shown: ReviewSummary) -> None:
    at = datetime(2026, 3, 4, 12, tzinfo=UTC)
    votes = [Vote(name, Decision.APPROVE, Reason.AS_INTENDED, "page", at) for name in ("Ewa Lis", "Jan Nowak")]
    decided = replace(shown, decided_by="Jan Nowak", decided_at=at, reason="as intended", votes=votes)

    assert outcome(replace(decided, stand=Stand.APPROVED)) == (
        "approved by Ewa Lis and Jan Nowak, 4 Mar 12:00 UTC (as intended)"
    )
    assert outcome(replace(decided, stand=Stand.REJECTED, reason="the wrong time")) == (
        "rejected by Jan Nowak: nothing of it is done, 4 Mar 12:00 UTC (the wrong time)"
    )
    assert outcome(replace(shown, stand=Stand.EXPIRED)) == "nobody decided in time: nothing of it is done"
    assert outcome(replace(shown, stand=Stand.SUPERSEDED)) == "nothing is left of what it asked"


def test_the_run_that_planned_it_says_where_it_is_asked(shown: ReviewSummary) -> None:
    asking = "11111111-2222-3333-4444-555555555555"

    assert f"[review 1]({UI}/runs/flow-run/{asking})" in notice(shown, prefect_ui=UI, run=asking)
    assert "(https://care.example/reviews/1)" in notice(shown, prefect_ui="", run=asking)


def test_words_stay_words(shown: ReviewSummary) -> None:
    hostile = "](javascript:alert(1)) <img src=x> **bold** | `code` ~~~"
    example = Example(shown.examples[0].channel, "en", "t", "", f"````\n# not a title\n```\n{hostile}")
    told = account(replace(shown, title=hostile, examples=[example]), prefect_ui="")

    assert "\\<img" in told
    assert "\\](javascript" in told
    assert "\n`````\n````\n# not a title" in told, "the fence is longer than any in the words"
