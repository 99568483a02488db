"""The pages of reviews show what is asked, in full and as text; GET and HEAD change nothing, whoever sends them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import review_stage as stage
from hostile_words import EVIL
from pages_site import Site, read, site_of

from domain.customers import Tier
from domain.review_rules import Rule
from services.content_reviews import Publication
from services.publishing import publish_templates
from templates.library import Template

WITH_LINKS = {"link_secret": "x" * 40}
MEMBER = "journey/onboarding/C-2/1/welcome"


@pytest.fixture
async def site(installation: Any) -> AsyncIterator[Site]:
    """A browser on this machine; nobody has to sign in."""
    async with site_of(installation, **WITH_LINKS) as made:
        yield made


@pytest.fixture
async def small_site(on_sqlite: Any) -> AsyncIterator[Site]:
    """The same on SQLite alone, for what the database has no part in."""
    async with site_of(on_sqlite, **WITH_LINKS) as made:
        yield made


@pytest.fixture
def review_id(request: pytest.FixtureRequest) -> int:
    """A sealed review of three welcomes."""
    names = request.fixturenames
    installation = request.getfixturevalue("installation" if "site" in names else "on_sqlite")
    return stage.welcomes(installation.database, installation.policy, now=installation.clock())


def changed(installation: Any, old: str, new: str) -> Template:
    """A changed wording is published; it waits for its review."""
    row = next(
        row for row in installation.rows("templates") if (row.name, row.language) == ("onboarding-welcome", "en")
    )
    made = Template(row.name, "en", {part: text.replace(old, new) for part, text in row.content["parts"].items()})
    asks = Publication(installation.policy, by="Jan Nowak")
    publish_templates(installation.database, [made], now=installation.clock(), asks=asks)
    return made


async def test_the_queue_names_each_review(site: Site, review_id: int) -> None:
    words, _ = read(await site.get("/reviews"))

    assert f"{review_id}: 3 messages: step welcome of the journey onboarding" in words
    assert "more than 2000 customers for one purpose within 60 minutes" in words
    assert "0 of 1 said yes" in words


async def test_a_review_says_who_what_why_and_until_when(site: Site, review_id: int) -> None:
    shown = await site.get(f"/reviews/{review_id}")
    words, _ = read(shown)

    assert shown.status_code == 200
    assert "When nobody decides, nothing is done" in words
    assert "How many 3 Channels mail 3" in words
    assert "vip 1" in words
    assert "Caused by run-1" in words
    for ref in ("C-1", "C-2", "C-3"):
        assert ref in words
    assert "These words were approved by" in words
    assert "opened by handrail" in words


async def test_one_action_is_shown_with_all_it_rests_on(site: Site, review_id: int) -> None:
    shown = await site.get(f"/reviews/{review_id}/actions/{MEMBER}")
    words, _ = read(shown)

    assert "Message to C-2" in words
    assert "Customer, version 1" in words
    assert "Dzień dobry" in words


async def test_a_mail_stands_in_a_frame_that_runs_and_loads_nothing(site: Site, review_id: int) -> None:
    shown = await site.get(f"/reviews/{review_id}/mail", params={"key": MEMBER, "dark": "1"})

    assert shown.status_code == 200
    assert shown.headers["content-security-policy"].endswith("sandbox")
    assert "Dzień dobry" in shown.text
    assert (await site.get(f"/reviews/{review_id}/mail", params={"key": "nobody"})).status_code == 404


async def test_a_changed_wording_is_shown_against_the_approved_one(small_site: Site, on_sqlite: Any) -> None:
    made = changed(on_sqlite, "is ready", "is waiting for you")
    [review] = on_sqlite.rows("reviews")

    shown = await small_site.get(f"/reviews/{review.id}")
    frame = await small_site.get(f"/reviews/{review.id}/mail", params={"wording": made.hash})

    assert "<del>ready</del><ins>waiting for you</ins>" in shown.text
    assert "New words: onboarding-welcome" in read(shown)[0]
    assert "onboarding-welcome/en/mail.mjml" in shown.text
    assert "is waiting for you" in frame.text
    approved = next(row.hash for row in on_sqlite.rows("templates") if row.name == "expiry-call")
    assert (await small_site.get(f"/reviews/{review.id}/mail", params={"wording": approved})).status_code == 404


@pytest.mark.parametrize("path", ["/reviews/99", "/reviews/99/actions/x", "/reviews/99/mail", "/reviews/1/actions/x"])
async def test_what_is_not_there_is_said_to_be_not_there(small_site: Site, review_id: int, path: str) -> None:
    assert (await small_site.get(path)).status_code == 404


@pytest.mark.parametrize(
    "query", ["after=x", "after=99999999999999999999", "language=%00", "tier=<b>&ref=%00", "after=-1"]
)
async def test_odd_filters_are_answered(small_site: Site, review_id: int, query: str) -> None:
    assert (await small_site.get(f"/reviews/{review_id}?{query}")).status_code == 200


async def test_looking_changes_nothing(site: Site, installation: Any, review_id: int) -> None:
    """Mail scanners and prefetching browsers open whatever stands in a mail, with whatever a form would carry."""
    tables = ("actions", "audit", "chain", "reviews", "review_votes", "templates")
    before = {table: installation.rows(table) for table in tables}
    seen = installation.rows("reviews")[0].payload_hash
    forms = ("", "/decide", "/exclude", "/edit", "/halted", f"/actions/{MEMBER}", "/mail")
    said = {"decision": "approve", "seen": seen, "reason": "as intended", "name": "Ewa Lis", "code": "123456"}

    for path in ("/reviews", *(f"/reviews/{review_id}{form}" for form in forms)):
        for method in ("GET", "HEAD"):
            answer = await site.client.request(method, path, params=said)
            assert answer.status_code in {200, 404, 405}, path

    assert {table: installation.rows(table) for table in tables} == before


async def test_customers_words_are_text_on_every_page(small_site: Site, on_sqlite: Any) -> None:
    now, policy = on_sqlite.clock(), on_sqlite.policy
    evil = [text for text in EVIL if text.isprintable() and len(text) < 200]
    ids = stage.people(on_sqlite.database, *({"name": text, "language": "en"} for text in evil), now=now)
    asked = stage.an_ask(stage.SURVEY, Rule.HARDSHIP)
    for number, (text, customer_id) in enumerate(zip(evil, ids, strict=True), start=1):
        stage.said(on_sqlite.database, policy, f"C-{number}", text, now=now)
        survey = stage.a_survey(on_sqlite.database, f"C-{number}", now=now, ask=asked, name=text, link=text)
        stage.put(on_sqlite.database, [(survey, customer_id)], now=now)
    [review_id] = stage.sealed(on_sqlite.database, policy, now=now)

    plain = {
        "html",
        "head",
        "meta",
        "title",
        "link",
        "body",
        "a",
        "header",
        "img",
        "nav",
        "ul",
        "li",
        "main",
        "h1",
        "span",
    }
    plain |= {
        "h2",
        "h3",
        "h4",
        "p",
        "dl",
        "dt",
        "dd",
        "form",
        "input",
        "label",
        "select",
        "option",
        "button",
        "time",
        "ol",
    }
    plain |= {"section", "details", "summary", "pre", "div", "figure", "figcaption", "iframe", "blockquote", "fieldset"}
    plain |= {"legend", "textarea", "code", "footer", "strong", "ins", "del", "br"}
    for path in (f"/reviews/{review_id}", f"/reviews/{review_id}/actions/case/C-5/1/survey"):
        shown = await small_site.get(path)
        words, tags = read(shown)
        assert shown.status_code == 200
        assert tags <= plain, tags - plain
        assert "<script" not in shown.text
        assert "onerror=alert" not in shown.text.replace("&gt;&lt;img src=x onerror=alert", "")
    words, _ = read(await small_site.get(f"/reviews/{review_id}"))
    assert all(" ".join(text.split())[:100] in words for text in evil)


async def test_behind_a_path_prefix_every_link_keeps_it(on_sqlite: Any) -> None:
    review_id = stage.welcomes(on_sqlite.database, on_sqlite.policy, {"tier": Tier.VIP}, now=on_sqlite.clock())
    async with site_of(on_sqlite, root_path="/care", **WITH_LINKS) as site:
        for path in (
            "/reviews",
            f"/reviews/{review_id}",
            f"/reviews/{review_id}/actions/journey/onboarding/C-1/1/welcome",
        ):
            shown = await site.get(path)
            assert shown.status_code == 200
            for attribute in ('href="/', 'action="/', 'src="/'):
                assert shown.text.count(attribute) == shown.text.count(f"{attribute}care/")


async def test_other_pages_lead_there(site: Site, review_id: int) -> None:
    for path in ("/", "/cases", "/trace/C-2"):
        assert 'href="/reviews' in (await site.get(path)).text
    words, _ = read(await site.get("/"))
    assert "1 review to decide" in words
