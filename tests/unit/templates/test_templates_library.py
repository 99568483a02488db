"""Templates as content: what is read from disk, what is said when it is incomplete, and what the hash covers."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from domain.actions import Capability
from templates.dates import LANGUAGES
from templates.library import CHANNEL_PARTS, LAYOUT, MESSAGES, Template, TemplateProblem, load

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
PARTS_OF_ANY_KIND = st.dictionaries(TEXT, TEXT, max_size=4)


@pytest.fixture
def messages(tmp_path: Path) -> Path:
    return Path(shutil.copytree(MESSAGES, tmp_path / "messages"))


NAMES = (
    "acknowledgement",
    "acknowledgement-distress",
    "acknowledgement-message",
    "acknowledgement-message-distress",
    "acknowledgement-vip",
    "expiry-call",
    "onboarding-call",
    "onboarding-knowledge-base",
    "onboarding-mistakes",
    "onboarding-need-a-hand",
    "onboarding-thanks",
    "onboarding-video-guide",
    "onboarding-welcome",
    "recovery-survey",
)
SPOKEN_NAMES = {"expiry-call", "onboarding-call"}
WITH_A_LINK = {"onboarding-knowledge-base", "onboarding-need-a-hand", "onboarding-video-guide"}
MAIL, SMS, PUSH, VOICE = (CHANNEL_PARTS[Capability(name)] for name in ("mail", "sms", "push", "voice"))


def problems_of(directory: Path) -> list[str]:
    with pytest.raises(TemplateProblem) as caught:
        load(directory)
    return [str(problem) for problem in caught.value.problems]


def test_every_message_has_every_language_and_part() -> None:
    templates = load()
    assert [(template.name, template.language) for template in templates] == [
        (name, language) for name in NAMES for language in LANGUAGES
    ]
    for template in templates:
        of_a_journey = template.name.startswith("onboarding")
        wanted = VOICE if template.name in SPOKEN_NAMES else (*MAIL, *SMS, *(PUSH if of_a_journey else ()))
        assert set(template.wanted) == set(wanted)
        assert set(template.parts) - set(wanted) == ({"push.link.txt"} if template.name in WITH_A_LINK else set())


def test_loading_twice_gives_the_same_templates() -> None:
    assert load() == load()
    assert len({template.hash for template in load()}) == len(load())


def test_the_hash_is_that_of_the_canonical_content() -> None:
    template = load()[0]
    content: Any = {"name": template.name, "language": template.language, "parts": dict(template.parts)}
    assert template.hash == hashlib.sha256(rfc8785.dumps(content)).hexdigest()


def test_content_survives_a_database() -> None:
    for template in load():
        again = Template.from_content(json.loads(json.dumps(template.to_content())))
        assert again == template
        assert again.hash == template.hash


@given(TEXT, TEXT, PARTS_OF_ANY_KIND, TEXT, TEXT, PARTS_OF_ANY_KIND)
def test_equal_hash_exactly_when_equal_content(
    name: str, language: str, parts: dict[str, str], name2: str, language2: str, parts2: dict[str, str]
) -> None:
    one, other = Template(name, language, parts), Template(name2, language2, parts2)
    assert (one.hash == other.hash) == (one.to_content() == other.to_content())
    assert (one == other) == (one.hash == other.hash)
    assert Template(name, language, dict(reversed(parts.items()))).hash == one.hash


def test_a_template_cannot_be_changed_behind_its_hash() -> None:
    parts = {"mail.txt": "a"}
    template = Template("a", "pl", parts)
    parts["mail.txt"] = "b"
    assert template.parts["mail.txt"] == "a"
    with pytest.raises(TypeError):
        template.parts["mail.txt"] = "b"  # type: ignore[index]


def test_a_changed_layout_changes_every_hash_of_what_is_written(messages: Path) -> None:
    before = {(one.name, one.language): one.hash for one in load(messages)}
    layout = messages / LAYOUT
    layout.write_text(layout.read_text(encoding="utf-8").replace("600px", "560px"), encoding="utf-8")
    changed = {name for one in load(messages) if one.hash != before[name := (one.name, one.language)]}
    assert {name for name, _ in changed} == set(NAMES) - SPOKEN_NAMES


def test_line_ends_and_byte_order_marks_of_a_checkout_do_not_matter(messages: Path) -> None:
    before = load(messages)
    for path in messages.rglob("*.*"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert load(messages) == before


def test_hidden_files_are_not_templates(messages: Path) -> None:
    before = load(messages)
    (messages / ".cache").mkdir()
    (messages / "acknowledgement" / "pl" / ".mail.txt.swp").write_text("x")
    assert load(messages) == before


def test_a_missing_part_is_named(messages: Path) -> None:
    (messages / "acknowledgement" / "cs" / "sms.txt").unlink()
    assert problems_of(messages) == [
        "acknowledgement/cs/sms.txt: this part is missing: "
        "this message has mail.subject.txt, mail.txt, mail.mjml, sms.txt"
    ]


def test_a_misnamed_part_is_named_with_the_nearest(messages: Path) -> None:
    folder = messages / "acknowledgement" / "cs"
    (folder / "mail.subject.txt").rename(folder / "mail.sbuject.txt")
    first, second = problems_of(messages)
    assert first.startswith(
        'acknowledgement/cs/mail.sbuject.txt: not a part (did you mean "mail.subject.txt"?): a part is '
    )
    assert second.startswith("acknowledgement/cs/mail.subject.txt: this part is missing")


def test_a_misnamed_language_is_named_with_the_nearest(messages: Path) -> None:
    (messages / "acknowledgement" / "cs").rename(messages / "acknowledgement" / "cz")
    first, second, *_ = problems_of(messages)
    assert first == "acknowledgement/cz: not a language: a language is pl, cs or en"
    assert second == "acknowledgement/cs: this language is missing: this message has pl, cs, en"


def test_a_missing_layout_and_a_missing_directory_are_named(messages: Path, tmp_path: Path) -> None:
    (messages / LAYOUT).unlink()
    assert problems_of(messages) == ["layout.mjml: missing: every mail stands in it"]
    assert "no such directory" in problems_of(tmp_path / "nowhere")[0]


def test_no_messages_at_all_is_a_problem(messages: Path) -> None:
    for name in NAMES:
        shutil.rmtree(messages / name)
    assert "no messages" in problems_of(messages)[0]


def test_text_that_is_not_utf8_is_named(messages: Path) -> None:
    (messages / "acknowledgement" / "pl" / "mail.txt").write_bytes("zażółć".encode("iso-8859-2"))
    assert problems_of(messages) == [
        "acknowledgement/pl/mail.txt: cannot be read (UnicodeDecodeError): save it as UTF-8 text"
    ]


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"name": "a", "language": "pl"},
        {"name": "a", "language": "pl", "parts": []},
        {"name": "a", "language": "pl", "parts": {"mail.txt": None}},
        {"name": 1, "language": "pl", "parts": {}},
        {"name": "a", "language": "pl", "parts": {"mail.txt": "\ud800"}},
    ],
)
def test_other_content_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(TemplateProblem, match="not a stored template"):
        Template.from_content(content)


def test_a_channel_that_one_language_has_words_for_is_every_languages(messages: Path) -> None:
    (messages / "expiry-call" / "cs" / "voice.txt").unlink()
    (messages / "acknowledgement" / "en" / "push.link.txt").write_text("x", encoding="utf-8")
    (messages / "acknowledgement-message" / "en" / "push.txt").write_text("x", encoding="utf-8")
    assert [problem.partition(": this message has")[0] for problem in problems_of(messages)] == [
        "acknowledgement/pl/push.link.txt: this part is missing",
        "acknowledgement/cs/push.link.txt: this part is missing",
        "acknowledgement-message/pl/push.title.txt: this part is missing",
        "acknowledgement-message/pl/push.txt: this part is missing",
        "acknowledgement-message/cs/push.title.txt: this part is missing",
        "acknowledgement-message/cs/push.txt: this part is missing",
        "acknowledgement-message/en/push.title.txt: this part is missing",
        "expiry-call/cs/voice.txt: this part is missing",
    ]


def test_a_message_in_no_channel_at_all_lacks_everything(messages: Path) -> None:
    for language in LANGUAGES:
        (messages / "expiry-call" / language / "voice.txt").unlink()
    assert len(problems_of(messages)) == len(LANGUAGES) * sum(map(len, (MAIL, SMS, PUSH, VOICE, ["push.link.txt"])))
