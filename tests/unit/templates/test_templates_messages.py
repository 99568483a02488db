"""The words themselves: in every language a time, a reason, a reference and a person; short, plain, readable."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from domain.actions import Capability
from templates.checks import SAMPLE, check, samples, visible
from templates.library import Template, load
from templates.names import dial
from templates.renderer import render
from templates.text_messages import parts_of

TEMPLATES = [one for one in load() if Capability.MAIL in one.channels]
SCRIPTS = [one for one in load() if Capability.VOICE in one.channels]
HOME = {"pl": "Europe/Warsaw", "cs": "Europe/Prague", "en": "Europe/London"}
FARTHEST = {"pl": "Europe/London", "cs": "Europe/London", "en": "America/Los_Angeles"}
JOURNEYS = [one for one in TEMPLATES if Capability.PUSH in one.channels]
ACKNOWLEDGEMENTS = [template for template in TEMPLATES if template.name.startswith("acknowledgement")]


@pytest.fixture(params=TEMPLATES, ids=lambda template: f"{template.name}-{template.language}")
def template(request: pytest.FixtureRequest) -> Template:
    return request.param  # type: ignore[no-any-return]


def at_home(template: Template) -> Iterator[dict[str, Any]]:
    for params in samples():
        yield {**params, "time_zone": HOME[template.language]}


def flat(text: str) -> str:
    return " ".join(text.split())


def test_every_template_passes_its_checks(template: Template) -> None:
    assert check(template) == []


def test_the_page_says_what_the_plain_text_says(template: Template) -> None:
    for params in at_home(template):
        mail = render(template, Capability.MAIL, params)
        assert visible(mail.html) == said_of(mail.text)


def said_of(text: str) -> str:
    """The words of a plain text, without the marks of its lists and the addresses that a page has behind its words."""
    return flat(re.sub(r":\nhttps://(care\.)?handrail\.example\S*|^- ", "", text, flags=re.MULTILINE))


@pytest.mark.parametrize("template", ACKNOWLEDGEMENTS, ids=lambda one: f"{one.name}-{one.language}")
def test_every_part_says_when_why_which_and_whom_to_reach(template: Template) -> None:
    when = {"pl": ("24 listopada", "24.11"), "cs": ("24. listopadu", "24.11."), "en": ("24 November", "24 Nov")}
    hour = {"pl": "16:00", "cs": "16:00", "en": "15:00"}[template.language]
    of_a_message = {"pl": "wiadomość", "cs": "zpráv", "en": "message"}
    why = (of_a_message if "-message" in template.name else {"pl": "ankiet", "cs": "dotazník", "en": "survey"})[
        template.language
    ]
    long, short = when[template.language]
    received = (long.replace("24", "23"), short.replace("24", "23"))
    for params in at_home(template):
        mail = render(template, Capability.MAIL, params)
        for words in (flat(mail.text), visible(mail.html)):
            assert {
                fact for fact in (long, hour, why, received[0], "C-1042-1", "Handrail") if fact not in words
            } == set()
            assert all(params["human"][way] in words for way in ("phone", "mail", "hours"))
        assert long in mail.subject
        assert hour in mail.subject
        sms = render(template, Capability.SMS, params).text
        facts = (short, hour, why, received[1], "C-1042-1", "Handrail", dial(params["human"]["phone"]))
        assert [fact for fact in facts if fact not in sms] == []


@pytest.mark.parametrize(
    "template", [one for one in TEMPLATES if one.name == "recovery-survey"], ids=lambda one: str(one.language)
)
def test_the_recovery_survey_says_why_it_came_and_offers_link_and_person(template: Template) -> None:
    received = {"pl": ("23 listopada", "23.11"), "cs": ("23. listopadu", "23.11."), "en": ("23 November", "23 Nov")}
    why = {"pl": "ankiet", "cs": "dotazník", "en": "survey"}[template.language]
    long, short = received[template.language]
    for params in at_home(template):
        mail = render(template, Capability.MAIL, params)
        for words in (flat(mail.text), visible(mail.html)):
            facts = (long, why, "C-1042-1", "Handrail", params["link"], *params["human"].values())
            assert [fact for fact in facts if fact not in words] == []
        assert f'href="{params["link"]}"' in mail.html
        sms = render(template, Capability.SMS, params).text
        facts = (short, why, "Handrail", params["link"], dial(params["human"]["phone"]))
        assert [fact for fact in facts if fact not in sms] == []


def test_phone_and_mail_can_be_touched(template: Template) -> None:
    html = render(template, Capability.MAIL, SAMPLE).html
    assert 'href="tel:+48220000000"' in html
    assert 'href="mailto:pomoc@example.com"' in html


def test_each_survey_gets_an_apology_of_its_own_and_distress_none(template: Template) -> None:
    apology = {"pl": "Przepraszamy", "cs": "Omlouváme se", "en": "We are sorry"}[template.language]
    texts = {params["survey"]: render(template, Capability.MAIL, params).text for params in at_home(template)}
    if template.name in {"acknowledgement", "acknowledgement-vip"}:
        assert len(set(texts.values())) == 3
        assert all(apology in text for text in texts.values())
    else:
        assert len(set(texts.values())) == 1
        assert not any(apology in text for text in texts.values())


@pytest.mark.parametrize(
    "template", [one for one in TEMPLATES if one.name == "acknowledgement-vip"], ids=lambda one: str(one.language)
)
def test_vip_are_told_of_their_own_contact_only_where_it_is_known_and_a_name(template: Template) -> None:
    known, *unknown = (
        flat(render(template, Capability.MAIL, {**SAMPLE, "agent": agent}).text)
        for agent in ("Jan Nowak", None, "", "key-accounts@example.com", "Agent 7")
    )
    assert "Jan Nowak" in known
    assert len({*unknown}) == 1
    assert len(unknown[0]) < len(known) - len("Jan Nowak")  # the whole sentence is gone


def test_no_shouting_no_cliches(template: Template) -> None:
    banned = ["important to us", "ważna jest dla nas", "je pro nás důležit", "niestety", "bohužel", "unfortunately"]
    for params in at_home(template):
        mail, sms = (render(template, channel, params) for channel in (Capability.MAIL, Capability.SMS))
        for words in (mail.subject, mail.text, visible(mail.html), sms.text):
            assert "!" not in words
            assert [cliche for cliche in banned if cliche in words.lower()] == []


def test_plain_text_fits_a_terminal_and_a_quote(template: Template) -> None:
    for params in [*samples(), *at_home(template)]:
        text = render(template, Capability.MAIL, params).text
        assert max(map(len, text.splitlines())) <= 78
        assert not re.search(r"[ \t]$|\n{3}|\u00a0", text, re.MULTILINE)
        assert template.language == "en" or not re.search(
            r"\s[aiouwzksv]$|\d\.?\n\w+(a|u)\b|godz\.$|\bdo$", text, re.MULTILINE
        )


def test_whom_to_reach_stands_by_itself(template: Template) -> None:
    """The block before it that ends with `%}` takes the line's end with it."""
    contact = {"pl": "Telefon: ", "cs": "Telefon: ", "en": "Phone: "}[template.language]
    for params in at_home(template):
        assert f"\n\n{contact}" in render(template, Capability.MAIL, params).text


def test_polish_and_czech_address_everybody(template: Template) -> None:
    """No participle or adjective that fits only one sex, no half of "Pani/Pan" alone."""
    for params in at_home(template):
        words = flat(render(template, Capability.MAIL, params).text)
        assert not re.search(r"(?<!/)\b(Pani|Panu|Panią|Pan|Pana)\b(?!/)", re.sub(r"Pani/Pan\w*", "", words))
        assert not re.search(r"\b(jste|byste) \w+(l|la|li)\b", words)


def test_the_page_is_readable_for_everybody(template: Template) -> None:
    html = render(template, Capability.MAIL, SAMPLE).html
    assert html.startswith(f'<!DOCTYPE html><html lang="{template.language}" dir="ltr"')
    assert "text/html; charset=UTF-8" in html
    assert re.findall(r"<table(?![^>]* role=\"presentation\")", html) == []
    assert "prefers-color-scheme: dark" in html
    assert "max-width:600px" in html
    assert "mj-" not in re.sub(r"mj-(outlook-group-fix|column-per-100)", "", html)
    followed = (SAMPLE["link"], SAMPLE["unsubscribe"], *SAMPLE["links"].values())  # what one may follow loads nothing
    loaded = re.sub(
        "|".join(map(re.escape, sorted(followed, key=len, reverse=True))) + r"|http://www.w3.org/\S+", "", html
    )
    assert re.findall(r"https?:|<img|<link|<script|@import|url\(", loaded) == []


@pytest.mark.parametrize(
    ("text", "background"),
    [
        ("#22292b", "#ffffff"),
        ("#22292b", "#edf4f2"),
        ("#1d5f57", "#ffffff"),
        ("#e8eae9", "#1f2527"),
        ("#e8eae9", "#26322f"),
        ("#8fd3ca", "#1f2527"),
        ("#4a5457", "#ffffff"),
        ("#b9c1c0", "#1f2527"),
        ("#ffffff", "#1d5f57"),
        ("#10211e", "#8fd3ca"),
    ],
)
def test_contrast_is_enough_by_day_and_by_night(text: str, background: str) -> None:
    """WCAG 2.2 AAA: 7:1; the colours are those of the page."""
    html = "".join(render(one, Capability.MAIL, SAMPLE).html for one in TEMPLATES)
    assert text in html
    assert background in html
    light, dark = sorted((luminance(text), luminance(background)), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 7


def luminance(colour: str) -> float:
    """WCAG's relative luminance of "#rrggbb"."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_text_message_stays_short(template: Template) -> None:
    """One segment of 160 in English, which needs only GSM 7-bit letters.

    Polish and Czech keep their letters, which takes UCS-2: two segments of 67 (3GPP TS 23.040 §9.2.3.24.1).
    """
    longest = {
        **SAMPLE,
        "company": "Example Energy",
        "reference": "C-104200-12",
        "human": {**SAMPLE["human"], "phone": "+420 000 000 000"},
    }
    start = datetime(2026, 1, 1, 15, 45, tzinfo=UTC)
    for days in range(1 if template in JOURNEYS else 365):  # a journey's say no day
        received, answer = (start + timedelta(days=days + shift) for shift in (0, 1))
        dates = {"received_at": received.isoformat(), "answer_by": answer.isoformat()}
        for zone in (HOME[template.language], FARTHEST[template.language]):
            text = render(template, Capability.SMS, {**longest, **dates, "time_zone": zone}).text
            parts = parts_of(text)
            if template.language == "en":
                assert (parts.alphabet, parts.count) == ("GSM-7", 1), text
            else:
                assert parts.count <= 2, text


@pytest.mark.parametrize("template", JOURNEYS, ids=lambda one: f"{one.name}-{one.language}")
def test_a_notification_says_in_sight_what_it_is_about_and_whom_to_reach(template: Template) -> None:
    for params in at_home(template):
        push = render(template, Capability.PUSH, params)
        assert dial(params["human"]["phone"]) in push.text
        assert len(push.subject) <= 40
        assert len(push.text) <= 120
        assert push.link in {"", *params["links"].values()}


@pytest.mark.parametrize("template", JOURNEYS, ids=lambda one: f"{one.name}-{one.language}")
def test_a_journeys_mail_ends_with_why_it_came_and_how_to_have_no_more(template: Template) -> None:
    why = {"pl": "Ta wiadomość przyszła, ponieważ", "cs": "Tuto zprávu dostáváte, protože", "en": "because"}
    for params in at_home(template):
        mail = render(template, Capability.MAIL, params)
        assert mail.text.rstrip().endswith(f":\n{params['unsubscribe']}")
        for words in (flat(mail.text), visible(mail.html)):
            assert words.index(why[template.language]) > words.index(params["human"]["mail"])
        assert f'<a href="{params["unsubscribe"]}"' in mail.html


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda one: f"{one.name}-{one.language}")
def test_every_call_says_who_calls_and_how_to_reach_a_person_or_have_no_more(script: Template) -> None:
    person = {"pl": "konsultant", "cs": "operátor", "en": '"person"'}[script.language]
    no_more = {"pl": "proszę nie dzwonić", "cs": "prosím nevolat", "en": '"no calls"'}[script.language]
    for params in samples():
        words = render(script, Capability.VOICE, params).text
        facts = ("Handrail", person, no_more, params["human"]["phone"])
        assert [fact for fact in facts if fact not in words] == []
        assert "!" not in words
        assert "\n" not in words
        assert len(words) <= 520, "a call that takes longer than half a minute is hung up on"


@pytest.mark.parametrize(
    "script", [one for one in SCRIPTS if one.name == "expiry-call"], ids=lambda one: str(one.language)
)
def test_a_call_about_an_ending_says_which_and_sells_nothing(script: Template) -> None:
    day = {"pl": "we wtorek 24 listopada", "cs": "v úterý 24. listopadu", "en": "on Tuesday 24 November"}
    banned = {"pl": "ofert|promocj|rabat|tani", "cs": "nabídk|slev|levn|akc", "en": "offer|discount|deal|cheap"}
    for params in samples():
        words = render(script, Capability.VOICE, params).text
        is_over = params["kind"] == "supply" and params["is_past"]
        assert is_over or day[script.language] in words
        assert (params["product"] in words) is (params["kind"] != "policy"), "what a policy covers is nobody's business"
        assert not re.search(banned[script.language], words.lower())


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda one: f"{one.name}-{one.language}")
def test_a_call_addresses_everybody(script: Template) -> None:
    """Nothing that fits only one sex, and no form that a voice cannot say: "Pani/Pana"."""
    for params in samples():
        words = render(script, Capability.VOICE, params).text
        assert "/" not in words
        assert not re.search(r"\b(Pani|Panu|Panią|Pan|Pana)\b", words)
        assert not re.search(r"\b(jste|byste) \w+(l|la|li)\b", words)
