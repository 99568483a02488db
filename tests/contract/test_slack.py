"""Slack: a message that cannot mention anybody, a webhook that is a secret, its words for being gone."""

import json

import pytest
import yaml
from outside_vendor import Outside
from vendor_specimens import KEY, SECRET, serving

from domain.actions import WriteClass
from integrations.alert.slack import INTEGRATION
from integrations.errors import AuthFailed, ConfigurationError, OutcomeUnknown, Rejected
from integrations.ports import Alert
from integrations.registry import load_roster

ALERT = Alert(
    "Nobody has taken <!channel> R&D > 15 min",
    "critical",
    "http://127.0.0.1:8100/cases?state=open&page=1|x>",
    {"waiting_minutes": 15, "team": "<@U1>"},
)


async def test_an_alert_is_text_in_which_nothing_is_a_mention(outside: Outside) -> None:
    outside.answers(200, "ok")
    port = serving(INTEGRATION, outside.url).port
    receipt = await port.raise_alert(ALERT, key=KEY)
    await port.aclose()
    assert receipt.external_id == ""
    assert outside.requests[0].path == f"/services/T01/B02/{SECRET}"
    sent = json.loads(outside.bodies[0])
    assert sent["text"].splitlines() == [
        ":rotating_light: *CRITICAL* Nobody has taken &lt;!channel&gt; R&amp;D &gt; 15 min",
        "• waiting minutes: 15",
        "• team: &lt;@U1&gt;",
        "<http://127.0.0.1:8100/cases?state=open&page=1%7Cx%3E|Where to act>",
        f"`{KEY}`",
    ]
    assert (sent["unfurl_links"], sent["unfurl_media"]) == (False, False)
    assert INTEGRATION.write_class(None, "raise_alert") is WriteClass.D


async def said(outside: Outside, alert: Alert) -> str:
    outside.answers(200, "ok")
    port = serving(INTEGRATION, outside.url).port
    await port.raise_alert(alert, key=KEY)
    await port.aclose()
    text: str = json.loads(outside.bodies[-1])["text"]
    return text


async def test_further_links_stand_below_the_first_by_their_names(outside: Outside) -> None:
    links = {"Decide <review> 7 without signing in": "https://care.example/reviews/7/link/abc|x"}
    lines = (
        await said(outside, Alert("Ewa Lis: …", "warning", "https://care.example/reviews/7", {}, links))
    ).splitlines()
    assert lines[1:3] == [
        "<https://care.example/reviews/7|Where to act>",
        "<https://care.example/reviews/7/link/abc%7Cx|Decide &lt;review&gt; 7 without signing in>",
    ]


async def test_what_is_too_long_for_one_message_keeps_its_links(outside: Outside) -> None:
    """Slack cuts a longer one into several, in the middle of a link if it comes so."""
    detail = {f"review {number}": "x" * 490 for number in range(1, 11)}
    links = {f"Decide review {number} without signing in": f"https://care.example/{'y' * 120}" for number in range(3)}
    text = await said(outside, Alert("Ewa Lis: 10 reviews wait", "warning", "https://care.example", detail, links))
    lines = text.splitlines()
    assert len(text) <= 4_000
    assert lines[0].endswith("Ewa Lis: 10 reviews wait")
    assert lines[lines.index("• …") - 1].startswith("• review 6")
    assert sum(line.startswith("<https://") for line in lines) == 4
    assert lines[-1] == f"`{KEY}`"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (403, "invalid_token"),
        (403, "action_prohibited"),
        (404, "no_service"),
        (404, "no_team"),
        (404, "channel_not_found"),
        (410, "channel_is_archived"),
    ],
)
async def test_a_webhook_that_is_gone_is_renewed_by_a_person(status: int, words: str, outside: Outside) -> None:
    outside.answers(status, words)
    port = serving(INTEGRATION, outside.url).port
    with pytest.raises(AuthFailed, match=rf"the webhook is refused \({words}\): make another, renew KIT_WEBHOOK_URL"):
        await port.raise_alert(ALERT, key=KEY)
    assert words in (await port.check()).problem
    await port.aclose()


async def test_a_message_that_is_refused_is_not_the_webhook(outside: Outside) -> None:
    outside.answers(400, "invalid_payload")
    port = serving(INTEGRATION, outside.url).port
    with pytest.raises(Rejected, match="invalid_payload"):
        await port.raise_alert(ALERT, key=KEY)
    outside.answers(500, "rollup_error")
    with pytest.raises(OutcomeUnknown):
        await port.raise_alert(ALERT, key=KEY)
    await port.aclose()


async def test_a_check_posts_nothing_and_knows_a_webhook_by_how_it_refuses(outside: Outside) -> None:
    port = serving(INTEGRATION, outside.url).port
    for words in ("no_text", "invalid_payload", "missing_text_or_fallback_or_attachments"):
        outside.answers(400, words)
        assert (await port.check()).ok
    assert set(outside.bodies) == {b"{}"}
    outside.answers(400, "something else")
    assert not (await port.check()).ok
    await port.aclose()


async def test_no_error_shows_any_part_of_the_webhooks_address(outside: Outside, nobody: str) -> None:
    port = serving(INTEGRATION, outside.url).port
    outside.answers(404, f"nothing at /services/T01/B02/{SECRET} nor {outside.url}/services/T01/B02/{SECRET}: {SECRET}")
    with pytest.raises(Rejected) as refusal:
        await port.raise_alert(ALERT, key=KEY)
    await port.aclose()
    absent = serving(INTEGRATION, nobody).port
    shown = f"{refusal.value!r} {(await absent.check()).problem} {port!r} {vars(port)}"
    await absent.aclose()
    assert "nothing at" in shown
    for part in (SECRET, "T01", "B02", "services"):
        assert part not in shown


@pytest.mark.parametrize(
    "address",
    [
        "hooks.example/services/T/B/x",
        "https://hooks.example",
        "https://hooks.example/",
        "https://me@hooks.example/services/x",
        "https://hooks.example/services/x?y",
        "https://hooks.example:port/services/x",
        "xoxb-token",
    ],
)
def test_what_is_no_webhook_is_said_without_quoting_it(address: str) -> None:
    section = {"alert": {"vendor": "slack", "webhook_url": "${HOOK}"}}
    with pytest.raises(ConfigurationError, match=r"alert\.webhook_url: is no webhook's address") as refused:
        load_roster(yaml.safe_dump(section), {"HOOK": address})
    assert address not in str(refused.value)
