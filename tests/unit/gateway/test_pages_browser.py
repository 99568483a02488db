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
        found = Axe().run(at.page)
        assert found.violations_count == 0, f"{path}: {found.generate_report()}"
        levels = at.page.evaluate("[...document.querySelectorAll('h1,h2,h3')].map(it => Number(it.tagName[1]))")
        assert levels[:1] == [1], path
        assert all(after - before <= 1 for before, after in pairwise(levels)), path
        small = at.page.evaluate(TOO_SMALL)
        assert small == [], f"{path}: hard to hit with a finger: {small}"


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
