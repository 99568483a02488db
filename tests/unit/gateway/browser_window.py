"""A window of a real browser, and everything that should not have happened in it."""

from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request

PHONE, DESK = 320, 1100
"""Widths, in CSS pixels."""


@dataclass
class Watched:
    """A browser window, and everything that should not have happened in it."""

    context: BrowserContext
    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def open(self, path: str) -> None:
        """Go there."""
        self.page.goto(self.address + path)

    def tab_to(self, wanted: Locator) -> None:
        """Press Tab until it has the focus, and see that one sees where the focus is."""
        wanted.wait_for(state="attached")
        for _ in range(80):
            self.page.keyboard.press("Tab")
            assert self.page.evaluate(FOCUS_IS_SEEN), "the focus is somewhere one cannot see it"
            if wanted.evaluate("element => element === document.activeElement"):
                return
        raise AssertionError(f"no Tab leads to {wanted}")

    def press(self, wanted: Locator) -> None:
        """Tab there and press Enter; wait for what follows."""
        self.tab_to(wanted)
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")


FOCUS_IS_SEEN = """() => {
  const it = document.activeElement, box = it.getBoundingClientRect(), style = getComputedStyle(it);
  if (it === document.body) return true;
  return box.width > 0 && box.right > 0 && (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2);
}"""


def failures(request: Request) -> list[str]:
    """What did not load; a page that was left before all of it was there is no failure."""
    return [] if request.failure == "net::ERR_ABORTED" else [f"failed: {request.url}: {request.failure}"]


def watched(
    chromium: Browser, address: str, *, width: int = DESK, scheme: Any = "light", scripts: bool = False, **how: Any
) -> Watched:
    """A new window on a gateway."""
    context = chromium.new_context(
        viewport={"width": width, "height": 700}, color_scheme=scheme, java_script_enabled=scripts, **how
    )
    made = Watched(context, context.new_page(), address)
    made.page.on("console", lambda said: made.complaints.append(f"console: {said.text} {said.location.get('url')}"))
    made.page.on("pageerror", lambda problem: made.complaints.append(f"script: {problem}"))
    made.page.on("requestfailed", lambda request: made.complaints.extend(failures(request)))
    made.page.on(
        "request",
        lambda request: request.url.startswith(address) or made.complaints.append(f"elsewhere: {request.url}"),
    )
    return made


TOO_SMALL = """() => [...document.querySelectorAll("button, input, select, textarea, nav a")]
  .filter(it => it.type !== "hidden" && it.getBoundingClientRect().height < 20).map(it => it.outerHTML.slice(0, 80))"""
