"""What a colleague reads who is asked to look after somebody in a journey."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from ledger_world import NOON, POLICY, later

from domain.actions import State
from domain.channels import Channel
from domain.customers import Customer, Purpose, Tier
from domain.journey_tasks import StepStory, compose_step
from domain.journeys import Condition, Entry, EventName, Happened, Journey, Step

CHECK_IN = Step(
    "check-in",
    ask="call them, ask how the first week went, and show what they have not found yet",
    by=(Channel.PERSON,),
    when=Condition(tier=frozenset({Tier.VIP})),
)
JOURNEY = Journey(
    "onboarding",
    2,
    "who activated for the first time",
    Purpose.ONBOARDING,
    Entry(EventName.ACTIVATED),
    (CHECK_IN,),
    links={"guide": "https://example.com/guide"},
)
ANNA = Customer("C-1", "Anna Nowak", "anna@example.com", "+48600000001", "pl", "Europe/Warsaw", Tier.VIP)
BEFORE = (
    StepStory("welcome", State.DONE, NOON - timedelta(days=7), "mail", None),
    StepStory("guide", State.SKIPPED, NOON - timedelta(days=5), "mail", "not needed any more: has done feature.used"),
)
BEHAVIOUR = {
    (EventName.ACTIVATED, ""): Happened(NOON - timedelta(days=7), NOON - timedelta(days=7), 1),
    (EventName.FEATURE_USED, "autopay"): Happened(NOON - timedelta(days=6), NOON - timedelta(days=5), 3),
}


def composed(step: Step = CHECK_IN, customer: Customer = ANNA, **facts: Any) -> Any:
    known = {"entered_at": NOON - timedelta(days=7), "behaviour": BEHAVIOUR, "before": BEFORE}
    return compose_step(JOURNEY, step, customer, POLICY, **{**known, **facts}, now=NOON)


def test_it_says_what_to_do_for_whom_and_where_they_stand() -> None:
    task = composed()
    assert task.title == "onboarding: call them, ask how the first week went, and show what they have not found yet"
    assert task.body.splitlines() == [
        "What to do: call them, ask how the first week went, and show what they have not found yet.",
        "Who: Anna Nowak (C-1), one of our most valuable customers (vip).",
        "How to reach them: +48600000001 or anna@example.com, by day on their clock (Europe/Warsaw), language pl.",
        "Where they are: in the journey onboarding (who activated for the first time) since Wed 25 Feb 2026.",
        "What they got: welcome by mail on Wed 25 Feb 2026; not guide: skipped (not needed any more: has done "
        "feature.used).",
        "What they did: feature.used (autopay) 3 times, last on Fri 27 Feb 2026; customer.activated on Wed 25 Feb "
        "2026.",
        "Why they: tier is vip.",
        "Useful: guide: https://example.com/guide.",
    ]


def test_their_own_agent_has_it_else_the_team_of_their_tier() -> None:
    assert composed(customer=replace(ANNA, dedicated_agent="dana")).assignee == "dana"
    assert composed().assignee == "Customer Success"


def test_it_is_due_after_a_days_work() -> None:
    assert composed().due_at == later(hours=22)  # noon to six, and two hours of the next morning


def test_somebody_of_whom_nothing_is_known_yet() -> None:
    body = composed(behaviour={}, before=()).body
    assert "What they got: nothing yet." in body
    assert "What they did: nothing that we were told of." in body


def test_what_no_channel_could_carry_is_told_in_the_colleagues_own_words() -> None:
    step = Step("mistakes", message="onboarding-mistakes", by=(Channel.MAIL, Channel.PERSON))
    assert "What to do: tell them in your own words what the message onboarding-mistakes would have said." in (
        composed(step).body
    )


def test_a_long_request_is_shortened_in_the_title_alone() -> None:
    ask = "call " * 60
    task = composed(replace(CHECK_IN, ask=ask))
    assert len(task.title) == 120
    assert ask in task.body
