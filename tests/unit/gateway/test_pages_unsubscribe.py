"""The page that our messages' links lead to: one click ends it, a look changes nothing, a stranger learns nothing."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import time
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from pages_site import Site, read, site_of
from sqlalchemy import insert
from sqlalchemy.exc import OperationalError

from domain.actions import Basis, Capability, Kind
from domain.customers import Customer, Purpose
from domain.hours import ContactWindow
from domain.planning import Payload, PlannedAction
from services.places import Places
from services.tracing import trace
from store import customers, enrolments
from store.ledger.enqueue import About, enqueue
from store.tables import metadata

SECRET = "s" * 40
PERSON = Customer(
    "C-1",
    name="Ewa Kowalska",
    email="ewa.kowalska@rodzina.pl",
    phone="+48600700845",
    language="pl-PL",
    time_zone="Europe/Warsaw",
    window=ContactWindow(time(9, 15), time(17)),
)
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
CHANNELS = ("mail", "push", "sms", "voice")


def put(installation: Any, person: Customer = PERSON) -> int:
    """Somebody who allowed tips and reminders by mail, and offers nowhere."""
    with installation.database.write() as connection:
        made = customers.create(connection, person, now=installation.clock())
        for purpose, granted in ((Purpose.ONBOARDING, True), (Purpose.REMINDERS, True), (Purpose.MARKETING, False)):
            customers.set_consent(connection, made, purpose, "mail", granted=granted, now=installation.clock())
        return made


@pytest.fixture
async def site(installation: Any) -> AsyncIterator[Site]:
    async with site_of(installation, base_url="https://care.example", link_secret=SECRET) as made:
        yield made


@pytest.fixture
async def small_site(on_sqlite: Any) -> AsyncIterator[Site]:
    async with site_of(on_sqlite, base_url="https://care.example", link_secret=SECRET) as made:
        yield made


def path(site: Site, customer_id: int, purpose: Purpose = Purpose.ONBOARDING) -> str:
    return f"/unsubscribe/{site.app.state.handrail.links.token(customer_id, purpose)}"


def said(installation: Any) -> dict[tuple[str, str], bool]:
    """(purpose, channel) → allowed."""
    return {(row.purpose, row.channel): bool(row.granted) for row in installation.rows("consents")}


def refused(*purposes: Purpose) -> dict[tuple[str, str], bool]:
    return {(str(purpose), channel): False for purpose in purposes for channel in CHANNELS}


@pytest.mark.parametrize("way", ["urlencoded", "multipart"])
async def test_one_click_of_a_mail_program_acts_at_once(installation: Any, site: Site, way: str) -> None:
    made = put(installation)
    sent = {"files": {"List-Unsubscribe": (None, "One-Click")}} if way == "multipart" else {"data": ONE_CLICK}

    answers = [await site.client.post(path(site, made), **sent) for _ in range(2)]

    assert [(it.status_code, it.history) for it in answers] == [(200, []), (200, [])]
    assert all("set-cookie" not in it.headers and "location" not in it.headers for it in answers)
    assert said(installation) == {
        **refused(Purpose.ONBOARDING),
        ("reminders", "mail"): True,
        ("marketing", "mail"): False,
    }


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_mail_scanner_that_follows_the_link_changes_nothing(installation: Any, site: Site, method: str) -> None:
    made = put(installation)
    before = {table: installation.rows(table) for table in ("customers", "consents", "actions")}

    answer = await site.client.request(method, path(site, made), params={**ONE_CLICK, "do": "stop-all"})

    assert answer.status_code == 200
    assert {table: installation.rows(table) for table in before} == before


@pytest.mark.parametrize("body", [{}, {"do": "format-the-disk"}, {"List-Unsubscribe": "Perhaps"}, {"do": "stop"}])
async def test_a_post_that_says_nothing_we_know_changes_nothing(on_sqlite: Any, small_site: Site, body: Any) -> None:
    made = put(on_sqlite)
    before = said(on_sqlite)

    answer = await small_site.client.post(path(small_site, made), data=body)

    assert answer.status_code == 400
    assert said(on_sqlite) == before


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/x-www-form-urlencoded", b"do=stop-all&x=" + b"x" * 20_000),
        ("application/x-www-form-urlencoded", "do=stop-all&x=ż".encode()),
        ("multipart/form-data", b"do=stop-all"),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="do"\r\n\r\n\xff\r\n--b--'),
        ("application/json", b'{"do": "stop-all"}'),
        ("", b"\0" * 100),
    ],
)
async def test_what_is_no_form_of_ours_is_answered_and_changes_nothing(
    on_sqlite: Any, small_site: Site, kind: str, body: bytes
) -> None:
    made = put(on_sqlite)

    answer = await small_site.client.post(path(small_site, made), content=body, headers={"content-type": kind})

    assert answer.status_code == 400
    assert said(on_sqlite)["onboarding", "mail"] is True


async def test_from_one_purpose_and_then_from_all(installation: Any, site: Site) -> None:
    made = put(installation)
    words, _ = read(await site.get(path(site, made)))
    assert "porady na początek" in words
    assert "oferty" not in words.split("Jak i kiedy")[0]

    words, _ = read(await site.client.post(path(site, made), data={"do": "stop-this"}))

    assert "Nie będziemy już wysyłać porad na początek." in words
    assert said(installation)["reminders", "mail"] is True
    assert said(installation)["onboarding", "mail"] is False

    words, _ = read(await site.client.post(path(site, made), data={"do": "stop-all"}))

    assert "nie będziemy już niczego wysyłać" in words
    assert said(installation) == refused(*Purpose)
    assert "button" in (await site.get(path(site, made))).text  # wishes and a call are left
    assert "stop-" not in (await site.get(path(site, made))).text


def enrol(installation: Any, customer_id: int) -> None:
    """They are in the onboarding journey, and its next message waits to be sent."""
    now = installation.clock()
    with installation.database.write() as connection:
        journey = {"name": "onboarding", "purpose": "onboarding"}
        row = {"hash": "h", "name": "onboarding", "version": 1, "content": journey, "published_at": now}
        connection.execute(insert(metadata.tables["journeys"]).values(row))
        entering = enrolments.NewEnrolment(customer_id, "onboarding", "h", 1, "C-1", now, "welcome", now)
        (enrolment,) = enrolments.enrol(connection, [entering], run="t", now=now)
        step = PlannedAction(
            key="journey/onboarding/C-1/1/welcome",
            kind=Kind.MESSAGE,
            basis=Basis.SERVICE,
            capability=Capability.MAIL,
            payload=Payload("journey-step/1", {}),
            due_at=now,
        )
        enqueue(connection, [step], About(customer_id=customer_id, enrolment_id=enrolment), run="t", now=now)


async def test_who_leaves_a_purpose_leaves_its_journey_at_once(installation: Any, site: Site) -> None:
    made = put(installation, replace(PERSON, language="en"))
    enrol(installation, made)
    await site.client.post(path(site, made, Purpose.REMINDERS), data=ONE_CLICK)
    assert installation.rows("enrolments")[0].state == "active"

    await site.client.post(path(site, made), data=ONE_CLICK)

    (left,) = installation.rows("enrolments")
    assert (left.state, left.step, left.due_at) == ("left", None, None)
    assert installation.states() == {"journey/onboarding/C-1/1/welcome": "cancelled"}


async def test_what_waits_to_be_sent_is_refused_after_one_click(installation: Any, site: Site) -> None:
    """P7: also what was planned while it was allowed, and what somebody plans later."""
    made = put(installation)
    handrail = site.app.state.handrail
    for purpose in (Purpose.ONBOARDING, Purpose.REMINDERS):
        planned = PlannedAction(
            key=f"message/{purpose}",
            kind=Kind.MESSAGE,
            basis=Basis.PROACTIVE,
            capability=Capability.MAIL,
            payload=Payload("letter/1", {}),
            due_at=installation.clock(),
            purpose=purpose,
        )
        with installation.database.write() as connection:
            enqueue(connection, [planned], About(customer_id=made), run="t", now=installation.clock())
        await site.client.post(path(site, made, purpose), data=ONE_CLICK)

    await handrail.dispatcher.run_once(capability=Capability.MAIL, run="t")
    await handrail.dispatcher.run_once(capability=Capability.MAIL, run="t")

    assert set(installation.states().values()) == {"skipped"}
    assert {row.reason for row in installation.rows("actions")} == {"no consent for this purpose on this channel"}
    assert installation.mail.calls == []


async def test_a_journey_that_nobody_was_asked_about_can_be_left_too(on_sqlite: Any, small_site: Site) -> None:
    with on_sqlite.database.write() as connection:
        made = customers.create(connection, PERSON, now=on_sqlite.clock())
    enrol(on_sqlite, made)

    assert "Nie chcę już porad na początek" in (await small_site.get(path(small_site, made))).text
    await small_site.client.post(path(small_site, made), data={"do": "stop-this"})

    assert on_sqlite.rows("enrolments")[0].state == "left"


async def test_nothing_on_the_page_makes_us_louder(on_sqlite: Any, small_site: Site) -> None:
    made = put(on_sqlite)
    await small_site.client.post(path(small_site, made), data={"do": "stop-all"})

    for word in ("start-this", "start-all", "wishes", "call-me"):
        await small_site.client.post(path(small_site, made), data={"do": word, "granted": "true", "language": "pl"})

    assert not any(said(on_sqlite).values())


async def test_wishes_are_kept_and_what_rests_on_them_is_planned_anew(installation: Any, site: Site) -> None:
    made = put(installation)
    wishes = {"do": "wishes", "channel": "sms", "starts": "10:00", "ends": "12:30", "language": "cs"}

    words, _ = read(await site.client.post(path(site, made), data=wishes))

    (row,) = installation.rows("customers")
    kept = (row.preferred_channel, row.window_start, row.window_end, row.language)
    assert kept == ("sms", "10:00", "12:30", "cs")
    assert row.version == 2
    assert "Uloženo." in words
    assert (row.name, row.email, row.phone) == (PERSON.name, PERSON.email, PERSON.phone)

    await site.client.post(path(site, made), data={"do": "wishes", "channel": "", "language": "cs"})
    (row,) = installation.rows("customers")
    assert (row.preferred_channel, row.window_start, row.window_end) == (None, None, None)


async def test_saving_what_is_there_changes_nothing(on_sqlite: Any, small_site: Site) -> None:
    made = put(on_sqlite)
    as_shown = {"do": "wishes", "channel": "", "starts": "09:15", "ends": "17:00", "language": "pl"}

    await small_site.client.post(path(small_site, made), data=as_shown)

    (row,) = on_sqlite.rows("customers")
    assert (row.version, row.language, row.window_start) == (1, "pl-PL", "09:15")


@pytest.mark.parametrize(
    ("hours", "words"),
    [
        ({"starts": "10:00"}, "obie godziny albo żadnej"),
        ({"ends": "10:00", "starts": "later"}, "obie godziny albo żadnej"),
        ({"starts": "12:00", "ends": "10:00"}, "musi być późniejsza"),
        ({"starts": "12:00", "ends": "12:00"}, "musi być późniejsza"),
    ],
)
async def test_hours_that_make_no_sense_are_said_to_and_nothing_is_kept(
    on_sqlite: Any, small_site: Site, hours: dict[str, str], words: str
) -> None:
    made = put(on_sqlite)

    answer = await small_site.client.post(path(small_site, made), data={"do": "wishes", "language": "cs", **hours})

    assert answer.status_code == 400
    assert words in read(answer)[0]
    (row,) = on_sqlite.rows("customers")
    assert (row.window_start, row.language) == ("09:15", "pl-PL")


@pytest.mark.parametrize("channel", ["push", "carrier pigeon", "crm", "'; drop table customers"])
async def test_a_channel_without_an_address_is_no_wish(on_sqlite: Any, small_site: Site, channel: str) -> None:
    made = put(on_sqlite)

    await small_site.client.post(path(small_site, made), data={"do": "wishes", "channel": channel, "language": "tlh"})

    (row,) = on_sqlite.rows("customers")
    assert (row.preferred_channel, row.language) == (None, "pl-PL")


async def test_a_call_is_promised_once_a_day_and_a_person_has_it(installation: Any, site: Site) -> None:
    made = put(installation)  # Wednesday, noon in Warsaw: four staffed hours until 16:00
    words, _ = read(await site.client.post(path(site, made), data={"do": "call-me"}))
    assert "Zadzwonimy pod numer •••45 najpóźniej w środę 4 marca do godz. 16:00." in words.replace("\xa0", " ")

    installation.clock.go(hours=2)
    words, _ = read(await site.client.post(path(site, made), data={"do": "call-me"}))
    assert "do godz. 16:00" in words.replace("\xa0", " ")  # what was promised first
    assert "call-me" not in (await site.get(path(site, made))).text

    (task,) = installation.rows("actions")
    assert (task.key, task.kind, task.capability, task.basis, task.state) == (
        "customer/C-1/call-me/2026-03-04",
        "task",
        "crm",
        "internal",
        "ready",
    )
    assert task.payload["params"]["assignee"] == installation.policy.journeys.call_me_goes_to
    assert task.payload["params"]["due_at"] == "2026-03-04T15:00:00+00:00"
    assert task.reason == "the customer was told that somebody calls by 2026-03-04 15:00 UTC"
    assert PERSON.phone not in str(task.payload)
    story = trace(installation.database, "C-1", Places())
    assert story is not None
    assert story["actions"][0]["moves"][0]["why"] == task.reason

    installation.clock.go(days=1)
    await site.client.post(path(site, made), data={"do": "call-me"})
    assert len(installation.rows("actions")) == 2


async def test_a_call_that_a_person_took_back_is_not_promised_again(on_sqlite: Any, small_site: Site) -> None:
    made = put(on_sqlite)
    await small_site.client.post(path(small_site, made), data={"do": "call-me"})
    with on_sqlite.database.write() as connection:
        connection.exec_driver_sql("UPDATE actions SET state = 'cancelled', updated_by = 'ann'")

    words, _ = read(await small_site.client.post(path(small_site, made), data={"do": "call-me"}))

    assert "Dziś nie możemy przyjąć tej prośby" in words
    assert "Zadzwonimy" not in words


async def test_without_a_number_nobody_promises_to_call(on_sqlite: Any, small_site: Site) -> None:
    made = put(on_sqlite, Customer("C-1", email="jan@example.cz", language="cs"))

    answer = await small_site.client.post(path(small_site, made), data={"do": "call-me"})

    assert "Nemáme číslo" in read(answer)[0]
    assert on_sqlite.rows("actions") == []


@pytest.mark.parametrize("language", ["pl", "cs", "en"])
async def test_a_forwarded_mail_tells_nobody_who_they_are(on_sqlite: Any, small_site: Site, language: str) -> None:
    person = Customer("C-1", **{**{f: getattr(PERSON, f) for f in ("name", "email", "phone")}, "language": language})
    made = put(on_sqlite, person)
    pages = [await small_site.get(path(small_site, made))]
    for word in ("call-me", "stop-this", "wishes", "stop-all", "?"):
        pages.append(await small_site.client.post(path(small_site, made), data={"do": word, "language": language}))

    for shown in pages:
        for secret in ("Ewa", "ewa", "Kowalsk", "kowalsk", "rodzina", "600700", "8845", "C-1"):
            assert secret not in shown.text
    assert "e•••@•••.pl" in pages[0].text


async def test_a_link_that_is_none_and_one_to_nobody_say_the_same(installation: Any, site: Site) -> None:
    made = put(installation)
    links = site.app.state.handrail.links
    with installation.database.write() as connection:
        customers.erase(connection, made, now=installation.clock())
    guessed = "/unsubscribe/" + "a" * 31

    for shown in (
        await site.get(path(site, made)),
        await site.get(f"/unsubscribe/{links.token(99, Purpose.FEEDBACK)}"),
    ):
        assert shown.status_code == 404
        assert shown.text == (await site.get(guessed)).text
    for do in ("stop-all", "wishes", "call-me"):
        answer = await site.client.post(path(site, made), data={"do": do, "language": "cs", "channel": "mail"})
        assert answer.status_code == 404
    assert installation.rows("actions") == []
    assert installation.rows("customers")[0].preferred_channel is None
    # A mail program hears that it is done: nothing will come.
    assert (await site.client.post(path(site, made), data=ONE_CLICK)).status_code == 200
    assert (await site.client.post(guessed, data=ONE_CLICK)).status_code == 404


async def test_who_guesses_links_is_slowed_and_nobody_else(on_sqlite: Any, small_site: Site) -> None:
    made = put(on_sqlite)

    tried = [
        (await small_site.get(f"/unsubscribe/{'a' * 30}{letter}")).status_code for letter in "abcdefghijklmnopqrstuv"
    ]

    assert tried == [404] * 20 + [429] * 2
    assert (await small_site.client.post(path(small_site, made), data=ONE_CLICK)).status_code == 200
    on_sqlite.clock.go(minutes=16)
    assert (await small_site.get("/unsubscribe/none")).status_code == 404


@pytest.mark.parametrize("token", ["", "a b", "żółw", "../cases", "%00", "a" * 5000, "{{7*7}}", "<script>"])
async def test_no_token_is_an_error_of_ours(small_site: Site, token: str) -> None:
    answer = await small_site.get(f"/unsubscribe/{quote(token, safe='%')}")

    assert answer.status_code == 404
    assert "49" not in answer.text
    assert "<script" not in answer.text


@pytest.mark.parametrize(
    ("asked", "words"),
    [("cs;q=0.9, en", "Tento odkaz nefunguje"), ("pl-PL,pl", "Ten odnośnik nie działa"), ("tlh", "does not work")],
)
async def test_to_a_stranger_it_speaks_their_browsers_language(small_site: Site, asked: str, words: str) -> None:
    shown = await small_site.client.get("/unsubscribe/none", headers={"accept-language": asked})

    assert words in shown.text


async def test_it_asks_for_nothing_elsewhere_and_is_passed_on_to_nobody(on_sqlite: Any, small_site: Site) -> None:
    shown = await small_site.get(path(small_site, put(on_sqlite)))

    policy = shown.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'self'")
    assert "form-action 'self'" in policy
    assert shown.headers["referrer-policy"] == "no-referrer"
    assert shown.headers["cache-control"] == "no-store"
    assert "noindex" in shown.headers["x-robots-tag"]
    assert "set-cookie" not in shown.headers
    _, tags = read(shown)
    assert not tags & {"script", "iframe", "img"}
    assert 'lang="pl"' in shown.text


async def test_behind_a_proxys_path(on_sqlite: Any) -> None:
    async with site_of(
        on_sqlite,
        base_url="https://care.example",
        root_path="/handrail",
        link_secret=SECRET,
        gateway_url="https://care.example/handrail",
    ) as site:
        made = put(on_sqlite)
        address = site.app.state.handrail.links.page(made, Purpose.ONBOARDING)
        assert address.startswith("https://care.example/handrail/unsubscribe/")

        shown = await site.client.get(address)

        assert shown.status_code == 200
        assert 'href="/handrail/assets/style.css"' in shown.text
        assert (await site.client.post(address, data=ONE_CLICK)).status_code == 200
        assert said(on_sqlite)["onboarding", "sms"] is False


async def test_operators_sign_in_does_not_stand_before_it(on_sqlite: Any) -> None:
    async with site_of(on_sqlite, base_url="https://care.example", link_secret=SECRET) as site:
        made = put(on_sqlite)
        assert (await site.get("/cases")).status_code == 403
        assert (await site.get(path(site, made))).status_code == 200


async def test_when_the_database_is_away_it_says_later(
    on_sqlite: Any, small_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = put(on_sqlite)

    def away(*_: Any, **__: Any) -> Any:
        raise OperationalError("SELECT", {}, Exception("gone"))

    monkeypatch.setattr(small_site.app.state.handrail.database, "write", away)
    answer: httpx.Response = await small_site.client.post(path(small_site, made), data=ONE_CLICK)

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
