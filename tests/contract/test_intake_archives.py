"""How each survey tool is asked for more than one page: every answer is seen, and nothing asked for twice in vain."""

from datetime import UTC, datetime
from typing import Any

import pytest
from outside_vendor import Outside, answer
from test_intakes import archive
from vendor_specimens import recorded

from domain.actions import Capability
from integrations.errors import ContractViolation
from integrations.ports import Announced
from integrations.registry import discover

SINCE = datetime(2026, 3, 1, 8, tzinfo=UTC)
KNOWN = discover()[Capability.SURVEY_INTAKE]


async def asked_for(asked: Any) -> list[bytes]:
    return [body async for page in asked.since(SINCE) for body in page]


def form(number: int, second: int) -> dict[str, Any]:
    [item] = recorded(KNOWN["typeform"])["archive"]["pages"][0]["items"]
    return {**item, "token": f"t-{number}", "submitted_at": f"2026-03-01T09:00:{second:02}Z"}


async def test_typeform_is_asked_backwards_from_the_oldest_it_has_shown(outside: Outside) -> None:
    asked, reader = archive(KNOWN["typeform"], outside)
    first = {"items": [form(number, 50 - number // 4) for number in range(100)]}
    outside.replies(answer(200, first), answer(200, {"items": [form(99, 26), form(100, 25)]}))
    responses = [reader.read(body).response_id for body in await asked_for(asked)]
    assert set(responses) == {f"t-{number}" for number in range(101)}
    queries = [request.query for request in outside.requests]
    assert [query.get("until") for query in queries] == [None, "2026-03-01T09:00:26"]
    assert {query["since"] for query in queries} == {"2026-03-01T08:00:00"}
    assert outside.requests[0].path == "/forms/lT4Z3j/responses"
    await asked.aclose()


async def test_typeform_never_turns_in_a_circle(outside: Outside) -> None:
    asked, _ = archive(KNOWN["typeform"], outside)
    outside.answers(200, {"items": [form(number, 7) for number in range(100)]})
    with pytest.raises(ContractViolation, match="in one second"):
        await asked_for(asked)
    assert len(outside.requests) == 2
    await asked.aclose()


async def test_delighted_is_asked_page_by_page_with_its_people(outside: Outside) -> None:
    asked, reader = archive(KNOWN["delighted"], outside)
    [item] = recorded(KNOWN["delighted"])["archive"]["pages"][0]
    first = [{**item, "id": str(number)} for number in range(100)]
    outside.replies(answer(200, first), answer(200, [{**item, "id": "100"}]))
    assert [reader.read(body).response_id for body in await asked_for(asked)] == [str(number) for number in range(101)]
    assert [request.query["page"] for request in outside.requests] == ["1", "2"]
    assert {request.query["expand[]"] for request in outside.requests} == {"person"}
    assert {request.query["updated_since"] for request in outside.requests} == {str(int(SINCE.timestamp()))}
    await asked.aclose()


async def test_surveymonkey_is_asked_page_by_page_and_for_labels_once(outside: Outside) -> None:
    asked, reader = archive(KNOWN["surveymonkey"], outside)
    page, details = recorded(KNOWN["surveymonkey"])["archive"]["pages"]
    [item] = page["data"]
    first = {"data": [{**item, "id": str(number)} for number in range(100)]}
    outside.replies(answer(200, first), answer(200, details), answer(200, {"data": [{**item, "id": "100"}]}))
    assert [reader.read(body).response_id for body in await asked_for(asked)] == [str(number) for number in range(101)]
    assert [request.path.rpartition("/")[2] for request in outside.requests] == ["bulk", "details", "bulk"]
    assert outside.requests[0].query["start_modified_at"] == "2026-03-01T08:00:00+00:00"
    assert [request.query.get("page") for request in outside.requests] == ["1", None, "2"]
    await asked.aclose()


async def test_surveymonkey_is_asked_for_labels_again_when_a_choice_is_new(outside: Outside) -> None:
    asked, reader = archive(KNOWN["surveymonkey"], outside)
    response, details = recorded(KNOWN["surveymonkey"])["archive"]["fetched"]
    new = {"id": "9", "text": "9"}
    other = {**response, "pages": [{"questions": [{"id": "319352786", "answers": [{"choice_id": "9"}]}]}]}
    changed = {"pages": [{"questions": [{"answers": {"choices": [new]}}, {"answers": None}]}]}
    outside.replies(answer(200, response), answer(200, details), answer(200, other), answer(200, changed))
    announced = Announced("105723396", "5007154325")
    assert [reader.read(await asked.fetch(announced)).score for _ in range(2)] == [2, 9]
    await asked.aclose()
