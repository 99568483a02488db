"""The page of a simulation in a real browser: read by day, by night, on a phone and on paper; searched by keyboard."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page
from travels import LEFT, OPTED_OUT, OUTSIDE, THROUGH, TROUBLE, after, simulated

from domain.channels import Channel
from handrail.timeline.page import page
from services.simulated import Fate, Touch

pytestmark = [pytest.mark.browser, pytest.mark.slow]

HOSTILE = "<img src=x onerror=alert(1)>" + "W" * 150
PHONE, DESK = 320, 1100

Open = Callable[..., Page]


@pytest.fixture
def opened(chromium: Browser, tmp_path: Path) -> Iterator[Open]:
    """`opened()`: the page in a window; whatever it complains of or asks the network for fails the test."""
    hostile = replace(LEFT, ref=HOSTILE, touches=(Touch("welcome", after(), Fate.SENT, Channel.MAIL, None),))
    file = tmp_path / "timeline.html"
    file.write_text(page(simulated(THROUGH, OPTED_OUT, LEFT, OUTSIDE, hostile, trouble=(TROUBLE,))), encoding="utf-8")
    complaints: list[str] = []

    def start(*, width: int = DESK, scheme: Any = "light", scripts: bool = True) -> Page:
        context = chromium.new_context(
            viewport={"width": width, "height": 700}, color_scheme=scheme, java_script_enabled=scripts, offline=True
        )
        window = context.new_page()
        window.on("console", lambda said: complaints.append(said.text))
        window.on("pageerror", lambda problem: complaints.append(str(problem)))
        window.on("request", lambda asked: asked.url == file.as_uri() or complaints.append(f"elsewhere: {asked.url}"))
        window.goto(file.as_uri())
        return window

    yield start
    assert complaints == []


def test_somebody_is_found_with_their_timeline(opened: Open) -> None:
    window = opened()
    found = window.locator("#results > li")
    assert (found.count(), window.locator("#found").inner_text()) == (0, "5 customers are in this file.")
    window.get_by_label("Customer").fill("c-1")
    assert found.count() == 1
    text = re.sub(r"\s+", " ", found.inner_text())
    assert "C-1: through to the end" in text
    assert "Fri 27 Mar 08:00 welcome sent by mail" in text
    assert "Mon 30 Mar 09:00 guide sent by SMS put off: quiet hours" in text


def test_those_are_found_of_whom_a_step_became_something(opened: Open) -> None:
    window = opened()
    window.get_by_label("Step", exact=True).select_option("guide")
    window.get_by_label("What became of it").select_option("skipped")
    assert [one.inner_text().split(":")[0] for one in window.locator("#results h3").all()] == ["C-2"]
    window.get_by_label("What became of it").select_option("")
    window.get_by_label("Step", exact=True).select_option("")
    window.get_by_label("How it ended").select_option("none")
    assert window.locator("#results h3").inner_text().startswith("C-4: never entered")


def test_names_that_are_markup_stay_text_in_what_is_found(opened: Open) -> None:
    window = opened()
    window.get_by_label("Customer").fill("onerror")
    assert window.locator("#results h3").inner_text().startswith(HOSTILE)
    assert window.locator("img").count() == 0


def test_without_a_script_there_is_everything_but_the_search(opened: Open) -> None:
    window = opened(scripts=False)
    assert not window.get_by_label("Customer").is_visible()
    assert window.get_by_text("customers in the file").is_visible()
    assert window.locator("section ol.ways > li").count() == 5


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_it_fits_and_hides_nothing_from_anybody(opened: Open, width: int, scheme: str) -> None:
    window = opened(width=width, scheme=scheme)
    window.get_by_label("Customer").fill("C-")
    assert window.evaluate("document.documentElement.scrollWidth") <= width
    found = Axe().run(window)
    assert found.response["violations"] == [], found.generate_report()


def test_on_paper_there_is_no_search(opened: Open) -> None:
    window = opened()
    window.emulate_media(media="print")
    assert not window.get_by_label("Customer").is_visible()
    assert window.get_by_role("heading", name="Step by step").is_visible()
