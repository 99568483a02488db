"""The customers' page in a real browser: on a phone, by keyboard alone, without scripts, asking nobody else."""

from collections.abc import Callable, Iterator
from datetime import time
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser_window import PHONE, TOO_SMALL, Watched, watched
from playwright.sync_api import Browser
from pydantic import SecretStr

from domain.customers import Customer, Purpose
from domain.hours import ContactWindow
from gateway.pages.unsubscribe_words import WORDS
from services.links import PATH, Links
from store import customers

pytestmark = [pytest.mark.browser, pytest.mark.slow]

SECRET = "s" * 40
ASKING = ("stop-this", "wishes", "call-me", "stop-all")


@pytest.fixture
def opened(chromium: Browser, on_sqlite: Any, served: Callable[..., str]) -> Iterator[Callable[..., Watched]]:
    """`opened("pl")`: a window on the page of a customer of that language. Nothing may go wrong in it."""
    where = served(on_sqlite, link_secret=SECRET)
    windows: list[Watched] = []

    def start(language: str, **how: Any) -> Watched:
        person = Customer(
            f"C-{len(windows)}",
            email="ewa@rodzina.pl",
            phone="+48600700845",
            language=language,
            time_zone="America/Argentina/ComodRivadavia",
            window=ContactWindow(time(9, 15), time(17)),
        )
        with on_sqlite.database.write() as connection:
            made = customers.create(connection, person, now=on_sqlite.clock())
            for purpose in Purpose:
                customers.set_consent(connection, made, purpose, "mail", granted=True, now=on_sqlite.clock())
        window = watched(chromium, where, **how)
        windows.append(window)
        token = Links(where, [SecretStr(SECRET)]).token(made, Purpose.ONBOARDING)
        window.open(f"{PATH}{token}")
        return window

    yield start
    for window in windows:
        assert window.complaints == []
        window.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", sorted(WORDS))
def test_it_fits_a_phone_and_hides_nothing_from_anybody(
    opened: Callable[..., Watched], language: str, scheme: str
) -> None:
    window = opened(language, width=PHONE, scheme=scheme, scripts=True)  # for axe: the page has none
    for asked in (None, *ASKING):
        if asked is not None:
            window.page.locator(f"button[value={asked}]").click()
            window.page.get_by_role("status").wait_for()
        assert window.page.evaluate("document.documentElement.scrollWidth") <= PHONE, f"{asked}: scrolls sideways"
        found = Axe().run(window.page)
        assert found.violations_count == 0, f"{asked}: {found.generate_report()}"
        assert window.page.evaluate(TOO_SMALL) == []
        assert window.page.locator("html").get_attribute("lang") == language


def test_by_keyboard_alone_and_without_a_script(opened: Callable[..., Watched], on_sqlite: Any) -> None:
    window, words = opened("en"), WORDS["en"]
    page = window.page
    page.keyboard.press("Tab")
    assert page.get_by_role("link", name=words.skip).evaluate("element => element === document.activeElement")

    window.press(page.get_by_role("button", name=words.stop_this[Purpose.ONBOARDING]))
    assert page.get_by_role("status").inner_text().startswith(words.stopped_this[Purpose.ONBOARDING])
    window.tab_to(page.get_by_label(words.channel))
    page.keyboard.press("ArrowDown")
    window.tab_to(page.get_by_label(words.language))
    window.press(page.get_by_role("button", name=words.save))
    assert page.get_by_role("status").inner_text() == words.saved
    window.press(page.get_by_role("button", name=words.call_me))
    window.press(page.get_by_role("button", name=words.stop_all))

    assert page.get_by_role("status").inner_text().startswith(words.stopped_all)
    (row,) = on_sqlite.rows("customers")
    assert (row.preferred_channel, row.window_start, row.window_end) == ("mail", "09:15", "17:00")
    assert not any(row.granted for row in on_sqlite.rows("consents"))
    assert [action.kind for action in on_sqlite.rows("actions")] == ["task"]


def test_a_link_that_is_none_is_a_page_as_well(opened: Callable[..., Watched]) -> None:
    window = opened("cs", width=PHONE, scripts=True, locale="cs-CZ")
    window.open(f"{PATH}none")

    assert window.page.get_by_role("heading", level=1).inner_text() == WORDS["cs"].no_page
    assert Axe().run(window.page).violations_count == 0
    assert len(window.complaints) == 1  # the status itself
    assert "404" in window.complaints.pop()
