"""Every message, in every language, by every channel, with everything one should not type: words stay words."""

import pytest
from hostile_words import EVIL, Structure, every_word, everything

from domain.actions import Capability
from templates.library import Template, load
from templates.renderer import render

NO_NAMES = [text for text in EVIL if set(text) & set("{<>&=:#1\n🚀") or len(text) > 1000]
NEVER = set("\r\x00\x1b\u202e\u2028\u2066\u2067\u2069\u200e\u200f\ud800")
MARKS = ("jinja", "{{ links", "{{ unsub", "{% if", "mj-text")


@pytest.fixture(params=load(), ids=lambda template: f"{template.name}-{template.language}")
def template(request: pytest.FixtureRequest) -> Template:
    return request.param  # type: ignore[no-any-return]


def test_nothing_typed_becomes_more_than_text(template: Template) -> None:
    benign = {channel: render(template, channel, every_word("x")) for channel in template.channels}
    for text in EVIL:
        for params in (every_word(text), everything(text)):
            for channel in template.channels:
                words = render(template, channel, params)
                for line in (words.subject, words.link, "" if channel is Capability.MAIL else words.text):
                    assert line.splitlines() in ([], [line])
                for said in (words.subject, words.text, words.html, words.link):
                    said.encode("utf-8")
                    assert not set(said) & NEVER
                    assert "49" not in said.replace("49 ", "")
                assert Structure(words.html).seen == Structure(benign[channel].html).seen


def test_no_mark_of_a_template_is_left_in_what_goes_out(template: Template) -> None:
    for channel in template.channels:
        words = render(template, channel, everything("x"))
        for said in (words.subject, words.text, words.html, words.link):
            assert [mark for mark in MARKS if mark in said] == []


def test_a_name_that_is_none_greets_nobody(template: Template) -> None:
    nobody = {channel: render(template, channel, {**every_word("x"), "name": None}) for channel in template.channels}
    for text in NO_NAMES:
        for channel in template.channels:
            assert render(template, channel, {**every_word("x"), "name": text}) == nobody[channel]
