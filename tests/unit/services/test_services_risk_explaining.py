"""Which rules ask about a subject, with their facts beside the thresholds: of what waits, and of what might come."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from endings_stage import ANNA, COVER, Endings
from ledger_world import NOTHING_IS_RISKY, a_message

from domain.actions import Capability
from domain.customers import Tier
from domain.entitlements import EntitlementKind
from domain.gates import GateVerdict
from domain.planning import Payload
from domain.review_rules import Rule
from services.content_reviews import Publication
from services.publishing import publish_journeys, publish_templates
from services.risk_explaining import explain_risks, names_known
from services.risks import enqueue_asked
from store import volumes
from store.ledger.enqueue import About, enqueue
from templates.journey_files import load_journeys
from templates.library import Template, load


class Asked:
    """An installation, and what is said of subjects there."""

    def __init__(self, installation: Any) -> None:
        self.installation, self.endings = installation, Endings(installation)
        publish_journeys(installation.database, load_journeys(), now=installation.clock())

    def of(self, subject: str) -> list[dict[str, Any]]:
        house = self.installation
        return explain_risks(house.database, house.policy, subject, now=house.clock())

    def off(self) -> None:
        """No rule is on."""
        self.installation.policy = replace(self.installation.policy, reviews=NOTHING_IS_RISKY)


def rules(told: Mapping[str, Any]) -> dict[str, tuple[bool, str]]:
    return {one["rule"]: (one["applies"], one["why"]) for one in told["rules"]}


@pytest.fixture
def ask(installation: Any) -> Asked:
    return Asked(installation)


def test_a_customer_is_told_as_calls_and_messages_to_them(ask: Asked) -> None:
    ask.endings.customer(replace(ANNA, tier=Tier.VIP))
    call, message = ask.of("C-1")
    assert call["asks"] == {"risk": "low", "reviewers": 1, "rules": ["vip"]}
    assert rules(call)["vip"] == (True, "the customer's tier is vip")
    assert rules(call)["hardship"] == (False, "the customer told of no distress within 90 days")
    assert message["asks"] is None
    assert rules(message)["vip"] == (
        False,
        "the customer's tier is vip; the rule is about call, and this is a message",
    )
    assert [one["rule"] for one in call["rules"]] == [rule.value for rule in Rule]


def test_an_ending_is_told_as_a_call_about_it(ask: Asked) -> None:
    ending = replace(COVER, kind=EntitlementKind.SUBSCRIPTION)
    ask.endings.save(ask.endings.customer(), ending, gate_id=ask.endings.gate(GateVerdict.WARNINGS))
    now = ask.installation.clock()
    with ask.installation.database.write() as connection:
        volumes.note(connection, {"expiry/subscription/call": 2001}, now=now)
    [told] = ask.of("E/1")
    assert told["what"] == "expiry/subscription/call"
    assert set(told["asks"]["rules"]) == {"gate_warnings", "many_customers"}
    assert (told["asks"]["risk"], told["asks"]["reviewers"]) == ("high", 2)
    assert rules(told)["many_customers"] == (
        True,
        "2001 were planned for expiry/subscription/call within 60 minutes; it begins above 2000",
    )
    assert rules(told)["gate_warnings"] == (True, "the data it rests on passed its gate with warnings")
    assert "it takes 4 weeks" in rules(told)["unusual_volume"][1]
    ask.off()
    [told] = ask.of("E/1")
    assert told["asks"] is None
    assert set(rules(told).values()) == {(False, "it is off")}


def test_an_action_and_its_review_name_each_other(ask: Asked) -> None:
    house, customer = ask.installation, ask.endings.customer(replace(ANNA, tier=Tier.VIP))
    call = a_message("survey/recovery/C-1-1", capability=Capability.VOICE, payload=Payload("call/1", {}))
    policy = replace(
        house.policy.reviews,
        rules=replace(house.policy.reviews.rules, vip=replace_kinds(house.policy.reviews.rules.vip)),
    )
    house.policy = replace(house.policy, reviews=policy)
    about = About(customer)
    with house.database.write() as connection:
        assert enqueue_asked(connection, call, about, house.policy, run="r", now=house.clock())
    [told] = ask.of("survey/recovery/C-1-1")
    assert (told["state"], told["review"]["state"], told["asks"]["rules"]) == ("awaiting_review", "collecting", ["vip"])
    number = told["review"]["review"]
    for subject in (str(number), f"review/{number}"):
        review, example = ask.of(subject)
        assert rules(review)["vip"] == (True, "customers of the highest tier")
        assert rules(review)["hardship"] == (False, "it asked about nothing in this review")
        assert (review["review"]["link"], example["about"]) == (f"/reviews/{number}", told["about"])


def replace_kinds(rule: Any) -> Any:
    return replace(rule, kinds=frozenset({*rule.kinds, a_message().kind}))


def test_no_rule_delays_a_reply(ask: Asked) -> None:
    reply = a_message("survey/x/r-1/acknowledgement", kind="acknowledgement", basis="reply")
    with ask.installation.database.write() as connection:
        enqueue(connection, [reply], About(), run="r", now=ask.installation.clock())
    [told] = ask.of("survey/x/r-1/acknowledgement")
    assert told["asks"] is None
    assert set(rules(told).values()) == {(False, "no rule delays it: it is a reply, or nothing that customers notice")}


def test_a_message_tells_what_a_change_of_it_waits_for(ask: Asked) -> None:
    house = ask.installation
    [told] = ask.of("onboarding-welcome")
    assert (told["asks"]["risk"], told["review"], told["is_planned"]) == ("medium", None, False)
    assert rules(told)["changed_words"] == (False, "nothing that is changed waits")
    assert rules(told)["money_or_apology"] == (False, "its words say none of the phrases")
    house.clock.now += timedelta(minutes=1)
    changed = Template("onboarding-welcome", "en", {"sms.txt": "A refund. {{ human.phone }}"})
    publish_templates(house.database, [changed], now=house.clock(), asks=Publication(house.policy))
    [told] = ask.of("onboarding-welcome")
    assert rules(told)["changed_words"] == (True, "a change waits for the review named here")
    assert told["review"]["state"] == "open"
    ask.off()
    [told] = ask.of("onboarding-welcome")
    assert (told["asks"], rules(told)["changed_words"][1]) == (None, "it is off: a person takes changes into use")


def test_a_journey_is_told_step_by_step(ask: Asked) -> None:
    version, *steps = ask.of("onboarding")
    assert (version["asks"]["risk"], version["asks"]["reviewers"]) == ("high", 2)
    assert [one["what"] for one in steps][:2] == ["journey/onboarding/welcome", "journey/onboarding/video-guide"]
    assert all(rules(one)["vip"][1].startswith("of whom it is about nothing is known") for one in steps)
    assert all(one["asks"] is None for one in steps)


def test_strangers_are_told_nothing_and_names_are_offered(ask: Asked) -> None:
    assert [ask.of(subject) for subject in ("nobody", "99999", "review/0", "²", "9" * 30)] == [[]] * 5
    assert {"onboarding", "acknowledgement"} <= set(names_known(ask.installation.database))
    assert len(names_known(ask.installation.database)) == len({one.name for one in load()}) + 1
