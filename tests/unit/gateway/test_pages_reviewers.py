"""Reviewers sign in by a one-time code; what they may is what they may now."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pyotp
import pytest
from pages_site import EWA, PASSWORD, Site, let_in, read, site_of

from gateway.pages.visitors import COOKIE, _known
from services.operators import SESSION, Operators
from services.reviewers import Credentials, add_reviewer, change_roles, new_credentials, remove, renew
from store.tables import metadata

OUTSIDE = "https://handrail.example"
JAN = "Jan Nowak"
ROLES = ("lead", "on_call")


@pytest.fixture
def jan(on_sqlite: Any) -> Credentials:
    """A reviewer; nobody is an operator."""
    made = new_credentials(JAN)
    add_reviewer(on_sqlite.database, made, ["on_call"], known_roles=ROLES, by="admin", now=on_sqlite.clock())
    return made


@pytest.fixture
async def site(on_sqlite: Any, jan: Credentials) -> AsyncIterator[Site]:
    """A phone far away."""
    async with site_of(on_sqlite, base_url=OUTSIDE, gateway_url=OUTSIDE) as made:
        yield made


async def enter(site: Site, code: str, name: str = JAN, to: str = "/cases", field: str = "code") -> httpx.Response:
    """As a person does."""
    shown = await site.get("/sign-in", params={"to": to})
    return await site.post("/sign-in", shown, name=name, **{field: code})


def shown_by(made: Credentials, at: Any) -> str:
    """What the phone shows."""
    return pyotp.TOTP(made.secret).at(at)


def reviewer_of(site: Site, installation: Any) -> Any:
    """Whom the pages know the browser's cookie to be."""
    return _known(site.app.state.handrail, site.app.state.operators, site.client.cookies[COOKIE])


async def test_with_reviewers_strangers_see_the_form_and_nothing_else(site: Site) -> None:
    for path in ("/", "/cases", "/quarantine/1", "/trace/C-1"):
        sent = await site.get(path)
        assert (sent.status_code, sent.headers["location"].partition("?")[0]) == (303, "/sign-in")
    refused = await site.client.post("/quarantine/1/discard", data={"token": "x"})
    assert (refused.status_code, "Nothing was changed" in refused.text) == (401, True)


async def test_the_form_is_for_a_phone(site: Site) -> None:
    """iOS and Android offer the code of `one-time-code`; `inputmode` brings the digits."""
    words = (await site.get("/sign-in")).text

    assert '<input id="code" name="code" type="text" inputmode="numeric" autocomplete="one-time-code"' in words
    assert 'name="password"' not in words, "nobody has one"


async def test_who_has_operators_too_is_asked_for_either(on_sqlite: Any, jan: Credentials) -> None:
    let_in(on_sqlite)
    async with site_of(on_sqlite) as site:
        text, _ = read(await site.get("/sign-in"))
        assert text.index("One-time code") < text.index("I have a password")
        assert (await site.sign_in()).status_code == 303
        assert reviewer_of(site, on_sqlite).reviewer is None, "who has a password alone decides no review"
        assert EWA in (await site.get("/cases")).text


async def test_operators_alone_are_asked_for_a_password_alone(on_sqlite: Any) -> None:
    let_in(on_sqlite)
    async with site_of(on_sqlite) as site:
        words = (await site.get("/sign-in")).text
        assert 'name="password"' in words
        assert 'name="code"' not in words


async def test_a_code_leads_in_under_ones_name_and_roles(site: Site, on_sqlite: Any, jan: Credentials) -> None:
    entered = await enter(site, shown_by(jan, on_sqlite.clock()), name="jan nowak", to="/quarantine")

    assert (entered.status_code, entered.headers["location"]) == (303, "/quarantine")
    assert JAN in (await site.get("/cases")).text
    visitor = reviewer_of(site, on_sqlite)
    assert (visitor.name, visitor.reviewer.roles) == (JAN, {"on_call"})


async def test_a_code_begins_one_session_only(site: Site, on_sqlite: Any, jan: Credentials) -> None:
    code = shown_by(jan, on_sqlite.clock())
    await enter(site, code)
    site.client.cookies.clear()

    refused = await enter(site, code)

    assert (refused.status_code, "used already" in read(refused)[0]) == (403, True)
    assert (await site.get("/cases")).status_code == 303


async def test_a_recovery_code_leads_in_once(site: Site, jan: Credentials) -> None:
    assert (await enter(site, jan.recovery_codes[0], field="recovery")).status_code == 303
    site.client.cookies.clear()
    assert (await enter(site, jan.recovery_codes[0], field="recovery")).status_code == 403


@pytest.mark.parametrize("name", [JAN, "Nobody"])
async def test_wrong_codes_stay_outside_and_all_hear_the_same(site: Site, name: str, jan: Credentials) -> None:
    refused = await enter(site, "000000" if shown_by(jan, 0) != "000000" else "111111", name=name)

    text, _ = read(refused)
    assert refused.status_code == 403
    assert "The name or the code is wrong. A code counts for two minutes, and only once." in text
    assert (await site.get("/cases")).status_code == 303


async def test_no_code_is_no_try(site: Site, on_sqlite: Any, jan: Credentials) -> None:
    for _ in range(7):
        refused = await enter(site, "")
        assert (refused.status_code, "Type the six digits" in refused.text) == (403, True)

    assert (await enter(site, shown_by(jan, on_sqlite.clock()))).status_code == 303


async def test_guessers_are_stopped_and_who_has_a_recovery_code_is_not(
    site: Site, on_sqlite: Any, jan: Credentials, caplog: Any
) -> None:
    right = shown_by(jan, on_sqlite.clock())
    wrong = f"{(int(right) + 333_333) % 10**6:06}"
    for _ in range(5):
        assert (await enter(site, wrong)).status_code == 403
    refused = await enter(site, right)
    assert (refused.status_code, "use a recovery code now" in read(refused)[0]) == (429, True)

    assert (await enter(site, jan.recovery_codes[0], field="recovery")).status_code == 303
    assert not [code for code in (wrong, right, *jan.recovery_codes, jan.secret) if code in caplog.text]


async def test_an_address_that_tries_many_names_is_stopped(site: Site, jan: Credentials, monkeypatch: Any) -> None:
    monkeypatch.setattr("services.tries._TRIES_FROM_ONE_ADDRESS", 3)
    for number in range(3):
        assert (await enter(site, "123456", name=f"name {number}")).status_code == 403

    refused = await enter(site, jan.recovery_codes[0], field="recovery")

    assert (refused.status_code, "Too many wrong codes from here" in refused.text) == (429, True)


async def test_a_form_of_another_site_signs_nobody_in(site: Site, on_sqlite: Any, jan: Credentials) -> None:
    """A session of the attacker's, and what is decided in it, would be taken for one's own."""
    code = shown_by(jan, on_sqlite.clock())

    refused = await site.client.post("/sign-in", data={"name": JAN, "code": code, "token": "x"})

    assert (refused.status_code, "Nothing was changed" in refused.text) == (403, True)
    assert (await enter(site, code)).status_code == 303, "and the code was not spent"


@pytest.mark.parametrize("how", ["removed", "renewed", "removed and added"])
async def test_a_session_ends_with_what_it_began_with(site: Site, on_sqlite: Any, jan: Credentials, how: str) -> None:
    """P9: the session of a removed reviewer decides nothing."""
    database, now = on_sqlite.database, on_sqlite.clock()
    await enter(site, shown_by(jan, now))
    assert (await site.get("/cases")).status_code == 200

    if how == "renewed":
        renew(database, new_credentials(JAN), by="admin", now=now)
    else:
        remove(database, JAN, by="admin", now=now)
        other = JAN if how == "removed and added" else "Somebody Else"
        add_reviewer(database, new_credentials(other), ["lead"], known_roles=ROLES, by="admin", now=now)

    assert (await site.get("/cases")).status_code == 303
    assert reviewer_of(site, on_sqlite).reviewer is None


async def test_when_the_last_one_is_removed_nobody_far_away_sees_anything(
    site: Site, on_sqlite: Any, jan: Credentials
) -> None:
    await enter(site, shown_by(jan, on_sqlite.clock()))
    remove(on_sqlite.database, JAN, by="admin", now=on_sqlite.clock())

    refused = await site.get("/cases")

    assert (refused.status_code, "handrail reviewers add NAME" in refused.text) == (403, True)


async def test_roles_are_read_anew_at_each_request(site: Site, on_sqlite: Any, jan: Credentials) -> None:
    await enter(site, shown_by(jan, on_sqlite.clock()))

    change_roles(on_sqlite.database, JAN, ["lead"], known_roles=ROLES, by="admin", now=on_sqlite.clock())

    assert reviewer_of(site, on_sqlite).reviewer.roles == {"lead"}


async def test_it_ends_with_the_shift(site: Site, on_sqlite: Any, jan: Credentials) -> None:
    await enter(site, shown_by(jan, on_sqlite.clock()))
    on_sqlite.clock.now += SESSION - timedelta(minutes=1)
    assert (await site.get("/cases")).status_code == 200
    on_sqlite.clock.go(minutes=1)
    assert (await site.get("/cases")).status_code == 303


async def test_signing_out_ends_it(site: Site, on_sqlite: Any, jan: Credentials) -> None:
    await enter(site, shown_by(jan, on_sqlite.clock()))
    stolen = dict(site.client.cookies)
    shown = await site.get("/cases")

    assert (await site.post("/sign-out", shown)).headers["location"] == "/sign-in"

    site.client.cookies.clear()
    site.client.cookies.update(stolen)
    assert (await site.get("/cases")).status_code == 303


async def test_a_password_session_is_no_reviewers_though_the_name_is_the_same(on_sqlite: Any) -> None:
    """P9: who knows a colleague's password cannot decide; a code of the phone is asked for."""
    made = new_credentials(EWA)
    add_reviewer(on_sqlite.database, made, ["lead"], known_roles=ROLES, by="admin", now=on_sqlite.clock())
    let_in(on_sqlite)
    async with site_of(on_sqlite) as site:
        await site.sign_in(EWA, PASSWORD)
        visitor = reviewer_of(site, on_sqlite)
        assert (visitor.name, visitor.reviewer) == (EWA, None)


async def test_neither_page_nor_table_tells_what_would_let_somebody_in(
    site: Site, on_sqlite: Any, jan: Credentials
) -> None:
    """P23."""
    code = shown_by(jan, on_sqlite.clock())
    entered = await enter(site, code)
    token = site.client.cookies[COOKIE]

    pages = entered.text + "".join([(await site.get(path)).text for path in ("/", "/cases", "/quarantine")])
    kept = " ".join(str(row) for name in metadata.tables if name != "reviewers" for row in on_sqlite.rows(name))
    assert JAN in pages
    assert JAN in kept
    for secret in (jan.secret, *jan.recovery_codes, token):
        assert secret not in pages
        assert secret not in kept
    assert code not in pages


async def test_files_keep_nothing_that_let_somebody_in(site: Site, on_sqlite: Any, jan: Credentials) -> None:
    """P23, by bytes: not sessions' tokens, not recovery codes, and not the secret of a phone that was lost."""
    await enter(site, shown_by(jan, on_sqlite.clock()))
    token = site.client.cookies[COOKIE]
    site.client.cookies.clear()
    await enter(site, jan.recovery_codes[0], field="recovery")
    await enter(site, "RONG-CODE-RONG-CODE", field="recovery")
    tokens = [token, site.client.cookies[COOKIE]]
    made = new_credentials(JAN)
    renew(on_sqlite.database, made, by="admin", now=on_sqlite.clock())

    assert on_sqlite.database.empty_log()
    kept = b"".join(file.read_bytes() for file in on_sqlite.directory.rglob("*") if file.is_file())

    assert made.secret.encode() in kept, "the canary sings: codes cannot be checked without it"
    codes = [*jan.recovery_codes, *made.recovery_codes, "RONG-CODE-RONG-CODE"]
    for secret in (jan.secret, *tokens, *codes, *(code.replace("-", "") for code in codes)):
        assert secret.encode() not in kept


async def test_without_reviewers_and_operators_pages_are_the_machines(on_sqlite: Any) -> None:
    async with site_of(on_sqlite) as site:
        assert (await site.get("/cases")).status_code == 200
        assert (await site.get("/sign-in")).headers["location"] == "/"
        visitor = _known(site.app.state.handrail, Operators({}), "anything")
        assert (visitor.name, visitor.reviewer, visitor.must_sign_in) == (None, None, False)
