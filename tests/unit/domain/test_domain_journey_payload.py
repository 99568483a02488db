"""What a step's action carries, whoever it is for."""

from datetime import time

from domain.channels import Channel, Confidentiality
from domain.customers import Purpose
from domain.hours import ContactWindow
from domain.journey_payload import STEP_SCHEMA, step_payload, step_wordings, window_of
from domain.journeys import Entry, EventName, Journey, Step

GUIDE = Step("guide", message="onboarding-guide", by=(Channel.MAIL,), confidentiality=Confidentiality.PERSONAL)
CHECK_IN = Step("check-in", ask="see how they get on", by=(Channel.PERSON,))


def a_journey(window: ContactWindow | None = None) -> Journey:
    return Journey(
        "onboarding",
        3,
        "new customers",
        Purpose.ONBOARDING,
        Entry(EventName.ACTIVATED),
        (GUIDE, CHECK_IN),
        window=window,
        links={"guide": "https://example.com/guide"},
    )


def test_a_message_carries_the_words_of_every_language() -> None:
    payload = step_payload(a_journey(), GUIDE, {"pl": "a1", "cs": "b2"})
    assert payload.as_json() == {
        "schema": STEP_SCHEMA,
        "template": "onboarding-guide",
        "template_hash": None,
        "params": {
            "journey": "onboarding",
            "version": 3,
            "step": "guide",
            "purpose": "onboarding",
            "confidentiality": "personal",
            "links": {"guide": "https://example.com/guide"},
            "wordings": {"pl": "a1", "cs": "b2"},
        },
    }


def test_a_colleagues_task_carries_what_is_asked() -> None:
    payload = step_payload(a_journey(), CHECK_IN, {})
    assert payload.template is None
    assert payload.params["ask"] == "see how they get on"
    assert "wordings" not in payload.params


def test_the_journeys_hours_come_back() -> None:
    evening = ContactWindow(time(17), time(19, 30))
    assert window_of(step_payload(a_journey(evening), GUIDE, {}).params) == evening
    assert window_of(step_payload(a_journey(), GUIDE, {}).params) is None


def test_only_approved_words_in_our_languages() -> None:
    approved = {("onboarding-guide", "pl"): "a1", ("onboarding-guide", "de"): "c3", ("welcome", "cs"): "d4"}
    assert step_wordings(approved, GUIDE, ("pl", "cs", "en")) == {"pl": "a1"}
    assert step_wordings(approved, CHECK_IN, ("pl", "cs", "en")) == {}
