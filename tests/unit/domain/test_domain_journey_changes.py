"""What another version of a journey changes is said in words, and nothing else is said."""

from collections.abc import Callable
from dataclasses import replace
from datetime import time

import pytest

from domain.actions import Basis
from domain.channels import Channel, Confidentiality
from domain.customers import Purpose, Tier
from domain.hours import ContactWindow
from domain.journey_changes import after_words, changes
from domain.journeys import After, Anchor, Branch, Condition, Entry, EventName, Journey, Seen, Step

SET_UP = Seen(EventName.FEATURE_USED, "setup")
WELCOME = Step("welcome", message="hello", by=(Channel.MAIL,), basis=Basis.SERVICE)
STARTED = Step("started", After(Anchor.ENTRY, days=3), branch=(Branch("video", Condition(SET_UP)), Branch("end")))
VIDEO = Step("video", After(days=1, at=time(10)), message="video", by=(Channel.MAIL, Channel.SMS))
CALL = Step("call", ask="Call them")
OLD = Journey(
    "onboarding",
    1,
    "New customers",
    Purpose.ONBOARDING,
    Entry(EventName.ACTIVATED),
    (WELCOME, STARTED, VIDEO, CALL),
    goal=Seen(EventName.GOAL_REACHED),
    exits=(Seen(EventName.CHURNED),),
    window=ContactWindow(time(9), time(19)),
    links={"video": "https://a.example"},
)


def told(new: Journey) -> list[str]:
    return [str(change) for change in changes(OLD, new)]


def with_step(step: Step) -> Journey:
    return replace(OLD, steps=tuple(step if step.id == one.id else one for one in OLD.steps))


def test_the_same_journey_changes_nothing() -> None:
    assert told(replace(OLD, version=2, about="Everybody new")) == []


@pytest.mark.parametrize(
    ("new", "words"),
    [
        (lambda: replace(OLD, purpose=Purpose.MARKETING), "the consent it rests on: marketing instead of onboarding"),
        (lambda: replace(OLD, enters=Entry(EventName.ACTIVATED, first_only=False, again_after_days=90)),
         "who enters: any customer.activated, again after 90 days, everybody instead of the first customer.activated, "
         "everybody"),
        (lambda: replace(OLD, goal=None), "the goal: nothing instead of goal.reached"),
        (lambda: replace(OLD, exits=(*OLD.exits, Seen(EventName.REPLIED))),
         "whoever has done customer.replied leaves from now on"),
        (lambda: replace(OLD, exits=()), "whoever has done customer.churned does not leave any more"),
        (lambda: replace(OLD, window=None),
         "hours for customers who stated none: any hour of the day instead of 09:00 to 19:00"),
        (lambda: replace(OLD, links={"video": "https://b.example"}),
         "the link video leads to https://b.example instead of https://a.example"),
        (lambda: with_step(replace(VIDEO, after=After(days=2, at=time(10)))),
         "video: comes 2 days after the step before, at 10:00 instead of 1 day after the step before, at 10:00"),
        (lambda: with_step(replace(VIDEO, by=(Channel.PUSH, Channel.MAIL))),
         "video: goes by push, mail instead of mail, sms"),
        (lambda: with_step(replace(VIDEO, message="film")),
         "video: does something else: message film instead of message video"),
        (lambda: with_step(replace(VIDEO, basis=Basis.SERVICE)),
         "video: rests on basis service instead of basis proactive"),
        (lambda: with_step(replace(VIDEO, confidentiality=Confidentiality.PERSONAL)),
         "video: is personal instead of open"),
        (lambda: with_step(replace(VIDEO, when=Condition(tier=frozenset({Tier.VIP})))),
         "video: is for tier is vip instead of everybody"),
        (lambda: with_step(replace(VIDEO, skip_when=Condition(SET_UP))),
         "video: is skipped for has done feature.used (setup) instead of nobody"),
        (lambda: with_step(replace(VIDEO, sooner_on=SET_UP)),
         "video: comes at once for whoever has done feature.used (setup) instead of nothing"),
        (lambda: with_step(replace(VIDEO, pointless_after_hours=48)),
         "video: is pointless after 48 hours instead of no time at all"),
        (lambda: with_step(replace(CALL, ask="Write to them")), "call: asks Write to them instead of Call them"),
    ],
)  # fmt: skip
def test_one_change_is_one_sentence(new: Callable[[], Journey], words: str) -> None:
    assert told(new()) == [words]


def test_steps_that_come_go_and_move_are_named_with_what_follows() -> None:
    tips = Step("tips", After(days=4), message="tips", by=(Channel.MAIL,), when=Condition(tier=frozenset({Tier.BASIC})))
    assert told(replace(OLD, steps=(WELCOME, VIDEO, STARTED, tips))) == [
        "welcome: is followed by video instead of started",
        "video: is followed by started instead of call",
        "tips: is new: tips by mail, 4 days after the step before, for: tier is basic",
        "call: is gone (a colleague is asked)",
        "started: stands after video now; it stood before it",
    ]


def test_branches_are_compared_as_a_whole() -> None:
    [change] = told(with_step(replace(STARTED, branch=(Branch("call", Condition(SET_UP)), Branch("end")))))[:1]
    assert change == (
        "started: parts the ways: call for has done feature.used (setup); end for everybody "
        "instead of video for has done feature.used (setup); end for everybody"
    )


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (After(), "at once"),
        (After(at=time(9)), "at 09:00 next"),
        (After(Anchor.ENTRY, days=2, hours=1), "2 days 1 hour after the customer entered"),
        (After(Anchor.ENDING, days=-7, at=time(10)), "7 days before what they have ends, at 10:00"),
        (After(Anchor.ENDING, at=time(10)), "when what they have ends, at 10:00"),
        (After(minutes=30), "30 minutes after the step before"),
    ],
)
def test_waits_in_words(after: After, words: str) -> None:
    assert after_words(after) == words
