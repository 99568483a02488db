"""What customers do and allow, and what becomes of messages: read from the generic format, or refused in words."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from journey_stage import ANNA, NOON, activated, event, news

from data_contracts.events import read_standard
from data_contracts.journey_events import (
    ActivatedTold,
    ConsentChanged,
    CustomerActivated,
    CustomerChurned,
    FeatureUsed,
    GoalReached,
    MessageEvents,
)
from data_contracts.problems import ContractBroken
from domain.actions import Capability
from domain.message_events import MessageNews

KEY = "journey/onboarding/C-1/1/welcome"


def read(body: dict[str, Any]) -> Any:
    return read_standard(json.dumps(body).encode())


def problems(body: dict[str, Any]) -> dict[str, str]:
    with pytest.raises(ContractBroken) as broken:
        read(body)
    return {one.path: one.problem for one in broken.value.problems}


@pytest.mark.parametrize(
    ("body", "model", "name"),
    [
        (activated(), CustomerActivated, ""),
        (event("customer.activated", product="Prąd"), CustomerActivated, "Prąd"),
        (event("feature.used", feature=" setup "), FeatureUsed, "setup"),
        (event("goal.reached", goal="settled-in"), GoalReached, "settled-in"),
        (event("customer.churned"), CustomerChurned, ""),
    ],
)
def test_what_a_customer_did_is_read(body: dict[str, Any], model: type[Any], name: str) -> None:
    read_as = read(body)
    assert type(read_as) is model
    assert (read_as.data.name, read_as.data.at, read_as.data.customer.ref) == (name, NOON, "C-1")


def test_an_activation_says_how_to_reach_whoever_it_is() -> None:
    told = read(activated(customer={**ANNA, "device": "token-1", "phone": "+48 601 234 567"})).data
    assert isinstance(told, ActivatedTold)
    customer = told.customer.as_customer()
    assert (customer.email, customer.phone, customer.device) == ("anna@example.com", "+48601234567", "token-1")
    assert (customer.language, customer.time_zone) == ("pl", "Europe/Warsaw")


@pytest.mark.parametrize(
    ("channel", "meant"),
    [
        ("mail", {Capability.MAIL}),
        ("push", {Capability.PUSH}),
        ("all", {Capability.MAIL, Capability.SMS, Capability.VOICE, Capability.PUSH}),
    ],
)
def test_consent_is_for_a_channel_or_for_all(channel: str, meant: set[Capability]) -> None:
    told = read(event("consent.changed", purpose="onboarding", channel=channel, granted=False))
    assert isinstance(told, ConsentChanged)
    assert (set(told.data.channel), len(told.data.channel), told.data.granted) == (meant, len(meant), False)


@pytest.mark.parametrize(
    ("told", "path", "problem"),
    [
        ({"purpose": "onbording"}, "data.purpose", 'is "onbording" (did you mean "onboarding"?)'),
        ({"channel": "person"}, "data.channel", 'is "person"'),
        ({"channel": "al"}, "data.channel", 'is "al" (did you mean "all"?)'),
        ({"granted": "false"}, "data.granted", "is text, not true or false"),
        ({"granted": None}, "data.granted", "is null, not true or false"),
        ({"at": "yesterday"}, "data.at", "is not an ISO 8601 time"),
        ({"customer": {"email": "anna@example.com"}}, "data.customer.ref", "is missing"),
    ],
)
def test_what_is_wrong_with_a_consent_is_said(told: dict[str, Any], path: str, problem: str) -> None:
    said = {"purpose": "onboarding", "channel": "mail", "granted": False}
    body = event("consent.changed")
    body["data"] |= {**said, **told}
    assert problems(body) == {path: problem}


def test_a_feature_without_a_name_says_nothing() -> None:
    assert problems(event("feature.used")) == {"data.feature": "is missing"}


@pytest.mark.parametrize("what", ["delivered", "opened", "clicked", "complained"])
def test_what_becomes_of_a_message_is_read(what: str) -> None:
    body = news(what, KEY, address="anna@example.com")
    told = read(body)
    assert isinstance(told, MessageEvents)
    (one,) = told.told
    assert (one.message, one.what, one.at, one.is_permanent) == (KEY, MessageNews(what), NOON, False)
    assert (one.address, json.loads(one.body), told.refused) == ("anna@example.com", body, ())


@pytest.mark.parametrize(("kind", "is_permanent"), [("hard", True), ("soft", False)])
def test_a_bounce_is_hard_or_soft(kind: str, is_permanent: bool) -> None:
    (one,) = read(news("bounced", KEY, kind=kind)).told
    assert (one.what, one.is_permanent) == (MessageNews.BOUNCED, is_permanent)


def test_a_bounce_must_say_which() -> None:
    assert problems(news("bounced", KEY)) == {"data.kind": "is missing"}
    assert problems(news("bounced", KEY, kind="block")) == {"data.kind": 'is "block"'}


@pytest.mark.parametrize("key", ["", " ", "a\nb", 7, "k" * 1001])
def test_a_key_is_one_line_of_ours(key: object) -> None:
    assert list(problems(news("opened", key))) == ["data.message"]


def test_times_are_read_in_utc() -> None:
    told = event("customer.churned")
    told["data"]["at"] = "2026-03-04T13:00:00+02:00"
    assert read(told).data.at == datetime(2026, 3, 4, 11, tzinfo=UTC)
