"""What must fail before a customer may enter a journey: ways that lead nowhere, missing words, no way out (P28)."""

import re

import pytest

from data_contracts.journeys import JourneyFile, read_journey
from domain.policy import Policy
from templates.journey_checks import check_journey
from templates.journey_files import JOURNEYS
from templates.library import Template, load

SHIPPED = (JOURNEYS / "onboarding.yaml").read_text(encoding="utf-8")
TEMPLATES = load()


def changed(*changes: tuple[str, str]) -> JourneyFile:
    text = SHIPPED
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return read_journey(text, "onboarding.yaml")


def said(policy: Policy, *changes: tuple[str, str], templates: list[Template] = TEMPLATES) -> list[str]:
    return [str(problem) for problem in check_journey(changed(*changes), templates, policy)]


def test_the_shipped_journey_is_right(policy: Policy) -> None:
    assert said(policy) == []


@pytest.mark.parametrize(
    ("old", "new", "there", "what"),
    [
        # ways
        ("    then: knowledge-base\n", "    then: knowlege-base\n", "then:",
         'there is no step "knowlege-base" (did you mean "knowledge-base"?): write a step\'s id or end'),
        ("- to: need-a-hand", "- to: need-hand", "to:", '(did you mean "need-a-hand"?)'),
        ("at_goal: thanks", "at_goal: thankyou", "at_goal:", 'there is no step "thankyou" (did you mean "thanks"?)'),
        ("goal: {event: goal.reached, named: settled-in}\n", "", "at_goal:", "there is no goal to reach"),
        ("    then: knowledge-base\n", "    then: video-guide\n", "then:", "mistakes leads back to video-guide"),
        ("    then: end\n", "    then: thanks\n", "id: thanks", "thanks is come to without the goal as well"),
        ("    then: knowledge-base\n", "    sooner_on: {event: message.opened, named: onboarding/hello}\n", "named:",
         'there is no step "hello"'),
        ("    branch:\n", "    branch:\n      - to: end\n", "to: mistakes", "nobody goes to mistakes here"),
        ("    pointless_after_hours: 168\n", "    then: end\n", "id: check-in", "nobody ever comes to check-in"),
        ("  - id: check-in\n", "  - id: thanks\n", "id: thanks", '"thanks" is the id of an earlier step'),
        ("  - id: check-in\n", "  - id: end\n", "id: end", '"end" is no id'),
        ("  - id: call\n", "  - id: Call me\n", "id: Call", '"Call me" is no id'),
        # what says nothing, or contradicts itself
        ("    branch:\n", "    by: [mail]\n    branch:\n", "by:", "says nothing of a step with `branch`"),
        ("    when: {tier: [vip, core]}\n", "    basis: service\n", "basis:", "says nothing of a step with `ask`"),
        ("  first_only: true", "  again_after_days: 90 #", "again_after_days:", "nobody enters again: first_only"),
        ("pointless_after_hours: 168", "pointless_after_hours: 0", "pointless_after_hours:", "is below 1"),
        ("version: 1", "version: 0", "version:", "is below 1: begin with 1"),
        ("video: https://", "video: http://", "video:", "does not begin with https://"),
        ("  video: https://", "  vidoe: https://", "message: onboarding-video-guide",
         '"links.video" is no parameter (did you mean "links.vidoe"?)'),
        ("tier: [basic]", "language: [cz]", "language:", 'nobody is written to in "cz": the policy'),
        # hours
        ("{starts: 09:00, ends: 19:00}", "{starts: 21:00, ends: 07:00}", "window:",
         "never opens: it lies in quiet hours (20:00 to 08:00)"),
        ("days: 3, at: 17:00", "days: 3, at: 21:00", "at: 21:00", "21:00 lies in quiet hours: nothing is sent then"),
        ("days: 3, at: 17:00", "days: 3, at: 19:30", "at: 19:30", "19:30 lies outside the window"),
        # words
        ("onboarding-mistakes", "onboarding-mistake", "message:", '(did you mean "onboarding-mistakes"?)'),
        ("by: [voice]", "by: [mail]", "mail]", "onboarding-call has no words for mail"),
        ("by: [mail, push, sms]", "by: [mail, push, voice]", "voice]",
         "onboarding-video-guide has no spoken words (voice.txt)"),
        ("    by: [voice]\n", "", "id: call", "step call has no channel: add by: ["),
        ("message: onboarding-mistakes", "message: recovery-survey", "message:",
         '"reference" is not given to messages of a journey'),
        ("  video: https://ostoja.example/start/video\n", "", "message:", "links.video"),
        # people
        ("by: [mail, push, sms]", "by: [mail, push, sms]\n    confidentiality: confidential", "mail,",
         "mail carries personal messages at most, and this one is confidential: take mail out"),
        ("by: [mail, push, sms]", "by: [mail, push, sms]\n    confidentiality: personal", "push,",
         "push carries open messages at most"),
        ("by: [mail, push, sms]", "by: [mail, person]", "person]", "nobody would know what to do"),
        ("by: [mail, push, sms]", "by: [mail, push, mail]", "by:", "mail is there twice"),
        ("    then: end\n", "    by: [mail]\n    then: end\n", "mail]", "a colleague is asked by a task, not by mail"),
        ("  - event: customer.replied ", "  # ", "exits:", "no way out to a person"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_named_with_its_place(policy: Policy, old: str, new: str, there: str, what: str) -> None:
    problems = said(policy, (old, new))
    [problem] = [problem for problem in problems if what in problem][:1] or [f"not said: {problems}"]
    line, column = (part.split(" ")[1] for part in problem.split(", ")[:2])
    assert SHIPPED.replace(old, new).splitlines()[int(line) - 1][int(column) - 1 :].startswith(there), problem
    assert what in problem


@pytest.mark.parametrize("language", ["pl", "cs", "en"])
def test_a_missing_language_is_named(policy: Policy, language: str) -> None:
    left = [one for one in TEMPLATES if (one.name, one.language) != ("onboarding-thanks", language)]
    [problem] = said(policy, templates=left)
    assert f"onboarding-thanks has no words in {language}: add templates/messages/onboarding-thanks" in problem


@pytest.mark.parametrize("message", sorted({one.name for one in TEMPLATES if one.name.startswith("onboarding-")}))
def test_each_way_to_a_person_that_is_deleted_is_missed_at_its_step(policy: Policy, message: str) -> None:
    """Promise P28: every node of the journey offers one, in every language, over every channel."""
    deleted = 0
    for template in [one for one in TEMPLATES if one.name == message]:
        for part, words in template.parts.items():
            for way in ("phone", "mail"):
                without = re.sub(rf"\{{\{{ human\.{way}( \| \w+)? \}}\}}", "", words)
                if without == words:
                    continue
                changed_one = Template(template.name, template.language, {**template.parts, part: without})
                others = [one for one in TEMPLATES if one != template]
                problems = said(policy, templates=[*others, changed_one])
                assert any(f"by {way}" in one and f"{message}/{template.language}/" in one for one in problems), part
                assert all(".message: " in one for one in problems)
                deleted += 1
    assert deleted >= (3 if message == "onboarding-call" else 15)
