"""What must fail before a template may be sent: above all, a message without a way to a person (P28)."""

import shutil
from pathlib import Path

import pytest

from domain.actions import Capability
from templates.checks import check, visible
from templates.library import LAYOUT, MESSAGES, Template, TemplateProblem, load

TEMPLATES = [one for one in load() if Capability.MAIL in one.channels]
SCRIPTS = [one for one in load() if Capability.VOICE in one.channels]
JOURNEYS = [one for one in TEMPLATES if Capability.PUSH in one.channels]
EXITS = [
    ("mail.txt", "{{ human.phone }}"),
    ("mail.txt", "{{ human.mail }}"),
    ("mail.html", ">{{ human.phone }}<"),
    ("mail.html", ">{{ human.mail }}<"),
    ("sms.txt", "{{ human.phone | dial }}"),
]


HIDDEN = ['{{% if survey == "nps" %}}{}{{% endif %}}', "{{% if name %}}{}{{% endif %}}", "{{# {} #}}"]


def changed(template: Template, part: str, before: str, after: str) -> Template:
    assert before in template.parts[part]
    return Template(
        template.name, template.language, {**template.parts, part: template.parts[part].replace(before, after)}
    )


def said(template: Template) -> str:
    return "\n".join(map(str, check(template)))


@pytest.fixture(params=TEMPLATES, ids=lambda template: f"{template.name}-{template.language}")
def template(request: pytest.FixtureRequest) -> Template:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize(("part", "exit_"), EXITS)
def test_each_exit_deleted_fails_the_check(template: Template, part: str, exit_: str) -> None:
    without = check(changed(template, part, exit_, exit_[0] + exit_[-1] if exit_.startswith(">") else ""))
    assert [problem.path for problem in without] == [template.where(part)]
    assert "does not say how to reach a person by" in without[0].problem


@pytest.mark.parametrize(("part", "exit_"), EXITS)
@pytest.mark.parametrize(
    "hide", ['{{% if survey == "nps" %}}{}{{% endif %}}', "{{% if name %}}{}{{% endif %}}", "{{# {} #}}"]
)
def test_an_exit_that_only_some_see_fails_the_check(part: str, exit_: str, hide: str) -> None:
    hidden = hide.format(exit_) if not exit_.startswith(">") else f">{hide.format(exit_[1:-1])}<"
    assert "does not say how to reach a person" in said(changed(TEMPLATES[0], part, exit_, hidden))


def test_an_exit_in_a_comment_or_an_attribute_is_no_exit(template: Template) -> None:
    assert "by phone" in said(changed(template, "mail.html", ">{{ human.phone }}<", "><!-- {{ human.phone }} --><"))
    assert "by mail" in said(changed(template, "mail.html", ">{{ human.mail }}<", ' title="{{ human.mail }}"><'))


def test_a_layout_that_drops_the_words_fails_the_check(tmp_path: Path) -> None:
    messages = shutil.copytree(MESSAGES, tmp_path / "messages")
    layout = messages / LAYOUT
    layout.write_text(layout.read_text(encoding="utf-8").replace("<!-- words -->", ""), encoding="utf-8")
    with pytest.raises(TemplateProblem, match="the layout has no place for words"):
        load(messages)


@pytest.mark.parametrize("part", ["mail.subject.txt", "mail.txt", "mail.html", "push.title.txt", "push.txt"])
def test_a_missing_part_fails_the_check(part: str) -> None:
    template = JOURNEYS[0]
    parts = {name: source for name, source in template.parts.items() if name != part}
    assert f"{template.where(part)}: this part is missing" in said(Template(template.name, template.language, parts))


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("{{ compani }}", '"compani" is no parameter (did you mean "company"?)'),
        ("{{ human.fone }}", '"human.fone" is no parameter (did you mean "human.phone"?)'),
        ("{% if fax %}x{% endif %}", '"fax" is no parameter'),
        ("{{ company", "sms.txt:1: "),
        ("{{ company | safe }}", "No filter named 'safe'"),
        ("{% autoescape false %}{{ company }}{% endautoescape %}", "is not allowed"),
        ('{% include "mail.txt" %}', "Include is not allowed"),
        ('{% import "mail.txt" as mail %}', "Import is not allowed"),
        ('{% extends "mail.html" %}', "Extends is not allowed"),
        ("{% block words %}{{ company }}{% endblock %}", "Block is not allowed"),
        ("{{ received_at | day(company, language) }} {{ human.phone }}", "a time zone is not an IANA name"),
    ],
)
def test_a_mistake_is_named_with_its_place(source: str, what: str) -> None:
    template = TEMPLATES[0]
    problems = said(Template(template.name, template.language, {**template.parts, "sms.txt": source}))
    assert what in problems
    assert "acknowledgement/pl/" in problems


def test_every_mistake_is_reported_at_once() -> None:
    template = TEMPLATES[0]
    parts = {**template.parts, "sms.txt": "{{ a }}{{ b }}", "mail.txt": "{{ company"}
    assert len(check(Template(template.name, template.language, parts))) == 3


def test_what_is_visible_of_a_page() -> None:
    page = "<title>t</title><style>s</style><p>a&nbsp;&lt;b&gt;<br>c</p><!-- d --><p>e</p>"
    assert visible(page) == "a <b> c e"


@pytest.fixture(params=SCRIPTS, ids=lambda script: f"{script.name}-{script.language}")
def script(request: pytest.FixtureRequest) -> Template:
    return request.param  # type: ignore[no-any-return]


def test_a_call_that_offers_no_person_fails_the_check(script: Template) -> None:
    part = "voice.txt"
    assert check(script) == []
    [problem] = check(changed(script, part, "{{ human.phone }}", ""))
    assert problem.path == script.where(part)
    assert problem.problem == "does not say how to reach a person by phone"


@pytest.mark.parametrize(
    "hide",
    [
        '{{% if kind == "policy" %}}{}{{% endif %}}',
        '{{% if kind != "supply" %}}{}{{% endif %}}',
        "{{% if name %}}{}{{% endif %}}",
        "{{% if is_past %}}{}{{% endif %}}",
        "{{# {} #}}",
    ],
)
def test_a_person_that_only_some_calls_offer_fails_the_check(script: Template, hide: str) -> None:
    offer = "{{ human.phone }}"
    assert "does not say how to reach a person" in said(changed(script, "voice.txt", offer, hide.format(offer)))


def test_a_call_says_known_things_only(script: Template) -> None:
    assert '"worth" is no parameter' in said(changed(script, "voice.txt", "{{ company }}", "{{ worth }}"))


@pytest.fixture(params=JOURNEYS, ids=lambda template: f"{template.name}-{template.language}")
def journeys(request: pytest.FixtureRequest) -> Template:
    return request.param  # type: ignore[no-any-return]


def test_a_notification_that_offers_no_person_fails_the_check(journeys: Template) -> None:
    [problem] = check(changed(journeys, "push.txt", "{{ human.phone | dial }}", ""))
    assert (problem.path, problem.problem) == (
        journeys.where("push.txt"),
        "does not say how to reach a person by phone",
    )


WHY_PARTS = [
    ("mail.html", 'class="words why"', 'class="words"', "does not say why it came"),
    ("mail.html", '<a href="{{ unsubscribe }}"', '<a href="{{ links.video }}"', "how to have no more such mails"),
    ("mail.txt", "{{ unsubscribe }}", "", "how to have no more such mails"),
    ("mail.txt", "{{ unsubscribe }}", "<{{ unsubscribe }}>", "how to have no more such mails"),
]


@pytest.mark.parametrize(("part", "before", "after", "says"), WHY_PARTS)
def test_a_journeys_mail_that_hides_why_it_came_fails_the_check(
    journeys: Template, part: str, before: str, after: str, says: str
) -> None:
    [problem] = check(changed(journeys, part, before, after))
    assert problem.path == journeys.where(part)
    assert says in problem.problem


def test_a_text_that_says_less_than_the_page_fails_the_check(journeys: Template) -> None:
    why = {"pl": "Ta wiadomość przyszła, ponieważ ", "cs": "Tuto zprávu dostáváte, protože ", "en": "You are getting "}
    [problem] = check(changed(journeys, "mail.txt", why[journeys.language], ""))
    assert (problem.path, problem.problem) == (journeys.where("mail.txt"), "does not say why it came")


def test_what_comes_unasked_must_say_why_whoever_sends_it() -> None:
    template = TEMPLATES[0]
    assert check(template) == []
    assert {problem.path for problem in check(template, proactive=True)} == {
        template.where("mail.html"),
        template.where("mail.txt"),
    }


def test_links_are_those_of_the_journey() -> None:
    [template] = [one for one in JOURNEYS if (one.name, one.language) == ("onboarding-video-guide", "en")]
    assert check(template, links=("video", "shop")) == []
    missing = check(template, links=("vidoe",))
    assert {problem.path.rsplit("/", 1)[1] for problem in missing} == {
        "mail.mjml",
        "mail.txt",
        "sms.txt",
        "push.link.txt",
    }
    assert all('"links.video" is no parameter (did you mean "links.vidoe"?)' in problem.problem for problem in missing)
    assert check(changed(template, "sms.txt", "links.video", "links.shop")) == []


def test_words_that_do_not_fit_their_channel_fail_the_check() -> None:
    template = JOURNEYS[0]
    long = "a b c d e " * 20
    for part, says in (
        ("push.title.txt", "phones show 50"),
        ("push.txt", "phones show 178"),
        ("sms.txt", "text messages: "),
    ):
        longer = Template(template.name, template.language, {**template.parts, part: long + template.parts[part]})
        [problem] = check(longer)
        assert problem.path == template.where(part)
        assert says in str(problem)


def test_nobody_follows_a_link_on_the_phone(script: Template) -> None:
    longer = f"{{{{ unsubscribe }}}} {script.parts['voice.txt']}"
    assert "which nobody can touch on the phone" in said(Template(script.name, script.language, {"voice.txt": longer}))
