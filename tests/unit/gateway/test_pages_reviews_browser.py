"""Deciding in a real browser, on a phone-sized screen: read, leave one out, approve; change; reject; by keyboard alone.

With HANDRAIL_PICTURES naming a directory, what the screen showed is kept there.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import review_stage as stage
from axe_playwright_python.sync_playwright import Axe
from browser_window import DESK, TOO_SMALL, Watched, watched
from pages_site import EWA
from playwright.sync_api import Browser
from reviewing import code_of, reviewer

from domain.actions import Capability
from domain.customers import Tier
from domain.review_rules import Rule
from services.content_reviews import Publication
from services.publishing import publish_templates
from services.reviewers import Credentials
from store.ledger.rows import reviews
from templates.library import Template

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PHONE = 360
WORDS = "<script>alert(1)</script> Straciłam pracę i nie mam z czego zapłacić {{ 7*7 }} **naprawdę**"
SURVEY = "case/C-1/1/survey"


@pytest.fixture
def ewa(on_sqlite: Any) -> Credentials:
    """Reviews of every kind wait, one has stopped; Ewa has the codes on her phone."""
    database, policy, now = on_sqlite.database, on_sqlite.policy, on_sqlite.clock()
    who = [{"name": "Zofia <b>Lis</b>", "language": "pl"}, {"language": "cs", "tier": Tier.VIP}, {"language": "en"}]
    stage.welcomes(database, policy, *who, now=now)
    ids = [row.id for row in on_sqlite.rows("customers")]
    stage.said(database, policy, "C-1", WORDS, now=now)
    survey = stage.a_survey(database, "C-1", now=now, ask=stage.an_ask(stage.SURVEY, Rule.HARDSHIP), language="pl")
    stage.put(database, [(survey, ids[0])], now=now)
    stage.sealed(database, policy, now=now)
    old = next(row for row in on_sqlite.rows("templates") if (row.name, row.language) == ("onboarding-welcome", "en"))
    parts = {part: text.replace("video", "short film") for part, text in old.content["parts"].items()}
    new = Template(old.name, "en", parts)
    publish_templates(database, [new], now=now, asks=Publication(policy, by="Jan Nowak"))
    step = stage.a_step(database, 2, now=now, ask=stage.an_ask("journey/onboarding/sms"), channel=Capability.SMS)
    stage.put(database, [(replace(step, key="journey/onboarding/C-2/2/welcome"), ids[1])], now=now)
    [stopped] = stage.sealed(database, policy, now=now)
    with database.write() as connection:
        is_stopped = {"state": "approved", "decided_by": "Jan Nowak", "decided_at": now, "halted_at": now}
        told = {"halted_reason": "7 % of the mails bounced, 5 % at most", "released": 1}
        connection.execute(reviews.update().where(reviews.c.id == stopped).values(**is_stopped, **told))
    return reviewer(on_sqlite, EWA)


@pytest.fixture
def opened(
    chromium: Browser, on_sqlite: Any, ewa: Credentials, served: Callable[..., str]
) -> Iterator[Callable[..., Watched]]:
    """`opened(width=360)`: a window in which Ewa has signed in by a code. Nothing may go wrong in it."""
    windows: list[Watched] = []
    address = served(on_sqlite, link_secret="x" * 40)

    def start(*, width: int = PHONE, scheme: Any = "light", scripts: bool = False) -> Watched:
        made = watched(chromium, address, width=width, scheme=scheme, scripts=scripts)
        windows.append(made)
        on_sqlite.clock.go(seconds=30)
        made.open("/sign-in?to=/reviews")
        made.page.get_by_label("Name").first.fill(EWA)
        made.page.get_by_label("One-time code").fill(code_of(ewa, on_sqlite.clock()))
        picture(made, f"sign-in-{width}-{scheme}")
        made.page.get_by_role("button", name="Sign in", exact=True).click()
        made.page.get_by_role("heading", name="Reviews", exact=True).wait_for()
        return made

    yield start
    for window in windows:
        assert window.complaints == []
        window.context.close()


def picture(window: Watched, name: str) -> None:
    """Keep what the screen shows, where pictures are kept."""
    if folder := os.environ.get("HANDRAIL_PICTURES"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        window.page.screenshot(path=Path(folder) / f"review-{name}.png", full_page=True)


def review_of(installation: Any, what: str) -> Any:
    """A review as it stands."""
    return next(row for row in installation.rows("reviews") if row.what == what)


def test_read_leave_one_out_and_approve_on_a_phone_by_keyboard(opened: Any, on_sqlite: Any) -> None:
    window = opened()
    page = window.page
    picture(window, "queue")
    window.press(page.get_by_role("link", name="3 messages: step welcome of the journey onboarding"))
    picture(window, "open")
    assert page.get_by_text("more than 2000 customers for one purpose").is_visible()
    assert page.get_by_text("Vítejte").or_(page.get_by_text("Dobrý den")).first.is_visible()

    tick = page.get_by_label("Leave out C-2")
    window.tab_to(tick)
    page.keyboard.press("Space")
    window.press(page.get_by_role("button", name="Leave them out"))
    assert page.get_by_text(f"excluded by {EWA}").is_visible()
    picture(window, "one-left-out")

    window.tab_to(page.get_by_label("Reason").first)
    page.keyboard.type("as intended")
    window.press(page.get_by_role("button", name="Approve"))

    assert page.locator("#stands").inner_text().startswith("approved")
    picture(window, "approved")
    its = review_of(on_sqlite, stage.WELCOME)
    assert (its.state, its.decided_by, its.revision) == ("approved", EWA, 2)
    assert {row.key: row.state for row in on_sqlite.rows("actions")}["journey/onboarding/C-2/1/welcome"] == "cancelled"


def test_change_what_one_says_then_reject_it(opened: Any, on_sqlite: Any) -> None:
    window = opened()
    page = window.page
    page.get_by_role("link", name="1 message: surveys after a solved case").click()
    assert page.get_by_text(WORDS).first.is_visible()
    page.get_by_role("link", name=f"All about {SURVEY}").click()
    picture(window, "action")
    page.get_by_label("link", exact=True).fill("https://survey.example.com/better")
    page.get_by_role("button", name="Show how it would look").click()
    assert page.locator(".diff ins").inner_text() == "better"
    assert review_of(on_sqlite, stage.SURVEY).revision == 1
    picture(window, "change")
    page.get_by_role("button", name="Keep the change").click()
    page.locator("#stands").wait_for()
    assert review_of(on_sqlite, stage.SURVEY).revision == 2

    reject = page.locator("form", has=page.get_by_role("button", name="Reject"))
    reject.get_by_label("Reason").select_option("the wrong time")
    reject.get_by_label("What is wrong").fill("she has just lost her job")
    reject.get_by_role("button", name="Reject").click()

    page.get_by_text("she has just lost her job").wait_for()
    picture(window, "rejected")
    assert (review_of(on_sqlite, stage.SURVEY).state, review_of(on_sqlite, stage.SURVEY).decided_by) == (
        "rejected",
        EWA,
    )


def test_choose_other_approved_words_for_one_on_a_phone_by_keyboard(opened: Any, on_sqlite: Any) -> None:
    now, vip = on_sqlite.clock(), "onboarding-welcome-vip"
    stage.other_words(on_sqlite.database, vip, "onboarding-welcome", "Jen pro Vás:", now=now)
    window = opened()
    page = window.page
    window.press(page.get_by_role("link", name="3 messages: step welcome of the journey onboarding"))
    window.press(page.get_by_role("link", name="All about journey/onboarding/C-2/1/welcome"))
    window.tab_to(page.get_by_label("Other approved words"))
    page.keyboard.type(vip)
    picture(window, "other-words")
    window.press(page.get_by_role("button", name="Show how it would look"))
    assert page.locator(".diff ins").first.inner_text().strip() == "Jen pro Vás:"
    assert review_of(on_sqlite, stage.WELCOME).revision == 1
    picture(window, "other-words-shown")
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE
    window.press(page.get_by_role("button", name="Keep the change"))
    page.locator("#stands").wait_for()
    assert review_of(on_sqlite, stage.WELCOME).revision == 2
    assert page.get_by_text("Jen pro Vás:").first.is_visible()
    its = review_of(on_sqlite, stage.WELCOME).id
    said = [row.payload["template"] for row in on_sqlite.rows("actions") if row.review_id == its]
    assert said == ["onboarding-welcome", vip, "onboarding-welcome"]


def test_who_was_too_late_reads_who_was_faster(opened: Any, on_sqlite: Any) -> None:
    window = opened()
    window.page.get_by_role("link", name="3 messages").click()
    with on_sqlite.database.write() as connection:
        over = {"state": "rejected", "decided_by": "Jan Nowak", "decided_at": on_sqlite.clock()}
        connection.execute(reviews.update().where(reviews.c.what == stage.WELCOME).values(**over))

    window.page.get_by_label("Reason").first.select_option("as intended")
    window.page.get_by_role("button", name="Approve").click()

    assert "Jan Nowak has rejected it" in window.page.get_by_role("alert").inner_text()
    picture(window, "too-late")
    window.complaints.clear()  # a browser tells its console of a 409


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "light"), (PHONE, "dark"), (DESK, "light"), (DESK, "dark")])
def test_every_page_fits_and_hides_nothing_from_anybody(opened: Any, on_sqlite: Any, width: int, scheme: str) -> None:
    window = opened(width=width, scheme=scheme, scripts=True)
    ids = {row.what: row.id for row in on_sqlite.rows("reviews")}
    for name, path in {
        "queue": "/reviews",
        "messages": f"/reviews/{ids[stage.WELCOME]}",
        "survey": f"/reviews/{ids[stage.SURVEY]}",
        "action": f"/reviews/{ids[stage.SURVEY]}/actions/{SURVEY}",
        "step": f"/reviews/{ids[stage.WELCOME]}/actions/journey/onboarding/C-1/1/welcome",
        "words": f"/reviews/{ids['onboarding-welcome']}",
        "stopped": f"/reviews/{ids['journey/onboarding/sms']}",
    }.items():
        window.open(path)
        picture(window, f"{name}-{width}-{scheme}")
        assert window.page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} scrolls sideways"
        found = Axe().run(window.page, options={"iframes": False})  # what stands in frames is looked at by itself
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        levels = window.page.evaluate("[...document.querySelectorAll('h1,h2,h3,h4')].map(it => Number(it.tagName[1]))")
        assert levels[:1] == [1], path
        assert all(after - before <= 1 for before, after in pairwise(levels)), path
        small = window.page.evaluate(TOO_SMALL)
        assert small == [], f"{path}: hard to hit with a finger: {small}"
        assert window.page.evaluate("document.querySelectorAll('script, main b').length") == 0, path
