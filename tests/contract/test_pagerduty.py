"""PagerDuty: one alert a key, its severities, and a check that wakes nobody."""

import json
from typing import Any

import pytest
from aiohttp import web
from outside_vendor import Outside
from published_specs import hold
from vendor_specimens import KEY, SECRET, recorded, serving

from domain.actions import WriteClass
from integrations.alert.pagerduty import INTEGRATION
from integrations.ports import Alert, Receipt

SPEC = "pagerduty_events_v2.json"
EVENT = "paths /enqueue post requestBody content application/json schema"
ALERT = Alert("Nobody has taken 3 cases", "critical", "http://127.0.0.1:8100/cases", {"cases": 3})


async def raised(outside: Outside, alert: Alert = ALERT, key: str = KEY) -> tuple[dict[str, Any], Receipt]:
    """What is sent for an alert, and its receipt."""

    async def reply(request: Any) -> Any:
        key = json.loads(outside.bodies[-1])["dedup_key"]
        return web.json_response({"status": "success", "message": "Event processed", "dedup_key": key}, status=202)

    outside.replies(reply)
    port = serving(INTEGRATION, outside.url).port
    receipt = await port.raise_alert(alert, key=key)
    await port.aclose()
    return json.loads(outside.bodies[-1]), receipt


async def test_an_alert_is_told_with_its_key_its_place_and_its_facts(outside: Outside) -> None:
    sent, receipt = await raised(outside)
    assert outside.requests[0].path == "/v2/enqueue"
    assert (sent["routing_key"], sent["event_action"], sent["dedup_key"]) == (SECRET, "trigger", KEY)
    assert sent["payload"]["custom_details"] == {"cases": 3, "key": KEY}
    assert sent["links"] == [{"href": ALERT.link, "text": "Where to act"}]
    assert receipt.external_id == KEY
    assert INTEGRATION.write_class(None, "raise_alert") is WriteClass.B


async def test_further_links_come_after_the_first_by_their_names(outside: Outside) -> None:
    alert = Alert("Ewa Lis: …", "warning", "https://care.example/reviews/7", {}, {"Decide": "https://care.example/l"})
    sent, _ = await raised(outside, alert)
    assert sent["links"] == [
        {"href": "https://care.example/reviews/7", "text": "Where to act"},
        {"href": "https://care.example/l", "text": "Decide"},
    ]
    hold(SPEC, EVENT, sent)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("critical", "critical"), ("error", "error"), ("warning", "warning"), ("info", "info"), ("odd", "critical")],
)
async def test_a_severity_nobody_knows_wakes_people_rather_than_not(ours: str, theirs: str, outside: Outside) -> None:
    sent, _ = await raised(outside, Alert("x", ours, ""))
    assert sent["payload"]["severity"] == theirs
    assert sent["links"] == []


async def test_a_long_key_is_shortened_to_one_that_stays_the_same(outside: Outside) -> None:
    keys = [f"case/{'x' * 300}/{number}/page" for number in (1, 1, 2)]
    short = [(await raised(outside, key=key))[1].external_id for key in keys]
    assert short[0] == short[1] != short[2]
    assert all(len(key) <= 255 for key in short)


async def test_a_long_summary_is_cut_to_what_pagerduty_takes(outside: Outside) -> None:
    sent, _ = await raised(outside, Alert("x" * 2000, "info", ""))
    assert len(sent["payload"]["summary"]) == 1024


async def test_a_check_opens_no_alert(outside: Outside) -> None:
    outside.answers(202, recorded(INTEGRATION)["health"])
    port = serving(INTEGRATION, outside.url).port
    assert (await port.check()).ok
    sent = json.loads(outside.bodies[-1])
    assert (sent["event_action"], "payload" in sent) == ("resolve", False)
    outside.answers(400, {"status": "invalid event", "errors": ["Length of 'routing_key' is incorrect"]})
    assert "routing_key" in (await port.check()).problem
    await port.aclose()


async def test_it_is_as_pagerduty_publishes_it(outside: Outside) -> None:
    for alert in (ALERT, Alert("x", "odd", "", {})):
        hold(SPEC, EVENT, (await raised(outside, alert))[0])
    port = serving(INTEGRATION, outside.url).port
    await port.check()
    await port.aclose()
    hold(SPEC, EVENT, json.loads(outside.bodies[-1]))
    answered = "components responses Success content application/json schema"
    hold(SPEC, answered, recorded(INTEGRATION)["writes"]["raise_alert"]["body"])
