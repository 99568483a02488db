"""The pages of words: what is in use and what waits, framed so that a mail can do nothing."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from pages_site import EWA, PASSWORD, Site, let_in, read, site_of

from services.content_reviews import Publication
from services.publishing import publish_templates
from templates.library import Template, load

WELCOME = next(one for one in load() if (one.name, one.language) == ("onboarding-welcome", "en"))


@pytest.fixture
async def site(on_sqlite: Any) -> AsyncIterator[Site]:
    """A browser on this machine."""
    async with site_of(on_sqlite) as made:
        yield made


def change(installation: Any, before: str, after: str) -> Template:
    """Publish other words of the welcome, which nobody has approved."""
    parts = {part: source.replace(before, after) for part, source in WELCOME.parts.items()}
    changed = Template(WELCOME.name, WELCOME.language, parts)
    assert publish_templates(installation.database, [changed], now=installation.clock() + timedelta(minutes=1)) == 1
    return changed


async def test_every_message_is_there_in_every_language(site: Site) -> None:
    shown = await site.get("/templates")

    words, _ = read(shown)
    for template in load():
        assert f'href="/templates/{template.name}/{template.language}"' in shown.text
        if "mail.html" in template.parts:
            assert f'src="/templates/{template.name}/{template.language}/mail?dark=0&amp;waiting=0"' in shown.text
    assert shown.text.count("<iframe") == shown.text.count(" sandbox title=") == 36
    assert "waits for approval" not in words


async def test_a_message_is_shown_by_each_of_its_channels(site: Site, on_sqlite: Any) -> None:
    words, _ = read(await site.get("/templates/onboarding-welcome/en"))

    phone = on_sqlite.policy.human["en"].phone
    for fact in (
        "in use",
        "Your account is ready: what happens next",
        f"Phone: {phone}",
        "1 part:",
        "places in GSM-7",
        "a touch opens the app",
    ):
        assert fact in words
    called, _ = read(await site.get("/templates/onboarding-call/cs"))
    assert "tady automatický asistent společnosti" in called


@pytest.mark.parametrize(("dark", "rule"), [(0, "@media not all"), (1, "@media all")])
async def test_a_framed_mail_runs_and_loads_nothing(site: Site, dark: int, rule: str) -> None:
    shown = await site.get(f"/templates/onboarding-welcome/en/mail?dark={dark}")

    policy = shown.headers["content-security-policy"]
    assert set(policy.split("; ")) == {
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "form-action 'none'",
        "base-uri 'none'",
        "frame-ancestors 'self'",
        "sandbox",
    }
    assert shown.headers["referrer-policy"] == "no-referrer"
    assert rule in shown.text
    assert "(prefers-color-scheme" not in shown.text
    assert "Your account with" in read(shown)[0]


async def test_words_that_wait_are_shown_beside_those_in_use(site: Site, on_sqlite: Any) -> None:
    changed = change(on_sqlite, "is ready", "has been made ready")

    listed = await site.get("/templates")
    assert listed.text.count("waits for approval") == 1
    assert 'href="/templates/onboarding-welcome/en?waiting=1"' in listed.text
    assert "has been made ready" not in (await site.get("/templates/onboarding-welcome/en")).text
    waiting = await site.get("/templates/onboarding-welcome/en?waiting=1")
    assert "has been made ready" in waiting.text
    assert changed.hash[:12] in waiting.text
    assert "has been made ready" in (await site.get("/templates/onboarding-welcome/en/mail?waiting=1")).text
    assert "has been made ready" not in (await site.get("/templates/onboarding-welcome/en/mail")).text


@pytest.mark.parametrize(
    "path",
    ["/templates/onboarding-welcom/en", "/templates/onboarding-welcome/xx", "/templates/onboarding-call/en/mail"],
)
async def test_what_there_is_not_is_said(site: Site, path: str) -> None:
    shown = await site.get(path)

    assert (shown.status_code, "No such wording" in shown.text) == (404, True)


async def test_words_are_for_those_who_sign_in(on_sqlite: Any) -> None:
    let_in(on_sqlite)
    async with site_of(on_sqlite) as site:
        for path in ("/templates", "/templates/onboarding-welcome/en", "/templates/onboarding-welcome/en/mail"):
            assert (await site.get(path)).status_code == 303
        await site.sign_in(EWA, PASSWORD)
        assert (await site.get("/templates/onboarding-welcome/en/mail")).status_code == 200


async def test_words_that_wait_lead_to_the_review_that_decides(site: Site, on_sqlite: Any) -> None:
    now, asks = on_sqlite.clock() + timedelta(minutes=1), Publication(on_sqlite.policy)
    changed = Template(WELCOME.name, WELCOME.language, {**WELCOME.parts, "mail.subject.txt": "Other words"})
    publish_templates(on_sqlite.database, [changed], now=now, asks=asks)
    [review] = on_sqlite.rows("reviews")
    all_of_them = await site.get("/templates")
    assert f'<a href="/reviews/{review.id}">review {review.id}<' in all_of_them.text
    one = await site.get(f"/templates/{WELCOME.name}/{WELCOME.language}?waiting=1")
    assert f'<a href="/reviews/{review.id}">review {review.id} decides by ' in one.text
    other = await site.get(f"/templates/{WELCOME.name}/{WELCOME.language}")
    assert "/reviews/" not in other.text.split("<main")[1]
