"""From MJML to HTML: Jinja comes through as it was written, styles stand in the elements, mistakes have their line."""

import re
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.actions import Capability
from templates.checks import SAMPLE, visible
from templates.library import LAYOUT, MESSAGES, Template, TemplateProblem, load
from templates.mails import MjmlProblem, compiled_mail
from templates.renderer import render

PLAIN = "<mjml><mj-body><mj-section><mj-column>\n<!-- words -->\n</mj-column></mj-section></mj-body></mjml>"
REAL = (MESSAGES / LAYOUT).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "jinja",
    [
        "{{ name | as_name }}",
        "{{ received_at | day(time_zone, language) }}",
        "{% if survey == \"nps\" and 1 < 2 > 0 %}a{% elif name != '<b>' %}b{% else %}c{% endif %}",
        '{{ "<p>&amp;\'" }}',
        "{%- if name -%}\n  {{ company }}\n{%- endif %}",
        "{# said <b> by nobody #}",
        "{{ human.phone|dial }}{{ human.mail }}",
    ],
)
def test_jinja_comes_through_as_it_was_written(jinja: str) -> None:
    html = compiled_mail(REAL, f"<mj-text><p>{jinja}</p></mj-text>")
    marks = re.findall(r"\{[{%#].*?[}%#]\}", jinja, re.DOTALL)
    assert [mark for mark in marks if mark not in html] == []
    assert "jinja" not in html
    assert "mj-text" not in html


def test_jinja_in_an_attribute_comes_through_and_is_escaped_there() -> None:
    words = '<mj-button href="{{ link }}">{{ company }}</mj-button><mj-text><a href="{{ link }}">x</a></mj-text>'
    parts = {"mail.subject.txt": "s", "mail.txt": "t", "mail.html": compiled_mail(REAL, words)}
    html = render(Template("a", "en", parts), Capability.MAIL, {**SAMPLE, "link": '"><script>', "company": "<b>"}).html
    assert html.count('href="&#34;&gt;&lt;script&gt;"') == 2
    assert "&lt;b&gt;" in html
    assert "<script" not in html


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="<>&{}"), min_size=1, max_size=40))
def test_words_come_through(text: str) -> None:
    said = " ".join(text.split())
    assert visible(compiled_mail(PLAIN, f"<mj-text>a{text}z</mj-text>")) == " ".join(f"a{text}z".split()), said


def test_styles_stand_in_the_elements_and_those_for_the_night_in_the_head() -> None:
    html = compiled_mail(REAL, '<mj-text><p>a <a href="x">b</a></p></mj-text>')
    assert re.search(r'<p style="[^"]*margin: 0 0 16px', html)
    assert '<a href="x" style="color: #1d5f57;">' in html
    [style] = re.findall(r"<style>(.*?)</style>", html.split("<!--[if")[0], re.DOTALL)
    assert re.sub(r"@media[^{]*\{(?:[^{}]*\{[^{}]*\})*\s*\}", "", style).strip() == ""


def test_nothing_is_fetched_from_elsewhere() -> None:
    html = compiled_mail(REAL, "<mj-text>a</mj-text>")
    assert "fonts.googleapis" not in html
    assert re.findall(r'(?:src|href)="http|@import|url\(', html) == []


@pytest.mark.parametrize(
    ("words", "line", "problem"),
    [
        ("<mj-text>\n<p>a\n</mj-text>", 3, "</mj-text> ends nothing, while <p> is open"),
        ("<mj-text>a", 1, "<mj-text> is not closed"),
        ("<mj-text>a</p></mj-text>", 1, "</p> ends nothing, while <mj-text> is open"),
        ("<mj-text>\n\n{{ company</mj-text>", 3, "unexpected"),
        ("<mj-text>\n{% if name %}a</mj-text>", 2, "Unexpected end of template"),
        ("<mj-txt>a</mj-txt>", 1, '<mj-txt> does not stand by itself (did you mean "mj-text"?)'),
        ("<p>a</p>", 1, "<p> does not stand by itself"),
        ("<mj-text>a</mj-text>\n{{ company }}", 2, "words stand by themselves"),
        ("<mj-text>a\n<mj-button>b</mj-button></mj-text>", 2, "<mj-button> does not stand inside <mj-text>"),
        ('<mj-text>a <img src="{{ link }}"></mj-text>', 1, "<img> is not for letters"),
        ("<mj-text><style>p { color: red }</style>a</mj-text>", 1, "<style> is not for letters"),
        ('<mj-text no-such="{{ company }}">a</mj-text>', None, "{{ company }} is lost"),
    ],
)
def test_a_mistake_is_named_with_its_line(words: str, line: int | None, problem: str) -> None:
    with pytest.raises(MjmlProblem, match=re.escape(problem)) as caught:
        compiled_mail(REAL, words)
    assert caught.value.place == ("" if line is None else f":{line}")
    assert caught.value.fix


def test_every_mail_with_a_mistake_is_named(tmp_path: Path) -> None:
    messages = Path(shutil.copytree(MESSAGES, tmp_path / "messages"))
    for language in ("pl", "en"):
        (messages / "acknowledgement" / language / "mail.mjml").write_text(
            "<mj-text>\n<b>a</mj-text>", encoding="utf-8"
        )
    with pytest.raises(TemplateProblem) as caught:
        load(messages)
    assert [problem.path for problem in caught.value.problems] == [
        "acknowledgement/pl/mail.mjml:2",
        "acknowledgement/en/mail.mjml:2",
    ]


def test_compiling_twice_gives_the_same() -> None:
    words = (MESSAGES / "onboarding-welcome" / "cs" / "mail.mjml").read_text(encoding="utf-8")
    assert compiled_mail(REAL, words) == compiled_mail(REAL, words)


def test_a_wording_published_with_a_layout_of_its_own_still_goes_out() -> None:
    """As all were before mails were compiled: a published wording is for ever."""
    layout = '<html lang="{{ language }}">{% block words %}{% endblock %}</html>'
    page = '{% extends "layout.html" %}{% block words %}<p>{{ company }}</p>{% endblock %}'
    parts = {"mail.subject.txt": "s", "mail.txt": "t", "mail.html": page, "sms.txt": "x", "layout.html": layout}
    old = Template.from_content({"name": "acknowledgement", "language": "pl", "parts": parts})
    assert list(old.channels) == [Capability.MAIL, Capability.SMS]
    assert render(old, Capability.MAIL, {"company": "<Ostoja>"}).html == '<html lang="pl"><p>&lt;Ostoja&gt;</p></html>'
