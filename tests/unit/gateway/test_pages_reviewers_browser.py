"""Reviewers at a real browser: the code of the phone and the link of an alert, on a small screen and by keyboard."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pyotp
import pytest
import review_stage as stage
from axe_playwright_python.sync_playwright import Axe
from browser_window import DESK, PHONE, TOO_SMALL, Watched, watched
from pages_site import let_in
from playwright.sync_api import Browser, expect

from services.review_links import ReviewLinks, review_link
from services.reviewers import Credentials, add_reviewer, new_credentials
from services.reviews_settling import seal_gathered

pytestmark = [pytest.mark.browser, pytest.mark.slow]

JAN = "Jan Nowak"
SECRET = "link-secret-" * 4
Opening = Callable[..., Watched]


@pytest.fixture
def jan(on_sqlite: Any) -> Credentials:
    """A reviewer."""
    made = new_credentials(JAN)
    now = on_sqlite.clock()
    add_reviewer(on_sqlite.database, made, ["on_call"], known_roles=["on_call"], by="admin", now=now)
    return made


@pytest.fixture
def address(on_sqlite: Any, jan: Credentials, served: Callable[..., str]) -> str:
    """A gateway with reviewers and operators."""
    let_in(on_sqlite)
    return served(on_sqlite, link_secret=SECRET)


@pytest.fixture
def link(on_sqlite: Any, address: str) -> str:
    """What came in an alert."""
    database, now = on_sqlite.database, on_sqlite.clock()
    ids = stage.people(database, {}, {"language": "pl"}, {"language": "cs"}, now=now)
    steps = [stage.a_step(database, number, now=now, ask=stage.an_ask()) for number in (1, 2, 3)]
    stage.put(database, list(zip(steps, ids, strict=True)), now=now)
    seal_gathered(database, on_sqlite.policy, now=now + timedelta(minutes=16))
    (asked,) = on_sqlite.rows("reviews")
    secrets = on_sqlite.handrail(link_secret=SECRET).settings.link_secrets
    with database.read() as connection:
        links, until = ReviewLinks(address, secrets), now + timedelta(hours=1)
        made = review_link(connection, links, asked.id, JAN, asked.payload_hash, expires=until)
    assert made is not None
    return made


@pytest.fixture
def opened(chromium: Browser, address: str) -> Iterator[Opening]:
    """`opened(width=320)`: a window. In the end nothing may have gone wrong in it."""
    windows: list[Watched] = []

    def start(*, width: int = PHONE, scheme: Any = "light", scripts: bool = False) -> Watched:
        windows.append(watched(chromium, address, width=width, scheme=scheme, scripts=scripts))
        return windows[-1]

    yield start
    for window in windows:
        assert window.complaints == []
        window.context.close()


def sign_in(window: Watched, code: str) -> None:
    """By keyboard: the name has the focus, then comes the code."""
    window.open("/cases")
    expect(window.page.get_by_label("Name").first).to_be_focused()  # some time after the page was loaded
    window.page.keyboard.type("jan nowak")
    window.page.keyboard.press("Tab")
    window.page.keyboard.type(f"{code[:3]} {code[3:]}")
    with window.page.expect_navigation():
        window.page.keyboard.press("Enter")


def test_one_signs_in_by_name_and_code_with_the_keys_of_a_phone(
    opened: Opening, on_sqlite: Any, jan: Credentials
) -> None:
    window = opened()
    sign_in(window, pyotp.TOTP(jan.secret).at(on_sqlite.clock()))

    assert window.page.get_by_role("heading", level=1).inner_text() == "Open cases"
    assert window.page.get_by_text(JAN).is_visible()


def test_without_the_phone_a_recovery_code_is_found_and_taken(opened: Opening, jan: Credentials) -> None:
    window = opened()
    page = window.page
    window.open("/cases")
    page.get_by_label("Name").first.fill(JAN)
    assert not page.get_by_label("Recovery code").is_visible()
    window.tab_to(page.get_by_text("The phone is not here"))
    page.keyboard.press("Enter")
    page.get_by_label("Recovery code").fill(jan.recovery_codes[0])
    with page.expect_navigation():
        page.keyboard.press("Enter")

    assert page.get_by_role("heading", level=1).inner_text() == "Open cases"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_the_pages_fit_and_hide_nothing_from_anybody(opened: Opening, link: str, width: int, scheme: str) -> None:
    window = opened(width=width, scheme=scheme, scripts=True)
    for where in (f"{window.address}/sign-in", link, link[:-4]):
        window.page.goto(where)
        for summary in window.page.locator("summary").all():
            summary.click()
        assert window.page.evaluate("document.documentElement.scrollWidth") <= width, f"{where} scrolls sideways"
        found = Axe().run(window.page)
        assert found.violations_count == 0, f"{where}: {found.generate_report()}"
        small = window.page.evaluate(TOO_SMALL)
        assert small == [], f"{where}: hard to hit with a finger: {small}"
    window.complaints = [said for said in window.complaints if "404" not in said]


def test_a_tap_in_an_alert_leads_to_the_link_and_one_more_decides(
    opened: Opening, on_sqlite: Any, jan: Credentials, link: str
) -> None:
    """From another place, where the cookie does not come along; who is signed in stays so."""
    window = opened()
    sign_in(window, pyotp.TOTP(jan.secret).at(on_sqlite.clock()))
    window.page.goto("about:blank")
    window.page.set_content(f'<a href="{link}">Decide without signing in</a>')
    window.page.get_by_role("link").click()
    window.page.get_by_role("heading", name=f"Decide as {JAN}").wait_for()

    window.page.get_by_label("Why").select_option("as intended")
    with window.page.expect_navigation():
        window.page.get_by_role("button", name="Approve").click()

    assert "Jan Nowak has approved it" in window.page.get_by_role("status").inner_text()
    (row,) = on_sqlite.rows("reviews")
    assert (row.state, row.decided_by) == ("approved", JAN)
    window.open("/cases")
    assert window.page.get_by_role("heading", level=1).inner_text() == "Open cases"


def test_without_a_reason_nothing_is_sent(opened: Opening, on_sqlite: Any, link: str) -> None:
    window = opened()
    window.page.goto(link)

    window.page.get_by_role("button", name="Approve").click()

    assert window.page.get_by_role("heading", name=f"Decide as {JAN}").is_visible()
    (row,) = on_sqlite.rows("reviews")
    assert row.state == "open"
