"""Operators sign in by name; nobody else sees or decides anything, and who decided is kept."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any, Literal

import argon2
import pytest
from pages_site import EWA, PASSWORD, Site, let_in, site_of

from gateway.pages.visitors import refuse_open_pages
from integrations.errors import ConfigurationError
from services.operators import SESSION, Operators, hashed_password, load_operators, read_hashes
from services.settings import Settings
from services.tries import TooManyTries
from store.tables import metadata

OUTSIDE = "https://handrail.example"


@pytest.fixture
async def site(installation: Any) -> AsyncIterator[Site]:
    """A browser far away."""
    let_in(installation)
    async with site_of(installation, base_url=OUTSIDE, gateway_url=OUTSIDE) as made:
        yield made


@pytest.fixture
async def small_site(on_sqlite: Any) -> AsyncIterator[Site]:
    """The same on SQLite alone."""
    let_in(on_sqlite)
    async with site_of(on_sqlite, base_url=OUTSIDE, gateway_url=OUTSIDE) as made:
        yield made


async def test_strangers_see_the_form_and_nothing_else(small_site: Site) -> None:
    for path in ("/", "/cases?tier=vip", "/quarantine", "/quarantine/1", "/trace/C-1"):
        sent = await small_site.get(path)
        assert sent.status_code == 303
        assert sent.headers["location"].startswith("/sign-in?to=%2F")
    for path in ("/quarantine/replay", "/quarantine/1/replay", "/quarantine/1/repair", "/quarantine/1/discard"):
        refused = await small_site.client.post(path, data={"id": "1", "token": "x"})
        assert (refused.status_code, "Nothing was changed" in refused.text) == (401, True)
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/assets/style.css"):
        assert (await small_site.get(path)).status_code == 200, path
    assert "trace" not in (await small_site.get("/openapi.json")).text


async def test_signing_in_leads_to_what_was_asked_for(small_site: Site) -> None:
    sent = await small_site.get("/trace/survey/standard/a%252Fb?x=1")
    assert sent.headers["location"] == "/sign-in?to=%2Ftrace%2Fsurvey%2Fstandard%2Fa%25252Fb%3Fx%3D1"

    shown = await small_site.get(sent.headers["location"])
    entered = await small_site.post("/sign-in", shown, name=EWA, password=PASSWORD)

    assert entered.headers["location"] == "/trace/survey/standard/a%252Fb?x=1"


async def test_signed_in_one_sees_and_decides_under_ones_name(site: Site, installation: Any, signed: Any) -> None:
    raw = b'{"type": "survey.responded"}'
    await site.client.post("/webhooks/standard", content=raw, headers=signed(raw, "msg_1"))

    (row,) = installation.rows("quarantine")
    path = f"/quarantine/{row.id}"

    entered = await site.sign_in(to=path)
    assert entered.headers["location"] == path
    item = await site.get(path)
    assert EWA in item.text
    decided = await site.post(f"{path}/discard", item, name="Somebody Else", reason="a test")
    assert decided.status_code == 303

    (decision,) = installation.rows("quarantine_decisions")
    assert (decision.by, decision.reason) == (EWA, "a test")


async def test_the_cookie_is_for_us_alone_and_new_at_each_sign_in(small_site: Site) -> None:
    before = (await small_site.get("/sign-in")).headers["set-cookie"]
    after = (await small_site.sign_in()).headers["set-cookie"]

    for cookie in (before, after):
        assert {part.strip().lower() for part in cookie.split(";")[1:]} == {
            "httponly", "path=/", "samesite=strict", "secure",
        }  # fmt: skip
    assert before.split(";")[0] != after.split(";")[0]


async def test_the_token_is_in_no_page_and_no_table(
    small_site: Site, on_sqlite: Any, signed: Any, secrets: list[str]
) -> None:
    """P23: neither who photographs a page nor who reads the database can sign in with what they see."""
    raw = b'{"type": "survey.responded"}'
    await small_site.client.post("/webhooks/standard", content=raw, headers=signed(raw, "msg_1"))
    strangers = await small_site.get("/sign-in")
    before = small_site.client.cookies["handrail"]
    await small_site.sign_in()
    token = small_site.client.cookies["handrail"]

    assert before not in strangers.text
    for path in ("/", "/cases", "/quarantine", "/quarantine/1", "/trace/C-1"):
        shown = await small_site.get(path)
        assert EWA in shown.text, "one is signed in"
        assert not [one for one in (token, *secrets, PASSWORD) if one in shown.text], path
    kept = " ".join(str(row) for name in metadata.tables for row in on_sqlite.rows(name))
    assert EWA in kept, "the session is there"
    assert not [one for one in (before, token, *secrets, PASSWORD) if one in kept]


async def test_over_plain_http_the_cookie_still_arrives(on_sqlite: Any) -> None:
    let_in(on_sqlite)
    async with site_of(on_sqlite) as site:
        await site.sign_in()
        assert (await site.get("/cases")).status_code == 200


@pytest.mark.parametrize(
    ("name", "password"), [(EWA, "wrong horse battery"), ("Jan", PASSWORD), (EWA, ""), ("", ""), (EWA, "x" * 2000)]
)
async def test_wrong_ones_stay_outside_and_all_hear_the_same(small_site: Site, name: str, password: str) -> None:
    refused = await small_site.sign_in(name, password)

    assert (refused.status_code, "Name or password is wrong." in refused.text) == (403, True)
    assert not password or password not in refused.text
    assert (await small_site.get("/cases")).status_code == 303


@pytest.mark.parametrize("name", [EWA, "Jan"])
async def test_the_wait_does_not_tell_who_is_known(small_site: Site, name: str, monkeypatch: Any) -> None:
    """A wrong password costs the same work whether the name is known or not."""
    checked: list[str] = []

    class Counting(argon2.PasswordHasher):
        def verify(self, hash: str | bytes, password: str | bytes) -> Literal[True]:
            checked.append(str(hash))
            return super().verify(hash, password)

    monkeypatch.setattr("services.operators._HASHER", Counting())

    assert (await small_site.sign_in(name, "guess guess guess")).status_code == 403
    assert len(checked) == 1


async def test_guessers_are_stopped_for_a_while(small_site: Site, on_sqlite: Any, caplog: Any) -> None:
    for _ in range(5):
        assert (await small_site.sign_in(password="guess guess guess")).status_code == 403
    refused = await small_site.sign_in()
    assert (refused.status_code, "quarter of an hour" in refused.text) == (429, True)
    assert (await small_site.get("/cases")).status_code == 303
    assert (await small_site.sign_in("Jan", "guess guess guess")).status_code == 403, "others may still try"
    on_sqlite.clock.go(minutes=16)
    assert (await small_site.sign_in()).status_code == 303
    assert "guess guess" not in caplog.text


async def test_a_guesser_keeps_nobody_else_out(on_sqlite: Any) -> None:
    operators, now = Operators({EWA: hashed_password(PASSWORD)}), on_sqlite.clock()

    async def signs_in(address: str, password: str) -> bool:
        return await operators.sign_in(on_sqlite.database, EWA, password, address, address=address, now=now)

    for _ in range(5):
        assert not await signs_in("203.0.113.7", "guess guess guess")
    with pytest.raises(TooManyTries):
        await signs_in("203.0.113.7", PASSWORD)
    assert await signs_in("198.51.100.9", PASSWORD)


async def test_many_names_from_one_address_are_stopped_too(small_site: Site, monkeypatch: Any) -> None:
    monkeypatch.setattr("services.tries._TRIES_FROM_ONE_ADDRESS", 3)
    for number in range(3):
        assert (await small_site.sign_in(f"name {number}", "guess guess guess")).status_code == 403

    assert (await small_site.sign_in("another", "guess guess guess")).status_code == 429


async def test_signing_out_ends_it_for_whoever_has_the_cookie(small_site: Site) -> None:
    await small_site.sign_in()
    shown = await small_site.get("/cases")
    stolen = dict(small_site.client.cookies)

    assert (await small_site.post("/sign-out", shown)).headers["location"] == "/sign-in"

    small_site.client.cookies.clear()
    small_site.client.cookies.update(stolen)
    assert (await small_site.get("/cases")).status_code == 303


async def test_signing_out_needs_our_form(small_site: Site) -> None:
    await small_site.sign_in()

    assert (await small_site.client.post("/sign-out", data={"token": "x"})).status_code == 403
    assert (await small_site.get("/cases")).status_code == 200


async def test_a_session_ends_with_the_shift(small_site: Site, on_sqlite: Any) -> None:
    await small_site.sign_in()
    on_sqlite.clock.now += SESSION - timedelta(minutes=1)
    assert (await small_site.get("/cases")).status_code == 200
    on_sqlite.clock.go(minutes=1)
    assert (await small_site.get("/cases")).status_code == 303


async def test_another_password_or_none_ends_the_session(on_sqlite: Any) -> None:
    let_in(on_sqlite)
    async with site_of(on_sqlite) as site:
        await site.sign_in()
        cookies = dict(site.client.cookies)
    for operators, status in (({EWA: PASSWORD + "!"}, 303), ({"Jan": PASSWORD}, 303)):
        let_in(on_sqlite, **operators)
        async with site_of(on_sqlite) as site:
            site.client.cookies.update(cookies)
            assert (await site.get("/cases")).status_code == status


async def test_a_link_in_an_alert_leads_there_although_the_cookie_does_not_come_along(small_site: Site) -> None:
    """SameSite=Strict: a click in a mail brings no cookie; the request that our page makes by itself does."""
    bounced = await small_site.get("/trace/C-1", headers={"sec-fetch-site": "cross-site"})

    assert bounced.status_code == 200
    assert '<meta http-equiv="refresh" content="0">' in bounced.text
    again = await small_site.get("/trace/C-1", headers={"sec-fetch-site": "same-origin"})
    assert again.headers["location"] == "/sign-in?to=%2Ftrace%2FC-1"


@pytest.mark.parametrize(
    "to", ["//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/\n/x"]
)
async def test_signing_in_leads_nowhere_else(small_site: Site, to: str) -> None:
    assert (await small_site.sign_in(to=to)).headers["location"] == "/"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ("- Ewa", "must say a hash for each name"),
        ("Ewa: hunter2", "Ewa: is not an argon2 hash"),
        ("Ewa: $argon2id$v=19", "Ewa: is not an argon2 hash"),
        ("Ewa: [", "is not YAML"),
    ],
)
def test_a_file_that_is_wrong_is_said_without_what_stands_in_it(tmp_path: Any, told: str, words: str) -> None:
    file = tmp_path / "operators.yaml"
    file.write_text(told, encoding="utf-8")

    with pytest.raises(ConfigurationError) as problem:
        load_operators(file)

    assert words in str(problem.value)
    assert "hunter2" not in str(problem.value)


def test_no_file_is_nobody(tmp_path: Any) -> None:
    assert read_hashes(tmp_path / "operators.yaml") == {}
    assert not load_operators(tmp_path / "operators.yaml")


@pytest.mark.parametrize("password", ["short", "x" * 1001])
def test_a_password_must_be_worth_its_name(password: str) -> None:
    with pytest.raises(ValueError, match="12 to 1000 characters"):
        hashed_password(password)


@pytest.mark.parametrize(
    ("settings", "is_open"),
    [
        ({}, False),
        ({"gateway_host": "::1"}, False),
        ({"gateway_host": "127.8.8.8"}, False),
        ({"gateway_host": "0.0.0.0"}, True),  # noqa: S104 - refused is what is tested
        ({"gateway_host": "::"}, True),
        ({"gateway_host": "127.evil.example"}, True),
        ({"gateway_host": "10.0.0.7"}, True),
        ({"gateway_url": "https://handrail.example"}, True),
    ],
)
def test_pages_open_to_others_are_refused_without_operators(settings: dict[str, str], is_open: bool) -> None:
    made = Settings.model_validate(settings)
    refuse_open_pages(made, must_sign_in=True)
    if is_open:
        with pytest.raises(ConfigurationError, match="handrail operators add NAME"):
            refuse_open_pages(made, must_sign_in=False)
    else:
        refuse_open_pages(made, must_sign_in=False)
