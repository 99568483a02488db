"""Triage by rules: what it says, how sure it is, and how right it is on examples/messages.jsonl, by language."""

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from data_contracts.policy import load_policy
from domain.distress import Category
from domain.messages import Message
from domain.policy import Policy
from domain.triage import Acknowledge, Topic, TriageRules, Urgency, find_language, triage

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 3, 4, 11, tzinfo=UTC)


@pytest.fixture(scope="module")
def policy() -> Policy:
    """The policy that ships."""
    path = ROOT / "deployments" / "policy.yaml"
    return load_policy(path.read_text(encoding="utf-8"), str(path))


def _message(text: str, **more: Any) -> Message:
    return Message("web", "m-1", None, text, NOW, **more)


def _labelled(language: str) -> list[dict[str, Any]]:
    lines = (ROOT / "examples" / "messages.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["language"] == language]


@pytest.mark.parametrize(("language", "sorted_at_least"), [("pl", 34), ("cs", 32), ("en", 33)])
def test_rules_are_as_right_as_they_were_measured(policy: Policy, language: str, sorted_at_least: int) -> None:
    fates: Counter[str] = Counter()
    for row in _labelled(language):
        found = triage(_message(row["text"]), policy.triage, policy.distress)
        assert found.language == language, row["text"]
        assert (found.urgency is Urgency.URGENT) == row["urgent"], row["text"]
        if not found.is_sure(policy.triage):
            fates["left to a person"] += 1
        else:
            fates["right" if found.topic == row["category"] else "wrong"] += 1

    assert fates.total() == 39
    assert fates["right"] >= sorted_at_least
    assert fates["wrong"] == 0


@pytest.mark.parametrize("language", ["pl", "cs", "en"])
def test_sentences_that_rules_were_not_written_for_are_sorted_right_or_left_to_a_person(
    policy: Policy, language: str
) -> None:
    held_out = [row for row in _labelled(language) if row["held_out"]]
    found = [(row, triage(_message(row["text"]), policy.triage, policy.distress)) for row in held_out]
    sure = [(row, one) for row, one in found if one.is_sure(policy.triage)]

    assert len(sure) >= 14
    assert all(one.topic == row["category"] for row, one in sure)


@pytest.mark.parametrize(
    ("text", "confidence"), [("my parcel", 0.67), ("my parcel and its courier", 0.8), ("my parcel, my invoice", 0.4)]
)
def test_confidence_grows_with_what_agrees_and_falls_with_what_does_not(
    policy: Policy, text: str, confidence: float
) -> None:
    found = triage(_message(text), policy.triage, policy.distress)

    assert found.confidence == confidence
    assert found.is_sure(policy.triage) == (confidence >= 0.6)


def test_a_message_that_says_nothing_known_is_left_to_a_person(policy: Policy) -> None:
    found = triage(_message("xyzzy"), policy.triage, policy.distress)

    assert (found.topic, found.confidence, found.language) == (None, 0.0, None)
    assert not found.is_sure(policy.triage)


@pytest.mark.parametrize(
    ("text", "calls"),
    [
        ("I am furious, answer me immediately", True),
        ("I am furious", False),
        ("answer me immediately", False),
        ("My husband passed away and I do not know what to do with the contract", True),
    ],
)
def test_distress_calls_for_a_case_and_so_does_anger_that_cannot_wait(policy: Policy, text: str, calls: bool) -> None:
    assert triage(_message(text), policy.triage, policy.distress).calls_for_case is calls


def test_distress_is_urgent_and_named(policy: Policy) -> None:
    found = triage(_message("Mój mąż zmarł w zeszłym tygodniu."), policy.triage, policy.distress)

    assert found.distress is not None
    assert (found.distress.category, found.urgency) == (Category.BEREAVEMENT, Urgency.URGENT)


def test_a_robot_is_neither_angry_nor_in_distress(policy: Policy) -> None:
    robot = _message("I am in hospital and furious, call immediately", is_automatic=True)
    found = triage(robot, policy.triage, policy.distress)

    assert not found.calls_for_case
    assert found.urgency is Urgency.NORMAL


def test_the_subject_counts_too(policy: Policy) -> None:
    message = Message("web", "m-1", "Invoice", "please send it again", NOW)

    assert triage(message, policy.triage, policy.distress).topic is Topic.BILLING


@pytest.mark.parametrize(
    ("text", "language"),
    [("Kde je moje zásilka?", "cs"), ("Gdzie jest moja paczka?", "pl"), ("Where is it", "en"), ("12345", None)],
)
def test_the_language_is_that_of_most_words(text: str, language: str | None) -> None:
    assert find_language(text) == language


def test_rules_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match=r"confident_at_least is 1\.5"):
        TriageRules(1.5, Acknowledge.NOBODY, {}, {}, {})
    with pytest.raises(ValueError, match="other has no phrases"):
        TriageRules(0.5, Acknowledge.NOBODY, {Topic.OTHER: {"en": ("thanks",)}}, {}, {})
