"""`/controls`: stop and start by part, on the pages."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from pages_site import EWA, Site, hidden, let_in, read, site_of

from domain.controls import EVERYTHING, Part, Scope
from services.controls import standing

JOB = Part(Scope.JOB, "survey-escalation")


@pytest.fixture
async def small_site(on_sqlite: Any) -> AsyncIterator[Site]:
    """A browser where nobody signs in."""
    async with site_of(on_sqlite) as made:
        yield made


@pytest.fixture
def send(signed: Any, as_bytes: Any) -> Any:
    """`await send(site, body)`: a survey tool delivers it."""

    async def deliver(site: Site, body: dict[str, Any]) -> None:
        raw = as_bytes(body)
        await site.client.post("/webhooks/standard", content=raw, headers=signed(raw))

    return deliver


@pytest.fixture
def stops(on_sqlite: Any) -> Any:
    return lambda: [stop.told for stop in standing(on_sqlite.database)]


async def test_a_job_is_stopped_shown_and_started(small_site: Site, send: Any, answer: Any, stops: Any) -> None:
    shown = await small_site.get("/controls")
    assert "Nothing is." in read(shown)[0]
    how = {"part": "job:survey-escalation", "reason": "wrong <words>", "name": "Ewa Lis"}
    done = await small_site.post("/controls/stop", shown, **how)
    assert (done.status_code, done.headers["location"]) == (303, "/controls")
    assert stops() == ["job survey-escalation (Ewa Lis: wrong <words>)"]
    await send(small_site, answer())

    for path in ("/", "/cases", "/quarantine", "/trace", "/templates", "/controls"):
        words, _ = read(await small_site.get(path))
        assert "Stopped: job survey-escalation, by Ewa Lis since" in words, path
    assert "stopped: job survey-escalation (Ewa Lis: wrong <words>)" in read(await small_site.get("/trace/C-1"))[0]

    preview = await small_site.get("/controls/start", params={"part": "job:survey-escalation"})
    assert "2 actions are due" in read(preview)[0]
    assert stops(), "looking starts nothing"
    begun = await small_site.post("/controls/start", preview, reason="mended", name="Jan Nowak")
    assert (begun.status_code, stops()) == (303, [])


async def test_who_and_why_must_be_said(small_site: Site, stops: Any) -> None:
    shown = await small_site.get("/controls")
    for missing in ({"reason": "x"}, {"name": "Ewa"}, {"reason": " ", "name": "Ewa"}):
        refused = await small_site.post("/controls/stop", shown, part="all:", **missing)
        assert refused.status_code == 422
    assert stops() == []
    await small_site.post("/controls/stop", shown, part="all:", reason="x", name="Ewa")
    preview = await small_site.get("/controls/start", params={"part": "all:"})
    assert (await small_site.post("/controls/start", preview)).status_code == 422
    assert stops() == ["everything (Ewa: x)"]


@pytest.mark.parametrize("part", ["", "job", "job:none", "everything", "kind:\x00"])
async def test_a_part_that_there_is_not_changes_nothing(small_site: Site, stops: Any, part: str) -> None:
    shown = await small_site.get("/controls")
    refused = await small_site.post("/controls/stop", shown, part=part, reason="x", name="Ewa")
    assert refused.status_code == 422
    assert (await small_site.post("/controls/start", shown, part=part, name="Ewa")).status_code == 404
    assert (await small_site.get("/controls/start", params={"part": part})).status_code == 404
    assert stops() == []


async def test_looking_stops_nothing_and_a_form_of_another_site_neither(small_site: Site, stops: Any) -> None:
    shown = await small_site.get("/controls")
    how = {"part": "all:", "reason": "x", "name": "Ewa"}
    for path in ("/controls/stop", "/controls/start"):
        await small_site.get(path, params=how)
    forged = await small_site.client.post("/controls/stop", data={**how, "token": "f" * 64})
    assert stops() == []
    foreign = await small_site.client.post(
        "/controls/stop", data={**hidden(shown), **how}, headers={"sec-fetch-site": "cross-site"}
    )
    assert (forged.status_code, foreign.status_code, stops()) == (403, 403, [])


async def test_the_name_of_whoever_signed_in_is_kept(on_sqlite: Any) -> None:
    let_in(on_sqlite)
    async with site_of(on_sqlite) as site:
        assert (await site.get("/controls")).status_code == 303
        await site.sign_in()
        shown = await site.get("/controls")
        await site.post("/controls/stop", shown, part="all:", reason="x", name="Somebody Else")
        assert [(stop.part, stop.by) for stop in standing(on_sqlite.database)] == [(EVERYTHING, EWA)]
        assert "Stopped" not in read(await site.get("/sign-in"))[0]


async def test_it_works_behind_a_prefix(on_sqlite: Any) -> None:
    async with site_of(on_sqlite, root_path="/care") as site:
        shown = await site.get("/controls")
        assert 'action="/care/controls/stop"' in shown.text
        done = await site.post("/controls/stop", shown, part="all:", reason="x", name="Ewa")
        assert done.headers["location"] == "/care/controls"
