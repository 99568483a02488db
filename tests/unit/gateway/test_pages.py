"""The pages show what is so, to those who may see it, as text; GET and HEAD change nothing."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from endings_stage import COVER, Endings
from pages_site import Site, hidden, read, site_of
from sqlalchemy import select, update

from domain.controls import EVERYTHING
from domain.entitlements import Standing
from services.controls import start, stop
from store.ledger.rows import cases
from store.tables import metadata

NASTY = (
    "<script>alert(1)</script><img src=x onerror=alert(1)> {{ 7*7 }} {% raw %} **bold** [a](javascript:alert(1)) \u202e"
)
PAGES = ["/", "/cases", "/quarantine", "/quarantine/1", "/trace", "/trace/C-1", "/trace/C-404", "/quarantine/9999"]
PAGES += ["/templates", "/templates/onboarding-welcome/cs", "/templates/onboarding-welcome/xx"]


@pytest.fixture
async def site(installation: Any) -> AsyncIterator[Site]:
    """A browser on this machine; nobody has to sign in."""
    async with site_of(installation) as made:
        yield made


@pytest.fixture
async def small_site(on_sqlite: Any) -> AsyncIterator[Site]:
    """The same on SQLite alone, for what the database has no part in."""
    async with site_of(on_sqlite) as made:
        yield made


@pytest.fixture
def send(signed: Any, as_bytes: Any) -> Any:
    """`await send(site, body, "msg_1")`: a survey tool delivers it."""

    async def deliver(site: Site, body: Any, webhook_id: str = "msg_1") -> None:
        raw = body if isinstance(body, bytes) else as_bytes(body)
        answer = await site.client.post("/webhooks/standard", content=raw, headers=signed(raw, webhook_id))
        assert answer.status_code < 500

    return deliver


def ids(installation: Any) -> list[int]:
    """What is in quarantine, the oldest first."""
    return [row.id for row in installation.rows("quarantine")]


def wrong(answer: Any, **data: Any) -> dict[str, Any]:
    """A delivery whose score is none."""
    body: dict[str, Any] = answer(**data)
    body["data"]["score"] = 42
    return body


async def test_the_first_page_counts_and_links(site: Site, send: Any, answer: Any, installation: Any) -> None:
    await send(site, answer(), "msg_1")
    await send(site, wrong(answer, response_id="r-2"), "msg_2")
    stop(installation.database, EVERYTHING, by="ann", reason="x", now=installation.clock())

    words, _ = read(await site.get("/"))

    assert "1 open case" in words
    assert "1 in quarantine" in words
    assert "Stopped: everything, by ann since" in words


async def test_a_trace_tells_the_story_with_links(site: Site, send: Any, answer: Any, installation: Any) -> None:
    await send(site, answer())
    await installation.settled()

    shown = await site.get("/trace/C-1")

    words, _ = read(shown)
    assert shown.status_code == 200
    assert words.index("Czekam trzeci tydzień.") < words.index("opened case C-1-1") < words.index("being sent → done")
    assert "safe to repeat (one record per key)" in words
    assert "needs_human" not in words
    assert 'href="/trace/case/C-1/1/ticket"' in shown.text
    assert (
        '<time datetime="2026-03-04T11:00:00Z" title="2026-03-04 11:00:00.000 UTC">4 Mar 2026 12:00:00</time>'
        in shown.text
    )
    for subject in ("case/C-1/1/ticket", "C-1-1", "survey/standard/r-1"):
        assert (await site.get(f"/trace/{subject}")).status_code == 200


async def test_a_key_with_a_slash_in_it_is_found_by_its_link(small_site: Site, send: Any, answer: Any) -> None:
    await send(small_site, answer(response_id="a/b %2F?#ü"))

    shown = await small_site.get("/trace/C-1")

    links = [part.split('"')[0] for part in shown.text.split('href="/trace/')[1:]]
    assert any("acknowledgement" in link for link in links)
    for link in links:
        assert (await small_site.get(f"/trace/{link}")).status_code == 200, link


async def test_runs_and_vendors_are_linked(on_sqlite: Any, send: Any, answer: Any, monkeypatch: Any) -> None:
    run = "0f0e1d2c-1111-4222-8333-444455556666"
    pages = {"open_ticket": "https://desk.example/T", "send_mail": "javascript:alert(1)"}
    monkeypatch.setattr(
        "integrations.fakes.FakeVendor.page_of", lambda _self, operation, _id, *, key: pages[operation], raising=False
    )
    async with site_of(on_sqlite, prefect_api_url="http://prefect.internal:4200/api") as site:
        await send(site, answer())
        await on_sqlite.settled()
        with on_sqlite.database.write() as connection:
            connection.execute(update(metadata.tables["audit"]).values(by=run))
        shown = await site.get("/trace/C-1")
        listed = await site.get("/cases")

    assert 'href="https://desk.example/T"' in listed.text
    assert f'href="http://prefect.internal:4200/runs/flow-run/{run}"' in shown.text
    assert 'href="https://desk.example/T"' in shown.text
    assert "javascript:" not in shown.text


async def test_a_trace_shows_what_ends(site: Site, installation: Any) -> None:
    endings = Endings(installation)
    anna = endings.customer()
    endings.save(anna, replace(COVER, ref="E-1", product="<b>Home</b>"))
    endings.save(anna, replace(COVER, ref="E-2", auto_renews=True, standing=Standing.CANCELLED))

    words, _ = read(shown := await site.get("/trace/E-1"))

    assert shown.status_code == 200
    assert "E-1 policy <b>Home</b>" in words
    assert "worth 1290.00 PLN" in words
    assert 'href="/trace/E-1"' in shown.text
    words, _ = read(await site.get("/trace/C-1"))
    assert "cancelled" in words
    assert "renews by itself" in words


async def test_a_trace_does_not_claim_that_a_message_went_out(
    small_site: Site, send: Any, answer: Any, on_sqlite: Any
) -> None:
    stop(on_sqlite.database, EVERYTHING, by="ann", reason="x", now=on_sqlite.clock())
    await send(small_site, answer())
    assert "The words, in Polish" in (await small_site.get("/trace/C-1")).text
    on_sqlite.clock.go(hours=25)
    start(on_sqlite.database, EVERYTHING, by="ann", reason="x", now=on_sqlite.clock())
    await on_sqlite.settled()

    words, _ = read(await small_site.get("/trace/C-1"))

    assert "What it would have said, in Polish" in words
    assert "The words, in" not in words


async def test_what_nobody_knows_is_a_page_that_helps(site: Site, send: Any, answer: Any) -> None:
    await send(site, answer(response_id="resp-1042"))

    shown = await site.get("/trace/resp-1024")

    words, _ = read(shown)
    assert shown.status_code == 404
    assert "Nobody knows resp-1024" in words
    assert 'href="/trace/resp-1042"' in shown.text
    assert "A customer's or an entitlement's ref, an answer's id" in words
    assert 'value="resp-1024"' in shown.text, "what was typed is there to be corrected"
    assert 'value="&#34;&gt;&lt;b&gt;"' in (await site.get('/trace/"><b>')).text
    assert (await site.get("/trace", params={"subject": " resp-1042 "})).headers["location"] == "/trace/resp-1042"
    assert (await site.get("/trace", params={"subject": "//evil.example"})).headers[
        "location"
    ] == "/trace///evil.example"


async def test_cases_are_listed_by_promised_time_and_filtered(
    site: Site, send: Any, answer: Any, installation: Any, on_file: Any
) -> None:
    on_file("C-2", email="c-2@example.com", tier="vip", dedicated_agent="Jan Zając")
    await send(site, answer(), "msg_1")
    await send(site, answer(response_id="r-2", customer={"ref": "C-2"}), "msg_2")
    await installation.settled()

    words, _ = read(await site.get("/cases"))
    assert words.index("C-2-1") < words.index("C-1-1"), "a vip's answer is promised earlier"
    assert "Jan Zając" in words
    assert "late" not in words.partition("Answer promised by")[2]
    installation.clock.go(hours=3)
    words, _ = read(await site.get("/cases"))
    assert "2 open, 1 late" in words
    for query, listed in (
        ("late=late", {"C-2-1"}),
        ("tier=vip", {"C-2-1"}),
        ("tier=basic", {"C-1-1"}),
        ("owner=Jan+Zaj%C4%85c", {"C-2-1"}),
        ("team=Customer+Retention", {"C-1-1", "C-2-1"}),
        ("team=nobody", set()),
        ("page_number=2", set()),
        ("page_number=-1&tier=%00x", set()),
    ):
        shown = await site.get(f"/cases?{query}")
        assert shown.status_code == 200, query
        assert {case for case in ("C-1-1", "C-2-1") if f"/trace/{case}" in shown.text} == listed, query


async def test_a_case_that_somebody_took_names_them_and_is_not_late_once_answered(
    site: Site, send: Any, answer: Any, installation: Any
) -> None:
    await send(site, answer())
    await installation.settled()
    words, _ = read(await site.get("/cases"))
    assert "nobody yet, for Customer Retention" in words
    assert "a colleague’s answer" in words

    with installation.database.write() as connection:
        connection.execute(update(cases).values(assignee="Ola Nowak", answered_at=installation.clock()))
    installation.clock.go(days=3)

    words, _ = read(await site.get("/cases?owner=Ola+Nowak"))
    assert "1 open" in words
    assert "late" not in words.partition("Answer promised by")[2]
    assert "Ola Nowak" in words
    assert "the end of its ticket" in words
    assert "0 open" in read(await site.get("/cases?late=late"))[0]


async def test_cases_come_in_pages(site: Site, send: Any, answer: Any, monkeypatch: Any, installation: Any) -> None:
    monkeypatch.setattr("gateway.pages.cases._ON_A_PAGE", 1)
    for number in (1, 2):
        who = {"ref": f"C-{number}", "email": f"c-{number}@example.com"}
        await send(site, answer(response_id=f"r-{number}", customer=who), f"msg_{number}")
        installation.clock.go(minutes=5)

    first = await site.get("/cases?tier=basic")
    second = await site.get("/cases?tier=basic&page_number=2")

    assert "/trace/C-1-1" in first.text
    assert "/trace/C-2-1" not in first.text
    assert "?tier=basic&amp;page_number=2" in first.text
    assert "/trace/C-2-1" in second.text


async def test_customers_words_are_shown_as_text_everywhere(
    small_site: Site, send: Any, answer: Any, on_sqlite: Any
) -> None:
    who = {"ref": "C-1", "name": NASTY[:60], "email": "anna@example.com"}
    await send(small_site, answer(comment=NASTY, customer=who), "msg_1")
    await send(small_site, wrong(answer, response_id="<b>r", comment=NASTY, customer=who), "<script>2</script>")
    with on_sqlite.database.write() as connection:
        connection.execute(update(cases).values(reason=NASTY, team="<i>team</i>"))
    await on_sqlite.settled()

    for path in ("/trace/C-1", "/quarantine", "/quarantine/1", "/cases", f"/trace/{'<script>alert(1)</script>'}"):
        shown = await small_site.get(path)
        words, tags = read(shown)
        assert not tags & {"script", "b", "i"}, path
        assert "onerror=alert" not in " ".join(word for word in shown.text.split("<") if word.startswith("img"))
        assert "49" not in words.replace("2026-03-04", ""), f"{path}: somebody computed {{{{ 7*7 }}}}"
        if path in {"/trace/C-1", "/quarantine/1", "/cases"}:
            assert "<script>alert(1)</script><img src=x onerror=alert(1)> {{ 7*7 }} {% raw %} **bold**" in words, path


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_leaves_with_its_headers(small_site: Site, send: Any, answer: Any, path: str) -> None:
    await send(small_site, answer(), "msg_1")
    await send(small_site, wrong(answer, response_id="r-2"), "msg_2")

    shown = await small_site.get(path)

    policy = shown.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert "unsafe" not in policy
    assert shown.headers["cache-control"] == "no-store"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert shown.headers["referrer-policy"] == "same-origin"
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    _, tags = read(shown)
    assert not tags & {"script", "style", "object"}
    assert ("iframe" in tags) is ("frame-src 'self'" in policy) is (path in {"/templates", PAGES[-2]})
    assert "style=" not in shown.text
    assert '<html lang="en">' in shown.text


async def test_looking_changes_nothing(site: Site, send: Any, answer: Any, installation: Any) -> None:
    await send(site, answer(), "msg_1")
    await send(site, wrong(answer, response_id="r-2"), "msg_2")
    await installation.settled()

    def everything() -> dict[str, list[Any]]:
        return {name: installation.rows(name) for name in metadata.tables}

    before = everything()
    (row_id,) = ids(installation)
    one = f"/quarantine/{row_id}"
    for path in [*PAGES, one, f"{one}/replay", f"{one}/repair", f"{one}/discard", "/quarantine/replay", "/sign-out"]:
        for method in ("GET", "HEAD"):
            shown = await site.client.request(method, path, params={"id": row_id, "name": "Ewa", "reason": "x"})
            assert shown.status_code in {200, 404, 405}, (method, path)
    assert everything() == before


async def test_the_whole_way_from_quarantine_to_trace(site: Site, send: Any, answer: Any, installation: Any) -> None:
    await send(site, wrong(answer))
    listed, _ = read(await site.get("/quarantine"))
    assert "data.score : is 42, which is not on the scale" in listed
    (row_id,) = ids(installation)
    path = f"/quarantine/{row_id}"
    item = await site.get(path)
    right = json.dumps(answer())

    checked = await site.post(f"{path}/repair", item, text='{"type": 1}', do="check")
    assert "Not kept; this is still wrong" in read(checked)[0]
    assert "{&#34;type&#34;: 1}" in checked.text, "what was typed is still there"
    refused = await site.post(f"{path}/repair", item, text="{", do="keep", name="Ewa", reason="typed twice")
    assert refused.status_code == 422
    nameless = await site.post(f"{path}/repair", item, text=right, do="keep", reason="typed twice")
    assert (nameless.status_code, "say who you are" in nameless.text) == (409, True)
    kept = await site.post(f"{path}/repair", item, text=right, do="keep", name="Ewa", reason="typed twice")
    assert (kept.status_code, kept.headers["location"]) == (303, f"{path}#decide")
    stale = await site.post(f"{path}/replay", item, name="Jan")
    assert (stale.status_code, "Ewa repaired it meanwhile" in stale.text) == (409, True)
    item = await site.get(path)
    replayed = await site.post(f"{path}/replay", item, name="Ewa")
    assert replayed.headers["location"] == f"{path}#decided"
    await installation.settled()
    again = await site.post(f"{path}/replay", item, name="Ewa")
    assert (again.status_code, "was replayed already" in again.text) == (409, True)

    assert sorted(installation.effects()) == [
        ("open_ticket", "case/C-1/1/ticket"),
        ("send_mail", "survey/standard/r-1/acknowledgement"),
    ]
    over = await site.get(path)
    assert 'href="/trace/survey/standard/r-1"' in over.text
    assert "<form" not in over.text
    story = await site.get("/trace/survey/standard/r-1")
    assert f'href="{path}"' in story.text, "the story says where it came from"


async def test_several_are_replayed_at_once_and_one_is_discarded(
    site: Site, send: Any, answer: Any, installation: Any, on_file: Any
) -> None:
    for number in (1, 2, 3):
        await send(site, answer(response_id=f"r-{number}", customer={"ref": "C-1"}), f"msg_{number}")
    on_file("C-1", email="c-1@example.com")
    first, second, third = ids(installation)
    listed = await site.get("/quarantine")

    nothing = await site.post("/quarantine/replay", listed, name="Ewa")
    told = await site.post("/quarantine/replay", listed, name="Ewa", id=[str(first), str(third), "7777777", "x"])
    item = await site.get(f"/quarantine/{second}")
    unsaid = await site.post(f"/quarantine/{second}/discard", item, name="Ewa", reason=" ")
    gone = await site.post(f"/quarantine/{second}/discard", item, name="Ewa", reason="sent by mistake")

    assert (nothing.status_code, unsaid.status_code, gone.status_code) == (400, 409, 303)
    assert "Replayed: 2 accepted" in read(told)[0]
    assert [row.state for row in installation.rows("quarantine")] == ["replayed", "discarded", "replayed"]
    assert "sent by mistake" in (await site.get(f"/quarantine/{second}")).text
    with installation.database.read() as connection:
        decided = connection.execute(select(metadata.tables["quarantine_decisions"])).all()
    assert {row.by for row in decided} == {"Ewa"}


async def test_a_long_comment_is_cut(small_site: Site, send: Any, answer: Any) -> None:
    await send(small_site, answer(comment="y" * 30_000))

    shown = await small_site.get("/trace/C-1")

    assert "y" * 4001 not in shown.text
    assert "Only the first 4000 of 30000 characters are shown" in shown.text


async def test_a_long_payload_is_cut_and_an_unknown_one_said(small_site: Site, send: Any) -> None:
    await send(small_site, b'{"x": "' + b"y" * 30_000 + b'"}')

    shown = await small_site.get("/quarantine/1")

    assert "Only the first 20000 of 30009 characters are shown" in shown.text
    for nobodys in ("99", "99999999999999999999", "0"):
        assert (await small_site.get(f"/quarantine/{nobodys}")).status_code == 404
    assert (await small_site.get("/trace/a%00b")).status_code == 404
    assert (await small_site.get("/quarantine?state=lost&source=%3Cb%3E&before=x")).status_code == 200


@pytest.mark.parametrize(
    "break_it",
    ["no token", "another browser's token", "another site", "no cookie"],
)
async def test_a_form_that_is_not_ours_changes_nothing(
    small_site: Site, send: Any, answer: Any, on_sqlite: Any, break_it: str
) -> None:
    await send(small_site, wrong(answer))
    item = await small_site.get("/quarantine/1")
    fields, headers = {**hidden(item), "name": "Eve", "reason": "why not"}, {"sec-fetch-site": "same-origin"}
    if break_it == "no token":
        del fields["token"]
    elif break_it == "another browser's token":
        async with site_of(on_sqlite) as other:
            fields["token"] = hidden(await other.get("/quarantine/1"))["token"]
    elif break_it == "another site":
        headers["sec-fetch-site"] = "cross-site"
    else:
        small_site.client.cookies.clear()

    for path in ("/quarantine/1/discard", "/quarantine/1/replay", "/quarantine/1/repair", "/quarantine/replay"):
        refused = await small_site.client.post(path, data={**fields, "id": "1"}, headers=headers)
        assert refused.status_code == 403, path
        assert "Nothing was changed" in refused.text
    assert on_sqlite.rows("quarantine_decisions") == []
    fields = {**hidden(item), "name": "Ewa", "reason": "a duplicate"}
    if break_it != "no cookie":  # the very same form, as it should be, is taken
        assert (await small_site.client.post("/quarantine/1/discard", data=fields)).status_code == 303


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b'{"token": "x"}', "application/json"),
        (b"token=x", "text/plain"),
        (b"token=\xff", "application/x-www-form-urlencoded"),
        (b"token=%FF%FE", "application/x-www-form-urlencoded"),
        (b"a=1&" * 1001, "application/x-www-form-urlencoded"),
        (b"x" * (2 * 1024 * 1024 + 1), "application/x-www-form-urlencoded"),
    ],
)
async def test_what_is_no_form_is_refused(small_site: Site, content: bytes, kind: str) -> None:
    refused = await small_site.client.post("/quarantine/replay", content=content, headers={"content-type": kind})

    assert (refused.status_code, "Nothing was changed" in refused.text) == (400, True)


@pytest.mark.parametrize("path", PAGES)
async def test_pages_without_sign_in_are_for_the_machine_itself(on_sqlite: Any, path: str) -> None:
    async with site_of(on_sqlite) as site:
        for headers in ({"host": "handrail.example"}, {"x-forwarded-for": "203.0.113.7"}, {"forwarded": "for=_x"}):
            refused = await site.get(path, headers=headers)
            assert refused.status_code == 403
            assert "handrail operators add NAME" in refused.text
        for host in ("localhost:8100", "127.0.0.1", "[::1]:8100"):
            assert (await site.get(path, headers={"host": host})).status_code in {200, 404}
        probe = await site.get("/healthz", headers={"host": "handrail.example"})
        assert probe.status_code == 200


async def test_behind_a_prefix_every_link_has_it(on_sqlite: Any, send: Any, answer: Any) -> None:
    async with site_of(on_sqlite, root_path="/care") as site:
        await send(site, answer(), "msg_1")
        await send(site, wrong(answer, response_id="r-2"), "msg_2")
        for path in PAGES:
            shown = await site.get(path)
            links = [part.split('"')[0] for part in shown.text.split('href="')[1:]]
            actions = [part.split('"')[0] for part in shown.text.split('action="')[1:]]
            assert all(link.startswith(("/care/", "#", "?", "https:")) for link in links + actions), path
            assert "Path=/care;" in shown.headers.get("set-cookie", "Path=/care;")
        assert (await site.get("/trace?subject=C-1")).headers["location"] == "/care/trace/C-1"


async def test_a_database_that_is_away_is_said(small_site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError

    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr("gateway.pages.front.standing", away)

    shown = await small_site.get("/")

    assert (shown.status_code, "The database does not answer" in shown.text) == (503, True)
