"""Journey files: every mistake is named with its place, and editors know what may be written."""

import json
from collections.abc import Iterator
from datetime import time
from typing import Any

import jsonschema
import pytest

from data_contracts import strict_yaml
from data_contracts.journey_schema import journey_schema, schema_text
from data_contracts.journeys import JourneyProblem, read_journey, stored_journey
from domain.actions import Basis
from domain.channels import Channel
from domain.customers import Tier
from domain.journeys import After, Anchor, EventName, Seen
from templates.journey_files import JOURNEYS, load_journey, load_journeys

SHIPPED = (JOURNEYS / "onboarding.yaml").read_text(encoding="utf-8")
MISTAKES = [
    ("purpose: onboarding", "purpse: onboarding", "purpse:", "purpse", 'no such key (did you mean "purpose"?)'),
    ("purpose: onboarding", "purpose: onbording", "purpose:", "purpose", '(did you mean "onboarding"?)'),
    ("  on: customer.activated", "  on: customer.actvated", "on:", "enters.on", '(did you mean "customer.activated"?)'),
    ("[mail, push, sms]", "[mial, push, sms]", "mial,", "steps.1.by.0", '(did you mean "mail"?)'),
    ("tier: [basic]", "tier: [basci]", "basci]", "steps.5.when.tier.0", '(did you mean "basic"?)'),
    ("{of: entry, days: 1, at: 10:00}", "{of: entry, day: 1}", "day:", "steps.1.after.day", '(did you mean "days"?)'),
    ("days: 1, at: 10:00}\n    message: onboarding-v", "days: 1, at: 10h}\n    message: onboarding-v", "at: 10h",
     "steps.1.after.at", "is not a time of day"),
    ("basis: service\n    by: [mail, sms", "basis: servce\n    by: [mail, sms", "basis:", "steps.0.basis", '"service"'),
    ("first_only: true ", "first_only: maybe ", "first_only:", "enters.first_only", "is not true or false"),
    ("  ask: >-", "  message: x\n    ask: >-", "id: check-in", "steps.7", "step check-in has message and ask"),
    ("days: 21", "days: -21", "after: {of: entry, days: -21", "steps.7.after", "one counted from an ending may"),
    ("named: settled-in}", "named: settled-in, times: 0}", "goal:", "goal", "must be 1 or more"),
]  # fmt: skip


def changed(*changes: tuple[str, str]) -> str:
    text = SHIPPED
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return text


def test_shipped_journey_says_what_the_design_promises() -> None:
    [file] = load_journeys()
    journey = file.journey
    assert journey.enters.on is EventName.ACTIVATED
    assert journey.enters.first_only
    assert journey.goal == Seen(EventName.GOAL_REACHED, "settled-in")
    assert {exit_.event for exit_ in journey.exits} == {EventName.CHURNED, EventName.REPLIED}
    assert journey.step("welcome").basis is Basis.SERVICE
    assert journey.step("welcome").after == After()
    assert journey.step("video-guide").after == After(Anchor.ENTRY, days=1, at=time(10))
    assert journey.step("check-in").by == (Channel.PERSON,)
    assert journey.step("check-in").when.tier == {Tier.VIP, Tier.CORE}


@pytest.mark.parametrize(("old", "new", "there", "path", "said"), MISTAKES)
def test_mistake_is_named_with_its_place(old: str, new: str, there: str, path: str, said: str) -> None:
    text = changed((old, new))
    with pytest.raises(JourneyProblem) as caught:
        read_journey(text, "onboarding.yaml")
    [problem] = caught.value.problems
    line, column, dotted = problem.path.split(", ")
    assert dotted == path
    marked = text.splitlines()[int(line.removeprefix("line ")) - 1][int(column.removeprefix("column ")) - 1 :]
    assert marked.startswith(there)
    assert said in f"{problem.problem}: {problem.fix}"
    assert str(caught.value).startswith("onboarding.yaml cannot be used:")


def test_content_that_is_kept_is_the_same_journey() -> None:
    [file] = load_journeys()
    assert stored_journey(json.loads(json.dumps(file.content))) == file.journey


def test_a_file_is_called_as_its_journey(tmp_path: Any) -> None:
    path = tmp_path / "welcome.yaml"
    path.write_text(SHIPPED, encoding="utf-8")
    with pytest.raises(JourneyProblem, match='name: is "onboarding": write welcome, or call the file'):
        load_journey(path)
    path.write_bytes("name: żółw".encode("cp1250"))
    with pytest.raises(JourneyProblem, match="is not UTF-8"):
        load_journey(path)


def test_published_schema_is_the_one_of_the_code() -> None:
    assert (JOURNEYS / "journey.schema.json").read_text(encoding="utf-8") == schema_text()
    assert SHIPPED.startswith("# yaml-language-server: $schema=journey.schema.json\n")


def test_schema_takes_the_shipped_journey_and_explains_every_key() -> None:
    schema = journey_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert not list(_objections(SHIPPED))
    for definition in (schema, *schema["$defs"].values()):
        for key, value in definition.get("properties", {}).items():
            assert value["description"], key


@pytest.mark.parametrize("mistake", [mistake for mistake in MISTAKES if mistake[0] not in {
    "  ask: >-", "days: 21", "named: settled-in}"}], ids=lambda mistake: mistake[1])  # fmt: skip
def test_schema_refuses_in_the_editor_what_the_reader_refuses(mistake: tuple[str, ...]) -> None:
    assert list(_objections(changed((mistake[0], mistake[1]))))


def _objections(text: str) -> Iterator[Any]:
    validator: Any = jsonschema.Draft202012Validator(journey_schema())
    return validator.iter_errors(strict_yaml.parse(text).value)  # type: ignore[no-any-return]
