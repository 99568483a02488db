"""Rendering: nothing a customer gives us breaks out, nothing undefined passes, the same input gives the same words."""

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hostile_words import EVIL, Structure, every_word
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup

from domain.actions import Capability
from domain.words import one_of
from templates.checks import SAMPLE, visible
from templates.library import Template, TemplateProblem, load
from templates.renderer import _environment, render

TEMPLATES = [one for one in load() if Capability.MAIL in one.channels]
JOURNEYS = [one for one in TEMPLATES if Capability.PUSH in one.channels]
REPLIES = [one for one in TEMPLATES if one not in JOURNEYS]
HOSTILE = st.sampled_from(EVIL) | st.text(st.characters(), max_size=80)


def params(**changes: Any) -> dict[str, Any]:
    return {**SAMPLE, **changes}


@pytest.fixture(params=TEMPLATES, ids=lambda template: f"{template.name}-{template.language}")
def template(request: pytest.FixtureRequest) -> Template:
    return request.param  # type: ignore[no-any-return]


@settings(max_examples=150)
@given(st.sampled_from(TEMPLATES), HOSTILE)
def test_no_value_changes_the_structure_of_a_page(template: Template, text: str) -> None:
    benign = render(template, Capability.MAIL, params(survey="csat"))
    html = render(template, Capability.MAIL, every_word(text)).html
    assert Structure(html).seen == Structure(benign.html).seen


@settings(max_examples=150)
@given(st.sampled_from(TEMPLATES), HOSTILE)
def test_subjects_and_text_messages_are_one_line_and_mail_is_plain(template: Template, text: str) -> None:
    values = every_word(text)
    mail = render(template, Capability.MAIL, values)
    for line in (mail.subject, render(template, Capability.SMS, values).text):
        assert line
        assert line.splitlines() == [line]
    for words in (mail.subject, mail.text, mail.html):
        words.encode("utf-8")
        assert not set(words) & set("\r\x00\x1b\u202e\u2028\u2066\ud800")


@pytest.mark.parametrize("text", EVIL[:4])
def test_template_code_in_a_value_stays_text(template: Template, text: str) -> None:
    mail = render(template, Capability.MAIL, params(company=text))
    assert text in mail.text.replace("\n", " ")
    assert text in visible(mail.html)
    assert text in render(template, Capability.SMS, params(company=text)).text


def test_markup_is_shown_as_text_even_when_it_claims_to_be_safe(template: Template) -> None:
    html = render(template, Capability.MAIL, params(company=Markup("<b>1</b>"))).html
    assert "&lt;b&gt;1&lt;/b&gt;" in html
    assert "<b>1</b>" not in html


def test_a_line_break_in_a_value_forges_no_line(template: Template) -> None:
    benign = render(template, Capability.MAIL, params(name="Anna Nowak", company="A B")).text
    forged = render(template, Capability.MAIL, params(name="Anna\r\n\r\nNowak", company="A\n\nB")).text
    assert forged == benign


@pytest.mark.parametrize(("name", "greeting"), [("Jane Smith", "Hello Jane Smith,"), (None, "Hello,")])
def test_english_greets_by_name_when_there_is_one(name: str | None, greeting: str) -> None:
    for template in TEMPLATES:
        if template.language == "en":
            mail = render(template, Capability.MAIL, params(name=name))
            assert mail.text.startswith(f"{greeting}\n")
            assert visible(mail.html).startswith(f"{greeting} ")


@pytest.mark.parametrize("language", ["pl", "cs"])
def test_polish_and_czech_need_no_vocative(language: str) -> None:
    for template in TEMPLATES:
        if template.language == language:
            assert render(template, Capability.MAIL, params(name="Anna")) == render(
                template, Capability.MAIL, params(name=None)
            )


@pytest.mark.parametrize(
    ("template", "missing"),
    [(one, missing) for one in REPLIES for missing in ("time_zone", "received_at", "human", "company", "reference")]
    + [(one, missing) for one in JOURNEYS for missing in ("human", "company", "unsubscribe")],
    ids=lambda one: one if isinstance(one, str) else one.where(""),
)
def test_a_missing_parameter_is_named(template: Template, missing: str) -> None:
    values = {key: value for key, value in SAMPLE.items() if key != missing}
    with pytest.raises(TemplateProblem, match=f'"{missing}" is undefined') as caught:
        render(template, Capability.MAIL, values)
    assert caught.value.variable == missing
    assert caught.value.problems[0].path.startswith(f"{template.name}/{template.language}/mail.")


def test_a_missing_attribute_is_named(template: Template) -> None:
    with pytest.raises(TemplateProblem) as caught:
        render(template, Capability.SMS, params(human={"mail": "a@example.com", "hours": ""}))
    assert caught.value.variable == "phone"


def written(source: str) -> Template:
    return Template("note", "en", {"mail.subject.txt": "s", "mail.txt": "t", "mail.html": "h", "sms.txt": source})


def test_a_typo_in_a_template_is_named_with_the_nearest_parameter() -> None:
    with pytest.raises(TemplateProblem, match=r'note/en/sms\.txt: "referense" is undefined') as caught:
        render(written("{{ referense }}"), Capability.SMS, SAMPLE)
    assert '(did you mean "reference"?)' in str(caught.value)


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("{{ company", "note/en/sms.txt:1: "),
        ("a\n{% if %}", "note/en/sms.txt:2: "),
        ("{{ company | safe }}", "No filter named 'safe'"),
        ("{{ name | default('x') }}", "No filter named 'default'"),
        ("{{ company.__class__ }}", "is undefined|cannot be rendered"),
        ("{{ human.update({'phone': ''}) }}", "cannot be rendered"),
        ("{{ range(10) }}", '"range" is undefined'),
        ("{{ 1 / 0 }}", "ZeroDivisionError"),
        ("{{ received_at | day('Mars/Phobos', 'en') }}", "a time zone is not an IANA name"),
        ("{% include 'no.txt' %}", "note/en/no.txt: this part is missing"),
        ("{% if company == 'x' %}x{% endif %}", "renders to nothing"),
    ],
)
def test_what_a_template_may_not_do(source: str, what: str) -> None:
    with pytest.raises(TemplateProblem, match=what):
        render(written(source), Capability.SMS, SAMPLE)


def test_what_a_parameter_holds_comes_before_what_a_dict_can_do() -> None:
    assert render(written("{{ human.values }}"), Capability.SMS, params(human={"values": "Anna"})).text == "Anna"


def test_only_channels_with_words_are_rendered(template: Template) -> None:
    says = one_of([channel.value for channel in template.channels])
    for channel in set(Capability) - set(template.channels):
        with pytest.raises(TemplateProblem, match=f"no words for this channel: send it by {says}"):
            render(template, channel, SAMPLE)


def test_what_is_spoken_is_not_written() -> None:
    [script] = [one for one in load() if (one.name, one.language) == ("expiry-call", "en")]
    spoken = render(script, Capability.VOICE, SAMPLE)
    assert spoken.text.startswith("Hello Anna Kowalska-Nowakowska, this is the automatic assistant of Handrail.")
    assert (spoken.subject, spoken.html) == ("", "")
    for channel in (Capability.MAIL, Capability.SMS, Capability.PUSH):
        with pytest.raises(TemplateProblem, match="no words for this channel: send it by voice"):
            render(script, channel, SAMPLE)


def test_each_channel_gets_what_it_sends(template: Template) -> None:
    mail, sms = (render(template, channel, SAMPLE) for channel in (Capability.MAIL, Capability.SMS))
    assert mail.subject
    assert mail.text
    assert mail.html.startswith("<!DOCTYPE html>")
    assert sms.text
    assert (sms.subject, sms.html) == ("", "")


@pytest.mark.parametrize("value", [object(), b"bytes", {1}, lambda: "x"])
def test_parameters_are_json(template: Template, value: object) -> None:
    with pytest.raises(TemplateProblem, match="pass JSON values only"):
        render(template, Capability.MAIL, params(name=value))


@pytest.mark.parametrize("template", REPLIES, ids=lambda one: one if isinstance(one, str) else one.where(""))
def test_errors_do_not_repeat_values_and_can_be_pickled(template: Template) -> None:
    with pytest.raises(TemplateProblem) as caught:
        render(template, Capability.MAIL, params(name="Anna Nowak", received_at="Anna Nowak"))
    assert "Anna" not in str(caught.value)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 - our own bytes
    assert (str(again), again.problems) == (str(caught.value), caught.value.problems)


@pytest.mark.parametrize("forget", [_environment.cache_clear, lambda: None])
def test_the_same_input_gives_the_same_words(template: Template, forget: Callable[[], None]) -> None:
    for channel in template.channels:
        before = render(template, channel, SAMPLE)
        forget()
        assert render(Template.from_content(template.to_content()), channel, SAMPLE) == before


def test_many_threads_render_as_one() -> None:
    _environment.cache_clear()
    jobs = [(template, channel) for template in TEMPLATES for channel in template.channels] * 20
    with ThreadPoolExecutor(8) as threads:
        rendered = list(threads.map(lambda job: render(job[0], job[1], SAMPLE), jobs))
    assert rendered == [render(template, channel, SAMPLE) for template, channel in jobs]


def test_compiled_templates_are_kept_but_not_forever() -> None:
    _environment.cache_clear()
    for number in range(200):
        assert render(written(f"{number}"), Capability.SMS, {}).text == str(number)
    assert _environment.cache_info().currsize == 128
