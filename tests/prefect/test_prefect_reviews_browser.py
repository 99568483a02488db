"""A review in Prefect's own pages, in a real browser, with a real worker: found, read, answered, done.

HANDRAIL_PICTURES names a directory where pictures of it are kept.
"""

import asyncio
import os
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import review_stage as stage
from chromium import chromium as chromium
from playwright.sync_api import Browser, Locator, Page, expect
from prefect_stage import Server, eventually, running
from reviews_ground import EWA, Ground

from domain.review_rules import Risk
from domain.reviews import Stand
from handrail.prefect_server import worker_is_online, worker_program
from store.database import Database

pytestmark = [pytest.mark.prefect, pytest.mark.browser, pytest.mark.timeout(300)]

PATIENCE = 60_000
"""Milliseconds for a page of Prefect's on a busy machine; a run that starts cold takes as long."""


@pytest.fixture
def ground(applied: Server, database: Database, variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Ground:
    """An installation at Prefect's server, where no job but ours has a worker's attention."""
    monkeypatch.setenv("HANDRAIL_PREFECT_API_URL", applied.api)
    variables["HANDRAIL_PREFECT_API_URL"] = applied.api
    for deployment in applied.post("/deployments/filter"):
        applied.post(f"/deployments/{deployment['id']}/pause_deployment")
    made = Ground(applied, database)
    for run in made.all_runs():
        applied.delete(f"/flow_runs/{run['id']}")
    made.add_people()
    return made


def test_a_review_is_answered_in_prefects_form(
    ground: Ground, variables: dict[str, str], tmp_path: Path, chromium: Browser
) -> None:
    review, run = aside(ground.asked())
    page = window(chromium, ground.server)
    page.goto(f"/runs/flow-run/{run}")
    expect(page.get_by_text(f"review {review}: 3 messages").first).to_be_visible(timeout=PATIENCE)
    picture(page, "review-run")
    shown = ground.artifact_id(run, f"review-{review}")
    page.goto(f"/artifacts/artifact/{shown}")
    expect(page.get_by_text("Example 3")).to_be_visible(timeout=PATIENCE)
    picture(page, "review-artifact")

    page.goto(f"/runs/flow-run/{run}")
    form = resume(page)
    expect(form.get_by_text("One person must say yes.")).to_be_visible()
    expect(form.get_by_role("link", name="everything in full")).to_be_visible()
    picture(page, "review-form")
    form.get_by_role("button", name="Submit").click()
    page.wait_for_timeout(500)
    assert ground.run(run)["state_type"] == "PAUSED", "an empty form says nothing"
    choose(page, form, 0, "approve")
    choose(page, form, 1, EWA)
    form.locator("textarea").fill(ground.code(EWA))
    choose(page, form, 3, "as intended")
    picture(page, "review-form-filled")
    form.get_by_role("button", name="Submit").click()
    expect(form).to_be_hidden(timeout=PATIENCE)

    with running(worker_program(tmp_path, ground.server.api), tmp_path / "worker.log", variables):
        eventually(lambda: worker_is_online(ground.server.api), 60, "the worker")
        eventually(lambda: ground.run(run)["state_name"] == "Approved", 90, f"the outcome; {tmp_path / 'worker.log'}")
    assert (ground.review(review).state, ground.review(review).decided_by) == (Stand.APPROVED, EWA)
    page.goto(f"/runs/flow-run/{run}")
    expect(page.get_by_text("Approved").first).to_be_visible(timeout=PATIENCE)
    picture(page, "review-approved")


def test_a_review_that_is_decided_elsewhere_says_where(ground: Ground, chromium: Browser) -> None:
    elsewhere = replace(stage.an_ask(stage.SURVEY, risk=Risk.MEDIUM), gather_minutes=0)
    _, run = aside(ground.asked(elsewhere))
    page = window(chromium, ground.server)
    page.goto(f"/runs/flow-run/{run}")

    form = resume(page)
    expect(form.get_by_text("not here.")).to_be_visible()
    picture(page, "review-elsewhere")
    assert form.locator("fieldset").count() == 0
    form.get_by_role("button", name="Submit").click()
    page.wait_for_timeout(1_000)

    assert ground.run(run)["state_type"] == "PAUSED"


def window(chromium: Browser, server: Server) -> Page:
    """A window on Prefect's pages."""
    context = chromium.new_context(
        viewport={"width": 1280, "height": 900}, base_url=server.api.removesuffix("/api"), color_scheme="light"
    )
    return context.new_page()


def resume(page: Page) -> Locator:
    """Open the form of a suspended run."""
    button = page.get_by_role("button", name="Resume")
    button.wait_for(timeout=PATIENCE)
    button.click()
    form = page.get_by_role("dialog")
    form.get_by_role("button", name="Submit").wait_for(timeout=PATIENCE)
    return form


def choose(page: Page, form: Locator, place: int, wanted: str) -> None:
    """Choose from the list that stands at this place of the form, by keyboard."""
    field = form.locator("fieldset").nth(place).get_by_role("button").first
    field.focus()
    page.keyboard.press("ArrowDown")
    page.get_by_role("option", name=wanted, exact=True).click()


def aside(work: Coroutine[Any, Any, Any]) -> Any:
    """Do asynchronous work in another thread: this one has Playwright's loop."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(copy_context().run, asyncio.run, work).result()


def picture(page: Page, name: str) -> None:
    """Keep what is seen, where somebody wants pictures."""
    if where := os.environ.get("HANDRAIL_PICTURES"):
        page.wait_for_timeout(700)  # what fades in has done so
        page.screenshot(path=Path(where) / f"{name}.png")
