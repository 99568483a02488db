"""The pages in a real browser: by keyboard alone, on a phone, by day and by night, asking nobody else for anything."""

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_window import DESK, PHONE, TOO_SMALL, Watched, watched
from pages_site import EWA, PASSWORD, let_in
from playwright.sync_api import Browser

from domain.actions import Capability
from templates.checks import SAMPLE
from templates.library import load
from templates.renderer import render

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = (
    "/",
    "/cases",
    "/quarantine",
    "/quarantine/1",
    "/quarantine/2",
    "/trace",
    "/trace/C-1",
    "/trace/C-1-1",
    "/templates",
    "/templates/onboarding-need-a-hand/cs",
    "/templates/expiry-call/pl",
    "/sign-in",
)
LONG = "W" * 150


Opening = Callable[..., Watched]


@pytest.fixture
def address(on_sqlite: Any, served: Callable[[Any], str], answer: Any, signed: Any) -> str:
    """A gateway where things have happened: answers, cases, two deliveries in quarantine."""
    let_in(on_sqlite)
    where = served(on_sqlite)
    wrong = answer(response_id="r-2", comment=f"<b>{LONG}</b> {{{{ 7*7 }}}}")
    wrong["data"]["score"] = 42
    for number, body in enumerate((answer(), wrong, {"type": LONG}, answer(response_id="r-4")), start=1):
        raw = json.dumps(body).encode()
        httpx.post(f"{where}/webhooks/standard", content=raw, headers=signed(raw, f"msg_{number}"), trust_env=False)
    return where


@pytest.fixture
def opened(chromium: Browser, address: str) -> Iterator[Opening]:
    """`opened(width=320)`: a window, signed in unless told otherwise. In the end nothing may have gone wrong in it."""
    windows: list[Watched] = []

    def start(*, width: int = DESK, scheme: Any = "light", signed_in: bool = True, scripts: bool = False) -> Watched:
        made = watched(chromium, address, width=width, scheme=scheme, scripts=scripts)
        windows.append(made)
        if signed_in:
            made.open("/sign-in")
            made.page.get_by_label("Name").fill(EWA)
            made.page.get_by_label("Password").fill(PASSWORD)
            made.page.get_by_role("button", name="Sign in").click()
            made.page.get_by_role("heading", name="What waits").wait_for()
        return made

    yield start
    for window in windows:
        assert window.complaints == []
        window.context.close()


def test_from_quarantine_to_the_story_by_keyboard_alone(opened: Opening, on_sqlite: Any) -> None:
    window = opened(signed_in=False)
    page = window.page
    window.open("/quarantine")
    window.tab_to(page.get_by_label("Password"))
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Shift+Tab")
    page.keyboard.type(EWA)
    page.keyboard.press("Tab")
    with page.expect_navigation():
        page.keyboard.press("Enter")

    window.press(page.get_by_role("link", name="standard, msg_2"))
    window.tab_to(page.get_by_label("The body, corrected"))
    page.keyboard.press("Control+A")
    broken = page.get_by_label("The body, corrected").input_value()
    page.keyboard.insert_text(broken.replace("42", "11"))
    window.press(page.get_by_role("button", name="Check only"))
    assert page.get_by_role("alert").inner_text().startswith("Not kept; this is still wrong:")

    window.tab_to(page.get_by_label("The body, corrected"))
    page.keyboard.press("Control+A")
    page.keyboard.insert_text(broken.replace("42", "2"))
    window.tab_to(page.get_by_label("What you corrected"))
    page.keyboard.type("2 was typed as 42; the customer says so")
    window.press(page.get_by_role("button", name="Keep the repair"))
    assert page.get_by_text("as repaired it fits its contract").is_visible()
    window.press(page.get_by_role("button", name="Replay"))
    window.press(page.get_by_role("link", name="Trace survey/standard/r-2"))

    assert page.get_by_role("heading", level=1).inner_text().endswith("survey/standard/r-2")
    assert page.get_by_text(f"<b>{LONG}</b> {{{{ 7*7 }}}}").first.is_visible()
    assert [(row.what, row.by) for row in on_sqlite.rows("quarantine_decisions")] == [
        ("repaired", EWA),
        ("replayed", EWA),
    ]
    window.press(page.get_by_role("button", name="Sign out"))
    window.open("/cases")
    assert page.get_by_role("heading", level=1).inner_text() == "Sign in"


def test_the_first_tab_leads_past_the_menu(opened: Opening) -> None:
    window = opened()
    window.open("/cases")

    window.page.keyboard.press("Tab")
    skip = window.page.get_by_role("link", name="To the content")
    assert skip.evaluate("element => element === document.activeElement")
    box = skip.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    window.page.keyboard.press("Enter")
    window.page.keyboard.press("Tab")
    assert window.page.evaluate("document.querySelector('main').contains(document.activeElement)")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_every_page_fits_and_hides_nothing_from_anybody(opened: Opening, width: int, scheme: str) -> None:
    window = opened(width=width, scheme=scheme, scripts=True)
    outside = opened(width=width, scheme=scheme, scripts=True, signed_in=False)
    for path in PAGES:
        at = outside if path == "/sign-in" else window
        at.open(path)
        assert at.page.evaluate("document.documentElement.scrollWidth") <= width, f"{path} scrolls sideways"
        found = Axe().run(at.page, options={"iframes": False})  # what stands in frames is looked at by itself
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        levels = at.page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(it => Number(it.tagName[1]))")
        assert levels[:1] == [1], path
        assert all(after - before <= 1 for before, after in pairwise(levels)), path
        small = at.page.evaluate(TOO_SMALL)
        assert small == [], f"{path}: hard to hit with a finger: {small}"


def test_mails_are_framed_as_they_look_by_day_and_at_night(opened: Opening) -> None:
    window = opened(width=DESK)
    window.open("/templates/onboarding-need-a-hand/cs")

    for number, (text, ground) in enumerate([("34, 41, 43", "255, 255, 255"), ("232, 234, 233", "31, 37, 39")] * 2):
        frame = window.page.frame_locator("iframe").nth(number)
        words = frame.get_by_text("Nejsnáz se začíná s krátkým videonávodem:")
        words.wait_for()
        assert words.evaluate("it => getComputedStyle(it).color") == f"rgb({text})"
        card = frame.locator(".card")
        assert card.evaluate("it => getComputedStyle(it).backgroundColor") == f"rgb({ground})"
        assert frame.locator("html").evaluate("it => it.scrollWidth <= it.clientWidth")


@pytest.mark.parametrize(("width", "scheme"), [(PHONE, "light"), (DESK, "dark")])
def test_every_mail_is_read_without_scrolling_sideways_by_everybody(chromium: Browser, width: int, scheme: Any) -> None:
    asked: list[str] = []
    with chromium.new_context(viewport={"width": width, "height": 700}, color_scheme=scheme) as context:
        page = context.new_page()
        page.on("request", lambda request: asked.append(request.url))
        for template in load():
            if Capability.MAIL not in template.channels:
                continue
            page.set_content(render(template, Capability.MAIL, SAMPLE).html)
            where = template.where("mail.html")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, where
            found = Axe().run(page, options={"rules": ABOUT_SITES})
            assert found.violations_count == 0, f"{where}: {found.generate_report()}"
            small = page.evaluate(
                "[...document.querySelectorAll('p')].some(it => parseFloat(getComputedStyle(it).fontSize) < 14)"
            )
            assert not small, where
    assert asked == []


ABOUT_SITES = {rule: {"enabled": False} for rule in ("landmark-one-main", "page-has-heading-one", "region")}
"""Rules of axe for pages one browses: a letter has no menus to skip and needs no headline."""


def test_a_link_from_elsewhere_finds_one_signed_in(opened: Opening, address: str) -> None:
    window = opened()
    window.page.goto("about:blank")
    window.page.set_content(f'<a href="{address}/trace/C-1">an alert</a>')

    window.page.get_by_role("link", name="an alert").click()

    window.page.get_by_role("heading", name="What they said").wait_for()


def test_words_of_a_customer_run_nowhere_even_where_scripts_may(opened: Opening) -> None:
    window = opened(scripts=True)
    for path in ("/quarantine/1", "/trace/C-1"):
        window.open(path)
        assert window.page.evaluate("document.querySelectorAll('script, main b').length") == 0
        with pytest.raises(Exception, match=r"Content Security Policy|violates"):
            window.page.add_script_tag(content="window.ran = true")
        assert window.page.evaluate("window.ran") is None
    window.complaints = [said for said in window.complaints if "Content Security Policy" not in said]
